/**
 * How many wrong PINs were tried since the last right one, beside the hash of the PIN: a number and a line's end. All
 * consoles of a unit count in the same file.
 */
import type { PinFailures } from '../console/pin.ts';
import { readText, writeText } from './text-files.ts';

const bytesMax = 16;

/** Counts in the file at `path`. */
export function pinFailuresAt(path: string): PinFailures {
  return {
    async read() {
      const text = await readText(path, { bytesMax, advice: '' }).catch(() => '');
      return /^\d{1,6}\n$/.test(text) ? Number(text) : undefined;
    },
    async keep(count) {
      await writeText(path, `${Math.min(count, 999_999)}\n`, { mode: 0o600 }).catch(() => undefined);
    },
  };
}
