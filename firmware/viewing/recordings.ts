/**
 * The list of recordings of a camera over all holders: what every server that answers has, who did not answer, and
 * the explained gaps.
 *
 * Invariants: a list is complete up to its end: when it was cut, by this server or by a holder, nothing before the
 * last segment's start is missing (but for the servers in `unreachable`). Times are µs UTC inside, ISO 8601 outside.
 */
import { Failure } from '../base/failure.ts';
import type { Gap } from '../media/sample.ts';
import type { SegmentListing } from '../recording/archive.ts';
import type { RecordingsAnswer } from './api.ts';
import { type Holder, type HolderList, segmentsPerListMax } from './holders.ts';
import { formatMs, formatMsUp, type TimeRange } from './time-query.ts';

/** Most gaps in one answer: the newest. */
const gapsMax = 10_000;

/** A segment and where it lies. */
export interface HeldSegment extends SegmentListing {
  readonly server: string;
}

/** What the holders have together. */
export interface MergedList {
  /** by start, then server */
  readonly segments: readonly HeldSegment[];
  /** by start */
  readonly gaps: readonly Gap[];
  /** servers that did not answer, sorted */
  readonly unreachable: readonly string[];
  readonly truncated: boolean;
}

/** Asks all holders at once; one that fails is named, and never delays the others beyond its own time limit. */
export async function listRecordings(
  camera: string,
  range: TimeRange,
  from: { holders: readonly Holder[]; unreachable: readonly string[] },
): Promise<MergedList> {
  const unreachable = new Set(from.unreachable);
  const lists = await Promise.all(
    from.holders.map(async (holder) => {
      try {
        return { server: holder.server, list: await holder.list(camera, range) };
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        unreachable.add(holder.server);
        return undefined;
      }
    }),
  );
  const answered = lists.filter((list) => list !== undefined);
  return { ...mergeLists(answered), unreachable: [...unreachable].sort() };
}

/** Pages of one list that are read at most: half a million segments, a year of one camera. */
const pagesMax = 50;

/** The same, however long the list is; `truncated` only when even `pagesMax` pages did not hold it. */
export async function listAllRecordings(
  camera: string,
  range: TimeRange,
  from: { holders: readonly Holder[]; unreachable: readonly string[] },
): Promise<MergedList> {
  let list = await listRecordings(camera, range, from);
  for (let page = 1; list.truncated && page < pagesMax; page++) {
    const last = list.segments.at(-1);
    if (last === undefined) break;
    const next = await listRecordings(
      camera,
      { fromUs: Math.max(last.fromUs, range.fromUs), toUs: range.toUs },
      from,
    );
    const known = new Set(list.segments.map(keyOf));
    const fresh = next.segments.filter((segment) => !known.has(keyOf(segment)));
    if (fresh.length === 0) break;
    list = {
      segments: [...list.segments, ...fresh],
      gaps: list.gaps,
      unreachable: [...new Set([...list.unreachable, ...next.unreachable])].sort(),
      truncated: next.truncated,
    };
  }
  return list;
}

function keyOf(segment: HeldSegment): string {
  return `${segment.server}/${segment.name}`;
}

/** Merges lists of several servers into one that is complete up to its end. */
export function mergeLists(
  lists: readonly { server: string; list: HolderList }[],
  limit: number = segmentsPerListMax,
): Omit<MergedList, 'unreachable'> {
  const segments = new Map<string, HeldSegment>();
  let completeToUs = Number.POSITIVE_INFINITY;
  for (const { server, list } of lists) {
    for (const segment of list.segments) segments.set(`${server}/${segment.name}`, { ...segment, server });
    const lastUs = list.segments.at(-1)?.fromUs;
    if (list.truncated && lastUs !== undefined) completeToUs = Math.min(completeToUs, lastUs);
  }
  const sorted = [...segments.values()]
    .filter(({ fromUs }) => fromUs <= completeToUs)
    .sort((a, b) => a.fromUs - b.fromUs || compareText(a.server, b.server) || compareText(a.name, b.name));
  const truncated = sorted.length > limit || completeToUs < Number.POSITIVE_INFINITY;
  return { segments: sorted.slice(0, limit), gaps: mergeGaps(lists), truncated };
}

/** Several servers may know of the same gap. */
function mergeGaps(lists: readonly { list: HolderList }[]): Gap[] {
  const gaps = new Map<string, Gap>();
  for (const { list } of lists) {
    for (const gap of list.gaps) gaps.set(`${gap.fromUs}/${gap.toUs}/${gap.reason}`, gap);
  }
  return [...gaps.values()].sort((a, b) => a.fromUs - b.fromUs || a.toUs - b.toUs).slice(-gapsMax);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Path of a segment's file on any server. */
function segmentUrl(camera: string, server: string, name: string): string {
  return `/api/cameras/${camera}/segments/${server}/${name}.mp4`;
}

/** The list as the API gives it. */
export function formatRecordings(camera: string, list: MergedList): RecordingsAnswer {
  return {
    camera,
    segments: list.segments.map(({ server, name, fromUs, toUs, bytes, captureId, epoch, open }) => ({
      server,
      name,
      from: formatMs(fromUs),
      to: formatMsUp(toUs),
      bytes,
      captureId,
      epoch,
      open,
      url: segmentUrl(camera, server, name),
    })),
    gaps: list.gaps.map(({ fromUs, toUs, reason }) => ({
      from: formatMs(fromUs),
      to: formatMsUp(toUs),
      reason,
    })),
    unreachable: [...list.unreachable],
    truncated: list.truncated,
  };
}
