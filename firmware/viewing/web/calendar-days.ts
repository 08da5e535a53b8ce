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
