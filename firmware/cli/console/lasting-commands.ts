/** What cannot be taken back from afar: leaving, setting up anew, restarting the machine. Each is confirmed. */
import { realpathSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { Failure, messageOf } from '../../base/failure.ts';
import type { ConsoleAnswer } from '../../console/command-table.ts';
import type { CommandIo } from '../../console/session.ts';
import { outputOf } from './machine-facts.ts';
import type { UnitLink } from './unit-link.ts';

/** Rejects with Failure USAGE unless a person types `yes`, or a program gave --yes. */
async function confirm(what: string, args: readonly string[], io: CommandIo): Promise<void> {
  if (args.includes('--yes')) return;
  const answer = io.framed ? '' : await io.ask(`${what} Type yes to go on: `);
  if (answer === 'yes') return;
  throw new Failure('USAGE', 'nothing was done', {
    advice: io.framed ? 'Add --yes.' : 'It wants the word yes.',
  });
}

export async function leave(args: readonly string[], io: CommandIo, unit: UnitLink): Promise<ConsoleAnswer> {
  await confirm('The unit leaves the network and stays away until it is started.', args, io);
  const { data } = await unit.ask('leave');
  return { data, text: 'it leaves; `start` brings it back' };
}

export async function reboot(args: readonly string[], io: CommandIo, unit: UnitLink): Promise<ConsoleAnswer> {
  await confirm('The machine restarts; what no server has acknowledged is sent first.', args, io);
  // It says goodbye, so that its cameras, or it itself, are taken over at once.
  await unit.ask('leave').catch(() => undefined);
  if (
    (await outputOf('systemctl', ['--no-block', 'reboot'])) === undefined &&
    (await outputOf('reboot', [])) === undefined
  )
    throw new Failure('SERVER_FAILED', 'neither systemctl nor reboot does it', { advice: 'Are you root?' });
  return { data: { reboot: true }, text: 'the machine restarts' };
}

/** The settings are put aside, so that the next start finds none and takes them from the CONFIG partition. */
export async function reprovision(
  args: readonly string[],
  io: CommandIo,
  { configPath, unit }: { readonly configPath: string; readonly unit: UnitLink },
): Promise<ConsoleAnswer> {
  await confirm('The unit forgets its settings and waits for new ones on its CONFIG partition.', args, io);
  await unit.ask('leave').catch(() => undefined);
  const path = realpathSync(configPath);
  const aside = `${path}.before`;
  try {
    await rename(path, aside);
  } catch (cause) {
    throw new Failure('FILE_IO', `cannot put ${path} aside: ${messageOf(cause)}`, {
      advice: 'Check the disk.',
      cause,
    });
  }
  const text = `the old settings are in ${aside}. Write new ones to the CONFIG partition (npm run flash), then \`reboot\`.`;
  return { data: { aside }, text };
}
