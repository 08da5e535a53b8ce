/**
 * One GStreamer pipeline that runs: its sinks' bytes go out, its pictures are drawn where the plan says so, and its
 * settings follow what the unit wants.
 *
 * Traps of the binding, met here: a pending `pull` holds a thread, so one per sink; numbers are passed as float32, which
 * holds whole numbers up to 2^24; setting a property that is fixed while the pipeline plays is ignored.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { type Crop, cropOf, cropSteps } from '../capture/digital-view.ts';
import { liveBitrate } from '../capture/pipeline-parts.ts';
import { encoderKbps, type PipelinePlan, type PlannedProperty } from '../capture/pipeline-plan.ts';
import { createTestPicture, type TestPicture } from '../capture/test-picture.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { Position } from '../ptz/position.ts';
import { captureFrames } from './capture-child.ts';

/** What is used of gstreamer-superficial 1.7. */
interface Element {
  [property: string]: unknown;
  pull(callback: (data: Buffer | null) => void): void;
  push(data: Buffer, ptsNs: Buffer): void;
}
interface BusMessage {
  readonly type: string;
  readonly message?: string;
  /** the path of the element that sent it */
  readonly name?: string;
}
interface Pipeline {
  play(): void;
  findChild(name: string): Element | undefined;
  /** Asks the encoder behind a sink for a keyframe. */
  forceKeyUnit(sink: string, count: number): void;
  pollBus(callback: (message: BusMessage) => void): void;
}

const sliceBytes = 64 * 1024;
/** How long the bus has to say why something did not start. */
const reasonMs = 1_000;

/** Where the pipeline's output goes. */
export interface PipelineOutput {
  /** Sends a frame; when it gives a stream back, that is full, and its drain should be waited for. */
  readonly send: (kind: number, body: Buffer) => Socket | undefined;
  /** Sends a last frame, after which the process ends. */
  readonly finish: (kind: number, text: string) => void;
}

export class RunningPipeline {
  private readonly plan: PipelinePlan;
  private readonly output: PipelineOutput;
  private readonly pipeline: Pipeline;
  /** pictures per second */
  private frameRate: number;
  private position: Position | undefined;
  /** what is cut off now */
  private crop: Crop = { left: 0, right: 0, top: 0, bottom: 0 };
  private readonly children = new Map<string, Element>();
  private cancelKeyframes = (): void => undefined;
  private finished = false;
  /** it could not even be opened */
  private stillborn = false;

  /** Throws when the pipeline cannot be made. */
  constructor(plan: PipelinePlan, output: PipelineOutput) {
    this.plan = plan;
    this.output = output;
    this.frameRate = plan.encoder?.frameRate ?? 0;
    this.position = plan.testPicture?.position;
    const gstreamer = loadBinding();
    this.pipeline = new gstreamer.Pipeline(plan.launch);
    for (const planned of plan.properties) this.child(planned.element)[planned.property] = valueOf(planned);
    if (plan.view !== undefined) this.aim(plan.view.position);
  }

  start(): void {
    const { pipeline, plan, output } = this;
    pipeline.pollBus((message) => this.heard(message));
    // Drawing what does not move takes a while: before the clock starts.
    const { testPicture } = plan;
    const picture = testPicture && createTestPicture(testPicture, testPicture.position);
    const fromUs = monotonicUs();
    pipeline.play();
    const toUs = monotonicUs();
    const times = Buffer.alloc(16);
    times.writeDoubleBE(fromUs, 0);
    times.writeDoubleBE(toUs, 8);
    output.send(captureFrames.playing, times);
    // A sink that has not started says that it is at its end: some element could not be opened, such as a busy camera.
    this.stillborn = this.child('video')['eos'] === true;
    if (this.stillborn) setTimeout(() => this.broken(), reasonMs);
    // Only now: a sink that has not started yet answers a pull as if it were at its end.
    else for (const sink of plan.sinks) this.pull(sink);
    if (picture !== undefined) this.pushTestPictures(picture, toUs, testPicture?.frameRate ?? 1);
  }

  private heard(message: BusMessage): void {
    const { soundElement } = this.plan;
    if (message.type === 'error') {
      const isSound = soundElement !== undefined && message.name?.includes(`:${soundElement}`) === true;
      const kind = isSound ? captureFrames.silent : captureFrames.failed;
      this.finish(kind, `${message.message ?? 'error'} (${message.name ?? '?'})`);
    }
    if (message.type === 'eos') this.finish(captureFrames.ended, '');
    // Of a pipeline that never started the binding tells one message for each time that it is asked.
    if (this.stillborn && !this.finished) this.pipeline.pollBus((next) => this.heard(next));
  }

  private broken(): void {
    this.finish(captureFrames.failed, 'the source did not start');
  }

