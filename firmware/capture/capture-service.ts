/**
 * Keeps one camera capturing: runs the capture process, feeds the outbox, and starts the process anew when it ends,
 * fails, or shows no frame for `frameWaitMs`.
 *
 * Invariants: each start of the pipeline is a capture of its own (capture id = boot id, dot, counter); the time
 * between two captures is put into the outbox as an explained gap; restarts back off from `retryMs.first` to
 * `retryMs.max`, from the start again once frames have flowed.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { formatSourceSpec } from '../config/source-spec.ts';
import type { CameraConfig } from '../config/unit-config.ts';
import type { UtcMapping } from '../media/sample.ts';
import type { CaptureProcess, StartCapture } from './capture-process.ts';
import { CaptureStream, type StreamedSample } from './capture-stream.ts';
import type { Outbox } from './outbox.ts';
import { planPipeline } from './pipeline-plan.ts';

const frameWaitMs = 5_000;
const retryMs = { first: 200, max: 30_000 } as const;
/** A new mapping is taken when the machine's clock has moved by more than this against the old one. */
const mappingSlackUs = 5_000;
const mappingCheckMs = 5_000;

/** Frames flow; the source came to its end, as files do, and begins again; or it failed and is tried again. */
export type CaptureState = { is: 'flowing' } | { is: 'ended' } | { is: 'failed'; failure: Failure };

export interface CaptureServiceOptions {
  readonly camera: CameraConfig;
  readonly hue: number;
  /** of this start of the unit */
  readonly bootId: string;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly start: StartCapture;
  /** a sample is in the outbox */
  readonly onSample: () => void;
  /** told at each change: of the state, of the trouble, and of the time until the next try */
  readonly onState: (state: CaptureState) => void;
}

export class CaptureService implements AsyncDisposable {
  private readonly options: CaptureServiceOptions;
  private process: CaptureProcess | undefined;
  private stream: CaptureStream | undefined;
  private captures = 0;
  private retryMs: number = retryMs.first;
  private lastVideo: { endPtsUs: number; atMs: number } | undefined;
  /** PTS, as it is the same clock in all captures */
  private gapFromPtsUs: number | undefined;
  private mapping: UtcMapping | undefined;
  private mappedAtMs = 0;
  /** undefined until the first frame or the first trouble */
  private flowing: boolean | undefined;
  /** the trouble that was told last, and when it was to be tried again */
  private told = '';
  private complaint: string | undefined;
  /** the source came to its end, as files do */
  private ended = false;
  private cancelWatch = (): void => undefined;
  private cancelRetry = (): void => undefined;
  private stopped = false;
  private onGone = (): void => undefined;

  constructor(options: CaptureServiceOptions) {
    this.options = options;
  }

  /** Starts capturing; call once. */
  open(): void {
    this.startProcess();
  }

  /** The capture process, for tests and status; undefined between two of them. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    this.cancelRetry();
    this.cancelWatch();
    const running = this.process;
    if (running === undefined) return;
    await new Promise<void>((resolve) => {
      this.onGone = resolve;
      running.kill();
    });
  }

  private startProcess(): void {
    const { camera, hue, bootId, clock } = this.options;
    const plan = planPipeline(camera, hue);
    const stream = new CaptureStream(plan, camera.id, `${bootId}.${this.captures++}`);
    this.stream = stream;
    this.mapping = undefined;
    this.complaint = undefined;
    this.ended = false;
    this.process = this.options.start(plan, {
      data: (kind, bytes) => {
        if (this.complaint !== undefined) return;
        const samples = stream.push(kind, bytes, clock.monotonicMs() * 1000);
        if (!samples.ok) this.giveUp(samples.reason);
        else for (const sample of samples.value) this.take(sample);
      },
      playing: (fromUs, toUs) => stream.playing(fromUs, toUs),
      failed: (message) => this.giveUp(message),
      ended: () => {
        this.ended = true;
      },
      exited: (how) => this.exited(how),
    });
    this.watch();
  }

  private giveUp(reason: string): void {
    this.complaint ??= reason;
    this.process?.kill();
  }

  /** The last-frame watchdog: encoders and drivers hang without a word. */
  private watch(): void {
    const { clock } = this.options;
    const startedMs = clock.monotonicMs();
    const look = (): void => {
      const waitedMs = clock.monotonicMs() - Math.max(startedMs, this.lastVideo?.atMs ?? startedMs);
      if (waitedMs >= frameWaitMs) this.giveUp(`no frame for ${frameWaitMs / 1000} s`);
      else this.cancelWatch = clock.after(frameWaitMs - waitedMs, look);
    };
    this.cancelWatch();
    this.cancelWatch = clock.after(frameWaitMs, look);
  }

