/** Long work on the event loop, in slices: pictures, links and other people's requests come in between. */
import type { Clock } from '../base/clock.ts';

/** Nobody waits for longer than this and one piece. */
const sliceMs = 10;

/** Collects what a generator yields; make its pieces of some milliseconds at the most. */
export async function inTurns<T>(
  pieces: Iterable<T>,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
): Promise<T[]> {
  const all: T[] = [];
  let sinceMs = clock.monotonicMs();
  for (const piece of pieces) {
    all.push(piece);
    if (clock.monotonicMs() - sinceMs < sliceMs) continue;
    await new Promise<void>((resolve) => clock.after(0, resolve));
    sinceMs = clock.monotonicMs();
  }
  return all;
}
