/**
 * The capture process seen from the unit: a child of this same program, started as `starling capture-process`, that
 * takes a plan, and later changes of the stream's settings and of where the camera looks, on its standard input, a line of JSON each, and answers
 * with frames (base/frames.ts) on file descriptor 3.
 *
 * Invariants: when the unit dies the child's standard input ends and it kills itself; what the child writes to its
 * standard error goes to the unit's own.
 */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { FrameReader, joinParts } from '../base/frames.ts';
import type { CaptureHandlers, CaptureProcess, StartCapture } from '../capture/capture-process.ts';

/** Kinds of frames from the child. */
export const captureFrames = { video: 1, audio: 2, playing: 3, failed: 4, ended: 5, silent: 6 } as const;

/** Each pending pull and the bus poll hold a libuv thread; four are the default and would freeze everything else. */
const threads = '8';

function deliver(kind: number, body: Buffer, handlers: CaptureHandlers): void {
  if (kind === captureFrames.video) handlers.data('video', body);
  else if (kind === captureFrames.audio) handlers.data('audio', body);
  else if (kind === captureFrames.playing) handlers.playing(body.readDoubleBE(0), body.readDoubleBE(8));
  else if (kind === captureFrames.failed) handlers.failed(body.toString('utf8'), 'picture');
  else if (kind === captureFrames.silent) handlers.failed(body.toString('utf8'), 'sound');
  else if (kind === captureFrames.ended) handlers.ended();
}

/** Starts capture processes by running `program` (the bundle) with this Node. */
export function captureStarter(program: string): StartCapture {
  return (plan, handlers): CaptureProcess => {
    const child = spawn(process.execPath, [program, 'capture-process'], {
      stdio: ['pipe', 'ignore', 'inherit', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: threads },
    });
    let gone = false;
    const exited = (how: string): void => {
      if (gone) return;
      gone = true;
      handlers.exited(how);
    };
    child.once('error', (error) => exited(error.message));
    child.once('close', (code, signal) => exited(signal ?? `exit code ${code}`));
    // A child that is gone already: its exit is reported by `close`.
    child.stdin?.on('error', () => undefined);
    child.stdin?.write(`${JSON.stringify(plan)}\n`);
    // Absent when the machine is out of processes or files: `error` follows.
    const output = (child.stdio as typeof child.stdio | undefined)?.[3] as Readable | undefined;
    const reader = new FrameReader((kind, parts) =>
      deliver(kind, parts.length === 0 ? Buffer.alloc(0) : joinParts(parts), handlers),
    );
    output?.on('data', (chunk: Buffer) => {
      if (!reader.push(chunk)) child.kill('SIGKILL');
    });
    output?.on('error', () => undefined);
    return {
      pid: child.pid,
      adjust: (settings) => {
        if (!gone) child.stdin?.write(`${JSON.stringify({ settings })}\n`);
      },
      aim: (position) => {
        if (!gone) child.stdin?.write(`${JSON.stringify({ position })}\n`);
      },
      kill: () => {
        child.kill('SIGKILL');
      },
    };
  };
}
