/**
 * Parts of stored recordings as HLS wants them (RFC 8216): some seconds of consecutive fragments of one file, in the
 * order of the camera's clock, over all servers that have some of it.
 *
 * Invariants: within a capture no frame is in two parts, though several servers may have it, and as few as possible in
 * none (servers cut fragments at the same keyframes, so none at all unless something is broken); a part never spans
 * files, nor a hole. Times are µs; PTS is the camera's clock.
 */
import { Failure } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { compatible } from '../media/fragmented-mp4.ts';
import type { TrackDescription } from '../media/sample.ts';
import type { SegmentDetail } from '../recording/archive.ts';
import type { Holder } from './holders.ts';
import type { HeldSegment } from './recordings.ts';
import type { TimeRange } from './time-query.ts';

/** Longer holes on the camera's clock are told as such. */
const holeUs = 500_000;
/** Beginnings of fragments differ by the sound that goes with them. */
const roundingUs = 100_000;
/** Insides that are asked for at a time. */
const detailsAtATime = 16;
/** Segments that are looked through before everything else has a turn; some milliseconds. */
const segmentsPerStep = 16;

/** Fragments [first, first + count) of a file. */
export interface Part {
  readonly server: string;
  /** of the segment */
  readonly name: string;
  readonly captureId: string;
  readonly tracks: readonly TrackDescription[];
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
  readonly fromPtsUs: number;
  readonly toPtsUs: number;
  /** UTC = PTS + offset */
  readonly offsetUs: number;
}

/** A segment with its inside. */
export interface OpenedSegment {
  readonly segment: HeldSegment;
  readonly detail: SegmentDetail;
}

/** Reads the insides of segments; those that cannot be had are left out, and their servers named. */
export async function openSegments(
  segments: readonly HeldSegment[],
  holders: readonly Holder[],
): Promise<{ opened: OpenedSegment[]; failed: string[] }> {
  const opened: OpenedSegment[] = [];
  const failed = new Set<string>();
  for (let at = 0; at < segments.length; at += detailsAtATime) {
    const details = segments.slice(at, at + detailsAtATime).map(async (segment) => {
      const holder = holders.find(({ server }) => server === segment.server);
      if (holder === undefined || failed.has(segment.server)) return undefined;
      try {
        const detail = await holder.detail(segment.camera, segment.name);
        return detail === undefined ? undefined : { segment, detail };
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        failed.add(segment.server);
        return undefined;
      }
    });
    for (const one of await Promise.all(details)) if (one !== undefined) opened.push(one);
  }
  return { opened, failed: [...failed].sort() };
}

/** Where a fragment is in its file, and what it has of the track that leads. */
interface Placed {
  readonly place: number;
  readonly listing: FragmentListing;
  readonly firstSequence: number;
  readonly endSequence: number;
}

interface Stretch extends OpenedSegment {
  /** by PTS */
  fragments: Placed[];
}

export interface PartOptions {
  readonly range: TimeRange;
  /** a part ends with the fragment that makes it at least so long */
  readonly partUs: number;
  /** also the last part of a segment that is still written, though it may become longer */
  readonly unfinished: boolean;
  /** only what comes behind this in that capture */
  readonly after?: { readonly captureId: string; readonly ptsUs: number } | undefined;
}

/**
 * The parts that overlap a range, in order, in as many pieces as share no frame: of one segment each, but where several
 * servers have the same. The first ones are empty, while segments are looked through: no step takes long.
 */
export function* partsOf(opened: readonly OpenedSegment[], options: PartOptions): Generator<Part[]> {
  const captures = new Map<string, Stretch[]>();
  const byTime = [...opened].sort((a, b) => a.segment.fromUs - b.segment.fromUs);
  for (const [place, one] of byTime.entries()) {
    if (place % segmentsPerStep === 0) yield [];
    const told = options.after?.captureId === one.segment.captureId ? options.after.ptsUs : undefined;
    const fragments = leadingFragments(one.detail).filter(
      ({ listing }) => told === undefined || listing.fromPtsUs >= told - roundingUs,
    );
    if (fragments.length === 0) continue;
    const stretches = captures.get(one.segment.captureId) ?? [];
    stretches.push({ ...one, fragments });
    captures.set(one.segment.captureId, stretches);
  }
  for (const stretches of captures.values()) {
    for (const sharing of overlapping(stretches)) {
      yield eachOnce(sharing)
        .flatMap((stretch) => cutIntoParts(stretch, options))
        .sort((a, b) => a.fromPtsUs - b.fromPtsUs);
    }
  }
}

/** Groups of stretches that may share frames, by sequence: none shares any with one of another group. */
function overlapping(stretches: readonly Stretch[]): Stretch[][] {
  const groups: Stretch[][] = [];
  let groupEnd = Number.NEGATIVE_INFINITY;
  const spans = stretches.map((stretch) => ({
    stretch,
    first: Math.min(...stretch.fragments.map(({ firstSequence }) => firstSequence)),
    end: Math.max(...stretch.fragments.map(({ endSequence }) => endSequence)),
  }));
  for (const { stretch, first, end } of spans.sort((a, b) => a.first - b.first)) {
    if (first < groupEnd) groups.at(-1)?.push(stretch);
    else groups.push([stretch]);
    groupEnd = Math.max(groupEnd, end);
  }
  return groups;
}

