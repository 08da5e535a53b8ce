/**
 * The capture process itself: runs one GStreamer pipeline and passes its sinks' bytes on. It knows nothing of cameras
 * or networks, and may be killed at any time.
 *
 * Traps of the binding, met here: a pending `pull` holds a thread, so one per sink; `process.exit` may hang after
 * `pollBus`, so the process ends itself by signal; numbers are passed as float32, so they stand in the launch text.
 */
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { messageOf } from '../base/failure.ts';
import { framePrefix } from '../base/frames.ts';
import type { PipelinePlan } from '../capture/pipeline-plan.ts';
import { createTestPicture, type TestPicture } from '../capture/test-picture.ts';
import { captureFrames } from './capture-child.ts';

/** What is used of gstreamer-superficial 1.7. */
interface Element {
  [property: string]: unknown;
  pull(callback: (data: Buffer | null) => void): void;
  push(data: Buffer, ptsNs: Buffer): void;
}
interface Pipeline {
  play(): void;
  findChild(name: string): Element | undefined;
  pollBus(callback: (message: { type: string; message?: string; name?: string }) => void): void;
}

const sliceBytes = 64 * 1024;

/** Runs until it is killed; never returns normally. */
export async function runCaptureProcess(): Promise<void> {
  const output = new Socket({ fd: 3, readable: false, writable: true });
  output.on('error', end);
  process.stdin.on('end', end);
  // A terminal, or systemd, sends its signals to every process; the unit decides when this one ends.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => undefined);
  const send = (kind: number, body: Buffer): boolean => {
    output.cork();
    output.write(framePrefix(kind, body.length));
    const flowing = output.write(body);
    output.uncork();
    return flowing;
  };
  const [line] = (await once(createInterface(process.stdin), 'line')) as [string];
  try {
    runPipeline(JSON.parse(line) as PipelinePlan, send, output);
  } catch (error) {
    send(captureFrames.failed, Buffer.from(messageOf(error)));
    output.end(end);
  }
}

function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

function runPipeline(
  plan: PipelinePlan,
  send: (kind: number, body: Buffer) => boolean,
  output: Socket,
): void {
  const gstreamer = loadBinding();
  const pipeline = new gstreamer.Pipeline(plan.launch);
  for (const { element, property, value } of plan.properties) {
    const target = pipeline.findChild(element);
    if (target === undefined) throw new Error(`the pipeline has no element ${element}`);
    // Says more clearly than GStreamer, and in time, what is wrong with the path.
    accessSync(value, constants.R_OK);
    target[property] = value;
  }
  let finished = false;
  const finish = (kind: number, text: string): void => {
    if (finished) return;
    finished = true;
    send(kind, Buffer.from(text));
    output.end(end);
  };
  pipeline.pollBus((message) => {
    if (message.type === 'error')
      finish(captureFrames.failed, `${message.message ?? 'error'} (${message.name ?? '?'})`);
    if (message.type === 'eos') finish(captureFrames.ended, '');
  });
  // Drawing what does not move takes a while: before the clock starts.
  const picture = plan.testPicture === undefined ? undefined : createTestPicture(plan.testPicture);
  const fromUs = monotonicUs();
  pipeline.play();
  const toUs = monotonicUs();
  const times = Buffer.alloc(16);
  times.writeDoubleBE(fromUs, 0);
  times.writeDoubleBE(toUs, 8);
  send(captureFrames.playing, times);
  // Only now: a sink that has not started yet answers a pull as if it were at its end.
  for (const sink of plan.sinks) {
    const broken = (): void => finish(captureFrames.failed, 'the source did not start');
    pullFrom(pipeline, sink, broken, (data) => {
      let flowing = true;
      for (let at = 0; at < data.length; at += sliceBytes) {
        flowing = send(captureFrames[sink], data.subarray(at, at + sliceBytes));
      }
      return flowing ? undefined : output;
    });
  }
  if (plan.testPicture !== undefined && picture !== undefined) {
    pushTestPictures({ picture, frameRate: plan.testPicture.frameRate, startUs: toUs }, pipeline);
  }
}

/**
 * Hands on a sink's buffers; when `take` gives a stream back, its drain is waited for, to hold the pipeline back. A sink
 * that has nothing and is not at its end never started: `broken` is called, after the bus had time to say why.
 */
function pullFrom(
  pipeline: Pipeline,
  sink: string,
  broken: () => void,
  take: (data: Buffer) => Socket | undefined,
): void {
  const element = pipeline.findChild(sink);
  if (element === undefined) throw new Error(`the pipeline has no sink ${sink}`);
  const pull = (): void =>
    element.pull((data) => {
      if (data === null) {
        // At the end the bus says so too, once for all sinks.
        if (element['eos'] !== true) setTimeout(broken, 500);
        return;
      }
      const full = take(data);
      if (full === undefined) pull();
      else full.once('drain', pull);
    });
  pull();
}

/**
 * Draws frame n at start + n / rate. Late frames are made up for, one after another; frames are skipped only when this
 * process was held up for a second, or the encoder is a second behind.
 */
function pushTestPictures(
  { picture, frameRate, startUs }: { picture: TestPicture; frameRate: number; startUs: number },
  pipeline: Pipeline,
): void {
  const source = pipeline.findChild('source');
  if (source === undefined) throw new Error('the pipeline has no source');
  const frame = Buffer.alloc(picture.bytes);
  const pts = Buffer.alloc(8);
  const periodUs = 1_000_000 / frameRate;
  let number = 0;
  const draw = (): void => {
    const lateUs = monotonicUs() - (startUs + number * periodUs);
    const behind = Number(source['current-level-bytes']) > frameRate * frame.length;
    if (lateUs > 1_000_000 || behind) number += Math.max(1, Math.floor(lateUs / periodUs));
    const offsetUs = number * periodUs;
    picture.draw(frame, number, Date.now() - (monotonicUs() - (startUs + offsetUs)) / 1000);
    pts.writeBigUInt64BE(BigInt(Math.round(offsetUs * 1000)));
    source.push(frame, pts);
    number += 1;
    const waitUs = startUs + number * periodUs - monotonicUs();
    setTimeout(draw, Math.max(0, waitUs / 1000));
  };
  draw();
}

/** The same clock as GStreamer's: CLOCK_MONOTONIC. */
function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

function loadBinding(): { Pipeline: new (launch: string) => Pipeline } {
  const require = createRequire(import.meta.url);
  return require('gstreamer-superficial') as { Pipeline: new (launch: string) => Pipeline };
}
