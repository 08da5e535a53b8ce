/**
 * One track of one capture, sample by sample in order, out of fragments that overlap in any way: two managers had the
 * camera for a while, a stream was resumed, a GOP was sent again.
 *
 * Invariants: a sample comes out once, after all with a lower sequence that anybody has; a hole is believed only when
 * no fragment that is still to come can fill it. What waits is bounded; at the bound the hole is believed. Times are
 * µs on the camera's clock.
 */
import type { Sample, UtcMapping } from '../media/sample.ts';

/** What may wait for a hole to be filled. */
const waitingSamplesMax = 16_384;
const waitingBytesMax = 64 * 1024 * 1024;

/** A sample, and UTC as its fragment tells it. */
export interface PlacedSample {
  readonly sample: Sample;
  readonly mapping: UtcMapping;
}

export class SampleOrder {
  /** sequence of the next sample; undefined before the first */
  private next: number | undefined;
  /** by sequence, none twice */
  private waiting: PlacedSample[] = [];
  private waitingBytes = 0;
  /** how far a sample's PTS may lie behind its decode time */
  private compositionUsMax = 0;

  /** `next`: samples before it are known already. */
  constructor(next?: number) {
    this.next = next;
  }

  /** Takes samples in any order. */
  put(samples: readonly Sample[], mapping: UtcMapping): void {
    for (const sample of samples) {
      this.compositionUsMax = Math.max(this.compositionUsMax, sample.compositionUs);
      if (this.next !== undefined && sample.sequence < this.next) continue;
      const place = this.placeOf(sample.sequence);
      if (this.waiting[place]?.sample.sequence === sample.sequence) continue;
      const placed = { sample, mapping };
      if (place === this.waiting.length) this.waiting.push(placed);
      else this.waiting.splice(place, 0, placed);
      this.waitingBytes += sample.bytes;
    }
  }

  /** What is next in order. Nothing that comes later by `put` was to be shown before `settledPtsUs`. */
  take(settledPtsUs: number): PlacedSample[] {
    const full = this.waiting.length > waitingSamplesMax || this.waitingBytes > waitingBytesMax;
    const believedUs = full ? Number.POSITIVE_INFINITY : settledPtsUs - this.compositionUsMax;
    let count = 0;
    for (const { sample } of this.waiting) {
      const decodeUs = sample.ptsUs - sample.compositionUs;
      if (sample.sequence !== this.next && decodeUs >= believedUs) break;
      this.next = sample.sequence + 1;
      this.waitingBytes -= sample.bytes;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  /** Where a sequence is, or belongs. Nearly always at the end. */
  private placeOf(sequence: number): number {
    let [from, to] = [0, this.waiting.length];
    if ((this.waiting[to - 1]?.sample.sequence ?? -1) < sequence) return to;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.waiting[middle] as PlacedSample).sample.sequence < sequence) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
