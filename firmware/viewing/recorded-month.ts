/**
 * The calendar: how many seconds of each day of a month are recorded. Days are those of a place `offset` minutes east
 * of UTC. Times are µs UTC.
 */
import { accept, type Result, reject } from '../base/result.ts';
import type { TimeRange } from './time-query.ts';
import { mergeRanges } from './time-ranges.ts';

const dayUs = 86_400_000_000;
const minuteUs = 60_000_000;
/** Places are at most this far from UTC. */
const offsetMinutesMax = 14 * 60;

/** A month as it was asked for. */
export interface Month {
  /** such as `2026-11` */
  readonly text: string;
  readonly offsetMinutes: number;
  /** of its days, the first to the last */
  readonly days: readonly (TimeRange & { readonly day: string })[];
  readonly range: TimeRange;
}

/** Reads `month` and `offset` of a query; the reason is fit for the person who typed it. */
export function parseMonth(text: string, offset: string): Result<Month> {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  if (year === undefined || Number(year) < 1970 || Number(year) > 2200) {
    return reject('month is no month from 1970 to 2200, such as 2026-11');
  }
  const offsetMinutes = /^[+-]?\d{1,4}$/.test(offset) ? Number(offset) : Number.NaN;
  if (!(Math.abs(offsetMinutes) <= offsetMinutesMax)) {
    return reject('offset is no number of minutes from -840 to 840');
  }
  const firstUs = Date.UTC(Number(year), Number(month) - 1) * 1000;
  const endUs = Date.UTC(Number(year), Number(month)) * 1000;
  const days: (TimeRange & { day: string })[] = [];
  for (let us = firstUs; us < endUs; us += dayUs) {
    const fromUs = Math.max(0, us - offsetMinutes * minuteUs);
    const day = new Date(us / 1000).toISOString().slice(0, 10);
    days.push({ day, fromUs, toUs: Math.max(fromUs, us + dayUs - offsetMinutes * minuteUs) });
  }
  const range = { fromUs: days[0]?.fromUs ?? 0, toUs: days.at(-1)?.toUs ?? 0 };
  return accept({ text, offsetMinutes, days, range });
}

/** Seconds of each day of which there is anything; what several servers have counts once. */
export function secondsByDay(
  month: Month,
  covered: readonly TimeRange[],
): { day: string; seconds: number }[] {
  const ranges = mergeRanges(covered);
  return month.days.flatMap(({ day, fromUs, toUs }) => {
    let us = 0;
    for (const range of ranges) {
      us += Math.max(0, Math.min(range.toUs, toUs) - Math.max(range.fromUs, fromUs));
    }
    return us === 0 ? [] : [{ day, seconds: Math.max(1, Math.round(us / 1_000_000)) }];
  });
}
