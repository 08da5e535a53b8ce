/** Reads a long range of the index a page at a time: what is held is one page, whatever the range holds. */
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
