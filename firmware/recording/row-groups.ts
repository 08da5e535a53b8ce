/** Rows of the index in groups, so that what is asked about each is asked at once: a store answers in parallel. */
import { readPages } from './index-pages.ts';
import { endOf } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';

const rowsPerGroup = 32;

interface Row {
  readonly key: string;
  readonly value: Buffer;
}

/** Calls `each` with every row of a prefix, `rowsPerGroup` at a time, groups in order. */
export async function eachRow(
  index: IndexStore,
  prefix: string,
  each: (row: Row) => Promise<void>,
): Promise<void> {
  let group: Row[] = [];
  for await (const row of readPages(index, prefix, endOf(prefix))) {
    group.push(row);
    if (group.length < rowsPerGroup) continue;
    await Promise.all(group.map(each));
    group = [];
  }
  await Promise.all(group.map(each));
}
