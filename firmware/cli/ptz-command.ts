/** `starling ptz CAMERA`: tells where a camera looks, turns and zooms it, and remembers places, through any server. */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { presetNameMax } from '../base/given-name.ts';
import type { PtzAnswer, PtzCommand } from '../viewing/api.ts';
import { chooseServer, deleteJson, getJson, pause, postJson, putJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';

interface PtzOptions extends ServerOptions {
  readonly pan?: string;
  readonly tilt?: string;
  readonly zoom?: string;
  readonly relative?: true;
  readonly preset?: string;
  readonly save?: string;
  readonly drop?: string;
  readonly stop?: true;
  readonly wait?: true;
}

const pollMs = 200;
const waitMsMax = 120_000;

/** Turns `command` into the ptz command. */
export function addPtzCommand(command: Command, terminal: Terminal): void {
  command
    .description('where a camera looks: tells it, or turns and zooms it')
    .argument('<camera>', 'camera id')
    .option('--pan <degrees>', 'to the right; negative: to the left')
    .option('--tilt <degrees>', 'upwards; negative: downwards')
    .option('--zoom <factor>', '1 shows everything')
    .option('--relative', 'so much further than now')
    .option('--preset <name>', 'to a place that was saved; home is always there')
    .option('--save <name>', 'remember where it looks now')
    .option('--drop <name>', 'forget a place')
    .option('--stop', 'stand still')
    .option('--wait', 'until it is there')
    .addHelpText(
      'after',
      '\nExamples:\n  starling ptz cam-1\n  starling ptz cam-1 --pan -30 --tilt 5 --zoom 2 --wait\n' +
        '  starling ptz cam-1 --pan 10 --relative\n  starling ptz cam-1 --save gate\n  starling ptz cam-1 --preset gate',
    )
    .action((camera: string, options: PtzOptions) => ptz(camera, options, terminal));
}

async function ptz(camera: string, options: PtzOptions, terminal: Terminal): Promise<void> {
  const server = chooseServer(options.server);
  const path = `/api/cameras/${encodeURIComponent(camera)}`;
  const told = await tell(server, path, options);
  const answer = options.wait === true ? await rested(server, path, told, terminal) : told;
  if (options.json) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
  else terminal.out(formatAnswer(answer));
}

function tell(server: string, path: string, options: PtzOptions): Promise<PtzAnswer> {
  const { pan, tilt, zoom, preset, save, drop, stop } = options;
  const moves = [pan, tilt, zoom].some((value) => value !== undefined);
  const ways = [moves ? '' : undefined, preset, save, drop, stop].filter((way) => way !== undefined);
  if (ways.length > 1) throw usage('one thing at a time: a position, --preset, --save, --drop or --stop');
  if (options.relative === true && !moves) throw usage('--relative needs --pan, --tilt or --zoom');
  const named = preset ?? save ?? drop;
  if (named !== undefined && (named === '' || named.length > presetNameMax || /[/\\]/.test(named)))
    throw usage(`a preset has a name of 1 to ${presetNameMax} characters without slashes`);
  if (save !== undefined) return putJson(server, `${path}/presets/${encodeURIComponent(save)}`, undefined);
  if (drop !== undefined) return deleteJson(server, `${path}/presets/${encodeURIComponent(drop)}`);
  if (ways.length === 0) return getJson(server, `${path}/ptz`);
  return postJson(server, `${path}/ptz`, wishOf(options));
}

function wishOf({ pan, tilt, zoom, relative, preset, stop }: PtzOptions): PtzCommand {
  if (stop === true) return { stop };
  if (preset !== undefined) return { preset };
  return {
    ...(pan === undefined ? {} : { pan: numberOf('--pan', pan) }),
    ...(tilt === undefined ? {} : { tilt: numberOf('--tilt', tilt) }),
    ...(zoom === undefined ? {} : { zoom: numberOf('--zoom', zoom) }),
    ...(relative === true ? { relative } : {}),
  };
}

function numberOf(option: string, text: string): number {
  if (/^[-+]?\d{1,4}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw usage(`${option}: expected a number, got ${text}`);
}

function usage(message: string): Failure {
  return new Failure('USAGE', message, { advice: 'See `starling ptz --help`.' });
}

/** Where it is when it stands still. */
async function rested(server: string, path: string, told: PtzAnswer, terminal: Terminal): Promise<PtzAnswer> {
  const deadline = terminal.nowMs() + waitMsMax;
  let answer = told;
  while (answer.moving) {
    if (terminal.nowMs() > deadline) {
      const advice = 'Somebody else may be turning it.';
      throw new Failure('SERVER_FAILED', `${answer.camera} is still moving`, { advice });
    }
    await pause(pollMs);
    answer = await getJson<PtzAnswer>(server, `${path}/ptz`);
  }
  return answer;
}

function formatAnswer({ camera, position, moving, limits, presets }: PtzAnswer): string {
  if (position === null) return `${camera} cannot be turned\n`;
  const row = (name: string, { pan, tilt, zoom }: typeof position): string[] => [
    name,
    pan.toFixed(1),
    tilt.toFixed(1),
    zoom.toFixed(2),
  ];
  const ends = (axis: keyof typeof limits): string => limits[axis]?.join(' to ') ?? 'fixed';
  return formatTable(
    [camera, 'PAN', 'TILT', 'ZOOM'],
    [
      row(moving ? 'now, moving' : 'now', position),
      ['limits', ends('pan'), ends('tilt'), ends('zoom')],
      ...presets.map(({ name, ...place }) => row(name, place)),
    ],
  );
}
