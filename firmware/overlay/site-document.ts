/**
 * The site document: what has no owner and must be the same everywhere, as rows (kind, id, value) of which the last
 * written wins; a row without a value is a deletion and stays, or an old copy elsewhere would bring the value back.
 *
 * Rows have one total order, by (time, author, value, kind, id). Of a key, the highest row counts; of all keys, the
 * `documentRowsMax` highest rows. Both are maxima of the same order: whoever has seen the same rows, in whatever order
 * and however often, has the same document. (A row that was crowded out cannot be replaced by an older one of its key:
 * that one is even lower.) Being crowded out loses something, so `write` refuses new keys a little earlier: rows can be
 * crowded out only if parts of the network that do not hear each other add `headroom` keys at the same time. Deletions
 * count as rows for ever: whatever comes and goes by itself should write over its own deleted rows.
 *
 * Invariants: at most `documentRowsMax` rows, each with a time that a clock could read; `digest` is the XOR of the
 * hashes of exactly these rows.
 */
import { documentRowsMax } from './constants.ts';
import { afterHlc, compareHlc, isBelievable } from './hlc.ts';
import { type DocumentRow, digestBytes, type HlcTime } from './packets.ts';
import { textHash } from './text-hash.ts';

/** Keys that may come from elsewhere when this server takes no new ones any more. */
const headroom = documentRowsMax / 16;

interface Entry {
  readonly row: DocumentRow;
  readonly hash: Buffer;
}

const keyOf = (kind: string, id: string): string => `${kind}\0${id}`;

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Two rows with one time and author come from a writer that has lost its clock: any order will do, if all agree. */
function compareValues(a: Buffer | undefined, b: Buffer | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return a.compare(b);
}

function compareRows(a: DocumentRow, b: DocumentRow): number {
  return (
    compareHlc(a.time, b.time) ||
    compareText(a.author, b.author) ||
    compareValues(a.value, b.value) ||
    compareText(a.kind, b.kind) ||
    compareText(a.id, b.id)
  );
}

function hashOfRow({ kind, id, time, author, value }: DocumentRow): Buffer {
  return textHash(JSON.stringify([kind, id, time.ms, time.count, author, value?.toString('base64') ?? 0]));
}

export class SiteDocument {
  private readonly entries = new Map<string, Entry>();
  private readonly sum = Buffer.alloc(digestBytes);

  /** `rows` as they were remembered. */
  constructor(rows: readonly DocumentRow[]) {
    this.merge(rows);
  }

  /**
   * Takes a row written here. False when it changes nothing: there is a newer row of this key (see `timeToWrite`), or
   * the key is new and the document is full.
   */
  write(row: DocumentRow): boolean {
    const isNew = !this.entries.has(keyOf(row.kind, row.id));
    if (isNew && this.entries.size >= documentRowsMax - headroom) return false;
    return this.put(row);
  }

  /**
   * The time for a row that is written here when the clock reads `now`. A row from a clock far ahead is not believed
   * by the clocks that are right, and could never be replaced by their readings alone.
   */
  timeToWrite(kind: string, id: string, now: HlcTime): HlcTime {
    const known = this.entries.get(keyOf(kind, id))?.row.time;
    return known === undefined || compareHlc(now, known) > 0 ? now : afterHlc(known);
  }

  get size(): number {
    return this.entries.size;
  }

  /** Takes rows written elsewhere and returns those that were news. */
  merge(rows: readonly DocumentRow[]): DocumentRow[] {
    const news = rows.filter((row) => this.put(row));
    if (news.length === 0) return news;
    this.crowdOut();
    return news.filter((row) => this.entries.get(keyOf(row.kind, row.id))?.row === row);
  }

  /** The value of a row; undefined when there is none, or it was deleted. */
  get(kind: string, id: string): Buffer | undefined {
    return this.entries.get(keyOf(kind, id))?.row.value;
  }

  /** All rows, deletions too, by kind and id. */
  rows(): DocumentRow[] {
    return [...this.entries.values()]
      .map(({ row }) => row)
      .sort((a, b) => compareText(a.kind, b.kind) || compareText(a.id, b.id));
  }

  /** 16 bytes that are equal where the documents are. */
  digest(): Buffer {
    return Buffer.from(this.sum);
  }

  private put(row: DocumentRow): boolean {
    if (!isBelievable(row.time)) return false;
    const key = keyOf(row.kind, row.id);
    const known = this.entries.get(key);
    if (known !== undefined && compareRows(row, known.row) <= 0) return false;
    const hash = hashOfRow(row);
    if (known !== undefined) this.addToDigest(known.hash);
    this.addToDigest(hash);
    this.entries.set(key, { row, hash });
    return true;
  }

  private crowdOut(): void {
    const excess = this.entries.size - documentRowsMax;
    if (excess <= 0) return;
    const lowest = [...this.entries].sort(([, a], [, b]) => compareRows(a.row, b.row)).slice(0, excess);
    for (const [key, { hash }] of lowest) {
      this.entries.delete(key);
      this.addToDigest(hash);
    }
  }

  /** Adds a row's hash, or takes it out again: XOR is both. */
  private addToDigest(hash: Buffer): void {
    for (let at = 0; at < digestBytes; at++) this.sum[at] = (this.sum[at] ?? 0) ^ (hash[at] ?? 0);
  }
}
