/**
 * Keyframes by time in this server's own recordings: the one nearest at or before a time, and when the next one is
 * shown; found by the index and the headers of two or three fragments, without reading pictures.
 *
 * Times are compared in whole milliseconds, as they are told: who asks with a time that was told gets that frame.
 */
import { readFragmentHead, type ScannedFragment } from '../media/mp4-scanner.ts';
import type { TrackDescription } from '../media/sample.ts';
import type { Archive, SegmentDetail, SegmentListing } from '../recording/archive.ts';

/** Segments of one camera that are looked at where several overlap. */
const segmentsMax = 16;
/** Longest walk in one segment, a minute of fragments of 250 ms: a file may have one keyframe, at its start. */
const fragmentsWalkedMax = 256;

/** A keyframe, and where its bytes lie. Times are µs UTC. */
interface StoredKeyframe {
  readonly track: TrackDescription;
  readonly segment: SegmentListing;
  readonly atUs: number;
  readonly durationUs: number;
  readonly uncertaintyUs: number;
  readonly sequence: number;
  readonly offset: number;
  readonly bytes: number;
  /** when the next one is shown, if there is one here */
  readonly nextUs: number | undefined;
  /** it goes on from this one to the next, or to the end of what was asked for, without a hole */
  readonly continuous: boolean;
}

/** What was found here. */
export interface KeyframeSearch {
  readonly found: StoredKeyframe | undefined;
  /** first keyframe behind the time, when nothing is at or before it */
  readonly nextUs: number | undefined;
}

/** From the end of a segment to the next keyframe: longer ones are holes. */
const seamUs = 1_000_000;

/** µs rounded down to the millisecond that is told. */
export function wholeMs(us: number): number {
  return Math.floor(us / 1000) * 1000;
}

/** Looks for the keyframe nearest at or before a time. Rejects with a Failure when the index or a file cannot be read. */
export async function findKeyframe(
  archive: Archive,
  camera: string,
  timeUs: number,
): Promise<KeyframeSearch> {
  const atUs = wholeMs(timeUs) + 999;
  const [covering, { before, after }] = await Promise.all([
    archive.segments(camera, { fromUs: atUs, toUs: atUs + 1, limit: segmentsMax }),
    archive.near(camera, atUs),
  ]);
  const candidates = covering.filter(({ fromUs }) => fromUs <= atUs);
  if (candidates.length === 0 && before !== undefined) candidates.push(before);
  let best: Placed | undefined;
  let nextUs: number | undefined;
  for (const segment of candidates) {
    const inside = await SegmentKeyframes.open(archive, segment);
    const found = await inside?.at(atUs);
    if (found !== undefined && (best === undefined || found.atUs > best.atUs)) best = found;
    const next = await inside?.after(atUs);
    if (next !== undefined && (nextUs === undefined || next.atUs < nextUs)) nextUs = next.atUs;
  }
  if (nextUs === undefined && after !== undefined) {
    const inside = await SegmentKeyframes.open(archive, after);
    nextUs = (await inside?.after(atUs))?.atUs;
  }
  if (best === undefined) return { found: undefined, nextUs };
  const endUs = Math.max(...candidates.map(({ toUs }) => toUs));
  const continuous = endUs > atUs && nextUs !== undefined && nextUs <= endUs + seamUs;
  return { found: { ...best, nextUs, continuous }, nextUs };
}

type Placed = Omit<StoredKeyframe, 'nextUs' | 'continuous'>;

/** The keyframes of one segment's video. */
class SegmentKeyframes {
  private readonly archive: Archive;
  private readonly detail: SegmentDetail;
  private readonly trackId: number;
  /** by the start of the fragment; what a camera sent again lies behind what it sent after it */
  private readonly fragments: SegmentDetail['fragments'];
  private readonly heads = new Map<number, Placed | undefined>();

  private constructor(archive: Archive, detail: SegmentDetail, trackId: number) {
    this.archive = archive;
    this.detail = detail;
    this.trackId = trackId;
    this.fragments = detail.fragments
      .filter(({ tracks }) => tracks.some((track) => track.trackId === trackId))
      .sort((a, b) => a.fromPtsUs - b.fromPtsUs);
  }

  /** Undefined when the segment is gone or has no picture. */
  static async open(archive: Archive, segment: SegmentListing): Promise<SegmentKeyframes | undefined> {
    const detail = await archive.detail(segment.camera, segment.name);
    const place =
      detail?.tracks.findIndex(({ kind, rendition }) => kind === 'video' && rendition === 'main') ?? -1;
    return detail === undefined || place < 0 ? undefined : new SegmentKeyframes(archive, detail, place + 1);
  }

  /** The last one at or before a time. */
  async at(atUs: number): Promise<Placed | undefined> {
    const { fragments } = this;
    const after = fragments.findIndex(({ fromPtsUs, mapping }) => fromPtsUs + mapping.offsetUs > atUs);
    const last = (after < 0 ? fragments.length : after) - 1;
    for (let place = last; place >= 0 && place > last - fragmentsWalkedMax; place--) {
      const found = await this.head(place);
      if (found !== undefined && found.atUs <= atUs) return found;
    }
    return undefined;
  }

  /** The first one after a time. */
  async after(atUs: number): Promise<Placed | undefined> {
    const { fragments } = this;
    const first = fragments.findIndex(({ toPtsUs, mapping }) => toPtsUs + mapping.offsetUs > atUs);
    if (first < 0) return undefined;
    for (let place = first; place < fragments.length && place < first + fragmentsWalkedMax; place++) {
      const found = await this.head(place);
      if (found !== undefined && found.atUs > atUs) return found;
    }
    return undefined;
  }

  /** The keyframe that a fragment begins with; one has no other (recording/fragment-assembler.ts). */
  private async head(place: number): Promise<Placed | undefined> {
    if (!this.heads.has(place)) this.heads.set(place, await this.readHead(place));
    return this.heads.get(place);
  }

  private async readHead(place: number): Promise<Placed | undefined> {
    const { archive, detail, trackId } = this;
    const { listing } = detail;
    const fragment = this.fragments[place];
    const track = detail.tracks[trackId - 1];
    if (fragment === undefined || track === undefined) return undefined;
    const read = (offset: number, length: number): Promise<Buffer> =>
      archive.read(listing.camera, listing.name, offset, length);
    const scanned = await readFragmentHead(read, fragment.offset + fragment.bytes, fragment.offset);
    if (!scanned.ok) return undefined;
    return keyframeOf(scanned.value, { track, trackId, segment: listing });
  }
}

function keyframeOf(
  { listing, runs, originUs, moofStart }: ScannedFragment,
  { track, trackId, segment }: { track: TrackDescription; trackId: number; segment: SegmentListing },
): Placed | undefined {
  const [sample] = runs.find((run) => run.trackId === trackId)?.samples ?? [];
  if (sample === undefined || !sample.keyframe) return undefined;
  return {
    track,
    segment,
    atUs: originUs + sample.ptsUs + listing.mapping.offsetUs,
    durationUs: sample.durationUs,
    uncertaintyUs: listing.mapping.uncertaintyUs,
    sequence: listing.tracks.find((one) => one.trackId === trackId)?.firstSequence ?? 0,
    offset: moofStart + sample.offset,
    bytes: sample.bytes,
  };
}
