/**
 * Keyframes that were fetched while scrubbing, each with the stretch of time of which it is the nearest one before.
 * Bounded by number and bytes; what was not looked at for longest goes first. Times in ms UTC.
 */

export interface CachedKeyframe {
  /** its own time */
  readonly atMs: number;
  /** time of the next one */
  readonly nextMs: number;
  /** undefined: there is no picture in this stretch */
  readonly bytes: Uint8Array | undefined;
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

  /** The keyframe that belongs to a time. */
  find(ms: number): CachedKeyframe | undefined {
    const at = this.entries.findIndex(({ atMs, nextMs }) => atMs <= ms && ms < nextMs);
    const [found] = at < 0 ? [] : this.entries.splice(at, 1);
    if (found !== undefined) this.entries.push(found);
    return found;
  }

  /** Keeps a keyframe; of others that overlap it nothing is kept. */
  add(fresh: CachedKeyframe): void {
    this.entries = this.entries.filter(({ atMs, nextMs }) => nextMs <= fresh.atMs || atMs >= fresh.nextMs);
    this.entries.push(fresh);
    this.bytes = this.entries.reduce((sum, entry) => sum + (entry.bytes?.length ?? 0), 0);
    while (this.entries.length > this.bounds.entries || this.bytes > this.bounds.bytes) {
      this.bytes -= this.entries.shift()?.bytes?.length ?? 0;
    }
  }
}
