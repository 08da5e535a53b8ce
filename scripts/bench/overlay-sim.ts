/**
 * `npm run bench -- overlay`: what a large network costs and how long it takes to heal, in virtual time (test/sim), so
 * that the figures are the same on every machine. A figure that is not a number means that it did not come together.
 */
import { measureScale } from '../../test/sim/scale.ts';
import type { Figure } from '../bench.ts';

/** Servers and cameras per server: a quick run only shows that it works. */
const sizes = {
  quick: { servers: 30, camerasPerServer: 2 },
  full: { servers: 300, camerasPerServer: 10 },
} as const;
const killPercents = [0, 10, 50, 90];

export async function benchOverlay(quick: boolean): Promise<Figure[]> {
  const lines = measureScale({ ...(quick ? sizes.quick : sizes.full), seed: 1, killPercents });
  const lost = lines.filter(({ value }) => Number.isNaN(value));
  if (lost.length > 0) throw new Error(`never happened: ${lost.map(({ what }) => what).join('; ')}`);
  return lines.map(({ what, value, unit }) => ({ figure: what, value, unit }));
}
