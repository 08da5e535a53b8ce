/**
 * `starling watch CAMERA`: opens the page at a camera, live or at a time; with `--url` it prints an address for a player
 * instead, which needs no signing in and expires after a day.
 */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type { CamerasAnswer, LinkAnswer } from '../viewing/api.ts';
import { chooseServer, getJson, postJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';
import { parseTimeArgument } from './time-argument.ts';
import type { OpenAddress } from './web-browser.ts';

/** How much of a recording a player's address covers. */
const playedMs = 3_600_000;

interface WatchOptions extends ServerOptions {
  readonly at?: string;
  readonly url?: true;
}

/** Turns `command` into the watch command. */
export function addWatchCommand(command: Command, terminal: Terminal, open: OpenAddress): void {
  command
    .description('watch a camera in the browser, or print an address for a player')
    .argument('<camera>', 'camera id')
    .option('--at <time>', 'its recording from then on: ISO 8601, Unix seconds, or -10m')
    .option('--url', 'print an address that a player takes without signing in, for a day')
    .addHelpText(
      'after',
      '\nExamples:\n  starling watch cam-1\n  starling watch cam-1 --at -10m\n  ffplay "$(starling watch cam-1 --url)"',
    )
    .action((camera: string, options: WatchOptions) => watch(camera, options, { terminal, open }));
}

async function watch(
  camera: string,
  options: WatchOptions,
  { terminal, open }: { terminal: Terminal; open: OpenAddress },
): Promise<void> {
  const server = chooseServer(options.server);
  const nowMs = terminal.nowMs();
  const at = options.at === undefined ? undefined : parseTimeArgument('--at', options.at, nowMs);
  if (at !== undefined && Date.parse(at) >= nowMs) {
    throw new Failure('USAGE', `--at ${options.at} is not over yet`, {
      advice: 'Leave it out to watch live.',
    });
  }
  if (options.url === true) {
    const path = `/api/cameras/${encodeURIComponent(camera)}/links`;
    const { url, expiresAt } = await postJson<LinkAnswer>(server, path, wishOf(at, nowMs));
    print({ url: `${server}${url}`, expiresAt }, options, terminal);
    if (options.json !== true) terminal.err(`until ${expiresAt}\n`);
    return;
  }
  const { cameras } = await getJson<CamerasAnswer>(server, '/api/cameras');
  if (!cameras.some(({ id }) => id === camera)) {
    throw new Failure('NOT_FOUND', `no camera is named ${camera}`, { advice: 'See `starling cameras`.' });
  }
  const query = at === undefined ? '' : `?at=${at}`;
  const url = `${server}/#/camera/${encodeURIComponent(camera)}${query}`;
  print({ url }, options, terminal);
  if (!(await open(url))) terminal.err('there is no browser here: open this address in one\n');
}

function wishOf(at: string | undefined, nowMs: number): object {
  if (at === undefined) return { what: 'live' };
  const toMs = Math.min(Date.parse(at) + playedMs, nowMs);
  return { what: 'playlist', from: at, to: new Date(toMs).toISOString() };
}

function print(
  answer: { url: string; expiresAt?: string },
  { json }: WatchOptions,
  terminal: Terminal,
): void {
  terminal.out(json === true ? `${JSON.stringify(answer, null, 2)}\n` : `${answer.url}\n`);
}
