/**
 * Servers and cameras are killed with `kill -9` at random moments under load, one or both at once. What was captured and
 * no server had called durable dies with a camera; everything else is in the archive once, in order.
 *
 * A few rounds in the suite; by hand more: ROUNDS=50 [SEED=n] node --import tsx --test test/recording/kills.test.ts
 */
import { test } from 'node:test';
import { Stream } from '../sim/randomness.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import type { FieldUnit } from '../support/namespaces-units.ts';
import { lasts, RecordingField } from '../support/recording-field.ts';

const rounds = Number(process.env['ROUNDS'] ?? 6);
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const victims = ['server', 'cameras', 'both'] as const;
/** Longest time from one round to the next kill: a few sync rounds and half a segment. */
const lullMs = 2_500;

describeOnNetwork('three servers and six cameras, of which some are killed again and again', [], () => {
  test(`lose nothing in ${rounds} kills`, async () => {
    console.log(
      `replay: SEED=${seed} ROUNDS=${rounds} node --import tsx --test test/recording/kills.test.ts`,
    );
    const random = new Stream(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random.unit() * list.length)] as T;
    using site = await RecordingField.open({ servers: 3, cameras: 6, cameraMachines: 2 });
    for (let round = 1; round <= rounds; round++) {
      // The first ones in turn, so that a short run has each kind.
      const what = round <= victims.length ? victims[round - 1] : pick(victims);
      const killed: FieldUnit[] = [];
      if (what !== 'cameras') killed.push(pick(site.servers));
      if (what !== 'server') killed.push(pick(site.cams));
      await lasts('a lull', random.unit() * lullMs);
      console.log(`round ${round}: ${killed.map(({ id }) => id).join(' and ')}`);
      await Promise.all(killed.map((one) => one.kill()));
      for (const one of killed) if (site.cams.includes(one)) one.start();
      await site.untilDurable(`round ${round}: the others record`);
      for (const one of killed) if (!one.isRunning) one.start();
    }
    await site.verifyAll();
  });
});
