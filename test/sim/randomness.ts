/**
 * Randomness of the simulator: every draw is a pure function of (seed, purpose, who, number), so that removing one
 * fault from a scenario leaves all other draws as they were. Not for secrets.
 *
 * The mixer is the 32-bit finaliser "lowbias32" by Chris Wellons (public domain), after MurmurHash3.
 */
import type { Random } from '../../firmware/overlay/effects.ts';

function scramble(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit key for a purpose. */
export function keyOf(seed: number, ...parts: readonly (string | number)[]): number {
  let h = scramble(seed ^ 0x9e3779b9);
  for (const part of parts) {
    if (typeof part === 'number') {
      h = scramble(h ^ scramble(part + 0x51ed270b));
    } else {
      for (let at = 0; at < part.length; at++) h = Math.imul(h ^ part.charCodeAt(at), 0x01000193);
      h = scramble(h ^ 0x5bd1e995);
    }
  }
  return h;
}

/** 32 random bits: the `number`-th draw of a key. */
function drawBits(key: number, number: number): number {
  return scramble(scramble(number ^ 0x6b43a9b5) + key);
}

/** Uniform in [0, 1): the `number`-th draw of a key. */
export function draw(key: number, number: number): number {
  return drawBits(key, number) / 0x1_0000_0000;
}

/** The draws of one key in order. */
export class Stream implements Random {
  private readonly key: number;
  private next = 0;

  constructor(seed: number, ...parts: readonly (string | number)[]) {
    this.key = keyOf(seed, ...parts);
  }

  unit(): number {
    return draw(this.key, this.next++);
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at += 4) {
      const bits = drawBits(this.key, this.next++);
      for (let offset = 0; offset < 4 && at + offset < count; offset++)
        bytes[at + offset] = bits >>> (offset * 8);
    }
    return bytes;
  }

  /** A whole number, `min` to `max` inclusive. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.unit() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.unit() * items.length)] as T;
  }

  /** `count` of the items, in their order. */
  some<T>(items: readonly T[], count: number): T[] {
    const keyed = items.map((item, place) => ({ item, place, rank: this.unit() }));
    keyed.sort((a, b) => a.rank - b.rank || a.place - b.place);
    const chosen = keyed.slice(0, count).sort((a, b) => a.place - b.place);
    return chosen.map(({ item }) => item);
  }
}
