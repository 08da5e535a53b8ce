/**
 * What the page knows of cameras' recordings, shared by the timeline, the list and the calendar: one cache per camera,
 * for the few that were looked at last.
 */
import { type Signal, signal } from '@preact/signals';
import type { ProtectedRangeAnswer } from '../api.ts';
import { ApiFailure } from './api-client.ts';
import { RecordedDays } from './recorded-days.ts';
import { getKept, keepRange, releaseRange } from './recording-api.ts';
import { RecordingsCache } from './recordings-cache.ts';
import type { TimeRange } from './time-range.ts';

/** More than are ever shown at once. */
const camerasMax = 12;

export interface Recorded {
  readonly recordings: RecordingsCache;
  readonly days: RecordedDays;
  readonly kept: KeptRanges;
}

const known = new Map<string, Recorded>();

/** What is known of a camera. */
export function recordedOf(camera: string): Recorded {
  const recorded = known.get(camera) ?? {
    recordings: new RecordingsCache(camera),
    days: new RecordedDays(camera),
    kept: new KeptRanges(camera),
  };
  known.delete(camera);
  known.set(camera, recorded);
  const [oldest] = known.keys();
  if (known.size > camerasMax && oldest !== undefined) {
    known.get(oldest)?.recordings.close();
    known.get(oldest)?.days.close();
    known.delete(oldest);
  }
  return recorded;
}

/** What retention leaves alone. */
class KeptRanges {
  /** by start; undefined until known */
  readonly ranges: Signal<readonly ProtectedRangeAnswer[] | undefined> = signal(undefined);
  private readonly camera: string;

  constructor(camera: string) {
    this.camera = camera;
  }

  /** Asks anew; what is known stays when there is no answer. */
  async load(): Promise<void> {
    try {
      this.ranges.value = await getKept(this.camera, new AbortController().signal);
    } catch (problem) {
      if (!(problem instanceof ApiFailure)) throw problem;
    }
  }

  /** Rejects with ApiFailure. */
  async keep(range: TimeRange, note: string): Promise<void> {
    await keepRange(this.camera, range, note);
    await this.load();
  }

  /** Rejects with ApiFailure. */
  async release(id: string): Promise<void> {
    this.ranges.value = (await releaseRange(this.camera, id)).ranges;
  }
}
