/**
 * `starling protect`: recordings that are kept whatever the settings of retention say. It adds a range, lists those
 * there are, or removes one; every server of the site knows them.
 */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type { ProtectedAnswer, ProtectedRangeAnswer } from '../viewing/api.ts';
import { chooseServer, deleteJson, getJson, postJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';
import { formatTable } from './text-table.ts';
import { parseTimeArgument } from './time-argument.ts';

interface ProtectOptions extends ServerOptions {
  readonly from?: string;
  readonly to?: string;
  readonly note?: string;
  readonly list?: true;
  readonly remove?: string;
}

/** Turns `command` into the protect command. */
export function addProtectCommand(command: Command, terminal: Terminal): void {
  command
    .description('keep recordings of a camera from being deleted')
    .argument('<camera>', 'camera id')
    .option('--from <time>', 'ISO 8601, Unix seconds, or -10m')
    .option('--to <time>', 'the same, or now')
    .option('--note <text>', 'why it is kept')
    .option('--list', 'show what is kept')
    .option('--remove <id>', 'keep a range no longer')
    .addHelpText(
      'after',
      '\nExamples:\n  starling protect door --from -2h --to -1h --note "the parcel"\n  starling protect door --list',
    )
    .action((camera: string, options: ProtectOptions) => protect(camera, options, terminal));
}

async function protect(camera: string, options: ProtectOptions, terminal: Terminal): Promise<void> {
  const server = chooseServer(options.server);
  const path = `/api/cameras/${encodeURIComponent(camera)}/protected`;
  const { from, to, list, remove } = options;
  const adds = from !== undefined && to !== undefined;
  if ([adds, list === true, remove !== undefined].filter(Boolean).length !== 1) {
    const advice = 'Give --from and --to to keep a range, or --list, or --remove ID.';
    throw new Failure('USAGE', 'one thing to do is needed', { advice });
  }
  if (adds) {
    const nowMs = terminal.nowMs();
    const range = await postJson<ProtectedRangeAnswer>(server, path, {
      from: parseTimeArgument('--from', from, nowMs),
      to: parseTimeArgument('--to', to, nowMs),
      note: options.note ?? '',
      by: userInfo().username.slice(0, 32),
    });
    terminal.out(options.json ? jsonText(range) : formatRanges([range]));
    return;
  }
  const answer =
    remove === undefined
      ? await getJson<ProtectedAnswer>(server, path)
      : await deleteJson<ProtectedAnswer>(server, `${path}/${encodeURIComponent(remove)}`);
  terminal.out(options.json ? jsonText(answer) : formatRanges(answer.ranges));
}

function formatRanges(ranges: readonly ProtectedRangeAnswer[]): string {
  const rows = ranges.map(({ id, from, to, by, note }) => [id, from, to, by === '' ? '-' : by, note]);
  return formatTable(['ID', 'FROM', 'TO', 'BY', 'NOTE'], rows);
}

function jsonText(answer: object): string {
  return `${JSON.stringify(answer, null, 2)}\n`;
}
