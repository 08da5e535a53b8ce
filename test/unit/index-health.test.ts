/** Whether the index works: it refuses, or does not answer, and does again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IndexHealth } from '../../firmware/recording/index-health.ts';
import type { IndexStore } from '../../firmware/recording/index-store.ts';
import { turn } from '../support/simulated-recorder.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** Commits of `store` end when, and as, the test says. */
function held(): { store: IndexStore; answer: (error?: Error) => void; count: () => number } {
  const waiting: ((error?: Error) => void)[] = [];
  let commits = 0;
  const store: IndexStore = {
    get: async () => undefined,
    range: async () => [],
    commit: () => {
      commits += 1;
      return new Promise((resolve, reject) =>
        waiting.push((error) => (error === undefined ? resolve() : reject(error))),
      );
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { store, answer: (error) => waiting.shift()?.(error), count: () => commits };
}

test('an index that does not answer within 10 s does not work until it does, and is not asked more meanwhile', async () => {
  const { store, answer, count } = held();
  const clock = new VirtualClock();
  const told: boolean[] = [];
  const health = new IndexHealth(store, clock, (works) => told.push(works));
  const commit = health.index.commit([]);
  clock.advance(9_999);
  assert.deepEqual([told, health.problem], [[], undefined]);
  clock.advance(1);
  assert.deepEqual([told, health.problem], [[false], 'the index does not answer']);
  await health.probe();
  assert.equal(count(), 1, 'a probe would wait behind it');
  answer();
  await commit;
  assert.deepEqual([told, health.problem], [[false, true], undefined]);
});

test('an index that refuses is probed until it does not', async () => {
  const { store, answer } = held();
  const told: boolean[] = [];
  const health = new IndexHealth(store, new VirtualClock(), (works) => told.push(works));
  const commit = health.index.commit([]);
  answer(new Error('no space left'));
  await assert.rejects(commit, /no space left/);
  assert.deepEqual([told, health.problem], [[false], 'no space left']);
  for (const error of [new Error('no space left'), undefined]) {
    const probe = health.probe();
    await turn();
    answer(error);
    await probe;
  }
  assert.deepEqual([told, health.problem], [[false, true], undefined]);
});
