import { setImmediate } from 'node:timers/promises';

/**
 * Collects what a generator yields. Whatever else there is to do has its turn after each piece, so that long work holds
 * nothing up for longer than one piece takes; make pieces of some milliseconds at the most.
 */
export async function inTurns<T>(pieces: Iterable<T>): Promise<T[]> {
  const all: T[] = [];
  for (const piece of pieces) {
    all.push(piece);
    await setImmediate();
  }
  return all;
}
