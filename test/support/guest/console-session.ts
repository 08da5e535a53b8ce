/** A technician at a guest's serial port, with the bench side of the field console (`npm run console`). */
import { runScript } from './board-image.ts';
import type { Guest } from './guest.ts';
import { patience } from './guests-suite.ts';

/** A translated processor is slow to answer. */
const silenceSeconds = 30;

/** What a console command prints, as a person sees it. */
export function askConsole(guest: Guest, ...command: readonly string[]): Promise<string> {
  const patiently = ['--silence', String(silenceSeconds * patience)];
  return runScript('console', `unix:${guest.serialSocket}`, ...patiently, ...command);
}

/** The same for programs. */
export async function askConsoleJson<T>(guest: Guest, ...command: readonly string[]): Promise<T> {
  return JSON.parse(await askConsole(guest, ...command, '--json')) as T;
}
