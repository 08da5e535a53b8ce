/** What every Clock promises, run against the machine's and the virtual one. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Clock } from '../../firmware/base/clock.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

interface Subject {
  readonly clock: Clock;
  /** Lets time pass until the promise settles. */
  readonly until: <T>(promise: Promise<T>) => Promise<T>;
}

function realSubject(): Subject {
  return { clock: systemClock, until: (promise) => promise };
}

function virtualSubject(): Subject {
  const clock = new VirtualClock();
  return {
    clock,
    async until(promise) {
      let settled = false;
      void promise.finally(() => {
        settled = true;
      });
      for (let step = 0; step < 10_000 && !settled; step++) {
        clock.advance(1);
        await Promise.resolve();
      }
      return promise;
    },
  };
}

for (const [name, make] of [
  ['system clock', realSubject],
  ['virtual clock', virtualSubject],
] as const) {
  describe(name, () => {
    test('a task never runs within the call that asks for it', async () => {
      const { clock, until } = make();
      let ran = false;
      const done = new Promise<void>((resolve) => {
        clock.after(0, () => {
          ran = true;
          resolve();
        });
      });
      assert.equal(ran, false);
      await until(done);
      assert.equal(ran, true);
    });

    test('a task runs no earlier than its delay', async () => {
      const { clock, until } = make();
      const startMs = clock.monotonicMs();
      const ranAtMs = await until(
        new Promise<number>((resolve) => {
          clock.after(20, () => resolve(clock.monotonicMs()));
        }),
      );
      assert(ranAtMs - startMs >= 20, `${ranAtMs - startMs} ms`);
    });

    test('tasks run once each, in the order in which they fall due', async () => {
      const { clock, until } = make();
      const order: number[] = [];
      await until(
        new Promise<void>((resolve) => {
          clock.after(30, () => {
            order.push(30);
            resolve();
          });
          clock.after(10, () => order.push(10));
          clock.after(20, () => order.push(20));
        }),
      );
      assert.deepEqual(order, [10, 20, 30]);
    });

    test('a cancelled task never runs, and cancelling again or too late does nothing', async () => {
      const { clock, until } = make();
      let ran = false;
      const cancel = clock.after(5, () => {
        ran = true;
      });
      cancel();
      cancel();
      let cancelLate = (): void => undefined;
      await until(
        new Promise<void>((resolve) => {
          cancelLate = clock.after(20, resolve);
        }),
      );
      cancelLate();
      assert.equal(ran, false);
    });

    test('a task may ask for another', async () => {
      const { clock, until } = make();
      const startMs = clock.monotonicMs();
      const endMs = await until(
        new Promise<number>((resolve) => {
          clock.after(5, () => void clock.after(5, () => resolve(clock.monotonicMs())));
        }),
      );
      assert(endMs - startMs >= 10);
    });

    test('both times go forward together', async () => {
      const { clock, until } = make();
      const [utcMs, monotonicMs] = [clock.utcMs(), clock.monotonicMs()];
      await until(
        new Promise<void>((resolve) => {
          clock.after(50, resolve);
        }),
      );
      const monotonicStep = clock.monotonicMs() - monotonicMs;
      assert(monotonicStep >= 50);
      assert(Math.abs(clock.utcMs() - utcMs - monotonicStep) < 25);
      assert(clock.utcMs() > Date.parse('2020-01-01T00:00:00Z'));
    });
  });
}
