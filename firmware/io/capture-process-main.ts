/**
 * The capture process itself: takes a plan and then settings from its standard input, and passes its sinks' bytes on. It
 * knows nothing of cameras or networks, and may be killed at any time.
 *
 * Traps of the binding, met here: `process.exit` may hang after `pollBus`, so the process ends itself by signal.
 */
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { messageOf } from '../base/failure.ts';
import { framePrefix } from '../base/frames.ts';
import type { PipelinePlan } from '../capture/pipeline-plan.ts';
import type { StreamSettings } from '../media/stream-settings.ts';
import type { Position } from '../ptz/position.ts';
import { captureFrames } from './capture-child.ts';
import { RunningPipeline } from './running-pipeline.ts';

/** Runs until it is killed. */
export function runCaptureProcess(): Promise<void> {
  const output = new Socket({ fd: 3, readable: false, writable: true });
  output.on('error', end);
  process.stdin.on('end', end);
  // A terminal, or systemd, sends its signals to every process; the unit decides when this one ends.
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => undefined);
  const send = (kind: number, body: Buffer): Socket | undefined => {
    output.cork();
    output.write(framePrefix(kind, body.length));
    const flowing = output.write(body);
    output.uncork();
    return flowing ? undefined : output;
  };
  const finish = (kind: number, text: string): void => {
    send(kind, Buffer.from(text));
    output.end(end);
  };
  let pipeline: RunningPipeline | undefined = undefined;
  createInterface(process.stdin).on('line', (line) => {
    try {
      if (pipeline === undefined) {
        pipeline = new RunningPipeline(JSON.parse(line) as PipelinePlan, { send, finish });
        pipeline.start();
      } else change(pipeline, JSON.parse(line) as Change);
    } catch (error) {
      finish(captureFrames.failed, messageOf(error));
    }
  });
  return new Promise(() => undefined);
}

/** What the unit tells a pipeline that runs. */
interface Change {
  readonly settings?: StreamSettings;
  readonly position?: Position;
}

function change(pipeline: RunningPipeline, { settings, position }: Change): void {
  if (settings !== undefined) pipeline.adjust(settings);
  if (position !== undefined) pipeline.aim(position);
}

function end(): void {
  process.kill(process.pid, 'SIGKILL');
}
