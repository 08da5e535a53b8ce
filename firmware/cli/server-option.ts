/** The options of every command that asks a server. */
import type { Command } from 'commander';

export interface ServerOptions {
  readonly server?: string;
  readonly config?: string;
  readonly json?: true;
}

export function addServerOptions(command: Command): Command {
  return command
    .option('--server <url>', 'server to ask (default: $STARLING_SERVER, or http://127.0.0.1:8300)')
    .option(
      '--config <file>',
      'unit.yaml of a server on this machine: to ask it, as its user (default: $STARLING_CONFIG)',
    )
    .option('--json', 'print JSON')
    .hook('preAction', (_program, action) => {
      // Another way to write the variable: whatever asks a server finds it there.
      const { config } = action.opts<ServerOptions>();
      if (config !== undefined) process.env['STARLING_CONFIG'] = config;
    });
}
