/**
 * Names of recorded files: `<camera>/<YYYY-MM-DD>/<HHMMSS.mmm>Z-<epoch>-<sequence>.mp4`, in UTC.
 *
 * A name without the camera's folder and the ending identifies a segment on one server. Epoch and sequence keep it
 * unique when clocks step back. Invariant: a parsed name, formatted again, is the same text; so no name can leave
 * its folder.
 */
import { accept, type Result, reject } from '../base/result.ts';

export interface SegmentName {
  /** µs UTC, a whole number of milliseconds */
  readonly fromUs: number;
  readonly epoch: number;
  /** counts the segments of one camera in one epoch, from 0 */
  readonly sequence: number;
}

const pattern = /^(\d{4}-\d{2}-\d{2})\/(\d{2})(\d{2})(\d{2})\.(\d{3})Z-(\d{1,10})-(\d{1,10})$/;

/** Such as `2026-11-22/123000.123Z-1-5`; `fromUs` is cut to the millisecond. */
export function formatSegmentName(name: SegmentName): string {
  const iso = new Date(Math.floor(name.fromUs / 1000)).toISOString();
  const time = iso.slice(11, 23).replaceAll(':', '');
  return `${iso.slice(0, 10)}/${time}Z-${name.epoch}-${name.sequence}`;
}

/** Reads a name back; anything that `formatSegmentName` would not write is refused. */
export function parseSegmentName(text: string): Result<SegmentName> {
  const match = pattern.exec(text);
  if (match === null) return reject('not a segment name');
  const [, day, hours, minutes, seconds, millis, epoch, sequence] = match;
  const fromMs = Date.parse(`${day}T${hours}:${minutes}:${seconds}.${millis}Z`);
  const name = { fromUs: fromMs * 1000, epoch: Number(epoch), sequence: Number(sequence) };
  if (Number.isNaN(fromMs) || formatSegmentName(name) !== text) return reject('not a segment name');
  return accept(name);
}
