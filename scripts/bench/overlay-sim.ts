/**
 * `npm run bench -- overlay`: what a large network costs and how long it takes to heal, in virtual time (test/sim), so
 * that the figures are the same on every machine. A figure that is not a number means that it did not come together.
 */
import { measureScale } from '../../test/sim/scale.ts';
import type { Figure } from '../bench.ts';

const cameras = { quick: 2, full: 10 } as const;
/** Servers: a quick run only shows that it works. A thousand take an hour and 6 GB: `npm run` lets the heap grow so far. */
const sizes = { quick: [30], full: [100, 300, 1_000] } as const;
const killPercents = [0, 10, 50, 90];

export function benchOverlay(quick: boolean): Figure[] {
  const plan = quick ? 'quick' : 'full';
  return sizes[plan].flatMap((servers) => benchSize(servers, cameras[plan]));
}

function benchSize(servers: number, camerasPerServer: number): Figure[] {
  const lines = measureScale({ servers, camerasPerServer, seed: 1, killPercents });
  const lost = lines.filter(({ value }) => Number.isNaN(value));
  if (lost.length > 0) throw new Error(`never happened: ${lost.map(({ what }) => what).join('; ')}`);
  return lines.map(({ what, value, unit }) => ({ figure: `${servers} simulated: ${what}`, value, unit }));
}
