/**
 * The recorder crashed at every step that changes something on a disk or in the index, by itself and again while it
 * recovers: every acknowledged sample stays readable, no file is without its row, no row without its file.
 *
 * `SEEDS=5000 node --import tsx --test test/unit/recording-crash.test.ts` plays more days than the tests do; `SEED=77`
 * begins there. A failure names its seed and the steps of its crashes: `SEED=77 CRASHES=31,40 SEEDS=1` plays that one.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keyOf, Stream } from '../sim/randomness.ts';
import { type DayReport, playDay } from '../support/recorded-day.ts';

const actions = 60;
const first = Number(process.env['SEED'] ?? 1);
const seeds = Number(process.env['SEEDS'] ?? 120);
const chosen = process.env['CRASHES']?.split(',').map(Number);

/** Plays a day, and when it fails looks for the first step of its only crash at which it does, too. */
async function play(seed: number, crashes: readonly number[]): Promise<DayReport> {
  try {
    return await playDay({ seed, actions, crashes });
  } catch (error) {
    for (let step = 1; chosen === undefined && step <= (crashes[0] ?? 0); step++) {
      await playDay({ seed, actions, crashes: [step] });
    }
    throw error;
  }
}

describe('a recorder that crashes', { concurrency: false }, () => {
  test(`at any step of a day keeps what it acknowledged (${seeds} days from seed ${first})`, async (t) => {
    let [crashes, acknowledged] = [0, 0];
    for (let seed = first; seed < first + seeds; seed++) {
      const calm = chosen === undefined ? await play(seed, []) : { steps: 0 };
      const random = new Stream(keyOf(seed, 'crashes'));
      const once = random.whole(1, Math.max(1, calm.steps));
      // The second one soon after: while it recovers, or just has.
      const steps = chosen ?? [once, once + random.whole(1, 30), once + random.whole(31, 200)];
      const report = await play(seed, steps);
      crashes += report.crashes;
      acknowledged += report.acknowledged;
    }
    t.diagnostic(`${crashes} crashes, ${acknowledged} samples acknowledged`);
    assert(acknowledged > 0, 'nothing was recorded');
  });

  test('at every step of one day keeps what it acknowledged', { skip: chosen !== undefined }, async (t) => {
    const { steps } = await play(first, []);
    let crashed = 0;
    for (let step = 1; step <= steps; step++) crashed += (await play(first, [step])).crashes;
    t.diagnostic(`${crashed} crashes at ${steps} steps`);
    assert(crashed > steps / 2, `only ${crashed} crashes`);
  });
});
