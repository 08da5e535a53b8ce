/** Finds the listing of a sealed segment by its name. */
import { decode } from '../base/codec.ts';
import type { SegmentListing } from './archive.ts';
import { keys, listingRow, nameOfListingKey } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { parseSegmentName } from './segment-name.ts';

/** Segments of one camera that may begin in one millisecond. */
const sameMillisecondMax = 100;

/** A listing and the number of the volume its file is on. */
export interface PlacedListing {
  readonly listing: SegmentListing;
  readonly volume: number;
}

/** Undefined when there is no such segment, or its row is damaged. */
export async function findListing(
  index: Pick<IndexStore, 'range'>,
  camera: string,
  name: string,
): Promise<PlacedListing | undefined> {
  const parsed = parseSegmentName(name);
  if (!parsed.ok) return undefined;
  // The name says the start to the millisecond, the row to the microsecond.
  const { fromUs } = parsed.value;
  const range = {
    from: keys.listingAt(camera, fromUs),
    to: keys.listingAt(camera, fromUs + 1000),
    limit: sameMillisecondMax,
  };
  const row = (await index.range(range)).find(({ key }) => nameOfListingKey(key) === name);
  return row === undefined ? undefined : decodeListing(camera, row);
}

/** A row `s/…` read back. */
export function decodeListing(
  camera: string,
  row: { key: string; value: Uint8Array },
): PlacedListing | undefined {
  const decoded = decode(listingRow, row.value);
  if (!decoded.ok) return undefined;
  // Field by field: a day has 1,440 of them, and to copy what is left of an object costs more than to decode it.
  const { fromUs, toUs, bytes, epoch, volume, captureId } = decoded.value;
  const name = nameOfListingKey(row.key);
  return { listing: { camera, name, fromUs, toUs, bytes, epoch, captureId, open: false }, volume };
}
