/** The options of every command that asks a server. */
import type { Command } from 'commander';

export interface ServerOptions {
  readonly server?: string;
  readonly json?: true;
}

export function addServerOptions(command: Command): Command {
  return command
    .option('--server <url>', 'server to ask (default: $STARLING_SERVER, or http://127.0.0.1:8300)')
    .option('--json', 'print JSON');
}
