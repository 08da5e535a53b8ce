/**
 * Turns stored fragments into one continuous file: samples in order, each once, times from 0.
 *
 * Invariants: a sample is known by (capture, track, sequence) and is written once; after a hole the video waits for
 * a keyframe, so that whatever is written can be decoded; within a capture distances are the camera's own clock,
 * between captures they are UTC, so gaps stay gaps; time never runs backwards. Each fragment that is written tells
 * the UTC of its own samples. Times are µs.
 */
import {
  type Batch,
  compatible,
  fragment,
  fragmentSamplesMax,
  initSegment,
} from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';
import { tracksMax } from '../media/self-description.ts';
import type { OrderedFragment } from './fragment-order.ts';
import { type PlacedSample, SampleOrder } from './sample-order.ts';
import type { TimeRange } from './time-query.ts';

/** Longest run: as many of all tracks fit into one fragment. */
const runSamplesMax = fragmentSamplesMax / tracksMax;

/** Where a track of the present capture is. */
interface TrackPlace {
  readonly order: SampleOrder;
  /** sequence of the last sample that was looked at */
  last: number | undefined;
  /** nothing before the next keyframe can be decoded */
  needsKeyframe: boolean;
}

/** Consecutive samples of one track, at file time. */
export interface Run extends Batch {
  readonly samples: Sample[];
  readonly mapping: UtcMapping;
}

/** A chunk of the file, and the stretch of UTC it holds. */
export interface RemuxedChunk {
  /** put together when asked for */
  readonly bytes: Buffer;
  readonly holds: TimeRange;
  /** what is in it; track id = place + 1 in `tracks` */
  readonly runs: readonly Run[];
  readonly tracks: readonly TrackDescription[];
}

/** `changed`: the tracks no longer fit the init segment, nothing more can be added. */
interface RemuxStep {
  readonly chunks: readonly RemuxedChunk[];
  readonly changed: boolean;
}

/** How far a file has come that is to be continued. */
export interface RemuxedSoFar {
  readonly tracks: readonly TrackDescription[];
  /** UTC of the file's time 0 */
  readonly startUs: number;
  /** of the last fragment */
  readonly captureId: string;
  /** file time = PTS + shift */
  readonly shiftUs: number;
  /** the sequence that is next, by track */
  readonly next: readonly (number | undefined)[];
  readonly endUs: number;
  /** fragments */
  readonly count: number;
}

export class Remuxer {
  /** UTC of the file's time 0; undefined before the first chunk */
  startUs: number | undefined;
  private readonly toUs: number;
  /** of the file; undefined before the first chunk */
  private tracks: readonly TrackDescription[] | undefined;
  private capture: { readonly id: string; readonly tracks: readonly TrackDescription[] } | undefined;
  /** file time = PTS + shift, in the present capture; undefined until its first keyframe */
  private shiftUs: number | undefined;
  private firstPtsUs = 0;
  private places: TrackPlace[] = [];
  private endUs = 0;
  private sequenceNumber = 0;

  /** Writes samples that are decoded before `toUs`, µs UTC. */
  constructor(toUs: number) {
    this.toUs = toUs;
  }

  /** Goes on with a file whose end is known. */
  static continuing(toUs: number, soFar: RemuxedSoFar): Remuxer {
    const remuxer = new Remuxer(toUs);
    const { tracks, captureId, startUs, shiftUs, endUs, count } = soFar;
    remuxer.startUs = startUs;
    remuxer.tracks = tracks;
    remuxer.capture = { id: captureId, tracks };
    remuxer.shiftUs = shiftUs;
    remuxer.firstPtsUs = Number.NEGATIVE_INFINITY;
    remuxer.endUs = endUs;
    remuxer.sequenceNumber = count;
    remuxer.places = tracks.map((_, place) => {
      const next = soFar.next[place];
      return placeAt(next);
    });
    return remuxer;
  }

  /** Adds one fragment; the first chunk begins with the init segment. */
  add(source: OrderedFragment): RemuxStep {
    const tracks = source.tracks.filter(({ rendition }) => rendition === 'main');
    const chunks: RemuxedChunk[] = [];
    const { capture } = this;
    if (capture?.id !== source.captureId || !compatible(capture.tracks, tracks)) {
      chunks.push(...this.finish());
      if (this.tracks !== undefined && !compatible(this.tracks, tracks)) return { chunks, changed: true };
      this.beginCapture(source.captureId, tracks);
    }
    for (const [place, track] of tracks.entries()) {
      const id = source.tracks.indexOf(track) + 1;
      const batch = source.parsed.batches.find(({ trackId }) => trackId === id);
      if (batch !== undefined) this.places[place]?.order.put(batch.samples, source.listing.mapping);
    }
    chunks.push(...this.write(source.settledPtsUs));
    return { chunks, changed: false };
  }

