/** Asks before everything on a disk is lost. */
import { createInterface } from 'node:readline/promises';
import { Refusal } from './refusal.ts';

/** Resolves when a person typed the name of the device, or `yes`. Throws the Refusal not-confirmed. */
export async function confirmDevice(path: string, yes: boolean): Promise<void> {
  if (yes) return;
  const name = path.split('/').at(-1) ?? path;
  const refused = (why: string): Refusal =>
    new Refusal(
      'not-confirmed',
      `${path} was left as it is: ${why}`,
      `Type ${name} when asked, or give --yes.`,
    );
  if (process.stdin.isTTY !== true) throw refused('nobody can be asked here');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`Everything on it will be lost. Type ${name} to go on: `);
    if (answer.trim() !== name) throw refused('not confirmed');
  } finally {
    terminal.close();
  }
}
