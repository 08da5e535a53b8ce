/**
 * A capture process that a test plays by hand, and the GDP streams to play; the contract in
 * test/contract/capture-process.test.ts holds it to what the real one does.
 */
import assert from 'node:assert/strict';
import type {
  CaptureHandlers,
  CaptureProcess,
  StartCapture,
} from '../../firmware/capture/capture-process.ts';
import type { PipelinePlan } from '../../firmware/capture/pipeline-plan.ts';
import type { StreamSettings } from '../../firmware/media/stream-settings.ts';
import type { Position } from '../../firmware/ptz/position.ts';
import { recordGdp } from './gst.ts';

/** A recorded GDP stream: what comes before the first buffer, and one piece for each buffer. */
export interface Reel {
  readonly head: Buffer;
  readonly buffers: readonly Buffer[];
}

const gdpHeaderBytes = 62;
const gdpBufferType = 1;

function reelOf(gdp: Buffer): Reel {
  const head: Buffer[] = [];
  const buffers: Buffer[] = [];
  for (let at = 0; at < gdp.length; ) {
    const end = at + gdpHeaderBytes + gdp.readUInt32BE(at + 6);
    const isBuffer = gdp.readUInt16BE(at + 4) === gdpBufferType;
    if (isBuffer) buffers.push(gdp.subarray(at, end));
    else if (buffers.length === 0) head.push(gdp.subarray(at, end));
    at = end;
  }
  return { head: Buffer.concat(head), buffers };
}

/** 30 frames in one second of 160 × 120, a keyframe every ten. */
export async function videoReel(): Promise<Reel> {
  return reelOf(
    await recordGdp(
      'videotestsrc num-buffers=30 ! video/x-raw,format=I420,width=160,height=120,framerate=30/1' +
        ' ! x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max=10' +
        ' ! h264parse ! video/x-h264,stream-format=avc,alignment=au',
    ),
  );
}

/** About one second of sound. */
export async function audioReel(): Promise<Reel> {
  return reelOf(
    await recordGdp(
      'audiotestsrc num-buffers=47 ! audio/x-raw,rate=48000,channels=1' +
        ' ! avenc_aac ! aacparse ! audio/mpeg,mpegversion=4,stream-format=raw',
    ),
  );
}

/** One process of the script. What is played after its exit is not heard, as with a real one. */
export class ScriptedCapture implements CaptureProcess {
  readonly plan: PipelinePlan;
  readonly pid: number;
  killed = false;
  readonly adjusted: StreamSettings[] = [];
  readonly aimed: Position[] = [];
  private readonly handlers: CaptureHandlers;
  private gone = false;

  constructor(plan: PipelinePlan, handlers: CaptureHandlers, pid: number) {
    this.plan = plan;
    this.handlers = handlers;
    this.pid = pid;
  }

  play(fromUs: number, toUs: number): void {
    if (!this.gone) this.handlers.playing(fromUs, toUs);
  }

  data(sink: 'video' | 'audio', bytes: Buffer): void {
    if (!this.gone) this.handlers.data(sink, bytes);
  }

  fail(message: string, lost: 'picture' | 'sound' = 'picture'): void {
    if (!this.gone) this.handlers.failed(message, lost);
    this.exit('exit code 0');
  }

  end(): void {
    if (!this.gone) this.handlers.ended();
    this.exit('exit code 0');
  }

  exit(how: string): void {
    if (this.gone) return;
    this.gone = true;
    this.handlers.exited(how);
  }

  adjust(settings: StreamSettings): void {
    this.adjusted.push(settings);
  }

  aim(position: Position): void {
    this.aimed.push(position);
  }

  kill(): void {
    if (this.killed) return;
    this.killed = true;
    // Never within the call, as with a real process.
    void Promise.resolve().then(() => this.exit('SIGKILL'));
  }
}

/** Starts scripted processes; all of them, in order, are in `runs`. */
export class CaptureScript {
  readonly runs: ScriptedCapture[] = [];

  readonly start: StartCapture = (plan, handlers) => {
    const run = new ScriptedCapture(plan, handlers, 1_000 + this.runs.length);
    this.runs.push(run);
    return run;
  };

  /** The process that runs now. */
  get last(): ScriptedCapture {
    const last = this.runs.at(-1);
    assert(last !== undefined, 'nothing was started');
    return last;
  }
}
