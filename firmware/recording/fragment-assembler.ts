/**
 * Turns the samples of one camera into fragments. A fragment begins on a video keyframe and closes at the next one,
 * after `fragmentUsMax` or at `fragmentBytesMax` (adopted cameras may have 10 s GOPs); audio belongs to the fragment
 * its PTS falls in. Without video a fragment is `audioFragmentUs` long.
 *
 * Invariants: pure and synchronous; every sample comes out once, in order of its track; inside a fragment the
 * sequences of a track have no break and its times no jump: both close the fragment; video before the first keyframe
 * is dropped and counted, because nothing can decode it. Whatever times and sizes a camera claims, what is held is
 * bounded in bytes, samples and time of any track: at a bound everything goes out as one fragment.
 */
import type { Batch } from '../media/fragmented-mp4.ts';
import { type Sample, sampleBytesMax, type TrackDescription } from '../media/sample.ts';

const fragmentUsMax = 2_000_000;
const fragmentBytesMax = 1024 * 1024;
const audioFragmentUs = 1_000_000;
const fragmentSamplesMax = 2_048;
/** A fragment whose audio has not caught up after so long closes without it; late audio goes into the next. */
const audioWaitUs = 500_000;
/** Samples further apart do not belong together; a frame is never shown for so long. */
const jumpUsMax = 10_000_000;
/** What may wait: in bytes, in samples, and of a track while another says nothing. */
const heldBytesMax = 2 * fragmentBytesMax + sampleBytesMax;
const heldSamplesMax = 2 * fragmentSamplesMax;
const heldUsMax = 2 * fragmentUsMax;

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
  /** its samples say where fragments end */
  private readonly leader: Track | undefined;
  private readonly hasVideo: boolean;
  private started = false;
  private heldSamples = 0;
  /** bytes of samples that are not yet in a fragment */
  heldBytes = 0;
  /** video samples that came before the first keyframe */
  dropped = 0;

  /** Track id = place + 1. */
  constructor(descriptions: readonly TrackDescription[]) {
    this.tracks = descriptions.map((description) => ({ description, samples: [] }));
    const video = this.tracks.find((track) => track.description.kind === 'video');
    this.hasVideo = video !== undefined;
    this.leader = video ?? this.tracks[0];
  }

  /** Takes the next sample of a track and returns the fragments it completes (mostly none). */
  push(trackId: number, sample: Sample): AssembledFragment[] {
    const track = this.tracks[trackId - 1];
    if (track === undefined) return [];
    if (this.hasVideo && track === this.leader && !this.started) {
      if (!sample.keyframe) {
        this.dropped += 1;
        return [];
      }
      this.started = true;
    }
    const finished: AssembledFragment[] = [];
    const previous = track.samples.at(-1);
    if (previous !== undefined && !follows(sample, previous)) finished.push(...this.flush());
    track.samples.push(sample);
    this.heldSamples += 1;
    this.heldBytes += sample.bytes;
    for (let next = this.cut(); next !== undefined; next = this.cut()) finished.push(next);
    if (this.isFull()) finished.push(...this.flush());
    return finished;
  }

  /** Everything that is left: at a break, a change of tracks, and at the end. */
  flush(): AssembledFragment[] {
    const finished: AssembledFragment[] = [];
    for (let next = this.cut(false); next !== undefined; next = this.cut(false)) finished.push(next);
    const left = this.take((track) => track.samples.length, undefined);
    return left === undefined ? finished : [...finished, left];
  }

  private isFull(): boolean {
    if (this.heldBytes > heldBytesMax || this.heldSamples >= heldSamplesMax) return true;
    return this.tracks.some((track) => track !== this.leader && spanUs(track.samples) >= heldUsMax);
  }

  /** The oldest fragment, if it is complete; `patient`: not before late sound had its chance. */
  private cut(patient = true): AssembledFragment | undefined {
    const { leader } = this;
    if (leader === undefined) return undefined;
    const count = this.leaderCount(leader.samples);
    const end = leader.samples[count]?.ptsUs;
    if (count === 0 || end === undefined) return undefined;
    const others = this.tracks.filter((track) => track !== leader);
    const waiting = others.some((track) => (track.samples.at(-1)?.ptsUs ?? Number.NEGATIVE_INFINITY) < end);
    if (patient && waiting && (leader.samples.at(-1)?.ptsUs ?? end) - end < audioWaitUs) return undefined;
    return this.take((track) => (track === leader ? count : countBefore(track.samples, end)), end);
  }

  /** How many of the leader's samples make the oldest fragment; 0 while it is open. */
  private leaderCount(samples: readonly Sample[]): number {
    const usMax = this.hasVideo ? fragmentUsMax : audioFragmentUs;
    let bytes = 0;
    for (const [place, sample] of samples.entries()) {
      const elapsedUs = Math.abs(sample.ptsUs - (samples[0] as Sample).ptsUs);
      const full = elapsedUs >= usMax || bytes >= fragmentBytesMax || place >= fragmentSamplesMax;
      if (place > 0 && (full || (this.hasVideo && sample.keyframe))) return place;
      bytes += sample.bytes;
    }
    return 0;
  }

  /** Takes the first samples of each track out as a fragment; `endPtsUs` is where the leader's part ends. */
  private take(
    countOf: (track: Track) => number,
    endPtsUs: number | undefined,
  ): AssembledFragment | undefined {
    const batches: Batch[] = [];
    let startsOnKeyframe = false;
    for (const [place, track] of this.tracks.entries()) {
      const count = countOf(track);
      if (count === 0) continue;
      const samples = track.samples.slice(0, count);
      track.samples = track.samples.slice(count);
      this.heldSamples -= count;
      for (const sample of samples) this.heldBytes -= sample.bytes;
      if (track === this.leader) startsOnKeyframe = samples[0]?.keyframe === true;
      const next = track.samples[0]?.ptsUs;
      batches.push({ trackId: place + 1, samples, endPtsUs: track === this.leader ? endPtsUs : next });
    }
    return batches.length === 0 ? undefined : { batches, startsOnKeyframe };
  }
}

/** Whether a sample goes on where the one before ended. B-frames step back a little. */
function follows(sample: Sample, previous: Sample): boolean {
  return sample.sequence === previous.sequence + 1 && Math.abs(sample.ptsUs - previous.ptsUs) <= jumpUsMax;
}

function spanUs(samples: readonly Sample[]): number {
  return (samples.at(-1)?.ptsUs ?? 0) - (samples[0]?.ptsUs ?? 0);
}

function countBefore(samples: readonly Sample[], endPtsUs: number): number {
  let count = 0;
  while (count < samples.length && (samples[count] as Sample).ptsUs < endPtsUs) count += 1;
  return count;
}
