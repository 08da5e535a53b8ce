/** The machine's clock. Timers keep the process alive until they have run or were cancelled. */
import type { Clock } from '../base/clock.ts';

/** Node turns longer delays into 1 ms; nothing here waits 24 days. */
const delayMsMax = 2 ** 31 - 1;

/** Node's own timers may fire up to a millisecond early by `performance.now`; this one never does. */
function after(delayMs: number, task: () => void): () => void {
  const dueMs = performance.now() + delayMs;
  let timer: NodeJS.Timeout;
  const arm = (restMs: number): void => {
    timer = setTimeout(
      () => {
        const leftMs = dueMs - performance.now();
        if (leftMs > 0) arm(leftMs);
        else task();
      },
      Math.min(Math.max(Math.ceil(restMs), 0), delayMsMax),
    );
  };
  arm(delayMs);
  return () => clearTimeout(timer);
}

/** UTC from the system, durations from CLOCK_MONOTONIC: the one clock that all processes of a machine share. */
export const systemClock: Clock = {
  utcMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  after,
};
