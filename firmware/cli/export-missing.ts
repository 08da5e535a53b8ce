/**
 * What an export lacks, and why: gaps that somebody can explain (camera off, retention …) and ranges that are missing,
 * because a server that has them did not give them.
 *
 * Invariant: a gap explains nothing that the list of recordings says some server has. Times are µs UTC inside.
 */
import type { RecordingsAnswer } from '../viewing/api.ts';
import { parseTime, type TimeRange } from '../viewing/time-query.ts';
import { formatRanges, mergeRanges, subtractRanges } from '../viewing/time-ranges.ts';

/** Shorter holes are the seams of segments, shorter pieces their rounded ends. */
const seamUs = 1_000_000;
const roundingUs = 100_000;

/** A stretch without a recording, and why. */
interface ExplainedGap {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export interface Lacks {
  readonly gaps: readonly ExplainedGap[];
  /** ISO 8601 intervals */
  readonly missing: readonly string[];
}

/** `told`: what servers said is missing; `part`: what a part that was gone on with holds, up to its end. */
export function lacksOf(
  range: TimeRange,
  list: Pick<RecordingsAnswer, 'segments' | 'gaps'>,
  facts: { told: readonly string[]; part: readonly TimeRange[] },
): Lacks {
  const recorded = mergeRanges(list.segments.map(rangeOf), roundingUs);
  const gaps = list.gaps.flatMap(({ reason, ...gap }) => {
    const seen = subtractRanges([clip(rangeOf(gap), range)], recorded, roundingUs);
    return seen.map((each) => ({ ...each, reason }));
  });
  const missing = facts.told.flatMap((text) => {
    const [from = '', to = ''] = text.split('/');
    return [rangeOf({ from, to })];
  });
  const partEndUs = facts.part.at(-1)?.toUs;
  if (partEndUs !== undefined) {
    const before = { fromUs: range.fromUs, toUs: partEndUs };
    missing.push(
      ...subtractRanges(
        recorded.map((each) => clip(each, before)),
        facts.part,
        seamUs,
      ),
    );
  }
  const inside = missing.map((each) => clip(each, range));
  const left = subtractRanges(mergeRanges(inside, roundingUs), gaps, roundingUs);
  return {
    gaps: gaps.map(({ reason, ...gap }) => {
      const [from = '', to = ''] = formatRanges([gap]).split('/');
      return { from, to, reason };
    }),
    missing: left.map((each) => formatRanges([each])),
  };
}

function clip({ fromUs, toUs }: TimeRange, to: TimeRange): TimeRange {
  return { fromUs: Math.max(fromUs, to.fromUs), toUs: Math.min(toUs, to.toUs) };
}

/** A range that cannot be read is empty. */
function rangeOf({ from, to }: { from: string; to: string }): TimeRange {
  const [start, end] = [parseTime(from), parseTime(to)];
  return start.ok && end.ok ? { fromUs: start.value, toUs: end.value } : { fromUs: 0, toUs: 0 };
}
