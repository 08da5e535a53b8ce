/** `starling completion SHELL`: the script that completes command lines; `starling complete KIND`: the ids it needs. */
import { Argument, type Command } from 'commander';
import { isId } from '../base/ids.ts';
import type { CamerasAnswer, SiteAnswer } from '../viewing/api.ts';
import { chooseServer, getJson } from './api-client.ts';
import { commandTree } from './command-tree.ts';
import { processTerminal, type Terminal } from './exit-codes.ts';
import { addServerOptions, type ServerOptions } from './server-option.ts';
import { completionScript, type Shell, shells } from './shell-completion.ts';

/** Whoever presses Tab does not wait longer. */
const answerMs = 1_000;

const kinds = ['camera', 'server'] as const;

/** Adds the commands to the program, which has all others by then. */
export function addCompletionCommands(program: Command, terminal: Terminal = processTerminal): void {
  program
    .command('completion')
    .description('print a script that completes command lines')
    .addArgument(new Argument('<shell>', 'of which shell').choices(shells))
    .addHelpText(
      'after',
      '\nExamples:\n  eval "$(starling completion bash)"          # in ~/.bashrc\n' +
        '  eval "$(starling completion zsh)"           # in ~/.zshrc\n' +
        '  starling completion fish | source           # in ~/.config/fish/config.fish',
    )
    .action((shell: Shell) => terminal.out(completionScript(shell, commandTree(program))));
  addServerOptions(program.command('complete', { hidden: true }))
    .addArgument(new Argument('<kind>').choices(kinds))
    .action(async (kind: (typeof kinds)[number], { server }: ServerOptions) => {
      const asked = kind === 'camera' ? cameras(server) : servers(server);
      const ids = await within(answerMs, asked).catch(() => []);
      // A shell gets them: nothing but ids, whatever a server says.
      terminal.out(
        ids
          .filter((id) => isId(id))
          .map((id) => `${id}\n`)
          .join(''),
      );
      // A request that is still open would keep the process.
      if (terminal === processTerminal) setTimeout(() => process.exit(), 50).unref();
    });
}

async function cameras(server: string | undefined): Promise<string[]> {
  const answer = await getJson<CamerasAnswer>(chooseServer(server), '/api/cameras');
  return answer.cameras.map(({ id }) => id);
}

async function servers(server: string | undefined): Promise<string[]> {
  const answer = await getJson<SiteAnswer>(chooseServer(server), '/api/site');
  return answer.servers.map(({ id }) => id);
}

/** Rejects when it takes longer. */
async function within<T>(ms: number, task: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('too late')), ms);
  });
  try {
    return await Promise.race([task, late]);
  } finally {
    clearTimeout(timer);
  }
}
