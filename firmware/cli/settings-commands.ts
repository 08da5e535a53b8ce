/**
 * `starling set camera|server …`: what people call cameras and servers, and how long recordings are kept, the same on
 * every server; `starling forget CAMERA`: a camera whose unit is gone for good.
 */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type {
  CameraRemovedAnswer,
  CameraSettingsAnswer,
  CameraSettingsChange,
  ServerSettingsAnswer,
  ServerSettingsChange,
} from '../viewing/api.ts';
import { chooseServer, deleteJson, getJson, patchJson } from './api-client.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { addServerOptions, type ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';

interface SetOptions extends ServerOptions {
  readonly name?: string;
  readonly group?: string;
  readonly days?: string;
  readonly maxMb?: string;
}

const daysHelp = 'delete recordings older than this; default: as unit.yaml says';

/** Adds the commands to the program; `terminal` is the process unless a test brings its own. */
export function addSettingsCommands(program: Command, terminal: Terminal = processTerminal): void {
  const set = program.command('set').description('names, groups, and how long recordings are kept');
  addServerOptions(set.command('camera').description('tell or change what is set about a camera'))
    .argument('<camera>', 'camera id')
    .option('--name <text>', "what people call it; '' for nothing")
    .option('--group <text>', "where it is shown; '' for nowhere in particular")
    .option('--days <n|default>', daysHelp)
    .option('--max-mb <n|default>', 'most that its recordings take on each server, MB')
    .addHelpText(
      'after',
      '\nExample:\n  starling set camera cam-1 --name "Front door" --group Yard --days 30',
    )
    .action(async (camera: string, options: SetOptions) => {
      const path = `/api/cameras/${encodeURIComponent(camera)}/settings`;
      const answer = await tell<CameraSettingsAnswer>(options, path, cameraChange(options));
      const { name, group, days, maxMb } = answer;
      const rows = [
        ['name', name || '-'],
        ['group', group || '-'],
        ['days', text(days)],
        ['MB', text(maxMb)],
      ];
      print(options, answer, () => formatTable([camera, ''], rows), terminal);
    });
  addServerOptions(set.command('server').description('tell or change what is set about a server'))
    .argument('<server>', 'server id')
    .option('--name <text>', "what people call it; '' for nothing")
    .option('--days <n|default>', daysHelp)
    .addHelpText('after', '\nExample:\n  starling set server ss-1 --name "Barn" --days 14')
    .action(async (server: string, options: SetOptions) => {
      const path = `/api/servers/${encodeURIComponent(server)}/settings`;
      const answer = await tell<ServerSettingsAnswer>(options, path, serverChange(options));
      const rows = [
        ['name', answer.name || '-'],
        ['days', text(answer.days)],
      ];
      print(options, answer, () => formatTable([server, ''], rows), terminal);
    });
  addServerOptions(program.command('forget'))
    .description('take a camera off the lists whose unit is gone for good; its recordings stay')
    .argument('<camera>', 'camera id')
    .addHelpText('after', '\nExample:\n  starling forget cam-9')
    .action(async (camera: string, options: ServerOptions) => {
      const path = `/api/cameras/${encodeURIComponent(camera)}`;
      const answer = await deleteJson<CameraRemovedAnswer>(chooseServer(options.server), path);
      const done = `${camera} is on no list any more; its recordings stay until retention deletes them\n`;
      print(options, answer, () => done, terminal);
    });
}

function tell<T>(options: ServerOptions, path: string, change: object): Promise<T> {
  const server = chooseServer(options.server);
  return Object.keys(change).length === 0 ? getJson(server, path) : patchJson(server, path, change);
}

function cameraChange({ name, group, days, maxMb }: SetOptions): CameraSettingsChange {
  return {
    ...(name === undefined ? {} : { name }),
    ...(group === undefined ? {} : { group }),
    ...(days === undefined ? {} : { days: amount('--days', days) }),
    ...(maxMb === undefined ? {} : { maxMb: amount('--max-mb', maxMb) }),
  };
}

function serverChange({ name, days }: SetOptions): ServerSettingsChange {
  return {
    ...(name === undefined ? {} : { name }),
    ...(days === undefined ? {} : { days: amount('--days', days) }),
  };
}

function amount(option: string, given: string): number | null {
  if (given === 'default') return null;
  if (/^\d{1,10}$/.test(given)) return Number(given);
  const advice = 'Write a whole number, or default.';
  throw new Failure('USAGE', `${option}: ${given} is no number`, { advice });
}

function text(value: number | null): string {
  return value === null ? 'default' : String(value);
}

function print({ json }: ServerOptions, answer: object, formatted: () => string, terminal: Terminal): void {
  terminal.out(json === true ? `${JSON.stringify(answer, null, 2)}\n` : formatted());
}
