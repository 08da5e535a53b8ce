/** Sets the lamps of a board by `/sys/class/leds` (Documentation/leds/leds-class.rst); the kernel does the blinking. */
import { readFile, writeFile } from 'node:fs/promises';
import type { LedSign } from '../boxcare/led-signs.ts';

/** ms lit, ms dark */
const blinks = { slow: [1000, 1000], quick: [120, 120] } as const;

/** Rejects when the board has no such lamp, or this user may not set it. `root` stands for `/`. */
export async function setLed(name: string, sign: LedSign, root = ''): Promise<void> {
  const file = (leaf: string): string => `${root}/sys/class/leds/${name}/${leaf}`;
  if (sign === 'on' || sign === 'off') {
    await writeFile(file('trigger'), 'none');
    const most = sign === 'on' ? (await readFile(file('max_brightness'), 'utf8')).trim() : '0';
    return writeFile(file('brightness'), most);
  }
  const [litMs, darkMs] = blinks[sign];
  await writeFile(file('trigger'), 'timer');
  await writeFile(file('delay_on'), String(litMs));
  return writeFile(file('delay_off'), String(darkMs));
}
