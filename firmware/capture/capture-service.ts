/**
 * Keeps one camera capturing: runs the capture process, feeds the outbox, and starts the process anew when it ends,
 * fails, or shows no frame for `frameWaitMs` (the first may take longer, as the plan says).
 * A microphone that fails takes no picture away: the capture begins anew without it at once.
 *
 * Invariants: each start of the pipeline is a capture of its own (capture id = boot id, dot, counter); the time
 * between two captures is put into the outbox as an explained gap, as is the time since the run of the unit before, where
 * that is known; settings that the pipeline cannot take while it runs restart it at once; restarts back off from `retryMs.first` to
 * `retryMs.max`, from the start again once frames have flowed.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { BoardCapture } from '../boards/board-schema.ts';
import { formatSourceSpec } from '../config/source-spec.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { Position } from '../ptz/position.ts';
import type { BacklogIntake } from './backlog.ts';
import type { CaptureProcess, StartCapture } from './capture-process.ts';
import { CaptureStream, reorderedReason, type StreamedSample } from './capture-stream.ts';
import { type Aim, type CapturedCamera, isLive, type PipelinePlan, planPipeline } from './pipeline-plan.ts';
import { SampleDates } from './sample-dates.ts';
import type { UtcKeeper } from './utc-mapping.ts';

const frameWaitMs = 5_000;
/** How long a failed microphone is left out; it is tried again at the first start of the capture after that. */
const soundRestMs = 60_000;
const retryMs = { first: 200, max: 30_000 } as const;

/**
 * Frames flow; the source came to its end, as files do, and begins again; it failed and is tried again; or the microphone
 * failed, and the picture goes on without sound.
 */
export type CaptureState =
  | { is: 'flowing' }
  | { is: 'ended' }
  | { is: 'failed'; failure: Failure }
  | { is: 'silent'; failure: Failure };

/** `trouble` is what was told last, null while frames flow. */
export interface CaptureStatus {
  readonly state: 'starting' | 'flowing' | 'failed';
  readonly trouble: string | null;
  readonly lastFrameAgeMs: number | null;
  /** pictures since the unit started */
  readonly frames: number;
  /** how often the pipeline was started */
  readonly captures: number;
  readonly pid: number | null;
}

export interface CaptureServiceOptions {
  readonly camera: CapturedCamera;
  readonly hue: number;
  /** of this start of the unit */
  readonly bootId: string;
  readonly outbox: BacklogIntake;
  /** what the unit's clock stands for */
  readonly utc: UtcKeeper;
  /** UTC until which the run before is known to be recorded; undefined when that is not known */
  readonly offSinceUs?: number | undefined;
  readonly clock: Clock;
  readonly start: StartCapture;
  /** where the camera looks at first, if it can be turned */
  readonly aim?: Aim | undefined;
  /** how the board captures */
  readonly board?: BoardCapture | undefined;
  /** a sample is in the outbox */
  readonly onSample: () => void;
  /** told at each change: of the state, of the trouble, and of the time until the next try */
  readonly onState: (state: CaptureState) => void;
}

export class CaptureService implements AsyncDisposable {
  private readonly options: CaptureServiceOptions;
  private process: CaptureProcess | undefined;
  private capturing: CaptureStream | undefined;
  private captures = 0;
  private frames = 0;
  private trouble: string | null = null;
  private retryMs: number = retryMs.first;
  private lastVideo: { endPtsUs: number; atMs: number } | undefined;
  /** PTS, as it is the same clock in all captures */
  private gapFromPtsUs: number | undefined;
  private readonly dates: SampleDates;
  private offSinceUs: number | undefined;
  /** PTS of the first picture of this run of the unit */
  private firstPtsUs: number | undefined;
  private settings: StreamSettings;
  /** undefined for a camera that cannot be turned */
  private aimed: Aim | undefined;
  private plan: PipelinePlan | undefined;
  /** the process is ended for other settings, not for any trouble */
  private replanning = false;
  /** undefined until the first frame or the first trouble */
  private flowing: boolean | undefined;
  /** the trouble that was told last, and when it was to be tried again */
  private told = '';
  private complaint: string | undefined;
  /** the source came to its end, as files do */
  private ended = false;
  /** an IP camera was seen to send pictures that refer to later ones */
  private reorders = false;
  /** when the microphone failed last */
  private soundLostAtMs = Number.NEGATIVE_INFINITY;
  private cancelWatch = (): void => undefined;
  private cancelRetry = (): void => undefined;
  private stopped = false;
  private onGone = (): void => undefined;

