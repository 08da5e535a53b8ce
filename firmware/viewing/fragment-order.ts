/**
 * The fragments of one camera in time order, whichever servers they lie on.
 *
 * Captures follow one another by the time they began. Within a capture fragments are merged by PTS, the camera's own
 * clock, over all segments that overlap; duplicates are left in (the remuxer drops them, sample by sample, and learns
 * from `settledPtsUs` how long a hole may still be filled). A holder that cannot be reached is given up: what it had is
 * reported as lost and the others go on. Of a file that cannot be read everywhere only those fragments are lost. Only the insides of segments that overlap now are held, and one read's bytes of each.
 * Segments are known by their dates; where the camera's date was set back during a capture these say nothing about the
 * order, and the insides are asked for when each begins on the camera's clock. Times are µs.
 */
import { Failure } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { type ParsedFragment, parseFragment } from '../media/mp4-scanner.ts';
import type { TrackDescription } from '../media/sample.ts';
import type { SegmentDetail } from '../recording/archive.ts';
import type { Holder } from './holders.ts';
import type { HeldSegment } from './recordings.ts';
import type { TimeRange } from './time-query.ts';

/** Neighbouring fragments are read together up to this many bytes. */
const readBytesMax = 1024 * 1024;
/** Mappings to UTC of one capture differ between holders by less than this. */
const mappingSlackUs = 2_000_000;
/** Dates of what another server manages go back by no more than an outbox holds, unless they were set. */
const resumedUsMax = 600_000_000;
/** Fragments of a segment in a row that cannot be read; then the rest is not tried, since a disk may take long to fail. */
const unreadableMax = 3;
/** Segments of one capture that are open at a time; more do not overlap unless something is broken. */
const openMax = 32;

/** A fragment with all that is needed to mux it again. */
export interface OrderedFragment {
  readonly tracks: readonly TrackDescription[];
  readonly captureId: string;
  readonly listing: FragmentListing;
  readonly parsed: ParsedFragment;
  /** no later fragment of this capture has a sample that is shown earlier, µs on the camera's clock */
  readonly settledPtsUs: number;
}

/** The same, and where it was read. */
export interface LocatedFragment extends OrderedFragment {
  readonly segment: HeldSegment;
  /** a payload begins in the segment's file at its `byteOffset` less this */
  readonly payloadBase: number;
}

export interface FragmentOrderOptions {
  readonly range: TimeRange;
  readonly segments: readonly HeldSegment[];
  readonly holders: readonly Holder[];
  /** A stretch that a holder has and could not give, µs UTC. */
  readonly onLost: (lost: TimeRange) => void;
}

/** A segment whose inside is known, and how far it was read. */
interface OpenSegment {
  readonly segment: HeldSegment;
  readonly holder: Holder;
  readonly detail: Pick<SegmentDetail, 'tracks' | 'fragments'>;
  /** place of the next fragment */
  next: number;
  /** how many before it could not be read */
  unreadable: number;
  /** bytes read ahead, from `bytesAt` in the file */
  bytes: Buffer;
  bytesAt: number;
}

/** Segments that are not open yet, by when they begin on the clock that `timeOf` reads of a fragment. */
interface Waiting {
  readonly segments: readonly { readonly segment: HeldSegment; readonly startUs: number }[];
  readonly timeOf: (listing: FragmentListing | undefined) => number;
}

/** Fragments that overlap the range, beginning with the one that holds the keyframe at or before its start. */
export async function* fragmentsInOrder(options: FragmentOrderOptions): AsyncGenerator<LocatedFragment> {
  const reader = new Reader(options);
  for (const segments of byCapture(options.segments)) yield* reader.capture(segments);
}

/** Segments of each capture, captures by their first segment's start. */
function byCapture(segments: readonly HeldSegment[]): HeldSegment[][] {
  const captures = new Map<string, HeldSegment[]>();
  for (const segment of [...segments].sort((a, b) => a.fromUs - b.fromUs)) {
    const capture = captures.get(segment.captureId);
    if (capture === undefined) captures.set(segment.captureId, [segment]);
    else capture.push(segment);
  }
  return [...captures.values()];
}

class Reader {
  private readonly options: FragmentOrderOptions;
  private readonly failed = new Set<string>();

  constructor(options: FragmentOrderOptions) {
    this.options = options;
  }

