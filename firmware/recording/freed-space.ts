/**
 * Whether deleting gives a file system space back. Snapshots keep what was deleted, for hours or for ever; Btrfs, ZFS and
 * XFS free it after seconds. Whoever deletes again for the same shortage meanwhile deletes everything in the end.
 *
 * A file system's *level* is what is free plus what recordings take up: recording and deleting leave it as it is, so that
 * it falls only by what others write there, and by what was deleted and is not free. How fast others write is seen
 * between the passes, as nothing is deleted then but by the limits, after which it is seen anew.
 *
 * Invariant: while what was deleted does not show, no more than a trial is deleted at a time, after a pause that doubles
 * from `pauseMs` to `pauseMsMax`; it is forgotten as soon as it shows, or nothing is missing any more. Bytes; monotonic ms.
 */

const pauseMs = 2_000;
const pauseMsMax = 3_600_000;
/** Over less time, nothing can be said of how fast others write. */
const rateMsMin = 500;

/** What was deleted and has not shown up as free. */
interface Owing {
  /** all of it, so that what others free is small beside it */
  readonly bytes: number;
  /** of the level, since then */
  readonly lowest: number;
  readonly untilMs: number;
  readonly pauseMs: number;
}

interface Seen {
  readonly level: number;
  readonly atMs: number;
  /** bytes that others write in a ms */
  readonly othersPerMs: number;
  readonly owing: Owing | undefined;
}

export class FreedSpace {
  private readonly seen = new Map<string, Seen>();

  /** A file system's level when it was read, in every pass before something is deleted; whether nothing is missing. */
  observe(device: string, { level, enough }: { level: number; enough: boolean }, atMs: number): void {
    const last = this.seen.get(device);
    const ms = last === undefined ? 0 : atMs - last.atMs;
    const fell = Math.max(0, (last?.level ?? level) - level);
    const othersPerMs = ms >= rateMsMin ? fell / ms : (last?.othersPerMs ?? 0);
    let owing = last?.owing;
    if (owing !== undefined) {
      const shows = level >= owing.lowest + owing.bytes / 2;
      owing = enough || shows ? undefined : { ...owing, lowest: Math.min(owing.lowest, level) };
    }
    this.seen.set(device, { level, atMs, othersPerMs, owing });
  }

  /** The level after something was deleted whose space nobody waits for: others are watched from here on. */
  rebase(device: string, level: number, atMs: number): void {
    const last = this.seen.get(device);
    if (last === undefined) return;
    const owing = last.owing && { ...last.owing, lowest: Math.min(last.owing.lowest, level) };
    this.seen.set(device, { ...last, level, atMs, owing });
  }

  /** How much of what is missing may be deleted now; `trial` is the most while deleting does not show. */
  allowed(device: string, { missing, trial }: { missing: number; trial: number }, nowMs: number): number {
    const owing = this.seen.get(device)?.owing;
    if (owing === undefined) return missing;
    return nowMs < owing.untilMs ? 0 : Math.min(missing, trial);
  }

  /** So many bytes were deleted since it was observed, and the level is this now; whether that shows. */
  deleted(device: string, bytes: number, level: number, nowMs: number): boolean {
    const before = this.seen.get(device);
    if (before === undefined || bytes === 0) return true;
    const byOthers = 2 * before.othersPerMs * (nowMs - before.atMs);
    const shows = level >= before.level - bytes / 2 - byOthers;
    const last = before.owing;
    const pause = last === undefined ? pauseMs : Math.min(2 * last.pauseMs, pauseMsMax);
    const owing = {
      bytes: (last?.bytes ?? 0) + bytes,
      lowest: Math.min(last?.lowest ?? level, level),
      untilMs: nowMs + pause,
      pauseMs: pause,
    };
    this.seen.set(device, { ...before, level, atMs: nowMs, owing: shows ? undefined : owing });
    return shows;
  }

  /** Whether something was deleted that has not become free. */
  owes(device: string): boolean {
    return this.seen.get(device)?.owing !== undefined;
  }
}
