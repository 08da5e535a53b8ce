/**
 * Reads the journal of block-recorder.c: the writes and the completed flushes of a disk, in the order in which they
 * were done.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const magic = 0x31524253;
const headBytes = 32;

export interface BlockRecord {
  readonly kind: 'write' | 'flush';
  /** where on the disk, bytes */
  readonly offset: number;
  /** of a write */
  readonly data: Buffer;
  /** length of the journal once this record was in it: its position in time */
  readonly end: number;
  readonly utcMs: number;
}

/** All records; one that is not whole is a fault of the rig and throws. */
export function readJournal(path: string): BlockRecord[] {
  const bytes = readFileSync(path);
  const records: BlockRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    assert.equal(bytes.readUInt32LE(at), magic, `${path}: no record at ${at}`);
    const kind = bytes.readUInt32LE(at + 4) === 1 ? 'write' : 'flush';
    const offset = Number(bytes.readBigUInt64LE(at + 8));
    const length = Number(bytes.readBigUInt64LE(at + 16));
    const utcMs = Number(bytes.readBigUInt64LE(at + 24)) / 1e6;
    const data = bytes.subarray(at + headBytes, at + headBytes + length);
    assert.equal(data.length, length, `${path}: the record at ${at} is not whole`);
    at += headBytes + length;
    records.push({ kind, offset, data, end: at, utcMs });
  }
  return records;
}

/** How many records were whole when the journal had this length. */
export function recordsWithin(journal: readonly BlockRecord[], length: number): number {
  let low = 0;
  let high = journal.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((journal[middle - 1]?.end ?? 0) <= length) low = middle;
    else high = middle - 1;
  }
  return low;
}