  async *capture(segments: readonly HeldSegment[]): AsyncGenerator<LocatedFragment> {
    const { segments: waiting, timeOf } = await this.inOrder(segments);
    let pending = 0;
    let open: OpenSegment[] = [];
    for (;;) {
      for (
        let next = waiting[pending];
        next !== undefined && open.length < openMax;
        next = waiting[pending]
      ) {
        const first = earliest(open);
        if (first !== undefined && next.startUs > timeOf(nextOf(first)) + mappingSlackUs) break;
        pending += 1;
        const opened = await this.open(next.segment);
        if (opened !== undefined) open.push(opened);
      }
      const source = earliest(open);
      if (source === undefined) return;
      const listing = nextOf(source) as FragmentListing;
      const parsed = await this.attempt(source.segment, utcOf(listing), () => this.read(source, listing));
      source.next += 1;
      const payloadBase = source.bytes.byteOffset - source.bytesAt;
      open = open.filter(
        (other) => this.isWanted(nextOf(other)) && (parsed !== undefined || other !== source),
      );
      if (parsed === undefined || parsed === 'unreadable') continue;
      const { segment } = source;
      const { tracks } = source.detail;
      const startUs = waiting[pending]?.startUs ?? Number.POSITIVE_INFINITY;
      const settledPtsUs = settledAfter(open, startUs - (timeOf(listing) - listing.fromPtsUs));
      const { captureId } = segment;
      yield { tracks, captureId, listing, parsed, settledPtsUs, segment, payloadBase };
    }
  }

  /** The next fragment; when that alone cannot be read, it is lost. Rejects with a Failure when the rest is. */
  private async read(source: OpenSegment, listing: FragmentListing): Promise<ParsedFragment | 'unreadable'> {
    try {
      const parsed = await readEither(source, source.next);
      source.unreadable = 0;
      return parsed;
    } catch (thrown) {
      source.unreadable += 1;
      if (!isUnreadable(thrown) || source.unreadable >= unreadableMax) throw thrown;
      const { fromPtsUs, toPtsUs, mapping } = listing;
      const { range, onLost } = this.options;
      const [fromUs, toUs] = [fromPtsUs + mapping.offsetUs, toPtsUs + mapping.offsetUs];
      if (toUs > range.fromUs) {
        onLost({ fromUs: Math.max(fromUs, range.fromUs), toUs: Math.min(toUs, range.toUs) });
      }
      return 'unreadable';
    }
  }

  private async inOrder(segments: readonly HeldSegment[]): Promise<Waiting> {
    if (!goesBack(segments)) {
      return { segments: segments.map((segment) => ({ segment, startUs: segment.fromUs })), timeOf: utcOf };
    }
    const started: { segment: HeldSegment; startUs: number }[] = [];
    for (const segment of segments) {
      const holder = this.options.holders.find(({ server }) => server === segment.server);
      const detail = await this.attempt(segment, segment.fromUs, async () =>
        holder?.detail(segment.camera, segment.name),
      );
      if (detail === undefined) continue;
      const startUs = detail.fragments.reduce(
        (least, { fromPtsUs }) => Math.min(least, fromPtsUs),
        Number.POSITIVE_INFINITY,
      );
      started.push({ segment, startUs });
    }
    started.sort((a, b) => a.startUs - b.startUs);
    return { segments: started, timeOf: (listing) => listing?.fromPtsUs ?? Number.POSITIVE_INFINITY };
  }

  private isWanted(listing: FragmentListing | undefined): boolean {
    return listing !== undefined && utcOf(listing) < this.options.range.toUs;
  }

  private async open(segment: HeldSegment): Promise<OpenSegment | undefined> {
    const holder = this.options.holders.find(({ server }) => server === segment.server);
    if (holder === undefined) return undefined;
    const opened = await this.attempt(segment, segment.fromUs, async () => {
      const detail = await holder.detail(segment.camera, segment.name);
      if (detail === undefined) {
        this.lose(segment, segment.fromUs);
        return undefined;
      }
      // What a camera sent again lies behind what it sent after it.
      const fragments = [...detail.fragments].sort((a, b) => a.fromPtsUs - b.fromPtsUs);
      const { tracks } = detail;
      const found = {
        segment,
        holder,
        detail: { tracks, fragments },
        next: 0,
        unreadable: 0,
        bytes: Buffer.alloc(0),
        bytesAt: 0,
      };
      await seek(found, this.options.range.fromUs);
      return found;
    });
    return opened !== undefined && this.isWanted(nextOf(opened)) ? opened : undefined;
  }

  /** Runs a step that needs the holder; on its failure the rest of the segment, and of the holder, is lost. */
  private async attempt<T>(
    segment: HeldSegment,
    atUs: number,
    step: () => Promise<T>,
  ): Promise<T | undefined> {
    if (!this.failed.has(segment.server)) {
      try {
        return await step();
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        if (thrown.code === 'UNREACHABLE') this.failed.add(segment.server);
      }
    }
    this.lose(segment, atUs);
    return undefined;
  }

  private lose(segment: HeldSegment, atUs: number): void {
    const { range, onLost } = this.options;
    onLost({ fromUs: Math.max(atUs, range.fromUs), toUs: Math.min(segment.toUs, range.toUs) });
  }
}

