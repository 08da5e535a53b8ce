/**
 * Sync rounds: when the files of all cameras are synced.
 *
 * All open files of a volume at once, at most every interval. A disk that takes longer than half the interval is asked
 * less often, so that it spends no more than half its time on syncs. One file whose sync takes long misses rounds, and
 * holds no other back. Times are ms of the clock that never steps.
 */
import type { Clock } from '../base/clock.ts';
import type { CameraRecorder } from './camera-recorder.ts';

/** However slow a disk is: acknowledgements come at least so often, in intervals. */
const stretchMax = 8;

interface Pace {
  dueMs: number;
}

export class SyncRounds {
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly recorders: ReadonlySet<CameraRecorder>;
  private readonly syncing = new Set<CameraRecorder>();
  /** by the volume's number */
  private readonly paces = new Map<number, Pace>();
  private cancel: () => void;

  /** Begins at once. */
  constructor(clock: Clock, intervalMs: number, recorders: ReadonlySet<CameraRecorder>) {
    this.clock = clock;
    this.intervalMs = intervalMs;
    this.recorders = recorders;
    this.cancel = clock.after(intervalMs, () => this.round());
  }

  stop(): void {
    this.cancel();
    this.cancel = () => undefined;
  }

  private round(): void {
    const nowMs = this.clock.monotonicMs();
    const begun = new Set<Pace>();
    for (const recorder of this.recorders) {
      recorder.giveUpWhenStuck();
      const volume = recorder.openSegment()?.volume.number;
      if (volume === undefined || !recorder.unsynced || this.syncing.has(recorder)) continue;
      const pace = this.paceOf(volume);
      // A timer may be a little early.
      if (pace.dueMs > nowMs + this.intervalMs / 4) continue;
      begun.add(pace);
      this.sync(recorder, pace, nowMs);
    }
    for (const pace of begun) pace.dueMs = Math.max(pace.dueMs, nowMs + this.intervalMs);
    this.cancel = this.clock.after(this.intervalMs, () => this.round());
  }

  private sync(recorder: CameraRecorder, pace: Pace, startedMs: number): void {
    this.syncing.add(recorder);
    void recorder.sync().then(() => {
      this.syncing.delete(recorder);
      const tookMs = Math.min(this.clock.monotonicMs() - startedMs, (stretchMax / 2) * this.intervalMs);
      if (tookMs > this.intervalMs / 2) pace.dueMs = Math.max(pace.dueMs, startedMs + 2 * tookMs);
    });
  }

  private paceOf(volume: number): Pace {
    let pace = this.paces.get(volume);
    if (pace === undefined) {
      pace = { dueMs: Number.NEGATIVE_INFINITY };
      this.paces.set(volume, pace);
    }
    return pace;
  }
}
