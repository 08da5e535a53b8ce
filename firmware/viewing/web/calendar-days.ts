/** Days and weeks of a calendar, by local time. Times in ms UTC. */

/** `2026-11-22`, local. */
export function dayKey(ms: number): string {
  const date = new Date(ms);
  const pad = (value: number) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** Local midnight of the first of a time's month. */
export function monthStart(ms: number): number {
  const date = new Date(ms);
  return new Date(date.getFullYear(), date.getMonth(), 1).getTime();
}

/** Local midnights of whole weeks, Monday first, that hold a month. */
export function weeksOf(month: number): number[][] {
  const first = new Date(month);
  const before = (first.getDay() + 6) % 7;
  const last = new Date(first.getFullYear(), first.getMonth() + 1, 0).getDate();
  const weeks = Math.ceil((before + last) / 7);
  return Array.from({ length: weeks }, (_, week) =>
    Array.from({ length: 7 }, (_, day) =>
      new Date(first.getFullYear(), first.getMonth(), 1 - before + week * 7 + day).getTime(),
    ),
  );
}

/**
 * A day of a month. How far its place is from UTC, in minutes east, differs at the day's two ends where clocks change on
 * it.
 */
export interface LocalDay {
  readonly key: string;
  readonly startOffset: number;
  readonly endOffset: number;
}

/** The days of a month such as `2026-10`. */
export function daysOf(month: string): LocalDay[] {
  const first = new Date(`${month}-01T12:00:00`);
  const length = new Date(first.getFullYear(), first.getMonth() + 1, 0).getDate();
  // just before midnight: clocks may change at midnight
  const offsetBefore = (day: number) =>
    -new Date(new Date(first.getFullYear(), first.getMonth(), day).getTime() - 1).getTimezoneOffset();
  return Array.from({ length }, (_, place) => ({
    key: `${month}-${String(place + 1).padStart(2, '0')}`,
    startOffset: offsetBefore(place + 1),
    endOffset: offsetBefore(place + 2),
  }));
}

/** All offsets of some days: one, or two in a month in which clocks change. */
export function offsetsOf(days: readonly LocalDay[]): number[] {
  return [...new Set(days.flatMap(({ startOffset, endOffset }) => [startOffset, endOffset]))];
}

/** Seconds of each day of which there are any, from what was counted for each offset by days of 24 hours. */
export function localSeconds(
  days: readonly LocalDay[],
  counted: ReadonlyMap<number, ReadonlyMap<string, number>>,
): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const { key, startOffset, endOffset } of days) {
    const both = [startOffset, endOffset].map((offset) => counted.get(offset)?.get(key) ?? 0);
    // of a longer day either lacks an hour, for a shorter one either has an hour of the next day or the one before
    const count = endOffset < startOffset ? Math.max(...both) : Math.min(...both);
    if (count > 0) seconds.set(key, count);
  }
  return seconds;
}