/** Whether dates go back where a camera went on: in the order that one manager wrote, or from one to the next. */
function goesBack(segments: readonly HeldSegment[]): boolean {
  const sequenceOf = ({ name }: HeldSegment): number => Number(name.slice(name.lastIndexOf('-') + 1));
  const written = [...segments].sort((a, b) => a.epoch - b.epoch || sequenceOf(a) - sequenceOf(b));
  return written.some((segment, place) => {
    const before = written[place - 1];
    if (before === undefined) return false;
    const sameManager = before.epoch === segment.epoch && before.server === segment.server;
    return segment.fromUs < before.fromUs - (sameManager ? 0 : resumedUsMax);
  });
}

function nextOf(open: OpenSegment): FragmentListing | undefined {
  return open.detail.fragments[open.next];
}

function utcOf(listing: FragmentListing | undefined): number {
  return listing === undefined ? Number.POSITIVE_INFINITY : listing.fromPtsUs + listing.mapping.offsetUs;
}

/** The open segment whose next fragment comes first on the camera's clock. */
function earliest(open: readonly OpenSegment[]): OpenSegment | undefined {
  let first: OpenSegment | undefined;
  for (const candidate of open) {
    const ptsUs = nextOf(candidate)?.fromPtsUs;
    if (ptsUs === undefined) continue;
    if (first === undefined || ptsUs < (nextOf(first)?.fromPtsUs ?? 0)) first = candidate;
  }
  return first;
}

/** When the first sample of what is still unread is shown at the earliest; `unopenedPtsUs`: of the next segment. */
function settledAfter(open: readonly OpenSegment[], unopenedPtsUs: number): number {
  let ptsUs = unopenedPtsUs - mappingSlackUs;
  for (const other of open) ptsUs = Math.min(ptsUs, nextOf(other)?.fromPtsUs ?? ptsUs);
  return ptsUs;
}

/** Goes to the last fragment that begins at or before `fromUs` and holds a keyframe; a segment's first always does. */
async function seek(open: OpenSegment, fromUs: number): Promise<void> {
  const after = open.detail.fragments.findIndex((listing) => utcOf(listing) > fromUs);
  open.next = Math.max(0, (after < 0 ? open.detail.fragments.length : after) - 1);
  for (let unreadable = 0; open.next > 0; open.next -= 1) {
    try {
      if (beginsWithKeyframe(open.detail.tracks, await readEither(open, open.next))) return;
    } catch (thrown) {
      unreadable += 1;
      if (!isUnreadable(thrown) || unreadable >= unreadableMax) throw thrown;
    }
  }
}

/** A part of a file, whose other parts may be well: not a server that cannot be reached. */
function isUnreadable(thrown: unknown): boolean {
  return thrown instanceof Failure && thrown.code !== 'UNREACHABLE';
}

function beginsWithKeyframe(tracks: readonly TrackDescription[], parsed: ParsedFragment): boolean {
  const isVideo = (trackId: number): boolean => tracks[trackId - 1]?.kind === 'video';
  if (!tracks.some(({ kind }) => kind === 'video')) return true;
  return parsed.batches.some(({ trackId, samples }) => isVideo(trackId) && samples[0]?.keyframe === true);
}

/** Reads the fragment and what follows, or alone, because what was read with it may be what fails. */
function readEither(open: OpenSegment, place: number): Promise<ParsedFragment> {
  return readFragment(open, place).catch((thrown: unknown) => {
    if (!isUnreadable(thrown)) throw thrown;
    return readFragment(open, place, 0);
  });
}

/** Reads the fragment, and with it what follows, up to `aheadMax` bytes in all. */
async function readFragment(
  open: OpenSegment,
  place: number,
  aheadMax = readBytesMax,
): Promise<ParsedFragment> {
  const { fragments } = open.detail;
  const listing = fragments[place] as FragmentListing;
  const held = listing.offset - open.bytesAt;
  if (held < 0 || held + listing.bytes > open.bytes.length) {
    let end = listing.offset + listing.bytes;
    for (let i = place + 1; i < fragments.length; i++) {
      const following = fragments[i] as FragmentListing;
      if (following.offset !== end || end + following.bytes - listing.offset > aheadMax) break;
      end += following.bytes;
    }
    const { camera, name } = open.segment;
    open.bytes = await open.holder.read(camera, name, listing.offset, end - listing.offset);
    open.bytesAt = listing.offset;
  }
  const at = listing.offset - open.bytesAt;
  const parsed = parseFragment(open.bytes.subarray(at, at + listing.bytes));
  if (parsed.ok) return parsed.value;
  throw new Failure('FILE_IO', `${open.segment.camera}/${open.segment.name}: ${parsed.reason}`, {
    advice: `Run starling check on ${open.segment.server}.`,
  });
}
