/**
 * Protected recordings: ranges of a camera's time that retention never deletes, each with a note and who wanted it.
 *
 * They are rows of the site document (kind `protect`, id `<camera>.<server>.<n>`), so every server knows them, whoever
 * holds the recordings. The server in the id is the one that the range was given to: two servers that write at the
 * same time never write over each other's rows. A row that was deleted stays as a deletion for ever, so its number is
 * used again. Times are µs UTC.
 *
 * Invariants: rows come from other units and may be damaged: such a row protects nothing and is left alone; no more
 * than `protectionsPerCameraMax` ranges of a camera and `protectionsMax` in all are taken here.
 */
import { type Codec, decode, encode, i64, struct, text } from '../base/codec.ts';
import { isId } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import type { DocumentRow } from '../overlay/packets.ts';

export const protectionKind = 'protect';
const protectionsPerCameraMax = 100;
const protectionsMax = 1_000;
/** Longest note and name of a person, in bytes of UTF-8. */
const noteBytesMax = 400;
const byBytesMax = 100;

/** A range that is kept. */
export interface Protection {
  /** `<camera>.<server>.<n>` */
  readonly id: string;
  readonly camera: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly note: string;
  /** who wanted it */
  readonly by: string;
  /** when, by the clock of the server that was told */
  readonly atUs: number;
}

/** What is asked for. */
export type ProtectionWish = Omit<Protection, 'id'>;

type ProtectionValue = Omit<Protection, 'id' | 'camera'>;
const value: Codec<ProtectionValue> = struct({
  fromUs: i64,
  toUs: i64,
  note: text(noteBytesMax),
  by: text(byBytesMax),
  atUs: i64,
});

/** A row of the document to write; without a value it is deleted. */
export interface ProtectionRow {
  readonly id: string;
  readonly value: Buffer | undefined;
}

export class Protections {
  private readonly ranges = new Map<string, Protection[]>();
  private changes = 0;
  private count = 0;

  /** Takes rows of the site document, as they are told: later ones replace earlier ones. */
  take(rows: readonly DocumentRow[]): void {
    for (const row of rows) {
      const place = row.kind === protectionKind ? placeOf(row.id) : undefined;
      if (place === undefined) continue;
      this.drop(place.camera, row.id);
      const protection = row.value === undefined ? undefined : decodeProtection(row.id, row.value);
      if (protection !== undefined) this.add(protection);
      this.changes += 1;
    }
  }

  /** Changes with every change. */
  version(): number {
    return this.changes;
  }

  /** The ranges of a camera, by start. */
  of(camera: string): readonly Protection[] {
    return this.ranges.get(camera) ?? [];
  }

  isProtected(camera: string, { fromUs, toUs }: { fromUs: number; toUs: number }): boolean {
    return this.of(camera).some((one) => one.fromUs < toUs && one.toUs > fromUs);
  }

  /** The row that protects a range, written by `server`; refused when there are too many or it makes no sense. */
  rowFor(server: string, wish: ProtectionWish): Result<ProtectionRow> {
    const { camera, fromUs, toUs, note, by, atUs } = wish;
    if (!isId(camera)) return reject('malformed camera id');
    if (!(fromUs < toUs)) return reject('the range ends before it begins');
    if (Buffer.byteLength(note) > noteBytesMax)
      return reject(`the note is longer than ${noteBytesMax} bytes`);
    if (Buffer.byteLength(by) > byBytesMax) return reject(`the name is longer than ${byBytesMax} bytes`);
    if (this.of(camera).length >= protectionsPerCameraMax || this.count >= protectionsMax) {
      return reject(
        `there are ${this.of(camera).length} protected ranges of ${camera}, ${this.count} in all`,
      );
    }
    return accept({
      id: this.nextId(camera, server),
      value: encode(value, { fromUs, toUs, note, by, atUs }),
    });
  }

  /** The row that ends a protection; undefined when there is none of this id. */
  rowWithout(camera: string, id: string): ProtectionRow | undefined {
    return this.of(camera).some((one) => one.id === id) ? { id, value: undefined } : undefined;
  }

  private nextId(camera: string, server: string): string {
    const taken = new Set(this.of(camera).map(({ id }) => id));
    for (let n = 1; ; n++) {
      const id = `${camera}.${server}.${n}`;
      if (!taken.has(id)) return id;
    }
  }

  private add(protection: Protection): void {
    const ranges = [...this.of(protection.camera), protection].sort((a, b) => a.fromUs - b.fromUs);
    this.ranges.set(protection.camera, ranges);
    this.count += 1;
  }

  private drop(camera: string, id: string): void {
    const before = this.of(camera);
    const ranges = before.filter((one) => one.id !== id);
    this.count -= before.length - ranges.length;
    if (ranges.length === 0) this.ranges.delete(camera);
    else this.ranges.set(camera, ranges);
  }
}

/** Undefined for ids that no server writes. */
function placeOf(id: string): { camera: string; server: string } | undefined {
  const [camera = '', server = '', n = '', ...more] = id.split('.');
  return isId(camera) && isId(server) && /^[1-9]\d{0,5}$/.test(n) && more.length === 0
    ? { camera, server }
    : undefined;
}

function decodeProtection(id: string, row: Uint8Array): Protection | undefined {
  const place = placeOf(id);
  const decoded = decode(value, row);
  if (place === undefined || !decoded.ok || decoded.value.fromUs >= decoded.value.toUs) return undefined;
  return { id, camera: place.camera, ...decoded.value };
}