  constructor(options: CaptureServiceOptions) {
    this.options = options;
    this.offSinceUs = options.offSinceUs;
    this.dates = new SampleDates(options.utc, options.outbox);
    this.settings = options.camera;
    this.aimed = options.aim;
  }

  /** The settings in force. */
  get stream(): StreamSettings {
    const { bitrateKbps, frameRate, keyframeIntervalMs } = this.settings;
    return { bitrateKbps, frameRate, keyframeIntervalMs };
  }

  /** Whether its pictures come encoded, as those of IP cameras do: their settings are made there. */
  get isFixed(): boolean {
    return this.options.camera.source.kind === 'rtsp';
  }

  /** Goes over to other settings; says whether the capture is restarted for it, which costs a moment of pictures. */
  setStream(settings: StreamSettings): { restarted: boolean } {
    const { bitrateKbps, frameRate, keyframeIntervalMs } = settings;
    const { camera } = this.options;
    const before = this.stream;
    this.settings = { ...camera, bitrateKbps, frameRate, keyframeIntervalMs };
    if (isDeepStrictEqual(before, this.stream)) return { restarted: false };
    const encoder = this.plan?.encoder;
    if (encoder !== undefined && isLive(encoder, settings)) {
      this.process?.adjust(this.stream);
      return { restarted: false };
    }
    this.replan();
    return { restarted: true };
  }

  /** The camera looks there now. */
  aim(position: Position): void {
    if (this.aimed !== undefined) this.aimed = { ...this.aimed, position };
    this.process?.aim(position);
  }

  /** The unit may have learnt what time it is: what was captured before gets its date. */
  clockHeard(): void {
    this.dates.settle();
  }

  /** Starts capturing; call once. */
  open(): void {
    this.startProcess();
  }

  /** How it goes, for whoever asks at the console. */
  status(): CaptureStatus {
    const { clock } = this.options;
    const ageMs = this.lastVideo === undefined ? null : Math.round(clock.monotonicMs() - this.lastVideo.atMs);
    const state = this.flowing === undefined ? 'starting' : this.flowing ? 'flowing' : 'failed';
    const { captures, frames } = this;
    return { state, trouble: this.trouble, lastFrameAgeMs: ageMs, frames, captures, pid: this.pid ?? null };
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
    const { camera, hue, bootId, clock, board } = this.options;
    const audio = camera.audio && clock.monotonicMs() - this.soundLostAtMs >= soundRestMs;
    const options = { hue, aim: this.aimed, capture: board, reorders: this.reorders };
    const plan = planPipeline({ ...camera, ...this.stream, audio }, options);
    this.plan = plan;
    this.replanning = false;
    const stream = new CaptureStream(plan, camera.id, `${bootId}.${this.captures++}`);
    this.capturing = stream;
    this.complaint = undefined;
    this.ended = false;
    this.process = this.options.start(plan, {
      data: (kind, bytes) => {
        if (this.complaint !== undefined || this.replanning) return;
        const samples = stream.push(kind, bytes, clock.monotonicMs() * 1000);
        if (!samples.ok) this.refuse(samples.reason);
        else for (const sample of samples.value) this.take(sample);
      },
      playing: (fromUs, toUs) => stream.playing(fromUs, toUs),
      failed: (message, lost) => (lost === 'sound' ? this.loseSound(message) : this.giveUp(message)),
      ended: () => {
        this.ended = true;
      },
      exited: (how) => this.exited(how),
    });
    this.watch(plan.startMs);
  }

  private loseSound(reason: string): void {
    const { camera, clock } = this.options;
    this.soundLostAtMs = clock.monotonicMs();
    const advice = 'Check the microphone; the picture goes on without it, and the next start tries it again.';
    const message = `camera ${camera.id}, microphone: ${reason}`;
    this.options.onState({ is: 'silent', failure: new Failure('SOURCE_FAILED', message, { advice }) });
    this.replan();
  }

  /** Ends the process for another plan, not for any trouble. */
  private replan(): void {
    this.replanning = true;
    this.process?.kill();
  }

  /** What the stream cannot take; pictures in another order can be taken by another plan. */
  private refuse(reason: string): void {
    if (reason !== reorderedReason || this.reorders) return this.giveUp(reason);
    this.reorders = true;
    this.replan();
  }

