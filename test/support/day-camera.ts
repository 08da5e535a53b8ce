/** A camera unit with an outbox, as the recorder sees it: two frames a GOP and a second, payloads that can be checked. */
import type { Sample } from '../../firmware/media/sample.ts';
import type { CameraRecorder, DurablePoint } from '../../firmware/recording/camera-recorder.ts';
import type { Recorder } from '../../firmware/recording/recorder.ts';
import { keyOf, type Stream } from '../sim/randomness.ts';
import { videoTrack } from './media-samples.ts';

interface Kept {
  readonly captureId: string;
  readonly sample: Sample;
}

/** Delivers again, after every attachment, what was not acknowledged. */
export class DayCamera {
  readonly id: string;
  readonly outbox: Kept[] = [];
  /** last acknowledged sequence by capture */
  readonly acknowledged = new Map<string, number>();
  recorder: CameraRecorder | undefined;
  private captures = 1;
  private sequence = 0;
  private ptsUs = 0;

  constructor(id: string) {
    this.id = id;
  }

  get captureId(): string {
    return `${this.id}.${this.captures}`;
  }

  nextCapture(): void {
    this.captures += 1;
    this.sequence = 0;
    this.recorder?.setTracks([videoTrack(this.captureId, this.id)]);
  }

  attach(recorder: Recorder, epoch: number, offsetUs: number): void {
    const mine: CameraRecorder = recorder.record({
      camera: this.id,
      epoch,
      onDurable: (point) => this.durable(point),
      onFailed: () => {
        if (this.recorder === mine) this.recorder = undefined;
        void recorder.finish(mine);
      },
    });
    this.recorder = mine;
    mine.setMapping({ offsetUs, uncertaintyUs: 1 });
    let captureId: string | undefined;
    for (const kept of this.outbox) {
      if (kept.captureId !== captureId) mine.setTracks([videoTrack(kept.captureId, this.id)]);
      ({ captureId } = kept);
      mine.push(1, kept.sample);
    }
    if (captureId !== this.captureId) mine.setTracks([videoTrack(this.captureId, this.id)]);
  }

  /** A keyframe and another frame. */
  gop(random: Stream): void {
    for (const keyframe of [true, false]) {
      const sample = sampleOf(this.captureId, this.sequence, {
        ptsUs: this.ptsUs,
        keyframe,
        bytes: random.whole(4, random.chance(0.2) ? 3_000 : 200),
      });
      this.sequence += 1;
      this.ptsUs += 500_000;
      this.outbox.push({ captureId: this.captureId, sample });
      this.recorder?.push(1, sample);
    }
  }

  private durable({ captureId, through }: DurablePoint): void {
    const last = through.get(1) ?? -1;
    this.acknowledged.set(captureId, Math.max(last, this.acknowledged.get(captureId) ?? -1));
    while (this.outbox[0]?.captureId === captureId && this.outbox[0].sample.sequence <= last)
      this.outbox.shift();
  }
}

/** The payload follows from the capture, the number and the length; no byte is zero. */
export function payloadOf(captureId: string, sequence: number, bytes: number): Buffer {
  return Buffer.alloc(bytes, `${keyOf(bytes, captureId, sequence)}.`);
}

function sampleOf(
  captureId: string,
  sequence: number,
  { ptsUs, keyframe, bytes }: { ptsUs: number; keyframe: boolean; bytes: number },
): Sample {
  const payload = [payloadOf(captureId, sequence, bytes)];
  return { sequence, ptsUs, durationUs: 500_000, compositionUs: 0, keyframe, bytes, payload };
}
