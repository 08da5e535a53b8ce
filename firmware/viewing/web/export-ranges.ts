/** What a server says is missing in a file. Pure. Times in ms UTC. */
import type { TimeRange } from './time-range.ts';

/** Intervals as a server's header has them: `from/to, from/to`. */
export function readRanges(text: string | null): TimeRange[] {
  return (text ?? '').split(',').flatMap((interval) => {
    const [fromMs = Number.NaN, toMs = Number.NaN] = interval.trim().split('/').map(Date.parse);
    return toMs > fromMs ? [{ fromMs, toMs }] : [];
  });
}
