/**
 * Turns the samples of one camera into fragments. A fragment begins on a video keyframe and closes at the next one,
 * after `fragmentUsMax` or at `fragmentBytesMax` (adopted cameras may have 10 s GOPs); audio belongs to the fragment
 * its PTS falls in. Without video a fragment is `audioFragmentUs` long.
 *
 * Invariants: pure and synchronous; every sample comes out once, in order of its track; inside a fragment the
 * sequences of a track have no break, and a break closes the fragment; video before the first keyframe is dropped
 * and counted, because nothing can decode it; what is held is bounded by the fragment bounds.
 */
import type { Batch } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';

const fragmentUsMax = 2_000_000;
const fragmentBytesMax = 1024 * 1024;
const audioFragmentUs = 1_000_000;
/** A fragment whose audio has not caught up after so long closes without it; late audio goes into the next. */
const audioWaitUs = 500_000;

/** A finished fragment's content. `startsOnKeyframe`: a new segment may begin with it. */
export interface AssembledFragment {
  readonly batches: readonly Batch[];
  readonly startsOnKeyframe: boolean;
}

interface Track {
  readonly description: TrackDescription;
  /** in arrival order, not yet in a fragment */
  samples: Sample[];
}

export class FragmentAssembler {
  private readonly tracks: Track[];
  private readonly video: Track | undefined;
  private started = false;
  private pendingBytes = 0;
  /** samples from before the first video keyframe */
  dropped = 0;

  /** Track id = place + 1. */
  constructor(descriptions: readonly TrackDescription[]) {
    this.tracks = descriptions.map((description) => ({ description, samples: [] }));
    this.video = this.tracks.find((track) => track.description.kind === 'video');
  }

  /** Takes the next sample of a track and returns the fragments it completes (mostly none). */
  push(trackId: number, sample: Sample): AssembledFragment[] {
    const track = this.tracks[trackId - 1];
    if (track === undefined) return [];
    if (track === this.video && !this.started) {
      if (!sample.keyframe) {
        this.dropped += 1;
        return [];
      }
      this.start(sample.ptsUs);
    }
    const finished: AssembledFragment[] = [];
    const previous = track.samples.at(-1);
    if (previous !== undefined && sample.sequence !== previous.sequence + 1) finished.push(...this.flush());
    track.samples.push(sample);
    this.pendingBytes += sample.bytes;
    for (let next = this.cut(); next !== undefined; next = this.cut()) finished.push(next);
    return finished;
  }

  /** The first keyframe: a recording begins with a picture, so sound from before it is dropped. */
  private start(ptsUs: number): void {
    this.started = true;
    for (const track of this.tracks) {
      const early = countBefore(track.samples, ptsUs);
      for (const sample of track.samples.slice(0, early)) this.pendingBytes -= sample.bytes;
      track.samples = track.samples.slice(early);
      this.dropped += early;
    }
  }

  /** Everything that is left: at a sequence break, a change of tracks, and at the end. */
  flush(): AssembledFragment[] {
    const left = this.take(Number.POSITIVE_INFINITY, undefined);
    return left === undefined ? [] : [left];
  }

  /** The oldest fragment, if it is complete. */
  private cut(): AssembledFragment | undefined {
    const leader = this.video ?? this.tracks[0];
    const first = leader?.samples[0];
    const last = leader?.samples.at(-1);
    if (leader === undefined || first === undefined || last === undefined) return this.cutWaitingAudio();
    const end = this.video === undefined ? audioCut(leader.samples) : this.videoCut(leader.samples);
    if (end === undefined) return undefined;
    const others = this.tracks.filter((track) => track !== leader);
    const waiting = others.some((track) => (track.samples.at(-1)?.ptsUs ?? Number.NEGATIVE_INFINITY) < end);
    if (waiting && last.ptsUs - end < audioWaitUs) return undefined;
    return this.take(end, leader);
  }

  /** PTS at which the video fragment ends, undefined while it is open. */
  private videoCut(samples: readonly Sample[]): number | undefined {
    const first = samples[0] as Sample;
    let bytes = first.bytes;
    for (let place = 1; place < samples.length; place++) {
      const sample = samples[place] as Sample;
      if (sample.keyframe || sample.ptsUs - first.ptsUs >= fragmentUsMax || bytes >= fragmentBytesMax) {
        return sample.ptsUs;
      }
      bytes += sample.bytes;
    }
    return undefined;
  }

  /** Audio whose video has stopped must not pile up. */
  private cutWaitingAudio(): AssembledFragment | undefined {
    for (const track of this.tracks) {
      const end = track === this.video ? undefined : audioCut(track.samples);
      if (end !== undefined && this.pendingBytes > fragmentBytesMax) return this.take(end, track);
    }
    return undefined;
  }

  /** Takes all samples before `endPtsUs` out as a fragment. */
  private take(endPtsUs: number, leader: Track | undefined): AssembledFragment | undefined {
    const batches: Batch[] = [];
    for (const [place, track] of this.tracks.entries()) {
      const count = countBefore(track.samples, endPtsUs);
      if (count === 0) continue;
      const samples = track.samples.slice(0, count);
      track.samples = track.samples.slice(count);
      for (const sample of samples) this.pendingBytes -= sample.bytes;
      const next = track.samples[0]?.ptsUs;
      batches.push({ trackId: place + 1, samples, endPtsUs: track === leader ? endPtsUs : next });
    }
    const first = batches[0];
    if (first === undefined) return undefined;
    const startsOnKeyframe = this.tracks[first.trackId - 1] === (this.video ?? this.tracks[0]) && first.samples[0]?.keyframe === true;
    return { batches, startsOnKeyframe };
  }
}

/** PTS that ends the first second of audio, undefined while it is not full. */
function audioCut(samples: readonly Sample[]): number | undefined {
  const first = samples[0];
  return samples.find((sample) => first !== undefined && sample.ptsUs - first.ptsUs >= audioFragmentUs)?.ptsUs;
}

function countBefore(samples: readonly Sample[], endPtsUs: number): number {
  let count = 0;
  while (count < samples.length && (samples[count] as Sample).ptsUs < endPtsUs) count += 1;
  return count;
}
