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
import type { CameraConfig } from '../config/unit-config.ts';
import { formatSourceSpec } from '../config/source-spec.ts';
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
  /** frames flow again, or the source failed; told once per change */
  readonly onState: (state: { flowing: true } | { flowing: false; failure: Failure }) => void;
}

export class CaptureService implements AsyncDisposable {
  private readonly options: CaptureServiceOptions;
  private process: CaptureProcess | undefined;
  private stream: CaptureStream | undefined;
  private captures = 0;
  private retryMs: number = retryMs.first;
  private lastVideo: { endUtcUs: number; atMs: number } | undefined;
  private gapFromUs: number | undefined;
  private mapping: UtcMapping | undefined;
  private mappedAtMs = 0;
  private flowing: boolean | undefined;
  private complaint: string | undefined;
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
    const process = this.process;
    if (process === undefined) return;
    await new Promise<void>((resolve) => {
      this.onGone = resolve;
      process.kill();
    });
  }

  private startProcess(): void {
    const { camera, hue, bootId, clock } = this.options;
    const plan = planPipeline(camera, hue);
    const stream = new CaptureStream(plan, camera.id, `${bootId}.${this.captures++}`);
    this.stream = stream;
    this.mapping = undefined;
    this.complaint = undefined;
    this.process = this.options.start(plan, {
      data: (kind, bytes) => {
        const samples = stream.push(kind, bytes, clock.monotonicMs() * 1000);
        if (!samples.ok) this.giveUp(samples.reason);
        else for (const sample of samples.value) this.take(sample);
      },
      playing: (fromUs, toUs) => stream.playing(fromUs, toUs),
      failed: (message) => this.giveUp(message),
      ended: () => {
        this.complaint = 'the source came to its end';
        this.retryMs = retryMs.first;
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
    this.cancelWatch();
    this.cancelWatch = this.options.clock.after(frameWaitMs, () => {
      const last = this.lastVideo?.atMs ?? Number.NEGATIVE_INFINITY;
      if (this.options.clock.monotonicMs() - last < frameWaitMs) this.watch();
      else this.giveUp(`no frame for ${frameWaitMs / 1000} s`);
    });
  }

  private take({ capture, trackId, sample }: StreamedSample): void {
    const { outbox, clock } = this.options;
    const mapping = this.currentMapping();
    const isVideo = capture.tracks[trackId - 1]?.kind === 'video';
    if (isVideo) {
      if (sample.sequence === 0) this.explainGap(sample.ptsUs + mapping.offsetUs);
      this.lastVideo = {
        endUtcUs: sample.ptsUs + mapping.offsetUs + sample.durationUs,
        atMs: clock.monotonicMs(),
      };
      this.report(undefined);
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

  private explainGap(toUs: number): void {
    const fromUs = this.gapFromUs;
    this.gapFromUs = undefined;
    if (fromUs !== undefined && toUs > fromUs) {
      this.options.outbox.addGap({ fromUs, toUs, reason: 'capture-restarted' });
    }
  }

  private exited(how: string): void {
    this.process = undefined;
    this.cancelWatch();
    if (this.lastVideo !== undefined) this.gapFromUs ??= this.lastVideo.endUtcUs;
    this.onGone();
    if (this.stopped) return;
    this.report(this.complaint ?? `the capture process ended (${how})`);
    this.cancelRetry = this.options.clock.after(this.retryMs, () => this.startProcess());
    this.retryMs = Math.min(this.retryMs * 2, retryMs.max);
  }

  /** Tells of a change: `trouble` undefined means that frames flow. */
  private report(trouble: string | undefined): void {
    if (trouble === undefined) {
      this.retryMs = retryMs.first;
      if (this.flowing === true) return;
      this.flowing = true;
      this.options.onState({ flowing: true });
      return;
    }
    this.flowing = false;
    const { id, source } = this.options.camera;
    const message = `camera ${id}, source ${formatSourceSpec(source)}: ${trouble}`;
    const advice = `Check the source; trying again in ${(this.retryMs / 1000).toFixed(1)} s.`;
    this.options.onState({ flowing: false, failure: new Failure('SOURCE_FAILED', message, { advice }) });
  }
}