  private giveUp(reason: string): void {
    this.complaint ??= reason;
    this.process?.kill();
  }

  /** The last-frame watchdog: encoders and drivers hang without a word. */
  private watch(startMs: number): void {
    const { clock } = this.options;
    const startedMs = clock.monotonicMs();
    const look = (): void => {
      const lastMs = Math.max(startedMs, this.lastVideo?.atMs ?? startedMs);
      const patienceMs = lastMs > startedMs ? frameWaitMs : startMs;
      const leftMs = lastMs + patienceMs - clock.monotonicMs();
      if (leftMs <= 0) this.giveUp(`no frame for ${patienceMs / 1000} s`);
      else this.cancelWatch = clock.after(Math.min(leftMs, frameWaitMs), look);
    };
    this.cancelWatch();
    this.cancelWatch = clock.after(Math.min(startMs, frameWaitMs), look);
  }

  private take({ capture, trackId, sample }: StreamedSample): void {
    const { outbox, clock } = this.options;
    const isVideo = capture.tracks[trackId - 1]?.kind === 'video';
    const leads = sample.keyframe && (isVideo || capture.tracks.every(({ kind }) => kind === 'audio'));
    const { ptsUs } = sample;
    const mapping = this.dates.mappingFor({ ptsUs, leads }, this.capturing?.baseUncertaintyUs ?? 0);
    if (isVideo) {
      if (sample.sequence === 0) this.explainGap(sample.ptsUs, mapping);
      this.firstPtsUs ??= sample.ptsUs;
      this.frames += 1;
      if (sample.keyframe) this.explainOff();
      this.lastVideo = { endPtsUs: sample.ptsUs + sample.durationUs, atMs: clock.monotonicMs() };
      this.flows();
    }
    outbox.addSample({ capture, trackId, sample, mapping });
    this.options.onSample();
  }

  /** Tells once where the run before ended, as soon as it is known where this one began; between two GOPs. */
  private explainOff(): void {
    const fromUs = this.offSinceUs;
    const { utc, outbox } = this.options;
    if (fromUs === undefined || this.firstPtsUs === undefined || !utc.known) return;
    this.offSinceUs = undefined;
    const toUs = this.firstPtsUs + utc.mapping().offsetUs;
    if (toUs > fromUs) outbox.addGap({ fromUs, toUs, reason: 'camera-off' });
  }

  private explainGap(toPtsUs: number, { offsetUs }: { readonly offsetUs: number }): void {
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
    if (this.replanning && this.complaint === undefined) {
      this.cancelRetry = this.options.clock.after(0, () => this.startProcess());
      return;
    }
    const trouble = this.troubleOf(how);
    const news = trouble === undefined ? 'ended' : `${trouble}, ${this.retryMs} ms`;
    if (this.flowing !== false || news !== this.told) this.complain(trouble);
    this.flowing = false;
    this.told = news;
    this.cancelRetry = this.options.clock.after(this.retryMs, () => this.startProcess());
    this.retryMs = Math.min(this.retryMs * 2, retryMs.max);
  }

  /** Why it ended; undefined for the end of a file. A camera has no end: it hung up. */
  private troubleOf(how: string): string | undefined {
    if (this.complaint !== undefined) return this.complaint;
    if (!this.ended) return `the capture process ended (${how})`;
    return this.options.camera.source.kind === 'rtsp' ? 'the camera ended the connection' : undefined;
  }

  private flows(): void {
    this.retryMs = retryMs.first;
    if (this.flowing) return;
    this.trouble = null;
    this.flowing = true;
    this.options.onState({ is: 'flowing' });
  }

  private complain(trouble: string | undefined): void {
    if (trouble === undefined) return this.options.onState({ is: 'ended' });
    this.trouble = trouble;
    const { id, source } = this.options.camera;
    const message = `camera ${id}, source ${formatSourceSpec(source)}: ${trouble}`;
    const advice = `${adviceOn(source)}; trying again in ${(this.retryMs / 1000).toFixed(1)} s.`;
    this.options.onState({ is: 'failed', failure: new Failure('SOURCE_FAILED', message, { advice }) });
  }
}

function adviceOn({ kind }: CapturedCamera['source']): string {
  switch (kind) {
    case 'rtsp':
      return 'Check the address, user and password of the IP camera, that it sends H.264, and its certificate if it is rtsps';
    case 'csi':
      return 'Check the ribbon cable, and `starling board`';
    default:
      return 'Check the source';
  }
}
