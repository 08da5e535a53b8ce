/**
 * Playback and export: a stretch of one camera as one fragmented MP4, over all servers that hold parts of it.
 *
 * Invariants: the stream is read only as fast as it is written; it begins at the keyframe at or before the wanted
 * time, behind any change of the pictures' size or format before that time; it ends at the next such change, and cleanly
 * whatever happens to a holder; what is missing is told: the part that is known beforehand in
 * `partial`, all of it in `missing` once the stream has ended. Times are µs UTC.
 */
import { Failure } from '../base/failure.ts';
import { fragmentsInOrder } from './fragment-order.ts';
import type { Holder } from './holders.ts';
import { listAllRecordings, type MergedList } from './recordings.ts';
import { type RemuxedChunk, Remuxer } from './remuxer.ts';
import { formatMs, type TimeRange } from './time-query.ts';
import { mergeRanges, subtractRanges } from './time-ranges.ts';

/** Longest range in one file. */
export const playbackUsMax = 31 * 24 * 3600 * 1_000_000;
/** Shorter holes are the seams of segments; shorter pieces are their rounded ends. */
const seamUs = 1_000_000;
const roundingUs = 100_000;
/** Chunks from the keyframe before a range to its start: more are those of a camera whose date was set back. */
const aheadMax = 32;

export interface PlaybackSources {
  readonly holders: readonly Holder[];
  /** servers that are known not to answer */
  readonly unreachable: readonly string[];
  /** nothing is recorded later than this */
  readonly nowUs: number;
}

/** A stream that has begun. */
export interface Playback {
  /** UTC of the file's time 0 */
  readonly startUs: number;
  /** servers that did not answer */
  readonly unreachable: readonly string[];
  /** ranges that are missing because of them */
  readonly partial: readonly TimeRange[];
  /** Init segment and fragments. End it early with `return()`. */
  readonly chunks: AsyncGenerator<Buffer, void, void>;
  /** All ranges that are missing; complete when `chunks` has ended. */
  missing(): TimeRange[];
  /** UTC at which size or format of the pictures change, and the file ends; known when `chunks` has ended. */
  changedUs(): number | undefined;
}

/** Begins a stream. Rejects with Failure NOT_FOUND when no reachable server has a frame of the range. */
export async function openPlayback(
  camera: string,
  range: TimeRange,
  sources: PlaybackSources,
): Promise<Playback> {
  const list = await listAllRecordings(camera, range, sources);
  const partial = knownMissing(range, list, sources.nowUs);
  const lost: TimeRange[] = [];
  let changedUs: number | undefined;
  // A list that could not be had to its end: what comes behind it may be there, and is not in the file.
  if (list.truncated) {
    const fromUs = list.segments.at(-1)?.fromUs ?? range.fromUs;
    lost.push({ fromUs, toUs: Math.max(fromUs, Math.min(range.toUs, sources.nowUs)) });
  }
  const written: TimeRange[] = [];
  const note = ({ bytes, holds }: RemuxedChunk): Buffer => {
    written.push(holds);
    if (written.length > 1000) written.splice(0, written.length, ...mergeRanges(written, roundingUs));
    return bytes;
  };
  const onChanged = (atUs: number): void => {
    changedUs = atUs;
  };
  const plan = { range, list, sources, remuxer: new Remuxer(range.toUs), lost, onChanged };
  const chunks = remux(plan);
  const first = await chunks.next();
  const { startUs } = plan.remuxer;
  if (first.done || startUs === undefined) throw nothingFound(camera, range, list.unreachable);
  return {
    startUs,
    unreachable: list.unreachable,
    partial,
    chunks: (async function* (): AsyncGenerator<Buffer, void, void> {
      try {
        yield note(first.value);
        for await (const chunk of chunks) yield note(chunk);
      } finally {
        await chunks.return();
      }
    })(),
    missing: () => subtractRanges([...partial, ...lost], mergeRanges(written, roundingUs), roundingUs),
    changedUs: () => changedUs,
  };
}

interface RemuxPlan {
  readonly range: TimeRange;
  readonly list: MergedList;
  readonly sources: PlaybackSources;
  /** of the file as it is when its first chunk comes */
  remuxer: Remuxer;
  readonly lost: TimeRange[];
  readonly onChanged: (atUs: number) => void;
}

async function* remux(plan: RemuxPlan): AsyncGenerator<RemuxedChunk, void, void> {
  const { range, list, sources, lost } = plan;
  const onLost = (stretch: TimeRange): void => {
    lost.push(stretch);
  };
  const fragments = fragmentsInOrder({ range, segments: list.segments, holders: sources.holders, onLost });
  // What leads to the start of the range is kept back: the pictures may change before it.
  let ahead: RemuxedChunk[] | undefined = [];
  for await (const fragment of fragments) {
    const { fromPtsUs, mapping } = fragment.listing;
    const fromUs = fromPtsUs + mapping.offsetUs;
    if (ahead !== undefined && (fromUs > range.fromUs || ahead.length > aheadMax)) {
      yield* ahead;
      ahead = undefined;
    }
    let step = plan.remuxer.add(fragment);
    if (step.changed && ahead !== undefined) {
      plan.remuxer = new Remuxer(range.toUs);
      ahead = [];
      step = plan.remuxer.add(fragment);
    }
    if (ahead === undefined) yield* step.chunks;
    else ahead.push(...step.chunks);
    if (step.changed) {
      plan.onChanged(fromUs);
      const rest = list.segments.map((segment) => ({
        fromUs: Math.max(segment.fromUs, fromUs),
        toUs: Math.min(segment.toUs, range.toUs),
      }));
      lost.push(...mergeRanges(rest, seamUs));
      return;
    }
  }
  yield* ahead ?? [];
  yield* plan.remuxer.finish();
}

/** What nobody reachable has and nothing explains, when a server that might have it does not answer. */
export function knownMissing(range: TimeRange, list: MergedList, nowUs: number): TimeRange[] {
  if (list.unreachable.length === 0) return [];
  const past = { fromUs: range.fromUs, toUs: Math.min(range.toUs, nowUs) };
  return subtractRanges([past], mergeRanges([...list.segments, ...list.gaps], seamUs), seamUs);
}

export function nothingFound(camera: string, range: TimeRange, unreachable: readonly string[]): Failure {
  const message = `nothing of ${camera} is recorded between ${formatMs(range.fromUs)} and ${formatMs(range.toUs)}`;
  const advice =
    unreachable.length === 0
      ? `Look at /api/cameras/${camera}/recordings for what there is.`
      : `These servers do not answer and may have it: ${unreachable.join(', ')}.`;
  return new Failure('NOT_FOUND', message, { advice });
}
