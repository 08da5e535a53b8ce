/**
 * Walks through the listings of a camera, oldest first, and holds each against its file: is it there, how long is it,
 * and are its fragments where the index says; and against the other rows that belong to it.
 *
 * Invariants: one page of listings and the insides of one group are held at a time; nothing on a volume that is not there
 * now is taken for lost.
 */
import { decode } from '../base/codec.ts';
import { Failure, messageOf } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { scanSegment } from '../media/mp4-scanner.ts';
import type { CheckGround } from './check.ts';
import { readAgain } from './check-files.ts';
import type { ProblemKind } from './check-findings.ts';
import { decodeDetail, keys, listingRow, nameOfListingKey, type SegmentInside } from './index-rows.ts';
import { eachRow } from './row-groups.ts';
import type { PlacedListing } from './segment-lookup.ts';
import { decodeListing } from './segment-lookup.ts';
import { parseSegmentName } from './segment-name.ts';
import { segmentPath } from './segment-writer.ts';
import type { Volume } from './volumes.ts';

/** How many listings are looked through for the first copy of a segment. */
const copiesMax = 100;

interface Fault {
  readonly kind: ProblemKind;
  readonly what: string;
}

/** Checks all listings of a camera. */
export async function checkRows(ground: CheckGround, camera: string): Promise<void> {
  await eachRow(ground.index, `s/${camera}/`, async (row) => {
    await checkRow(ground, camera, row);
    ground.progress(1);
  });
}

async function checkRow(
  ground: CheckGround,
  camera: string,
  row: { key: string; value: Buffer },
): Promise<void> {
  const placed = decodeListing(camera, row);
  const named = parseSegmentName(nameOfListingKey(row.key)).ok;
  const ownKey = placed === undefined ? '' : keys.listing(camera, placed.listing.fromUs, placed.listing.name);
  if (placed !== undefined && named && ownKey === row.key) return checkListing(ground, placed);
  // The file, if there is one, is found again among those that nobody knows.
  if (ground.repair) await ground.index.commit([{ type: 'delete', key: row.key }]);
  ground.findings.add('row-damaged', row.key, whyDamaged(row.value, named), ground.repair);
}

function whyDamaged(value: Uint8Array, named: boolean): string {
  const decoded = decode(listingRow, value);
  if (!decoded.ok) return decoded.reason;
  return named ? 'key and row do not belong together' : 'its key names no segment';
}

async function checkListing(ground: CheckGround, placed: PlacedListing): Promise<void> {
  const { listing } = placed;
  const volume = ground.volumes.byNumber(placed.volume);
  if (volume === undefined || !ground.volumes.works(volume)) {
    ground.findings.unreachableSegments += 1;
    return;
  }
  const path = segmentPath(volume, listing.camera, listing.name);
  let fault: Fault | undefined;
  try {
    fault = await faultOf(ground, placed, volume);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return ground.findings.add('file-damaged', path, messageOf(error));
  }
  if (fault === undefined) return;
  const repaired = ground.repair && (await mend(ground, placed, volume));
  ground.findings.add(fault.kind, path, fault.what, repaired);
}

async function faultOf(
  { disk, index, deep, laidOut }: CheckGround,
  { listing, volume: number }: PlacedListing,
  volume: Volume,
): Promise<Fault | undefined> {
  const { camera, name, fromUs, bytes } = listing;
  const path = segmentPath(volume, camera, name);
  const size = await disk.size(path);
  if (size === undefined) return { kind: 'file-missing', what: 'there is a row, but no file' };
  if (size !== bytes) return { kind: 'file-size', what: `has ${size} bytes, its row says ${bytes}` };
  const row = await index.get(keys.detail(camera, name));
  if (row === undefined) return { kind: 'row-missing', what: 'the row with its fragments is gone' };
  const detail = decodeDetail(row);
  if (!detail.ok) return { kind: 'row-damaged', what: `the row with its fragments: ${detail.reason}` };
  if (laidOut && (await index.get(keys.byTime(number, fromUs, camera, name))) === undefined) {
    return { kind: 'row-missing', what: 'retention does not know it' };
  }
  if (!deep) return undefined;
  const scan = await scanSegment((offset, length) => disk.read(path, offset, length), size);
  if (scan.damage !== undefined) {
    return { kind: 'file-damaged', what: `${scan.damage} behind ${scan.validBytes} of ${size} bytes` };
  }
  return sameInside(detail.value, scan)
    ? undefined
    : { kind: 'inside-differs', what: 'its fragments are not where the index says' };
}

function sameInside(row: SegmentInside, file: SegmentInside): boolean {
  if (row.initBytes !== file.initBytes || row.fragments.length !== file.fragments.length) return false;
  return row.fragments.every((fragment, place) =>
    sameFragment(fragment, file.fragments[place] as FragmentListing),
  );
}

/** Dates are left out: the index may have mended them. */
function sameFragment(a: FragmentListing, b: FragmentListing): boolean {
  if (a.offset !== b.offset || a.bytes !== b.bytes || a.fromPtsUs !== b.fromPtsUs) return false;
  if (a.tracks.length !== b.tracks.length) return false;
  return a.tracks.every(({ trackId, firstSequence, count }, place) => {
    const other = b.tracks[place];
    return other?.trackId === trackId && other.firstSequence === firstSequence && other.count === count;
  });
}

/** Reads the file again; a row whose file is gone becomes an explained gap. Whether all is in order now. */
async function mend(ground: CheckGround, { listing }: PlacedListing, volume: Volume): Promise<boolean> {
  const { disk } = ground;
  const path = segmentPath(volume, listing.camera, listing.name);
  try {
    const there = (await disk.size(path)) !== undefined;
    if (there && !(await readAgain(ground, volume, listing))) return false;
    if ((await disk.size(path)) !== undefined) return true;
    await dropRows(ground, listing, volume.number);
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    ground.findings.note(messageOf(error));
    return false;
  }
}

/** Its file is gone. The gap ends where what could be copied of it begins. */
async function dropRows(
  { index, ledger }: CheckGround,
  listing: PlacedListing['listing'],
  volume: number,
): Promise<void> {
  const { camera, name, fromUs, bytes } = listing;
  const rows = await index.range({
    from: keys.listingAt(camera, fromUs),
    to: keys.listingAt(camera, listing.toUs),
    limit: copiesMax,
  });
  const others = rows.flatMap((row) => decodeListing(camera, row)?.listing ?? []);
  const next = others.find((other) => other.name !== name && other.fromUs >= fromUs);
  const toUs = next?.fromUs ?? listing.toUs;
  const gone = await ledger.discard([{ volume, camera, name, fromUs, toUs, bytes }], 'damaged');
  await ledger.discarded(gone);
  // All of it was copied: there is no gap.
  if (toUs <= fromUs) await index.commit([{ type: 'delete', key: keys.event(camera, fromUs, 'damaged') }]);
}
