/**
 * How much of each day is recorded of one camera, by month, asked for when it is looked at and kept for a minute. Servers
 * count days of one offset from UTC: for a month in which clocks change they are asked twice.
 */
import { type Signal, signal } from '@preact/signals';
import { ApiFailure, cameraPath, getJson } from './api-client.ts';
import { dayKey, daysOf, localSeconds, offsetsOf } from './calendar-days.ts';

const keptMs = 60_000;
const monthsMax = 24;

interface DaysAnswer {
  readonly days: readonly { readonly day: string; readonly seconds: number }[];
  readonly unreachable: readonly string[];
}

interface Month {
  readonly seconds: ReadonlyMap<string, number>;
  readonly unreachable: readonly string[];
  readonly askedAtMs: number;
}

/** See the top of this file; a new one for every camera. */
export class RecordedDays {
  /** Rises whenever there is something new to show. */
  readonly version: Signal<number> = signal(0);
  private readonly camera: string;
  private readonly months = new Map<string, Month>();
  private readonly asking = new Set<string>();
  private readonly stop = new AbortController();

  constructor(camera: string) {
    this.camera = camera;
  }

  /** Seconds recorded by local day of a month such as `2026-11`; undefined until known. Asks when it is old. */
  month(month: string): Month | undefined {
    void this.version.value;
    const known = this.months.get(month);
    const fresh = known !== undefined && Date.now() - known.askedAtMs < keptMs;
    if (!fresh && !this.asking.has(month)) void this.load(month);
    return known;
  }

  /** Seconds recorded on the local day of a time; undefined while it is not known. */
  seconds(ms: number): number | undefined {
    const day = dayKey(ms);
    const month = this.month(day.slice(0, 7));
    return month === undefined ? undefined : (month.seconds.get(day) ?? 0);
  }

  close(): void {
    this.stop.abort();
  }

  private async load(month: string): Promise<void> {
    this.asking.add(month);
    const before = this.months.get(month);
    const days = daysOf(month);
    const counted = new Map<number, ReadonlyMap<string, number>>();
    const unreachable = new Set<string>();
    const ask = async (offset: number) => {
      const path = `${cameraPath(this.camera)}/days?month=${month}&offset=${offset}`;
      const answer = await getJson<DaysAnswer>(path, this.stop.signal);
      counted.set(offset, new Map(answer.days.map(({ day, seconds: count }) => [day, count])));
      for (const server of answer.unreachable) unreachable.add(server);
    };
    try {
      await Promise.all(offsetsOf(days).map(ask));
    } catch (problem) {
      if (!(problem instanceof ApiFailure)) throw problem;
      if (problem.code === 'ABORTED') return;
    } finally {
      this.asking.delete(month);
    }
    const seconds = localSeconds(days, counted);
    this.months.delete(month);
    this.months.set(month, {
      seconds: seconds.size === 0 && before !== undefined ? before.seconds : seconds,
      unreachable: [...unreachable],
      askedAtMs: Date.now(),
    });
    const [oldest] = this.months.keys();
    if (oldest !== undefined && this.months.size > monthsMax) this.months.delete(oldest);
    this.version.value = this.version.peek() + 1;
  }
}
