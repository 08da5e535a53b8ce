/**
 * Commands about the network of servers, answered by any of them: `tables`, `neighbors`, `where`, `stream`, `disks`, `log`, `leave`. Each
 * prints for people, or with `--json` the answer of the API.
 */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type { TablesAnswer, WhereAnswer } from '../viewing/api.ts';
import { chooseServer, getJson } from './api-client.ts';
import { addDisksCommand } from './disks-command.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { addLeaveCommand } from './leave-command.ts';
import { addLogCommand } from './log-command.ts';
import { formatNeighbors, formatTables, formatWhere } from './network-text.ts';
import { addServerOptions, type ServerOptions } from './server-option.ts';
import { addStreamCommand } from './stream-command.ts';

/** Adds the commands to a program; `terminal` is the process unless a test brings its own. */
export function addNetworkCommands(program: Command, terminal: Terminal = processTerminal): void {
  addServerOptions(program.command('tables'))
    .description("a server's neighbor, query and history tables")
    .addHelpText('after', '\nExample:\n  starling tables --server http://127.0.0.1:8301')
    .action(async (options: ServerOptions) => {
      const tables = await getTables(options);
      terminal.out(options.json ? jsonText(tables) : formatTables(tables));
    });
  addServerOptions(program.command('neighbors'))
    .description('the servers one and two links away from a server')
    .addHelpText('after', '\nExample:\n  starling neighbors --server http://127.0.0.1:8301')
    .action(async (options: ServerOptions) => {
      const tables = await getTables(options);
      const { server, neighbor } = tables;
      terminal.out(options.json ? jsonText({ server, ...neighbor }) : formatNeighbors(tables));
    });
  addServerOptions(program.command('where'))
    .description('who manages a camera, and who did before')
    .argument('<camera>', 'camera id')
    .addHelpText('after', '\nExample:\n  starling where cam-1')
    .action((camera: string, options: ServerOptions) => where(camera, options, terminal));
  addStreamCommand(addServerOptions(program.command('stream')), terminal);
  addDisksCommand(addServerOptions(program.command('disks')), terminal);
  addLogCommand(addServerOptions(program.command('log')), terminal);
  addLeaveCommand(addServerOptions(program.command('leave')), terminal);
}

function getTables(options: ServerOptions): Promise<TablesAnswer> {
  return getJson(chooseServer(options.server), '/api/tables');
}

async function where(camera: string, options: ServerOptions, terminal: Terminal): Promise<void> {
  const path = `/api/where/${encodeURIComponent(camera)}`;
  const answer = await getJson<WhereAnswer>(chooseServer(options.server), path);
  terminal.out(options.json ? jsonText(answer) : formatWhere(answer));
  if (answer.manager === null) {
    const advice = 'Its history is above; see `starling cameras` for those there are.';
    throw new Failure('NOT_FOUND', `nobody manages ${camera}`, { advice });
  }
  if (answer.state === 'unreachable') {
    const advice = 'This is what was known last. Its cameras join another server within seconds: ask again.';
    throw new Failure('PARTIAL', `${answer.manager}, the last known manager of ${camera}, is unreachable`, {
      advice,
    });
  }
}

function jsonText(answer: object): string {
  return `${JSON.stringify(answer, null, 2)}\n`;
}
