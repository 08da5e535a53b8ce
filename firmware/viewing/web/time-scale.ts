/**
 * The scale of a timeline: which stretch of time is shown, how it is zoomed and moved, and where its ticks are. Pure.
 * Times in ms UTC; ticks stand at round local times, also on days of 23 or 25 hours.
 */
import type { TimeRange } from './time-range.ts';

const secondMs = 1_000;
const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

/** From single frames … */
export const spanMsMin = secondMs;
/** … to a month. */
export const spanMsMax = 35 * dayMs;
const fittedMsMin = 3 * minuteMs;

const steps = [
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((count) => count * secondMs),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minuteMs),
  ...[1, 2, 3, 6, 12].map((count) => count * hourMs),
  ...[1, 2, 7].map((count) => count * dayMs),
];

export interface Tick {
  readonly ms: number;
  readonly label: string;
  /** the first of its day */
  readonly day: boolean;
}

/** Length of a range. */
export function spanOf({ fromMs, toMs }: TimeRange): number {
  return toMs - fromMs;
}

/** A range of the allowed span nearest to `spanMs`, in which `anchorMs` keeps its place. */
export function zoomed(range: TimeRange, factor: number, anchorMs: number): TimeRange {
  const span = Math.min(spanMsMax, Math.max(spanMsMin, spanOf(range) * factor));
  const share = (anchorMs - range.fromMs) / spanOf(range);
  const fromMs = anchorMs - span * share;
  return { fromMs, toMs: fromMs + span };
}

export function panned({ fromMs, toMs }: TimeRange, byMs: number): TimeRange {
  return { fromMs: fromMs + byMs, toMs: toMs + byMs };
}

/** The range, moved so that at most a third of it lies in the future. */
export function bounded(range: TimeRange, nowMs: number): TimeRange {
  const latest = nowMs + spanOf(range) / 3;
  return range.toMs > latest ? panned(range, latest - range.toMs) : range;
}

/** The range itself while it has room around a time; else moved so that the time stands at `share` of it. */
export function following(range: TimeRange, ms: number, share: number): TimeRange {
  const place = (ms - range.fromMs) / spanOf(range);
  return place >= 0.02 && place <= 0.97 ? range : panned(range, ms - spanOf(range) * share - range.fromMs);
}

/** The range without most of what lies before anything was recorded: a camera that is new fills its timeline. */
export function fitted(range: TimeRange, recordedFromMs: number): TimeRange {
  const span = Math.max(fittedMsMin, (range.toMs - recordedFromMs) * 1.15);
  return span < spanOf(range) ? { fromMs: range.toMs - span, toMs: range.toMs } : range;
}

/** How far a key moves the head: a round time, about a fiftieth of what is shown. */
export function keyStepMs(range: TimeRange): number {
  return steps.findLast((step) => step <= spanOf(range) / 50) ?? 100;
}

/** Round local times at least `labelPx` apart on a timeline of `widthPx`. */
export function ticks(range: TimeRange, widthPx: number, labelPx: number): Tick[] {
  const least = (spanOf(range) * labelPx) / Math.max(1, widthPx);
  const step = steps.find((candidate) => candidate >= least) ?? 28 * dayMs;
  const times = step < hourMs ? evenTimes(range, step) : localTimes(range, step);
  return times.map((ms) => {
    const day = isMidnight(ms);
    return { ms, day, label: day || step >= dayMs ? shortDay(ms) : timeLabel(ms, step) };
  });
}

/** Such as `30 min`: what is shown from end to end, in round words. */
export function spanText(range: TimeRange): string {
  const span = spanOf(range);
  const [unit, name] =
    span < 90 * secondMs
      ? [secondMs, 's']
      : span < 90 * minuteMs
        ? [minuteMs, 'min']
        : span < 36 * hourMs
          ? [hourMs, 'h']
          : [dayMs, 'd'];
  const count = span / unit;
  return `${count < 9.5 ? Math.round(count * 10) / 10 : Math.round(count)} ${name}`;
}

function evenTimes({ fromMs, toMs }: TimeRange, step: number): number[] {
  const offset = new Date(fromMs).getTimezoneOffset() * minuteMs;
  const times: number[] = [];
  for (let ms = Math.ceil((fromMs - offset) / step) * step + offset; ms <= toMs; ms += step) times.push(ms);
  return times;
}

/** Of each local day the hours, or of the year every so many days. */
function localTimes({ fromMs, toMs }: TimeRange, step: number): number[] {
  const times: number[] = [];
  const day = new Date(fromMs);
  day.setHours(0, 0, 0, 0);
  const days = step / dayMs;
  while (day.getTime() <= toMs) {
    const number = Math.round((day.getTime() - day.getTimezoneOffset() * minuteMs) / dayMs);
    const hours = days >= 1 ? 24 : step / hourMs;
    for (let hour = 0; hour < 24 && (days < 1 || number % days === 0); hour += hours) {
      const ms = new Date(day.getFullYear(), day.getMonth(), day.getDate(), hour).getTime();
      if (ms >= fromMs && ms <= toMs && ms > (times.at(-1) ?? 0)) times.push(ms);
    }
    day.setDate(day.getDate() + 1);
  }
  return times;
}

function isMidnight(ms: number): boolean {
  const date = new Date(ms);
  return date.getHours() + date.getMinutes() + date.getSeconds() + date.getMilliseconds() === 0;
}

function timeLabel(ms: number, step: number): string {
  const date = new Date(ms);
  const pad = (value: number) => String(value).padStart(2, '0');
  const minutes = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (step >= minuteMs) return minutes;
  const seconds = `${minutes}:${pad(date.getSeconds())}`;
  return step >= secondMs ? seconds : `${seconds}.${Math.floor(date.getMilliseconds() / 100)}`;
}

function shortDay(ms: number): string {
  return new Date(ms).toLocaleDateString(undefined, { weekday: 'short', day: 'numeric', month: 'short' });
}
