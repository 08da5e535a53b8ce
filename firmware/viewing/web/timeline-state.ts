/** What the timelines of all views show: lanes from what is known of recordings, and the servers' order for colours. */
import { computed, type ReadonlySignal } from '@preact/signals';
import { recordedOf } from './recorded.ts';
import { inOrder, site } from './site-state.ts';
import type { TimeRange } from './time-range.ts';
import { spanOf } from './time-scale.ts';
import type { Lane } from './timeline-lanes.ts';

/** Of a longer window only days are shown. */
const detailMsMax = 50 * 3_600_000;

/** All servers of the site in order: each keeps its colour in every view. */
export const siteServers: ReadonlySignal<readonly string[]> = computed(() =>
  (site.value?.servers ?? []).map(({ id }) => id).sort(inOrder),
);

/** Asks for what a window shows, for as long as `who` does not say otherwise; returns how to end that. */
export function wantLane(who: string, camera: string, window: TimeRange): () => void {
  const { recordings, kept } = recordedOf(camera);
  const now = Date.now();
  const tail = { fromMs: now - 60_000, toMs: now };
  recordings.want(who, ...(spanOf(window) > detailMsMax ? [tail] : [window]));
  if (kept.ranges.peek() === undefined) void kept.load();
  return () => recordings.want(who);
}

/** A camera's line in a window. */
export function laneOf(camera: string, name: string, window: TimeRange): Lane {
  const { recordings, days, kept } = recordedOf(camera);
  const coarse = spanOf(window) > detailMsMax;
  return {
    camera,
    name,
    rows: coarse ? [] : recordings.rows,
    kept: kept.ranges.value ?? [],
    days: coarse ? daysIn(window, (ms) => days.seconds(ms)) : [],
  };
}

function daysIn(
  { fromMs, toMs }: TimeRange,
  secondsOf: (ms: number) => number | undefined,
): { fromMs: number; toMs: number; share: number }[] {
  const found: { fromMs: number; toMs: number; share: number }[] = [];
  const day = new Date(fromMs);
  day.setHours(0, 0, 0, 0);
  while (day.getTime() < Math.min(toMs, Date.now())) {
    const start = day.getTime();
    day.setDate(day.getDate() + 1);
    const length = day.getTime() - start;
    const seconds = secondsOf(start) ?? 0;
    found.push({
      fromMs: start + length / 60,
      toMs: day.getTime() - length / 60,
      share: Math.min(1, (seconds * 1_000) / length),
    });
  }
  return found;
}