/** Fragments with something of the track that leads: the picture, or the first one where there is none. */
function leadingFragments({ tracks, fragments }: SegmentDetail): Placed[] {
  const video = tracks.findIndex(({ kind }) => kind === 'video');
  const leader = Math.max(0, video) + 1;
  return fragments
    .flatMap((listing, place) => {
      const track = listing.tracks.find(({ trackId }) => trackId === leader);
      if (track === undefined) return [];
      const { firstSequence, count } = track;
      return [{ place, listing, firstSequence, endSequence: firstSequence + count }];
    })
    .sort((a, b) => a.listing.fromPtsUs - b.listing.fromPtsUs);
}

/**
 * Leaves out what is there twice: of all ways to take fragments that share no frame, the one with the most frames;
 * among those, the one that stays with the servers that come first. (Weighted interval scheduling.)
 */
function eachOnce(stretches: readonly Stretch[]): Stretch[] {
  const ranks = [...new Set(stretches.map(({ segment }) => segment.server))].sort();
  const all = stretches
    .flatMap((stretch) => {
      const rank = ranks.indexOf(stretch.segment.server);
      return stretch.fragments.map((fragment) => ({ fragment, stretch, rank }));
    })
    .sort((a, b) => a.fragment.endSequence - b.fragment.endSequence);
  // best[n]: of the first n fragments
  const best: { frames: number; rank: number; taken: boolean; before: number }[] = [
    { frames: 0, rank: 0, taken: false, before: 0 },
  ];
  for (const [place, { fragment, rank }] of all.entries()) {
    const before = endingBy(all, fragment.firstSequence, place);
    const without = best[place] as (typeof best)[number];
    const base = best[before] as (typeof best)[number];
    const frames = base.frames + fragment.endSequence - fragment.firstSequence;
    const ranked = base.rank + rank;
    const taken = frames > without.frames || (frames === without.frames && ranked < without.rank);
    best.push(taken ? { frames, rank: ranked, taken, before } : { ...without, taken, before: place });
  }
  const kept = new Set<Placed>();
  for (let at = all.length; at > 0; at = best[at]?.before ?? 0) {
    const one = all[at - 1];
    if (best[at]?.taken === true && one !== undefined) kept.add(one.fragment);
  }
  return stretches.map((stretch) => {
    return { ...stretch, fragments: stretch.fragments.filter((fragment) => kept.has(fragment)) };
  });
}

/** How many of the first `count` fragments, by their ends, end at or before this sequence. */
function endingBy(all: readonly { fragment: Placed }[], sequence: number, count: number): number {
  let [from, to] = [0, count];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((all[middle]?.fragment.endSequence ?? 0) <= sequence) from = middle + 1;
    else to = middle;
  }
  return from;
}

function cutIntoParts(
  { segment, detail, fragments }: Stretch,
  { range, partUs, unfinished }: PartOptions,
): Part[] {
  const groups: Placed[][] = [];
  for (const fragment of fragments) {
    const group = groups.at(-1);
    if (group !== undefined && goesOn(group, fragment, partUs)) group.push(fragment);
    else groups.push([fragment]);
  }
  const last = groups.at(-1);
  // What is still being written may become longer, and a player would never look again.
  if (segment.open && !unfinished && last !== undefined && lengthOf(last) < partUs) groups.pop();
  return groups
    .map((group) => partOf({ segment, detail }, group))
    .filter(({ fromPtsUs, toPtsUs, offsetUs }) => {
      return toPtsUs + offsetUs > range.fromUs && fromPtsUs + offsetUs < range.toUs;
    });
}

function goesOn(
  group: readonly Placed[],
  { place, listing, firstSequence }: Placed,
  partUs: number,
): boolean {
  const last = group.at(-1);
  return (
    last !== undefined &&
    place === last.place + 1 &&
    firstSequence === last.endSequence &&
    Math.abs(listing.fromPtsUs - last.listing.toPtsUs) < holeUs &&
    lengthOf(group) < partUs
  );
}

function lengthOf(group: readonly Placed[]): number {
  const [first, last] = [group[0], group.at(-1)];
  return first === undefined || last === undefined ? 0 : last.listing.toPtsUs - first.listing.fromPtsUs;
}

function partOf({ segment, detail }: OpenedSegment, group: readonly Placed[]): Part {
  const listings = group.map(({ listing }) => listing);
  return {
    server: segment.server,
    name: segment.name,
    captureId: segment.captureId,
    tracks: detail.tracks,
    first: group[0]?.place ?? 0,
    count: group.length,
    bytes: listings.reduce((sum, { bytes }) => sum + bytes, 0),
    fromPtsUs: Math.min(...listings.map(({ fromPtsUs }) => fromPtsUs)),
    toPtsUs: Math.max(...listings.map(({ toPtsUs }) => toPtsUs)),
    offsetUs: listings[0]?.mapping.offsetUs ?? 0,
  };
}

/** Whether a player can go on from one part to the next as if they were one file. */
export function follows(part: Part, before: Part): boolean {
  return (
    part.captureId === before.captureId &&
    compatible(part.tracks, before.tracks) &&
    Math.abs(part.fromPtsUs - before.toPtsUs) < holeUs
  );
}
