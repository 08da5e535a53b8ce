/**
 * Follows a fragmented MP4 as it arrives, in whatever pieces: which stretches of time are in it. Pure. Only the boxes
 * that say so are kept, so a file of any length takes little memory. Times in ms UTC.
 */
import { boxAt, firstDecodeTime, type InitSummary, readInit } from './fmp4-boxes.ts';
import { frameTimes } from './fragment-samples.ts';
import type { TimeRange } from './time-range.ts';

/** A larger box that has to be read is a mistake. */
const boxBytesMax = 4 * 1024 * 1024;
/** Fragments nearer than this follow each other without a hole. */
const joinMs = 1_500;

export class StoredFileScan {
  /** what is in the file, oldest first */
  readonly covered: { fromMs: number; toMs: number }[] = [];
  /** the file ends where a box ends */
  get whole(): boolean {
    return this.skip === 0 && this.held.length === 0 && this.covered.length > 0;
  }
  private readonly startMs: number;
  private held: Uint8Array = new Uint8Array(0);
  private skip = 0;
  private init: InitSummary | undefined;
  private broken = false;

  /** `startMs`: UTC of the file's time 0. */
  constructor(startMs: number) {
    this.startMs = startMs;
  }

  push(piece: Uint8Array): void {
    if (this.broken) return;
    let bytes = piece;
    if (this.held.length > 0) {
      bytes = new Uint8Array(this.held.length + piece.length);
      bytes.set(this.held);
      bytes.set(piece, this.held.length);
      this.held = new Uint8Array(0);
    }
    let at = 0;
    while (at < bytes.length) {
      const skipped = Math.min(this.skip, bytes.length - at);
      this.skip -= skipped;
      at += skipped;
      if (at >= bytes.length) return;
      const box = boxAt(bytes, at);
      const read = box !== undefined && (box.type === 'moov' || box.type === 'moof');
      if (box === undefined || (read && box.end > bytes.length)) {
        this.broken = (box?.end ?? 0) - at > boxBytesMax || (box === undefined && bytes.length - at >= 16);
        this.held = bytes.slice(at);
        return;
      }
      if (read) this.read(bytes.subarray(at, box.end), box.type);
      this.skip = read ? 0 : box.end - at;
      if (read) at = box.end;
    }
  }

  private read(bytes: Uint8Array, type: string): void {
    if (type === 'moov') {
      this.init = readInit(bytes);
      return;
    }
    if (this.init === undefined) return;
    const first = firstDecodeTime(bytes, this.init);
    if (first === undefined) return;
    const last = frameTimes(bytes, this.init).at(-1)?.time ?? first;
    const range = { fromMs: this.startMs + first * 1000, toMs: this.startMs + last * 1000 };
    const before = this.covered.at(-1);
    if (before !== undefined && range.fromMs - before.toMs <= joinMs)
      before.toMs = Math.max(before.toMs, range.toMs);
    else this.covered.push(range);
  }
}

/** What of the expected stretches is not covered, without pieces shorter than a GOP or so. */
export function missingOf(
  expected: readonly TimeRange[],
  covered: readonly TimeRange[],
  leastMs = 3_000,
): TimeRange[] {
  const missing: TimeRange[] = [];
  for (const { fromMs, toMs } of expected) {
    let at = fromMs;
    for (const there of covered) {
      if (there.toMs <= at || there.fromMs >= toMs) continue;
      if (there.fromMs - at > leastMs) missing.push({ fromMs: at, toMs: there.fromMs });
      at = Math.max(at, there.toMs);
    }
    if (toMs - at > leastMs) missing.push({ fromMs: at, toMs });
  }
  return missing;
}
