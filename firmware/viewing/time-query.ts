/**
 * Times in URLs and answers: ISO 8601 with a zone or Unix seconds in, ISO 8601 in UTC with milliseconds out.
 *
 * Invariant: a time that was accepted is a whole number of µs UTC within 0 … 2^53 (1970 to 2255), so nothing is ever
 * rounded or turns into NaN further on.
 */
import { accept, type Result, reject } from '../base/result.ts';

/** A half-open stretch of time, µs UTC. */
export interface TimeRange {
  readonly fromUs: number;
  readonly toUs: number;
}

const isoPattern =
  /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2}))?$/i;
const secondsPattern = /^\d{1,16}(?:\.\d{1,9})?$/;
const textLengthMax = 40;

/** Reads one time; the reason is fit for the person who typed it. */
export function parseTime(text: string): Result<number> {
  if (text.length > textLengthMax) return reject('is too long for a time');
  // An unescaped + of a zone arrives as a space.
  const trimmed = text.trim().replace(/ (?=\d{2}:?\d{2}$)/, '+');
  const us = secondsPattern.test(trimmed) ? microseconds(trimmed) : parseIso(trimmed);
  if (us === undefined) {
    return reject('is no time: write ISO 8601 with a zone, such as 2026-11-22T12:00:00Z, or Unix seconds');
  }
  if (us < 0) return reject('lies before 1970');
  return Number.isSafeInteger(us) ? accept(us) : reject('lies beyond the year 2255');
}

/** Decimal seconds to µs without a detour through a fraction that binary cannot hold. */
function microseconds(text: string): number {
  const [whole = '', fraction = ''] = text.split('.');
  return Number(whole) * 1_000_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

function parseIso(text: string): number | undefined {
  if (!isoPattern.test(text)) return undefined;
  const ms = Date.parse(
    text
      .replace(',', '.')
      .replace(/^(.{10}) /, '$1T')
      .toUpperCase(),
  );
  return Number.isNaN(ms) || !isCalendarDay(text.slice(0, 10)) ? undefined : ms * 1000;
}

/** JavaScript takes 30 February for 2 March. */
function isCalendarDay(day: string): boolean {
  return new Date(Date.parse(`${day}T00:00:00Z`)).toISOString().startsWith(day);
}

/** What a range's missing ends mean, µs UTC; without `defaults` both must be given. */
export interface RangeDefaults {
  readonly toUs: number;
  readonly spanUs: number;
}

/** Reads `from` and `to` of a query; the reason names the one that is wrong. */
export function parseRange(
  query: { from?: string | undefined; to?: string | undefined },
  defaults?: RangeDefaults,
): Result<TimeRange> {
  if (defaults === undefined && (query.from === undefined || query.to === undefined)) {
    return reject(`${query.from === undefined ? 'from' : 'to'} is missing`);
  }
  const to = query.to === undefined ? accept(defaults?.toUs ?? 0) : parseTime(query.to);
  if (!to.ok) return reject(`to ${to.reason}`);
  const from =
    query.from === undefined
      ? accept(Math.max(0, to.value - (defaults?.spanUs ?? 0)))
      : parseTime(query.from);
  if (!from.ok) return reject(`from ${from.reason}`);
  if (from.value >= to.value) return reject('from is not before to');
  return accept({ fromUs: from.value, toUs: to.value });
}

/** ISO 8601 in UTC, milliseconds rounded down. */
export function formatMs(us: number): string {
  return new Date(Math.floor(us / 1000)).toISOString();
}

/** The same rounded up: the end of a range must not lose its last samples. */
export function formatMsUp(us: number): string {
  return new Date(Math.ceil(us / 1000)).toISOString();
}

/** Unix seconds with all digits, for a query to another server. */
export function formatSeconds(us: number): string {
  return `${Math.floor(us / 1_000_000)}.${String(us % 1_000_000).padStart(6, '0')}`;
}