  private pull(sink: 'video' | 'audio'): void {
    pullFrom(
      this.child(sink),
      () => this.broken(),
      (data) => {
        let full: Socket | undefined;
        for (let at = 0; at < data.length; at += sliceBytes) {
          full = this.output.send(captureFrames[sink], data.subarray(at, at + sliceBytes));
        }
        return full;
      },
    );
  }

  /** Goes over to settings that this pipeline can have; see `isLive`. */
  adjust(settings: StreamSettings): void {
    const { encoder, testPicture } = this.plan;
    if (encoder === undefined) return;
    this.frameRate = settings.frameRate;
    if (testPicture === undefined) this.child('pace')['max-rate'] = settings.frameRate;
    const bitrate = liveBitrate[encoder.name];
    if (bitrate !== undefined)
      this.child('encoder')['bitrate'] = encoderKbps(encoder, settings) * bitrate.perKbps;
    this.cancelKeyframes();
    const ownMs = (encoder.keyframeFrames * 1000) / settings.frameRate;
    // What the encoder does by itself, to a frame, it does more regularly.
    if (settings.keyframeIntervalMs > ownMs - 500 / settings.frameRate) return;
    const timer = setInterval(() => this.pipeline.forceKeyUnit('video', 1), settings.keyframeIntervalMs);
    this.cancelKeyframes = () => clearInterval(timer);
  }

  /** The next picture shows what the camera sees from here on: one that is drawn here, or cut out of a larger one. */
  aim(position: Position): void {
    this.position = position;
    if (this.plan.view === undefined) return;
    const crop = cropOf(this.plan.view, position);
    const element = this.child('crop');
    for (const [side, pixels] of cropSteps(this.crop, crop)) element[side] = pixels;
    this.crop = crop;
  }

  /** Each look-up takes a reference for ever: one is enough. */
  private child(name: string): Element {
    const element = this.children.get(name) ?? this.pipeline.findChild(name);
    if (element === undefined) throw new Error(`the pipeline has no element ${name}`);
    this.children.set(name, element);
    return element;
  }

  private finish(kind: number, text: string): void {
    if (!this.finished) this.output.finish(kind, text);
    this.finished = true;
  }

  /**
   * Draws frame n at start + n / rate, or leaves it out while fewer are wanted, but never one at a whole second. Late
   * frames are made up for, one after another; frames are skipped only when this process was held up for a second, or
   * the encoder is a second behind.
   */
  private pushTestPictures(picture: TestPicture, startUs: number, frameRate: number): void {
    const source = this.child('source');
    const frame = Buffer.alloc(picture.bytes);
    const pts = Buffer.alloc(8);
    const periodUs = 1_000_000 / frameRate;
    const isWanted = (place: number): boolean =>
      Math.floor((place * this.frameRate) / frameRate) >
      Math.floor(((place - 1) * this.frameRate) / frameRate);
    let number = 0;
    const draw = (): void => {
      const lateUs = monotonicUs() - (startUs + number * periodUs);
      const behind = Number(source['current-level-bytes']) > frameRate * frame.length;
      if (lateUs > 1_000_000 || behind) number += Math.max(1, Math.floor(lateUs / periodUs));
      const offsetUs = number * periodUs;
      if (isWanted(number)) {
        const utcMs = Date.now() - (monotonicUs() - (startUs + offsetUs)) / 1000;
        picture.draw(frame, number, utcMs, this.position);
        pts.writeBigUInt64BE(BigInt(Math.round(offsetUs * 1000)));
        source.push(frame, pts);
      }
      number += 1;
      const waitUs = startUs + number * periodUs - monotonicUs();
      setTimeout(draw, Math.max(0, waitUs / 1000));
    };
    draw();
  }
}

/** Throws when the file of a property cannot be read. */
function valueOf(planned: PlannedProperty): string {
  if ('firstLineOf' in planned) return readFileSync(planned.firstLineOf, 'utf8').split(/\r?\n/, 1)[0] ?? '';
  // Says more clearly than GStreamer, and in time, what is wrong with the path.
  if (planned.readable) accessSync(planned.value, constants.R_OK);
  return planned.value;
}

/**
 * Hands on a sink's buffers; when `take` gives a stream back, its drain is waited for, to hold the pipeline back. A sink
 * that has nothing and is not at its end never started: `broken` is called, after the bus had time to say why.
 */
function pullFrom(element: Element, broken: () => void, take: (data: Buffer) => Socket | undefined): void {
  const pull = (): void =>
    element.pull((data) => {
      if (data === null) {
        // At the end the bus says so too, once for all sinks.
        if (element['eos'] !== true) setTimeout(broken, reasonMs);
        return;
      }
      const full = take(data);
      if (full === undefined) pull();
      else full.once('drain', pull);
    });
  pull();
}

/** The same clock as GStreamer's: CLOCK_MONOTONIC. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function loadBinding(): { Pipeline: new (launch: string) => Pipeline } {
  const require = createRequire(import.meta.url);
  return require('gstreamer-superficial') as { Pipeline: new (launch: string) => Pipeline };
}