  /** What still waited for something to fill a hole. */
  finish(): RemuxedChunk[] {
    return this.write(Number.POSITIVE_INFINITY);
  }

  private beginCapture(id: string, tracks: readonly TrackDescription[]): void {
    this.capture = { id, tracks };
    this.shiftUs = undefined;
    this.places = tracks.map(() => placeAt(undefined));
  }

  private write(settledPtsUs: number): RemuxedChunk[] {
    const { capture } = this;
    if (capture === undefined) return [];
    const hasVideo = capture.tracks.some(({ kind }) => kind === 'video');
    const videoFirst = [...capture.tracks.entries()].sort(([, a], [, b]) => rank(a) - rank(b));
    const runs = videoFirst.flatMap(([place, track]) => {
      return this.take(place, !hasVideo || track.kind === 'video', settledPtsUs);
    });
    if (runs.length === 0) return [];
    const simple = new Set(runs.map(({ trackId }) => trackId)).size === runs.length;
    if (simple) return [this.chunk(capture, runs)];
    return runs.map((run) => this.chunk(capture, [run]));
  }

  private chunk(
    capture: { readonly id: string; readonly tracks: readonly TrackDescription[] },
    runs: readonly Run[],
  ): RemuxedChunk {
    const { mapping } = runs[0] as Run;
    const utcUs = mapping.offsetUs - (this.shiftUs ?? 0);
    const isFirst = this.tracks === undefined;
    this.tracks ??= capture.tracks;
    this.startUs ??= utcUs;
    this.sequenceNumber += 1;
    const built = fragment({
      sequenceNumber: this.sequenceNumber,
      batches: runs,
      mapping: { ...mapping, offsetUs: utcUs },
      captureId: capture.id,
    });
    this.endUs = Math.max(this.endUs, built.toPtsUs);
    const parts = isFirst ? [initSegment(capture.tracks), ...built.parts] : built.parts;
    return {
      get bytes() {
        return Buffer.concat(parts);
      },
      runs,
      tracks: capture.tracks,
      holds: { fromUs: built.fromPtsUs + utcUs, toUs: built.toPtsUs + utcUs },
    };
  }

  /** Picks what is next and can be decoded. Tracks that do not lead wait for the one that does. */
  private take(place: number, leads: boolean, settledPtsUs: number): Run[] {
    const state = this.places[place];
    const runs: Run[] = [];
    if (state === undefined) return runs;
    const waits = !leads && this.shiftUs === undefined && Number.isFinite(settledPtsUs);
    let run: Run | undefined;
    for (const { sample, mapping } of state.order.take(waits ? Number.NEGATIVE_INFINITY : settledPtsUs)) {
      const follows = state.last === undefined || sample.sequence === state.last + 1;
      state.last = sample.sequence;
      const beyond = sample.ptsUs - sample.compositionUs + mapping.offsetUs >= this.toUs;
      if (!follows || beyond) state.needsKeyframe = true;
      if (sample.keyframe && !beyond && (leads || this.shiftUs !== undefined)) state.needsKeyframe = false;
      if (!state.needsKeyframe && this.shiftUs === undefined) this.anchor({ sample, mapping });
      if (state.needsKeyframe || sample.ptsUs < this.firstPtsUs) {
        run = undefined;
        continue;
      }
      if (run === undefined || !follows || run.samples.length === runSamplesMax) {
        run = { trackId: place + 1, samples: [], mapping };
        runs.push(run);
      }
      run.samples.push({ ...sample, ptsUs: sample.ptsUs + (this.shiftUs ?? 0) });
    }
    return runs;
  }

  /** The capture's first sample: at its distance in UTC from the file's start, but never before the file's end. */
  private anchor({ sample: { ptsUs }, mapping }: PlacedSample): void {
    const wantedUs = this.startUs === undefined ? 0 : ptsUs + mapping.offsetUs - this.startUs;
    this.shiftUs = Math.max(wantedUs, this.endUs) - ptsUs;
    this.firstPtsUs = ptsUs;
  }
}

function placeAt(next: number | undefined): TrackPlace {
  const last = next === undefined ? undefined : next - 1;
  return { order: new SampleOrder(next), last, needsKeyframe: next === undefined };
}

function rank(track: TrackDescription): number {
  return track.kind === 'video' ? 0 : 1;
}
