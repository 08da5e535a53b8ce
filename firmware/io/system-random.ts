/** The machine's randomness. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../overlay/effects.ts';

export const systemRandom: Random = { unit: Math.random, bytes: randomBytes };
