/**
 * The key at boot: for a few seconds after the console has started, any key keeps the unit's role from starting, so that
 * settings which bring a unit down can be mended. The service of the console is ready only after that, and the unit's
 * service waits for it; a file then holds the unit back.
 */
import { writeFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/failure.ts';
import { outputOf } from './machine-facts.ts';
import { holdFile } from './unit-service.ts';

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

/** Tells systemd that what waits for this console may start. */
export async function tellReady(): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] !== undefined) await outputOf('systemd-notify', ['--ready']);
}
