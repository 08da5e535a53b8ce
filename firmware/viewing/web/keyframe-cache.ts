/**
 * Keyframes that were fetched while scrubbing, each with the stretch of time of which it is the nearest one before.
 * Bounded by number and bytes; what was not looked at for longest goes first. Times in ms UTC unless named otherwise.
 */

export interface CachedKeyframe {
  /** its own time */
  readonly atMs: number;
  /** time of the next one */
  readonly nextMs: number;
  /** undefined: there is no picture in this stretch */
  readonly bytes: Uint8Array | undefined;
  /** `performance.now()` from which on it may be wrong and counts no more; undefined: it is right for ever */
  readonly staleAt?: number | undefined;
}

export interface CacheBounds {
  readonly entries: number;
  readonly bytes: number;
}

export class KeyframeCache {
  private readonly bounds: CacheBounds;
  /** the one looked at last is at the end */
  private entries: CachedKeyframe[] = [];
  private bytes = 0;

  constructor(bounds: CacheBounds) {
    this.bounds = bounds;
  }

  /** The keyframe that belongs to a time, as far as is known at `now` (`performance.now()`). */
  find(ms: number, now: number): CachedKeyframe | undefined {
    this.keep(({ staleAt }) => staleAt === undefined || now < staleAt);
    const fitting = this.entries.filter(({ atMs, nextMs }) => atMs <= ms && ms < nextMs);
    const found = fitting.find(({ staleAt }) => staleAt === undefined) ?? fitting[0];
    if (found === undefined) return undefined;
    this.entries.push(...this.entries.splice(this.entries.indexOf(found), 1));
    return found;
  }

  /** Keeps a keyframe; of others that overlap it nothing is kept, but for what is right for ever when this one is not. */
  add(fresh: CachedKeyframe): void {
    const surer = (entry: CachedKeyframe) => fresh.staleAt !== undefined && entry.staleAt === undefined;
    this.keep((entry) => surer(entry) || entry.nextMs <= fresh.atMs || entry.atMs >= fresh.nextMs);
    this.entries.push(fresh);
    this.bytes += fresh.bytes?.length ?? 0;
    while (this.entries.length > this.bounds.entries || this.bytes > this.bounds.bytes) {
      this.bytes -= this.entries.shift()?.bytes?.length ?? 0;
    }
  }

  private keep(good: (entry: CachedKeyframe) => boolean): void {
    this.entries = this.entries.filter(good);
    this.bytes = this.entries.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0);
  }
}
