/**
 * Rows of the site document as the tables of this folder read and write them, and the numbers that they give: rows of
 * what comes and goes have the id `<server>.<n>`, and are used again, since a deleted row stays in the document.
 */
import type { DocumentRow } from '../overlay/packets.ts';

/** Without a value it is deleted. */
export interface RowToWrite {
  readonly kind: string;
  readonly id: string;
  readonly value: Buffer | undefined;
}

/** Told of each row that is left alone because of what is in it. */
export type DamagedRow = (row: DocumentRow, reason: string) => void;

/** The first id of `server` that one of the tests, the better first, says can be written; undefined when there is none. */
export function nextSlot(
  server: string,
  slotsMax: number,
  ...tests: readonly ((id: string) => boolean)[]
): string | undefined {
  for (const isUsable of tests) {
    for (let n = 1; n <= slotsMax; n++) {
      const id = `${server}.${n}`;
      if (isUsable(id)) return id;
    }
  }
  return undefined;
}

/** Whether a row of the document says what was to be written. */
export function sameRow({ kind, id, value }: RowToWrite, row: DocumentRow): boolean {
  if (kind !== row.kind || id !== row.id) return false;
  return value === undefined || row.value === undefined ? value === row.value : value.equals(row.value);
}
