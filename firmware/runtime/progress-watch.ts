/**
 * Whether a unit still does its work, for a watchdog that starts it anew when it does not. Pure.
 *
 * Only a run that has done its work and then stopped counts as stuck: a new start does not mend a camera that was never
 * there, or a disk that is full, and must not be tried for ever.
 */

export class ProgressWatch {
  private readonly stallMs: number;
  private count = 0;
  private movedAtMs: number | undefined;

  constructor(stallMs: number) {
    this.stallMs = stallMs;
  }

  /**
   * `count` is anything that changes with each piece of work, and 0 before the first; `due`: there is work to do. Asked
   * from time to time; ms of the monotonic clock. False: stuck.
   */
  observe(nowMs: number, count: number, due = true): boolean {
    if (count !== this.count) {
      this.count = count;
      this.movedAtMs = nowMs;
    }
    return this.movedAtMs === undefined || !due || nowMs - this.movedAtMs < this.stallMs;
  }

  /** How long nothing has happened; undefined before the first piece of work. */
  stillMs(nowMs: number): number | undefined {
    return this.movedAtMs === undefined ? undefined : nowMs - this.movedAtMs;
  }
}

/** What has come is committed within this, seen from time to time. */
const commitMs = 20_000;

/**
 * Of a server: work is due while pictures go on coming after the last commit, and there is a volume that takes them. One
 * whose cameras are silent, or whose disks have failed, is not stuck.
 */
export class CommitWatch {
  private readonly watch: ProgressWatch;
  private received = 0;
  private cameAtMs = Number.NEGATIVE_INFINITY;
  private committed = 0;
  private committedAtMs = 0;

  constructor(stallMs: number) {
    this.watch = new ProgressWatch(stallMs);
  }

  observe(
    nowMs: number,
    seen: { readonly received: number; readonly committed: number; readonly usable: boolean },
  ): boolean {
    if (seen.received !== this.received) {
      this.received = seen.received;
      this.cameAtMs = nowMs;
    }
    if (seen.committed !== this.committed) {
      this.committed = seen.committed;
      this.committedAtMs = nowMs;
    }
    const due = seen.usable && this.cameAtMs >= this.committedAtMs + commitMs;
    return this.watch.observe(nowMs, seen.committed, due);
  }
}