  private take({ capture, trackId, sample }: StreamedSample): void {
    const { outbox, clock } = this.options;
    const mapping = this.currentMapping();
    const isVideo = capture.tracks[trackId - 1]?.kind === 'video';
    if (isVideo) {
      if (sample.sequence === 0) this.explainGap(sample.ptsUs, mapping);
      this.lastVideo = { endPtsUs: sample.ptsUs + sample.durationUs, atMs: clock.monotonicMs() };
      this.flows();
    }
    outbox.addSample({ capture, trackId, sample, mapping });
    this.options.onSample();
  }

  /** UTC − PTS by this machine's clock, kept until that clock is set. */
  private currentMapping(): UtcMapping {
    const { clock } = this.options;
    const nowMs = clock.monotonicMs();
    if (this.mapping !== undefined && nowMs - this.mappedAtMs < mappingCheckMs) return this.mapping;
    this.mappedAtMs = nowMs;
    const offsetUs = Math.round((clock.utcMs() - nowMs) * 1000);
    if (this.mapping === undefined || Math.abs(offsetUs - this.mapping.offsetUs) > mappingSlackUs) {
      // A millisecond of rounding on top of what the pipeline's start left open.
      this.mapping = { offsetUs, uncertaintyUs: (this.stream?.baseUncertaintyUs ?? 0) + 1_000 };
    }
    return this.mapping;
  }

  private explainGap(toPtsUs: number, { offsetUs }: UtcMapping): void {
    const fromPtsUs = this.gapFromPtsUs;
    this.gapFromPtsUs = undefined;
    if (fromPtsUs !== undefined && toPtsUs > fromPtsUs) {
      const span = { fromUs: fromPtsUs + offsetUs, toUs: toPtsUs + offsetUs };
      this.options.outbox.addGap({ ...span, reason: 'capture-restarted' });
    }
  }

  private exited(how: string): void {
    this.process = undefined;
    this.cancelWatch();
    if (this.lastVideo !== undefined) this.gapFromPtsUs ??= this.lastVideo.endPtsUs;
    this.onGone();
    if (this.stopped) return;
    const trouble = this.ended ? this.complaint : (this.complaint ?? `the capture process ended (${how})`);
    const news = trouble === undefined ? 'ended' : `${trouble}, ${this.retryMs} ms`;
    if (this.flowing !== false || news !== this.told) this.complain(trouble);
    this.flowing = false;
    this.told = news;
    this.cancelRetry = this.options.clock.after(this.retryMs, () => this.startProcess());
    this.retryMs = Math.min(this.retryMs * 2, retryMs.max);
  }

  private flows(): void {
    this.retryMs = retryMs.first;
    if (this.flowing) return;
    this.flowing = true;
    this.options.onState({ is: 'flowing' });
  }

  private complain(trouble: string | undefined): void {
    if (trouble === undefined) return this.options.onState({ is: 'ended' });
    const { id, source } = this.options.camera;
    const message = `camera ${id}, source ${formatSourceSpec(source)}: ${trouble}`;
    const advice = `Check the source; trying again in ${(this.retryMs / 1000).toFixed(1)} s.`;
    this.options.onState({ is: 'failed', failure: new Failure('SOURCE_FAILED', message, { advice }) });
  }
}
