/**
 * Turns stored fragments into one continuous file: samples in order, each once, times from 0.
 *
 * Invariants: a sample is known by (capture, track, sequence) and is written once; after a hole the video waits for
 * a keyframe, so that whatever is written can be decoded; within a capture distances are the camera's own clock,
 * between captures they are UTC, so gaps stay gaps; time never runs backwards. Times are µs.
 */
import { compatible, fragment, initSegment } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';
import type { OrderedFragment } from './fragment-order.ts';
import type { TimeRange } from './time-query.ts';

/** Where a track of the present capture is. */
interface TrackPlace {
  /** sequence of the next sample; undefined before the first */
  next: number | undefined;
  /** nothing before the next keyframe can be decoded */
  needsKeyframe: boolean;
}

/** A chunk of the file, and the stretch of UTC it holds. */
export interface RemuxedChunk {
  readonly bytes: Buffer;
  readonly holds: TimeRange;
}

/** `changed`: the tracks no longer fit the init segment, nothing more can be added. */
export type RemuxStep = RemuxedChunk | 'nothing' | 'changed';

export class Remuxer {
  /** UTC of the file's time 0; undefined before the first chunk */
  startUs: number | undefined;
  private readonly toUs: number;
  private tracks: readonly TrackDescription[] | undefined;
  private captureId: string | undefined;
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

  /** Adds one fragment; the first chunk begins with the init segment. */
  add(source: OrderedFragment): RemuxStep {
    const tracks = source.tracks.filter(({ rendition }) => rendition === 'main');
    if (this.tracks !== undefined && !compatible(this.tracks, tracks)) return 'changed';
    if (source.captureId !== this.captureId) this.beginCapture(source.captureId, tracks.length);
    const { mapping } = source.listing;
    const hasVideo = tracks.some(({ kind }) => kind === 'video');
    const videoFirst = [...tracks.entries()].sort(([, a], [, b]) => rank(a) - rank(b));
    const batches: { trackId: number; samples: Sample[] }[] = [];
    for (const [place, track] of videoFirst) {
      const id = source.tracks.indexOf(track) + 1;
      const batch = source.parsed.batches.find(({ trackId }) => trackId === id);
      if (batch === undefined) continue;
      const leads = !hasVideo || track.kind === 'video';
      const samples = this.take(place, leads, batch.samples, mapping.offsetUs);
      if (samples.length > 0) batches.push({ trackId: place + 1, samples });
    }
    const { shiftUs } = this;
    if (batches.length === 0 || shiftUs === undefined) return 'nothing';
    const isFirst = this.tracks === undefined;
    this.tracks ??= tracks;
    this.startUs ??= mapping.offsetUs - shiftUs;
    this.sequenceNumber += 1;
    const built = fragment({
      sequenceNumber: this.sequenceNumber,
      batches,
      mapping: { ...mapping, offsetUs: this.startUs },
      captureId: source.captureId,
    });
    this.endUs = Math.max(this.endUs, built.toPtsUs);
    const parts = isFirst ? [initSegment(tracks), ...built.parts] : built.parts;
    const utcUs = mapping.offsetUs - shiftUs;
    return {
      bytes: Buffer.concat(parts),
      holds: { fromUs: built.fromPtsUs + utcUs, toUs: built.toPtsUs + utcUs },
    };
  }

  private beginCapture(captureId: string, trackCount: number): void {
    this.captureId = captureId;
    this.shiftUs = undefined;
    this.places = Array.from({ length: trackCount }, () => ({ next: undefined, needsKeyframe: true }));
  }

  /** Picks what is new and can be decoded, at file time. Tracks that do not lead wait for the one that does. */
  private take(place: number, leads: boolean, samples: readonly Sample[], offsetUs: number): Sample[] {
    const state = this.places[place];
    const taken: Sample[] = [];
    if (state === undefined) return taken;
    for (const sample of samples) {
      if (state.next !== undefined && sample.sequence < state.next) continue;
      if (sample.ptsUs - sample.compositionUs + offsetUs >= this.toUs) break;
      if (state.next !== undefined && sample.sequence > state.next) state.needsKeyframe = true;
      state.next = sample.sequence + 1;
      if (sample.keyframe && (leads || this.shiftUs !== undefined)) state.needsKeyframe = false;
      if (state.needsKeyframe) continue;
      if (this.shiftUs === undefined) this.anchor(sample.ptsUs, offsetUs);
      if (sample.ptsUs < this.firstPtsUs) continue;
      taken.push({ ...sample, ptsUs: sample.ptsUs + (this.shiftUs ?? 0) });
    }
    return taken;
  }

  /** The capture's first sample: at its distance in UTC from the file's start, but never before the file's end. */
  private anchor(ptsUs: number, offsetUs: number): void {
    const wantedUs = this.startUs === undefined ? 0 : ptsUs + offsetUs - this.startUs;
    this.shiftUs = Math.max(wantedUs, this.endUs) - ptsUs;
    this.firstPtsUs = ptsUs;
  }
}

function rank(track: TrackDescription): number {
  return track.kind === 'video' ? 0 : 1;
}
