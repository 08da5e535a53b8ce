/** A capture service in virtual time, with a scripted process and a clock that can be set. */
import assert from 'node:assert/strict';
import type { BacklogItem, CapturedSample } from '../../firmware/capture/backlog.ts';
import { CaptureService, type CaptureState } from '../../firmware/capture/capture-service.ts';
import { Outbox } from '../../firmware/capture/outbox.ts';
import type { Aim, CapturedCamera } from '../../firmware/capture/pipeline-plan.ts';
import { UtcKeeper } from '../../firmware/capture/utc-mapping.ts';
import { CaptureScript, type Reel } from './scripted-capture.ts';
import { VirtualClock } from './virtual-clock.ts';

const camera: CapturedCamera = {
  id: 'door',
  source: { kind: 'v4l2', device: '/dev/video0' },
  width: 160,
  height: 120,
  frameRate: 30,
  bitrateKbps: 500,
  keyframeIntervalMs: 1_000,
  audio: false,
};

const writtenUtcMs = Date.parse('2026-11-01T00:00:00Z');
/** From the bench's start to 1970. */
export const to1970Ms = -Date.parse('2026-11-22T12:00:00Z');

/** A clock whose UTC can be set, as by NTP. */
class SettableClock extends VirtualClock {
  stepMs = 0;

  override utcMs(): number {
    return super.utcMs() + this.stepMs;
  }
}

/** `aim`: the camera can be turned, and shows a test picture. */
interface BenchOptions {
  readonly stepMs?: number;
  readonly offSinceUs?: number;
  readonly aim?: Aim;
  readonly source?: CapturedCamera['source'];
  readonly microphone?: string;
}

/** One camera; `reel` is what its process plays. */
export class CaptureBench {
  readonly clock: SettableClock;
  readonly utc: UtcKeeper;
  readonly script = new CaptureScript();
  readonly outbox = new Outbox({ bytesMax: 10_000_000, secondsMax: 600 });
  readonly states: CaptureState[] = [];
  readonly service: CaptureService;
  samples = 0;
  private readonly reel: Reel;

  constructor(reel: Reel, { stepMs = 0, offSinceUs, aim, source, microphone }: BenchOptions = {}) {
    this.reel = reel;
    this.clock = new SettableClock();
    this.clock.stepMs = stepMs;
    this.utc = new UtcKeeper({
      clock: this.clock,
      trusted: () => this.clock.utcMs() > writtenUtcMs,
      certain: false,
      writtenUtcMs,
    });
    this.service = new CaptureService({
      camera: {
        ...camera,
        source: source ?? (aim === undefined ? camera.source : { kind: 'test' }),
        ...(microphone === undefined ? {} : { microphone, audio: true }),
      },
      aim,
      hue: 0,
      bootId: 'boot',
      outbox: this.outbox,
      utc: this.utc,
      offSinceUs,
      clock: this.clock,
      start: this.script.start,
      onSample: () => {
        this.samples += 1;
      },
      onState: (state) => this.states.push(state),
    });
    this.service.open();
  }

  /** The pipeline of the last process plays, and shows so many frames at once. */
  flow(frames = 1): void {
    const nowUs = this.clock.monotonicMs() * 1_000;
    this.script.last.play(nowUs, nowUs);
    this.script.last.data('video', this.reel.head);
    this.frames(0, frames);
  }

  frames(from: number, to: number): void {
    for (const buffer of this.reel.buffers.slice(from, to)) this.script.last.data('video', buffer);
  }

  items(): BacklogItem[] {
    const items: BacklogItem[] = [];
    for (let at = 0; ; at++) {
      const next = this.outbox.read(at);
      if (next === undefined) return items;
      items.push(next.item);
    }
  }

  sampled(): CapturedSample[] {
    return this.items().filter((item) => item.type === 'sample');
  }

  /** Virtual ms until the next process starts. */
  async waitForStart(maxMs = 60_000): Promise<number> {
    const count = this.script.runs.length;
    for (let waited = 0; waited <= maxMs; waited += 10) {
      await Promise.resolve();
      if (this.script.runs.length > count) return waited;
      this.clock.advance(10);
    }
    return assert.fail('no new process');
  }

  told(): string[] {
    return this.states.map((state) =>
      state.is === 'failed' || state.is === 'silent' ? state.failure.message : state.is,
    );
  }
}
