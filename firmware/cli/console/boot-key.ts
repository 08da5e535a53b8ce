/**
 * The key at boot: for a few seconds after the console has started, any key keeps the unit's role from starting, so that
 * settings which bring a unit down can be mended. The service of the console is ready only after that, and the unit's
 * service waits for it; a file then holds the unit back. Noise on a line without a cable is a key as well: a unit that was
 * held back and is then given no command for `unusedMs` starts after all.
 */
import { writeFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/failure.ts';
import { outputOf } from './machine-facts.ts';
import { holdFile } from './unit-service.ts';

const unusedMs = 600_000;

export interface BootKeyParts {
  readonly seconds: number;
  readonly clock: Clock;
  readonly write: (text: string) => void;
}

/** Watches the first keys; `key` is told of every byte, `done` resolves with whether the unit is held. */
export function bootKey({ seconds, clock, write }: BootKeyParts): {
  key: () => void;
  done: Promise<boolean>;
} {
  let key = (): void => undefined;
  const done = new Promise<boolean>((resolve) => {
    if (seconds > 0) write(`\r\nPress Enter within ${seconds} s to keep the unit from starting.\r\n`);
    const cancel = clock.after(seconds * 1_000, () => resolve(false));
    key = () => {
      cancel();
      resolve(true);
    };
  });
  return { key, done };
}

/** Holds the unit back; says what went wrong, if anything did. */
export function holdUnit(): string | undefined {
  try {
    writeFileSync(holdFile, 'a key at boot; `start` on the console goes on\n');
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

export interface HeldUnit {
  readonly clock: Clock;
  /** whether the console has answered any command since it started */
  readonly used: () => boolean;
  readonly start: () => Promise<void>;
  readonly write: (text: string) => void;
}

/** Starts a unit that was held back when nobody comes who says why; call the result when the console ends. */
export function startUnlessUsed({ clock, used, start, write }: HeldUnit): () => void {
  return clock.after(unusedMs, () => {
    if (used()) return;
    write('\r\nnobody gave a command: the unit starts\r\n');
    start().catch((thrown: unknown) => write(`it does not start: ${messageOf(thrown)}\r\n`));
  });
}

/** Tells systemd that what waits for this console may start. */
export async function tellReady(): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] !== undefined) await outputOf('systemd-notify', ['--ready']);
}
