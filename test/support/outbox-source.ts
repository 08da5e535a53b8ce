/** A camera that fills an outbox, and a reader that takes everything out. */
import type { BacklogItem, Capture } from '../../firmware/capture/backlog.ts';
import type { Outbox } from '../../firmware/capture/outbox.ts';
import { audioTrack, videoTrack } from './media-samples.ts';
import { sampleOf } from './synthetic-sample.ts';

export const mapping = { offsetUs: 1_000_000_000, uncertaintyUs: 1 };
export const frameUs = 100_000;

/** One picture track, one sound track, or both. */
export function captureOf(captureId: string, kinds: 'video' | 'audio' | 'both' = 'both'): Capture {
  const tracks = [videoTrack(captureId), audioTrack(captureId)];
  if (kinds === 'both') return { captureId, tracks };
  return { captureId, tracks: tracks.filter(({ kind }) => kind === kinds) };
}

/** Adds samples one after another, as a camera does. */
export class Source {
  readonly outbox: Outbox;
  capture: Capture;
  nowUs = 0;
  private readonly next = new Map<string, number>();

  constructor(outbox: Outbox, capture = captureOf('boot.0')) {
    this.outbox = outbox;
    this.capture = capture;
  }

  /** Track 1 is video (if there is any), the last track is audio. */
  add(kind: 'keyframe' | 'delta' | 'audio', bytes = 100): number {
    const trackId =
      this.capture.tracks.findIndex((track) => (track.kind === 'audio') === (kind === 'audio')) + 1;
    const key = `${this.capture.captureId}/${trackId}`;
    const sequence = this.next.get(key) ?? 0;
    this.next.set(key, sequence + 1);
    const keyframe = kind !== 'delta';
    const sample = sampleOf({ sequence, ptsUs: this.nowUs, durationUs: frameUs, bytes, keyframe });
    this.outbox.addSample({ capture: this.capture, trackId, sample, mapping });
    if (kind !== 'audio') this.nowUs += frameUs;
    return sequence;
  }

  /** A keyframe and deltas. */
  gop(frames: number, bytes = 100): void {
    for (let place = 0; place < frames; place++) this.add(place === 0 ? 'keyframe' : 'delta', bytes);
  }
}

/** Everything from a number on. */
export function readAll(outbox: Outbox, from = outbox.resumeAt()): BacklogItem[] {
  const items: BacklogItem[] = [];
  for (let at = from; ; ) {
    const next = outbox.read(at);
    if (next === undefined) return items;
    items.push(next.item);
    at = next.number + 1;
  }
}
