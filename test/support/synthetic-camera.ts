/**
 * One camera whose pictures are made up: it fills an outbox at a fixed rate, every sample says what it is
 * (numbered-sample.ts), and a journal, when there is one, keeps what was captured and what servers called durable.
 *
 * As on a board, its time is the machine's monotonic clock, and UTC a mapping that the unit keeps.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Capture, Durable } from '../../firmware/capture/backlog.ts';
import { Outbox, type OutboxOptions } from '../../firmware/capture/outbox.ts';
import { SampleDates } from '../../firmware/capture/sample-dates.ts';
import type { UtcKeeper } from '../../firmware/capture/utc-mapping.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { CameraJournal } from './camera-journal.ts';
import { audioTrack, videoTrack } from './media-samples.ts';
import { numberedPayload } from './numbered-sample.ts';

/** What the cameras of a process are like. */
export interface SyntheticLoad {
  /** time between two pictures, ms */
  readonly frameMs: number;
  readonly framesPerGroup: number;
  /** of a picture, bytes; a keyframe has four times as many */
  readonly sampleBytes: number;
  /** with a sound track, too */
  readonly sound: boolean;
  /** folder for journals, one a camera; undefined keeps none */
  readonly journals?: string;
}

/** Little: for networks of many cameras. */
export const lightLoad: SyntheticLoad = { frameMs: 200, framesPerGroup: 5, sampleBytes: 200, sound: false };

/** An AAC frame of 1024 samples at 48 kHz. */
const soundUs = 21_333;
const soundBytes = 80;

/** Path of a camera's journal. */
export function journalPath(folder: string, camera: string): string {
  return join(folder, `${camera}.journal`);
}

/** Writes down what servers call durable before it is forgotten. */
class JournaledOutbox extends Outbox {
  private readonly journal: CameraJournal | undefined;

  constructor(options: OutboxOptions, journal: CameraJournal | undefined) {
    super(options);
    this.journal = journal;
  }

  override acknowledge(durable: readonly Durable[]): void {
    this.journal?.durable(durable);
    super.acknowledge(durable);
  }
}

export class SyntheticCamera {
  readonly outbox: Outbox;
  private readonly id: string;
  private readonly load: SyntheticLoad;
  private readonly capture: Capture;
  private readonly journal: CameraJournal | undefined;
  private readonly startUs = now();
  /** by track id − 1 */
  private readonly sequences = [0, 0];
  private readonly utc: UtcKeeper;
  private readonly dates: SampleDates;

  constructor(id: string, bounds: OutboxOptions, { load, utc }: { load: SyntheticLoad; utc: UtcKeeper }) {
    this.id = id;
    this.utc = utc;
    this.load = load;
    const captureId = `${randomBytes(4).toString('hex')}.0`;
    const tracks = [videoTrack(captureId, id), ...(load.sound ? [audioTrack(captureId, id)] : [])];
    this.capture = { captureId, tracks };
    const { journals } = load;
    this.journal =
      journals === undefined ? undefined : new CameraJournal(journalPath(journals, id), captureId);
    this.outbox = new JournaledOutbox(bounds, this.journal);
    this.dates = new SampleDates(utc, this.outbox);
  }

  /** Captures what is due by now. Pictures have the times they were due at, however late this is called. */
  capturePast(): void {
    const elapsedUs = now() - this.startUs;
    const frameUs = this.load.frameMs * 1000;
    while ((this.sequences[0] as number) * frameUs <= elapsedUs) {
      const sequence = this.sequences[0] as number;
      // Before the picture that ends it, as it comes out of a pipeline.
      while (this.load.sound && ((this.sequences[1] as number) + 1) * soundUs <= sequence * frameUs) {
        this.add(2, { durationUs: soundUs, keyframe: true, bytes: soundBytes });
      }
      const keyframe = sequence % this.load.framesPerGroup === 0;
      const bytes = this.load.sampleBytes * (keyframe ? 4 : 1);
      this.add(1, { durationUs: frameUs, keyframe, bytes });
    }
    this.journal?.givenUp(this.outbox.overflowed);
  }

  /** A server has told the time: what waits gets its date, if it had none. */
  clockHeard(): void {
    this.dates.settle();
  }

  /** Captures nothing more; `flushed`: everything was handed to a server. */
  end(flushed: boolean): void {
    if (flushed) this.journal?.end();
  }

  private add(trackId: number, made: { durationUs: number; keyframe: boolean; bytes: number }): void {
    const { durationUs, keyframe } = made;
    const sequence = this.sequences[trackId - 1] as number;
    this.sequences[trackId - 1] = sequence + 1;
    const ptsUs = this.startUs + sequence * durationUs;
    const { captureId } = this.capture;
    const payload = numberedPayload(this.id, { captureId, trackId, sequence, ptsUs, keyframe }, made.bytes);
    const mapping = this.dates.mappingFor({ ptsUs, leads: keyframe && trackId === 1 }, 0);
    // One that has no date yet may get another one before it is sent.
    const utcUs = this.utc.known ? ptsUs + mapping.offsetUs : undefined;
    this.journal?.captured(trackId, { sequence, ptsUs, utcUs, durationUs });
    const sample = { sequence, ptsUs, durationUs, compositionUs: 0, keyframe };
    this.outbox.addSample({
      capture: this.capture,
      trackId,
      sample: { ...sample, payload: [payload], bytes: payload.length },
      mapping,
    });
  }
}

function now(): number {
  return Math.round(systemClock.monotonicMs() * 1000);
}
