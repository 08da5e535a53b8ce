/**
 * How the cameras of this server stream, as far as they were asked: once when a camera comes, then now and then, since
 * others change it too.
 */
import type { Clock } from '../base/clock.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { StreamAccess, StreamOutcome } from '../viewing/stream-access.ts';

const askAgainMs = 60_000;
const retryMs = 5_000;
/** A camera that does not answer so many times cannot be asked. */
const triesMax = 3;

interface Known {
  settings: StreamSettings | null | undefined;
  dueMs: number;
  failures: number;
}

export class KnownStreams {
  private readonly streams: StreamAccess;
  private readonly clock: Clock;
  private readonly cameras = new Map<string, Known>();

  constructor(streams: StreamAccess, clock: Clock) {
    this.streams = streams;
    this.clock = clock;
  }

  /** Undefined while it is not known, null for a camera that cannot change it. Asks it when that is due. */
  of(camera: string): StreamSettings | null | undefined {
    const known = this.cameras.get(camera) ?? { settings: undefined, dueMs: 0, failures: 0 };
    this.cameras.set(camera, known);
    const nowMs = this.clock.monotonicMs();
    if (nowMs >= known.dueMs) {
      known.dueMs = nowMs + askAgainMs;
      void this.ask(camera, known);
    }
    return known.settings;
  }

  /** A camera has said what is in force. */
  learn(camera: string, outcome: StreamOutcome): void {
    const known = this.cameras.get(camera);
    if (known === undefined || 'refusal' in outcome) return;
    const { bitrateKbps, frameRate, keyframeIntervalMs } = outcome;
    known.settings = { bitrateKbps, frameRate, keyframeIntervalMs };
  }

  forget(camera: string): void {
    this.cameras.delete(camera);
  }

  private async ask(camera: string, known: Known): Promise<void> {
    try {
      const outcome = await this.streams.stream(camera, { reset: false });
      known.failures = 0;
      if ('refusal' in outcome) known.settings ??= null;
      else this.learn(camera, outcome);
    } catch {
      // It does not answer now; what was known before still is.
      known.failures += 1;
      if (known.failures >= triesMax) known.settings ??= null;
      else known.dueMs = this.clock.monotonicMs() + retryMs;
    }
  }
}
