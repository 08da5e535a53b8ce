/**
 * Whether the samples of a camera are all there: sequences of each track of each capture, over segments that come by
 * start and may overlap.
 *
 * Invariants: a hole is named only when no later segment can fill it; samples that are there twice are counted, not
 * blamed; a hole that begins under one epoch and ends under another is no loss of this server: the camera may have
 * been managed elsewhere. Bounded: `capturesMax` captures at a time, `stretchesMax` stretches of each track. µs UTC.
 */
import type { SegmentListing } from './archive.ts';
import type { SegmentInside } from './index-rows.ts';
import { segmentUsMax } from './index-rows.ts';

const capturesMax = 64;
const stretchesMax = 1_024;
/** Segments come by start, clocks move a little. */
const settleUs = segmentUsMax;
/** Captures that follow one another closer than this leave no hole. */
const seamUs = 2_000_000;

/** What is missing, before anybody asked why. */
export interface Missing {
  readonly captureId: string;
  readonly track: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly samples?: number;
  /** both ends are of one epoch */
  readonly sameEpoch: boolean;
}

/** Sequences [from, to) without a hole. */
interface Stretch {
  from: number;
  to: number;
  fromUs: number;
  toUs: number;
  readonly firstEpoch: number;
  lastEpoch: number;
}

interface Capture {
  readonly tracks: Map<string, Stretch[]>;
}

export class Continuity {
  duplicates = 0;
  private readonly onMissing: (missing: Missing) => void;
  private readonly captures = new Map<string, Capture>();
  /** where the latest capture ends */
  private end: { captureId: string; toUs: number; epoch: number } | undefined;

  constructor(onMissing: (missing: Missing) => void) {
    this.onMissing = onMissing;
  }

  /** The next segment by start. */
  add(listing: SegmentListing, inside: Pick<SegmentInside, 'tracks' | 'fragments'>): void {
    this.settle(listing.fromUs - settleUs);
    this.follow(listing);
    const { captureId, epoch } = listing;
    const capture = this.captures.get(captureId) ?? { tracks: new Map<string, Stretch[]>() };
    // The one that was seen last is the last to be forgotten.
    this.captures.delete(captureId);
    this.captures.set(captureId, capture);
    for (const { fromPtsUs, toPtsUs, mapping, tracks } of inside.fragments) {
      const [fromUs, toUs] = [fromPtsUs + mapping.offsetUs, toPtsUs + mapping.offsetUs];
      for (const { trackId, firstSequence, count } of tracks) {
        const name = nameOf(inside.tracks[trackId - 1]);
        const stretches = capture.tracks.get(name) ?? [];
        capture.tracks.set(name, stretches);
        const stretch = { from: firstSequence, to: firstSequence + count, fromUs, toUs };
        this.insert(stretches, { ...stretch, firstEpoch: epoch, lastEpoch: epoch });
        while (stretches.length > stretchesMax) this.join(captureId, name, stretches);
      }
    }
    const [oldest] = this.captures.keys();
    if (this.captures.size > capturesMax && oldest !== undefined) this.close(oldest);
  }

  /** There are no more segments. */
  finish(): void {
    this.settle(Number.POSITIVE_INFINITY);
  }

  /** Between two captures nobody counts; only time tells. */
  private follow({ captureId, fromUs, toUs, epoch }: SegmentListing): void {
    const { end } = this;
    if (end !== undefined && captureId !== end.captureId && fromUs > end.toUs + seamUs) {
      const sameEpoch = epoch === end.epoch;
      this.onMissing({ captureId, track: 'all', fromUs: end.toUs, toUs: fromUs, sameEpoch });
    }
    if (end === undefined || toUs >= end.toUs) this.end = { captureId, toUs, epoch };
  }

  private insert(stretches: Stretch[], added: Stretch): void {
    let place = stretches.length;
    while (place > 0 && (stretches[place - 1] as Stretch).from > added.from) place -= 1;
    stretches.splice(place, 0, added);
    // What touches or overlaps becomes one.
    for (let at = Math.max(0, place - 1); at + 1 < stretches.length && at <= place + 1; ) {
      const [one, next] = [stretches[at] as Stretch, stretches[at + 1] as Stretch];
      if (next.from > one.to) {
        at += 1;
        continue;
      }
      this.duplicates += Math.min(one.to, next.to) - next.from;
      if (next.to >= one.to) one.lastEpoch = next.lastEpoch;
      one.to = Math.max(one.to, next.to);
      one.fromUs = Math.min(one.fromUs, next.fromUs);
      one.toUs = Math.max(one.toUs, next.toUs);
      stretches.splice(at + 1, 1);
    }
  }

  private settle(beforeUs: number): void {
    for (const [captureId, capture] of this.captures) {
      for (const [track, stretches] of capture.tracks) {
        while (stretches.length > 1 && (stretches[1] as Stretch).fromUs < beforeUs) {
          this.join(captureId, track, stretches);
        }
      }
    }
  }

  private close(captureId: string): void {
    for (const [track, stretches] of this.captures.get(captureId)?.tracks ?? []) {
      while (stretches.length > 1) this.join(captureId, track, stretches);
    }
    this.captures.delete(captureId);
  }

  /** The first hole is one. */
  private join(captureId: string, track: string, stretches: Stretch[]): void {
    const [one, next] = stretches as [Stretch, Stretch];
    this.onMissing({
      captureId,
      track,
      fromUs: one.toUs,
      toUs: next.fromUs,
      samples: next.from - one.to,
      sameEpoch: one.lastEpoch === next.firstEpoch,
    });
    stretches.shift();
  }
}

function nameOf(track: SegmentInside['tracks'][number] | undefined): string {
  if (track === undefined) return 'unknown';
  return track.rendition === 'main' ? track.kind : `${track.kind} (${track.rendition})`;
}
