/** Sets of time ranges: what is left of some when others are taken away. Half-open, any unit, here µs UTC. */
import { formatMs, formatMsUp, type TimeRange } from './time-query.ts';

/** Most ranges written into one header. */
const rangesInHeaderMax = 64;

/** The same set in order, without overlaps; ranges closer than `joinWithin` become one. */
export function mergeRanges(ranges: readonly TimeRange[], joinWithin = 0): TimeRange[] {
  const merged: { fromUs: number; toUs: number }[] = [];
  const sorted = ranges.filter(({ fromUs, toUs }) => fromUs < toUs).sort((a, b) => a.fromUs - b.fromUs);
  for (const { fromUs, toUs } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && fromUs <= last.toUs + joinWithin) last.toUs = Math.max(last.toUs, toUs);
    else merged.push({ fromUs, toUs });
  }
  return merged;
}

/** What of `ranges` is not in `taken`; pieces shorter than `shortest` are left out. */
export function subtractRanges(
  ranges: readonly TimeRange[],
  taken: readonly TimeRange[],
  shortest = 0,
): TimeRange[] {
  const holes = mergeRanges(taken);
  const left: TimeRange[] = [];
  for (const { fromUs, toUs } of mergeRanges(ranges)) {
    let at = fromUs;
    for (const hole of holes) {
      if (hole.toUs <= at || hole.fromUs >= toUs) continue;
      if (hole.fromUs > at) left.push({ fromUs: at, toUs: hole.fromUs });
      at = hole.toUs;
    }
    if (at < toUs) left.push({ fromUs: at, toUs });
  }
  return left.filter((range) => range.toUs - range.fromUs > shortest);
}

/**
 * ISO 8601 intervals, `from/to`, separated by commas: fit for a header. When there are too many, the last one told
 * reaches to the end of all: more than the set, never less.
 */
export function formatRanges(ranges: readonly TimeRange[]): string {
  return atMost(rangesInHeaderMax, ranges)
    .map(({ fromUs, toUs }) => `${formatMs(fromUs)}/${formatMsUp(toUs)}`)
    .join(', ');
}

function atMost(max: number, ranges: readonly TimeRange[]): readonly TimeRange[] {
  if (ranges.length <= max) return ranges;
  const merged = mergeRanges(ranges);
  const rest = merged.splice(max - 1);
  return [...merged, ...mergeRanges(rest, Number.POSITIVE_INFINITY)];
}
