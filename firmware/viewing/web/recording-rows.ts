/**
 * Orders the segments of all holders into what a person reads: stretches recorded without a break by one server,
 * hand-overs between servers, and gaps with their reason. Times in ms UTC.
 */
import type { RecordingsAnswer, SegmentAnswer } from '../api.ts';
import type { TimeRange } from './time-range.ts';

/** Segments follow each other without a break when less than this lies between them. */
const breakMinMs = 1_500;

interface RecordedStretch {
  readonly kind: 'stretch';
  readonly fromMs: number;
  readonly toMs: number;
  readonly server: string;
  /** other servers that have part of the same time */
  readonly alsoOn: readonly string[];
  readonly segments: readonly SegmentAnswer[];
  readonly open: boolean;
}

interface RecordingGap {
  readonly kind: 'gap';
  readonly fromMs: number;
  readonly toMs: number;
  /** for people */
  readonly reason: string;
  /** as the servers call it; empty when nobody knows */
  readonly cause: string;
}

interface HandOver {
  readonly kind: 'hand-over';
  readonly atMs: number;
  readonly source: string;
  readonly target: string;
}

export type RecordingRow = RecordedStretch | RecordingGap | HandOver;

type ListedGap = RecordingsAnswer['gaps'][number];

const reasonTexts: Readonly<Record<string, string>> = {
  'camera-off': 'the camera was off',
  'capture-restarted': 'the camera restarted its capture',
  'outbox-overflow': 'no server took the pictures before the camera’s memory was full',
  'server-unreachable': 'the camera reached no server',
  retention: 'deleted to make room',
  damaged: 'the recording is damaged',
};

/** A gap's reason in words; a reason that this page does not know yet is shown as it is. */
function reasonText(reason: string): string {
  return reasonTexts[reason] ?? reason;
}

/** The segments to play, by start, without those whose time another holder's segments cover already. */
export function playableSegments(segments: readonly SegmentAnswer[]): SegmentAnswer[] {
  const ordered = [...segments].sort(byStart);
  let coveredMs = Number.NEGATIVE_INFINITY;
  return ordered.filter((segment) => {
    const fresh = Date.parse(segment.to) > coveredMs || segment.open;
    if (fresh) coveredMs = Math.max(coveredMs, Date.parse(segment.to));
    return fresh;
  });
}

/** Why nothing was recorded between two times. */
export function gapReason(gaps: readonly ListedGap[], fromMs: number, toMs: number): string {
  const cause = gapCause(gaps, fromMs, toMs);
  return cause === '' ? 'nobody knows why' : reasonText(cause);
}

function gapCause(gaps: readonly ListedGap[], fromMs: number, toMs: number): string {
  let best: ListedGap | undefined;
  let bestMs = 0;
  for (const gap of gaps) {
    const overlapMs = Math.min(toMs, Date.parse(gap.to)) - Math.max(fromMs, Date.parse(gap.from));
    if (overlapMs > bestMs) [best, bestMs] = [gap, overlapMs];
  }
  return best?.reason ?? '';
}

/** Times of one form sort like texts, and a list may have thousands. */
function byStart(one: { from: string }, other: { from: string }): number {
  return one.from < other.from ? -1 : one.from > other.from ? 1 : 0;
}

/** Rows by time, oldest first. */
export function recordingRows(
  answer: Pick<RecordingsAnswer, 'segments' | 'gaps' | 'unreachable'>,
): RecordingRow[] {
  const stretches = stretchesOf(answer.segments);
  const rows: RecordingRow[] = [];
  const explained = [...answer.gaps].sort(byStart);
  const firstMs = stretches[0]?.fromMs ?? Number.POSITIVE_INFINITY;
  for (const gap of explained) if (Date.parse(gap.from) < firstMs - breakMinMs) rows.push(listedGap(gap));
  let previous: RecordedStretch | undefined;
  for (const stretch of stretches) {
    if (previous !== undefined && stretch.fromMs - previous.toMs > breakMinMs) {
      rows.push(hole(previous.toMs, stretch.fromMs, answer));
    }
    if (previous !== undefined && previous.server !== stretch.server) {
      rows.push({ kind: 'hand-over', atMs: stretch.fromMs, source: previous.server, target: stretch.server });
    }
    rows.push(stretch);
    previous = stretch;
  }
  const last = previous;
  if (last !== undefined) {
    for (const gap of explained)
      if (Date.parse(gap.from) >= last.toMs - breakMinMs) rows.push(listedGap(gap));
  }
  return rows;
}

function stretchesOf(segments: readonly SegmentAnswer[]): RecordedStretch[] {
  const stretches: (RecordedStretch & { alsoOn: string[]; segments: SegmentAnswer[] })[] = [];
  const played = new Set(playableSegments(segments));
  for (const segment of played) {
    const [fromMs, toMs] = [Date.parse(segment.from), Date.parse(segment.to)];
    const last = stretches.at(-1);
    if (last !== undefined && last.server === segment.server && fromMs - last.toMs <= breakMinMs) {
      last.segments.push(segment);
      stretches[stretches.length - 1] = { ...last, toMs: Math.max(last.toMs, toMs), open: segment.open };
    } else {
      const { server, open } = segment;
      stretches.push({ kind: 'stretch', fromMs, toMs, server, alsoOn: [], segments: [segment], open });
    }
  }
  for (const segment of segments) {
    if (played.has(segment)) continue;
    const covering = stretches.find((stretch) => stretch.toMs >= Date.parse(segment.to));
    const known = covering === undefined || [covering.server, ...covering.alsoOn].includes(segment.server);
    if (!known) covering.alsoOn.push(segment.server);
  }
  return stretches;
}

function hole(
  fromMs: number,
  toMs: number,
  answer: Pick<RecordingsAnswer, 'gaps' | 'unreachable'>,
): RecordingGap {
  const missing = answer.unreachable;
  const reason = gapReason(answer.gaps, fromMs, toMs);
  const hope = missing.length === 0 ? '' : `; perhaps on ${missing.join(', ')}, which does not answer`;
  const cause = gapCause(answer.gaps, fromMs, toMs);
  return { kind: 'gap', fromMs, toMs, reason: `${reason}${hope}`, cause };
}

function listedGap(gap: ListedGap): RecordingGap {
  return {
    kind: 'gap',
    fromMs: Date.parse(gap.from),
    toMs: Date.parse(gap.to),
    reason: reasonText(gap.reason),
    cause: gap.reason,
  };
}

/** Whether any of a row lies in a range. */
export function touches(row: RecordingRow, { fromMs, toMs }: TimeRange): boolean {
  if (row.kind === 'hand-over') return row.atMs >= fromMs && row.atMs <= toMs;
  return row.toMs > fromMs && row.fromMs < toMs;
}
