/**
 * `starling stream CAMERA`: tells how a camera streams, and changes it, through any server. What is changed stays until
 * `--reset`, over restarts of the camera.
 */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { type StreamChange, streamFault } from '../media/stream-settings.ts';
import type { StreamAnswer } from '../viewing/api.ts';
import { chooseServer, getJson, patchJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';

interface StreamOptions extends ServerOptions {
  readonly bitrate?: string;
  readonly fps?: string;
  readonly keyframe?: string;
  readonly reset?: true;
}

/** Turns `command` into the stream command. */
export function addStreamCommand(command: Command, terminal: Terminal): void {
  command
    .description('how a camera streams: tells it, or changes it until --reset')
    .argument('<camera>', 'camera id')
    .option('--bitrate <kbps>', 'video bit rate, kbit/s')
    .option('--fps <rate>', 'pictures per second')
    .option('--keyframe <ms>', 'time from one keyframe to the next, ms')
    .option('--reset', 'back to the settings of its unit')
    .addHelpText('after', '\nExample:\n  starling stream cam-1 --bitrate 500 --fps 10')
    .action((camera: string, options: StreamOptions) => stream(camera, options, terminal));
}

async function stream(camera: string, options: StreamOptions, terminal: Terminal): Promise<void> {
  const server = chooseServer(options.server);
  const path = `/api/cameras/${encodeURIComponent(camera)}/stream`;
  const wish = wishOf(options);
  const answer = await (Object.keys(wish).length === 0
    ? getJson<StreamAnswer>(server, path)
    : patchJson<StreamAnswer>(server, path, wish));
  if (options.json) {
    terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  const { bitrateKbps, frameRate, keyframeIntervalMs, manager, restarted } = answer;
  const seconds = keyframeIntervalMs / 1000;
  terminal.out(`${camera}: ${bitrateKbps} kbit/s, ${frameRate} pictures/s, a keyframe every ${seconds} s\n`);
  if (restarted) terminal.err(`its capture was restarted for that; ${manager} manages it\n`);
}

function wishOf({ bitrate, fps, keyframe, reset }: StreamOptions): StreamChange & { reset?: true } {
  const given = { bitrateKbps: bitrate, frameRate: fps, keyframeIntervalMs: keyframe };
  const change: StreamChange = Object.fromEntries(
    Object.entries(given)
      .filter(([, text]) => text !== undefined)
      .map(([name, text]) => [name, /^\d{1,9}$/.test(text ?? '') ? Number(text) : Number.NaN]),
  );
  const fault = streamFault(change);
  if (fault !== undefined) {
    throw new Failure('USAGE', fault, { advice: 'See `starling stream --help`.' });
  }
  return reset === true ? { ...change, reset } : change;
}
