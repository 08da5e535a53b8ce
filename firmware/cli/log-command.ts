/** `starling log`: the last lines of a server's log, which tell what happened in the network, and those to come. */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type { LogAnswer } from '../viewing/api.ts';
import { chooseServer, getJson, pause } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';
import { printable } from './text-table.ts';

/** Entries that a server keeps. */
const linesMax = 500;
const pollMs = 500;

interface LogOptions extends ServerOptions {
  readonly lines: string;
  readonly follow?: true;
}

/** Turns `command` into the log command. */
export function addLogCommand(command: Command, terminal: Terminal): void {
  command
    .description('what happened lately at a server, as its log tells')
    .option('--lines <n>', `how many entries, ${linesMax} at most`, '100')
    .option('--follow', 'go on with what happens next, until Ctrl-C')
    .addHelpText(
      'after',
      '\nWith --json each entry is one line of JSON.\n\nExample:\n  starling log --lines 20 --follow',
    )
    .action((options: LogOptions) => log(options, terminal));
}

async function log(options: LogOptions, terminal: Terminal): Promise<void> {
  const lines = /^\d{1,3}$/.test(options.lines) ? Number(options.lines) : 0;
  if (lines < 1 || lines > linesMax) {
    throw new Failure('USAGE', `--lines: expected 1..${linesMax}, got ${options.lines}`, {
      advice: 'See starling log --help.',
    });
  }
  const server = chooseServer(options.server);
  const first = await getJson<LogAnswer>(server, `/api/log?lines=${lines}`);
  const print = ({ entries }: LogAnswer): void => {
    for (const entry of entries) {
      terminal.out(options.json ? `${JSON.stringify(entry)}\n` : formatLogEntry(entry));
    }
  };
  print(first);
  let { newest } = first;
  while (options.follow) {
    await pause(pollMs);
    let answer = await getJson<LogAnswer>(server, logPath(newest));
    if (answer.newest < newest) {
      terminal.err(`${answer.server} was started again\n`);
      answer = await getJson<LogAnswer>(server, logPath(0));
    } else if (answer.newest - newest > answer.entries.length) {
      terminal.err(
        `${answer.newest - newest - answer.entries.length} entries came too fast and are missing\n`,
      );
    }
    print(answer);
    newest = answer.newest;
  }
}

/** All that came after the entry of this number. */
export function logPath(after: number): string {
  return `/api/log?lines=${linesMax}&after=${after}`;
}

/** Such as `2026-11-22T12:00:00.000Z info  ss-2 is dead`. */
export function formatLogEntry({ time, level, text }: LogAnswer['entries'][number]): string {
  return `${time} ${level.padEnd(5)} ${printable(text)}\n`;
}
