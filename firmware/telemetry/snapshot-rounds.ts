/**
 * When pictures of cameras are sent: every camera once in a round, one after another, and a round begins no earlier
 * than `everyMs` after the one before. Making a picture costs a decoder's time; telemetry must not cost more than this.
 *
 * Invariants: one picture is made at a time, unless one does not come for `frameMs`; of a camera whose picture is
 * still awaited no other is asked for.
 */
import type { Clock } from '../base/clock.ts';

const frameMs = 10_000;
/** A JPEG of 1280 × 720 has about a tenth of it. */
const frameBytesMax = 1024 * 1024;

export interface SnapshotRoundsOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** those of which pictures are wanted now */
  readonly cameras: () => readonly string[];
  /** A JPEG; undefined when there is none. */
  readonly frame: (camera: string) => Promise<Uint8Array | undefined>;
  readonly publish: (camera: string, jpeg: Uint8Array) => void;
}

export class SnapshotRounds {
  private readonly options: SnapshotRoundsOptions;
  private readonly awaited = new Set<string>();
  private cancel = (): void => undefined;
  private running = false;
  private again = false;
  private stopped = false;

  constructor(options: SnapshotRoundsOptions) {
    this.options = options;
  }

  /** Begins a round now, or when the present one is over. */
  start(): void {
    if (this.stopped) return;
    this.again = this.running;
    if (!this.running) void this.round();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  private async round(): Promise<void> {
    const { clock, everyMs, cameras } = this.options;
    this.cancel();
    this.running = true;
    const beganMs = clock.monotonicMs();
    for (const camera of cameras()) {
      if (this.stopped) return;
      if (!this.awaited.has(camera)) await this.take(camera);
    }
    this.running = false;
    if (this.stopped) return;
    const restMs = this.again ? 0 : Math.max(0, beganMs + everyMs - clock.monotonicMs());
    this.again = false;
    this.cancel = clock.after(restMs, () => void this.round());
  }

  /** Resolves when the picture was published, did not come, or takes too long. */
  private take(camera: string): Promise<void> {
    const { clock, frame, publish } = this.options;
    this.awaited.add(camera);
    return new Promise((resolve) => {
      const cancel = clock.after(frameMs, resolve);
      frame(camera)
        .then((jpeg) => {
          if (jpeg !== undefined && jpeg.length <= frameBytesMax && !this.stopped) publish(camera, jpeg);
        })
        // There is none now: the next round asks again.
        .catch(() => undefined)
        .finally(() => {
          this.awaited.delete(camera);
          cancel();
          resolve();
        });
    });
  }
}
