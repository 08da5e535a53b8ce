/**
 * Whether a saved file is complete: what it holds, against what the servers list once it is written. A server that died
 * while the file was being sent is told of in a trailer, which no page can read. Pure. Times in ms UTC.
 */
import type { RecordingsAnswer } from '../api.ts';
import { recordingRows } from './recording-rows.ts';
import { missingOf } from './stored-file-scan.ts';
import type { TimeRange } from './time-range.ts';

export interface FileCheck {
  /** recorded, and not in the file */
  readonly missing: readonly TimeRange[];
  /** why nobody can tell whether anything else is missing; undefined when it can be told */
  readonly unsure: string | undefined;
}

/** Compares what a file was to hold with what it holds. */
export function checkFile(
  wanted: TimeRange,
  list: RecordingsAnswer,
  covered: readonly TimeRange[],
): FileCheck {
  const within = ({ fromMs, toMs }: TimeRange): TimeRange[] =>
    toMs <= wanted.fromMs || fromMs >= wanted.toMs
      ? []
      : [{ fromMs: Math.max(wanted.fromMs, fromMs), toMs: Math.min(wanted.toMs, toMs) }];
  const recorded = recordingRows(list).flatMap((row) => (row.kind === 'stretch' ? within(row) : []));
  const gaps = list.gaps.map(({ from, to }) => ({ fromMs: Date.parse(from), toMs: Date.parse(to) }));
  const explained = [...covered, ...recorded, ...gaps].sort((one, other) => one.fromMs - other.fromMs);
  const silent = missingOf([wanted], explained).length > 0 ? list.unreachable : [];
  return { missing: missingOf(recorded, covered), unsure: reasonOf(list.truncated, silent) };
}

function reasonOf(truncated: boolean, silent: readonly string[]): string | undefined {
  if (truncated) return 'The servers list too many recordings.';
  return silent.length === 0 ? undefined : `No answer from ${silent.join(', ')}.`;
}
