/**
 * Whether a time server has set this machine's clock since it was started, as chrony, systemd-timesyncd or the kernel
 * says, and the last trusted time in the data folder.
 */
import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readText, replaceText } from './text-files.ts';

const answerMs = 3_000;
/** systemd-timesyncd makes it when it has set the clock. */
const timesyncPath = '/run/systemd/timesync/synchronized';
const lastBytesMax = 64;

/** Never rejects: what cannot be asked has not said so. */
export async function clockSynchronized(): Promise<boolean> {
  const tracking = await outputOf('chronyc', ['-c', 'tracking']);
  if (tracking !== undefined) return isTracking(tracking);
  const made = await access(timesyncPath).then(
    () => true,
    () => false,
  );
  // The kernel's own opinion, which any daemon sets.
  return (
    made ||
    (await outputOf('timedatectl', ['show', '--property=NTPSynchronized', '--value']))?.trim() === 'yes'
  );
}

/** `chronyc -c tracking`: the reference is the first word, all zeros for none; the leap status is the last. */
export function isTracking(line: string): boolean {
  const words = line.trim().split('\n')[0]?.split(',') ?? [];
  const reference = words[0] ?? '';
  // 7F7F0101 is chrony's own clock, which it gives out when it hears nobody.
  const heard =
    /^[0-9A-F]{8}$/i.test(reference) && reference !== '00000000' && reference.toUpperCase() !== '7F7F0101';
  return words.length >= 14 && heard && words.at(-1) !== 'Not synchronised';
}

function outputOf(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { timeout: answerMs, maxBuffer: 16 * 1024, killSignal: 'SIGKILL' },
      (error, stdout) => {
        resolve(error === null ? stdout : undefined);
      },
    );
  });
}

/** The time kept by `keepLastTime`, ms UTC; undefined when there is none. */
export async function readLastTime(folder: string): Promise<number | undefined> {
  const text = await readText(join(folder, 'last-time'), { bytesMax: lastBytesMax, advice: '' }).catch(
    () => '',
  );
  const ms = Date.parse(text.trim());
  return Number.isFinite(ms) ? ms : undefined;
}

/** Keeps a time over a power cut. Rejects with Failure FILE_IO. */
export async function keepLastTime(folder: string, utcMs: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await replaceText(join(folder, 'last-time'), `${new Date(utcMs).toISOString()}\n`);
}
