/**
 * Which layout an index has. One of an older layout gets the rows that it lacks, built from its listings; one of a
 * newer layout is refused: this program would break it.
 *
 * Invariant: the number is written last, so work that a power cut ends is done again from the beginning.
 */
import { decode } from '../base/codec.ts';
import { Failure } from '../base/failure.ts';
import { readPages } from './index-pages.ts';
import { endOf, extentRow, formatRow, formatVersion, keys, put, totalsRow } from './index-rows.ts';
import type { IndexChange, IndexStore } from './index-store.ts';
import { decodeListing } from './segment-lookup.ts';

/** Rows of one batch. */
const rowsPerBatch = 1_000;

/** Makes the index one of this layout. Rejects with Failure INDEX_DAMAGED when it is newer or not readable. */
export async function prepareFormat(index: IndexStore): Promise<void> {
  const row = await index.get(keys.format);
  if (row !== undefined) {
    const format = decode(formatRow, row);
    if (!format.ok) throw damaged(`the number of its layout is damaged (${format.reason})`);
    if (format.value.version > formatVersion) {
      throw new Failure(
        'INDEX_DAMAGED',
        `the index has layout ${format.value.version}, newer than this program`,
        {
          advice: `Run the newer program again; this one knows layouts up to ${formatVersion}.`,
        },
      );
    }
    if (format.value.version === formatVersion) return;
  }
  await rebuildOrder(index);
  await index.commit([put(keys.format, formatRow, { version: formatVersion })]);
}

/** Writes the rows of retention and the totals from the listings alone. */
async function rebuildOrder(index: IndexStore): Promise<void> {
  const totals = new Map<string, { volume: number; camera: string; segments: number; bytes: number }>();
  let changes: IndexChange[] = [];
  for await (const row of readPages(index, 's/', endOf('s/'))) {
    const placed = decodeListing(row.key.split('/')[1] ?? '', row);
    if (placed === undefined) continue;
    const { volume, listing } = placed;
    const { camera, name, fromUs, toUs, bytes } = listing;
    changes.push(put(keys.byTime(volume, fromUs, camera, name), extentRow, { fromUs, toUs, bytes }));
    const key = keys.totals(volume, camera);
    const sum = totals.get(key) ?? { volume, camera, segments: 0, bytes: 0 };
    totals.set(key, { ...sum, segments: sum.segments + 1, bytes: sum.bytes + bytes });
    if (changes.length < rowsPerBatch) continue;
    await index.commit(changes);
    changes = [];
  }
  for (const [key, { segments, bytes }] of totals) changes.push(put(key, totalsRow, { segments, bytes }));
  await index.commit(changes);
}

function damaged(what: string): Failure {
  return new Failure('INDEX_DAMAGED', what, {
    advice: 'Run `starling check --rebuild`: it makes a new index from the recordings.',
  });
}
