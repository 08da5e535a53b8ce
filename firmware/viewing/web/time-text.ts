/** Times and durations as people read them: local time, 24 hours. All arguments in ms UTC unless named otherwise. */

const pad = (value: number): string => String(value).padStart(2, '0');

/** `12:34:56` */
export function clockText(ms: number): string {
  const date = new Date(ms);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `Sun, 22 Nov`, in the order of the reader's language; with the year where it is not this one */
export function dayText(ms: number): string {
  const day = new Date(ms);
  const year = day.getFullYear() === new Date().getFullYear() ? {} : ({ year: 'numeric' } as const);
  return day.toLocaleDateString(undefined, { weekday: 'short', day: 'numeric', month: 'short', ...year });
}

/** The day only where it is not today. */
export function momentText(ms: number): string {
  const today = new Date().toDateString() === new Date(ms).toDateString();
  return today ? clockText(ms) : `${dayText(ms)}, ${clockText(ms)}`;
}

/** `7 s`, `2 min 5 s`, `3 h 4 min`, `2 d 3 h` */
export function durationText(durationMs: number): string {
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  if (seconds < 60) return `${seconds} s`;
  const parts =
    seconds < 3_600
      ? [
          [Math.floor(seconds / 60), 'min'],
          [seconds % 60, 's'],
        ]
      : seconds < 86_400
        ? [
            [Math.floor(seconds / 3_600), 'h'],
            [Math.floor((seconds % 3_600) / 60), 'min'],
          ]
        : [
            [Math.floor(seconds / 86_400), 'd'],
            [Math.floor((seconds % 86_400) / 3_600), 'h'],
          ];
  return parts
    .filter(([value]) => value !== 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** The value of an `<input type="datetime-local" step="1">`. */
export function inputText(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${clockText(ms)}`;
}

/** The time in such an input, or undefined while it is incomplete. */
export function inputMs(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The reader's time zone, such as `Europe/Berlin`. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
