/** Long ranges of the index, a page at a time: what is held is one page, whatever the range holds. */
import { endOf } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';

/** Rows read at a time. */
const rowsPerPage = 1_000;

/** All rows in [from, to), in order, as of when their page is read. */
export async function* readPages(
  index: Pick<IndexStore, 'range'>,
  from: string,
  to: string,
  limit: number = rowsPerPage,
): AsyncGenerator<{ key: string; value: Buffer }, void, void> {
  for (let at = from; ; ) {
    const rows = await index.range({ from: at, to, limit });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) return;
    at = `${last.key}\0`;
  }
}

/** Deletes all rows with a prefix but the last so many; ends early when nobody waits for it any more. */
export async function keepLast(
  index: Pick<IndexStore, 'range' | 'commit'>,
  prefix: string,
  rowsMax: number,
  isStopped: () => boolean = () => false,
): Promise<void> {
  let kept = 0;
  for (let to = endOf(prefix); ; ) {
    const rows = await index.range({ from: prefix, to, limit: rowsPerPage, reverse: true });
    const gone = rows.slice(Math.max(0, rowsMax - kept));
    if (gone.length > 0) await index.commit(gone.map(({ key }) => ({ type: 'delete', key })));
    kept += rows.length - gone.length;
    const last = rows.at(-1);
    if (rows.length < rowsPerPage || last === undefined || isStopped()) return;
    to = last.key;
  }
}
