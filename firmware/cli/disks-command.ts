/** `starling disks`: the machine of a server, what is wrong with it, and what to do. */
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { disksText } from '../boxcare/care-text.ts';
import type { DisksAnswer } from '../viewing/api.ts';
import { chooseServer, getJson } from './api-client.ts';
import type { Terminal } from './exit-codes.ts';
import type { ServerOptions } from './server-option.ts';

interface DisksOptions extends ServerOptions {
  readonly of?: string;
}

/** Turns `command` into the disks command. */
export function addDisksCommand(command: Command, terminal: Terminal): void {
  command
    .description("a server's disks, temperature, power and clock: what is wrong, and what to do about it")
    .option('--of <server>', 'the server to tell of, by its id (default: the one that is asked)')
    .addHelpText(
      'after',
      '\nExits with 7 when something has failed.\n\nExample:\n  starling disks --server https://box-1.local:8443',
    )
    .action((options: DisksOptions) => disks(options, terminal));
}

async function disks({ server, of, json }: DisksOptions, terminal: Terminal): Promise<void> {
  const query = of === undefined ? '' : `?server=${encodeURIComponent(of)}`;
  const report = await getJson<DisksAnswer>(chooseServer(server), `/api/disks${query}`);
  terminal.out(json === true ? `${JSON.stringify(report, null, 2)}\n` : disksText(report));
  if (report.verdict !== 'FAIL') return;
  const failed = report.findings.filter(({ verdict }) => verdict === 'FAIL');
  throw new Failure('PROBLEMS_FOUND', `${failed.length} of ${report.server} failed`, {
    advice: failed[0]?.next ?? '',
  });
}
