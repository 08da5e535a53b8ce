/** What is recorded day by day is what the listings say, whatever was sealed and deleted meanwhile. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ledger } from '../../firmware/recording/ledger.ts';
import { joinRanges, RecordedDays, seamUs } from '../../firmware/recording/recorded-days.ts';
import { IndexRig, listingOf, minuteUs, noInside, startUs } from '../support/index-rig.ts';

const dayUs = 86_400_000_000;

/** A rig whose ledger writes through the days, with a count of the rows that were read. */
async function watched(
  rig: IndexRig,
  most?: number,
): Promise<{ days: RecordedDays; ledger: Ledger; reads: () => number }> {
  let reads = 0;
  const counting = {
    ...rig.index,
    range: (range: Parameters<typeof rig.index.range>[0]) => {
      reads += 1;
      return rig.index.range(range);
    },
  };
  const { index, days } = RecordedDays.watching(counting, most);
  return { days, ledger: await Ledger.open(index), reads: () => reads };
}

async function seal(ledger: Ledger, minute: number, more: { toUs?: number } = {}): Promise<void> {
  const listing = listingOf('door', minute, more);
  await ledger.opening({ number: 0 }, listing.camera, listing.name, 1);
  await ledger.seal({ number: 0 }, listing, noInside);
}

test('segments that follow one another are one stretch, over midnight, and holes stay holes', async () => {
  await using rig = await IndexRig.open();
  const { days, ledger } = await watched(rig);
  const minutes = [0, 1, 2, 10, 11, 719, 720, 721];
  for (const minute of minutes) await seal(ledger, minute, {});
  const inMinutes = (await days.of('door', { fromUs: startUs, toUs: startUs + 3 * dayUs })).map(
    ({ fromUs, toUs }) => [(fromUs - startUs) / minuteUs, (toUs - startUs) / minuteUs],
  );
  assert.deepEqual(inMinutes, [
    [0, 3],
    [10, 12],
    [719, 722],
  ]);
  assert.deepEqual(await days.of('gate', { fromUs: startUs, toUs: startUs + dayUs }), []);
});

test('a year without recordings costs a few reads, and a day that is known costs none', async () => {
  await using rig = await IndexRig.open();
  const { days, ledger, reads } = await watched(rig);
  await seal(ledger, 0);
  await seal(ledger, 300 * 1_440);
  const before = reads();
  const year = { fromUs: startUs - 10 * dayUs, toUs: startUs + 365 * dayUs };
  assert.equal((await days.of('door', year)).length, 2);
  const cold = reads() - before;
  assert(cold < 12, `${cold} reads for two days of a year`);
  await days.of('door', { fromUs: startUs, toUs: startUs + minuteUs });
  assert.equal(reads() - before, cold, 'read again what was known');
});

test('holds no more than it may, and still tells the truth', async () => {
  await using rig = await IndexRig.open();
  const { days, ledger } = await watched(rig, 10);
  for (let day = 0; day < 20; day++) await seal(ledger, day * 1_440);
  for (let round = 0; round < 2; round++) {
    const found = await days.of('door', { fromUs: startUs, toUs: startUs + 20 * dayUs });
    assert.equal(found.length, 20);
  }
});

test('whatever is sealed, deleted and asked in whatever order, it says what the listings say', async () => {
  const minute = fc.integer({ min: 0, max: 4_000 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('seal' as const), minute, seconds: fc.constantFrom(20, 60, 90, 600) }),
    fc.record({ do: fc.constant('delete' as const), minute, seconds: fc.constant(0) }),
    fc.record({ do: fc.constant('ask' as const), minute, seconds: fc.integer({ min: 1, max: 200_000 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      await using rig = await IndexRig.open();
      const { days, ledger } = await watched(rig, 8);
      const truth = new Map<number, { fromUs: number; toUs: number }>();
      const waiting: Promise<void>[] = [];
      for (const one of steps) {
        const fromUs = startUs + one.minute * minuteUs;
        const toUs = fromUs + one.seconds * 1_000_000;
        if (one.do === 'seal' && !truth.has(one.minute)) {
          truth.set(one.minute, { fromUs, toUs });
          waiting.push(seal(ledger, one.minute, { toUs }));
        } else if (one.do === 'delete') {
          await Promise.all(waiting.splice(0));
          const refs = (await ledger.oldestOf('door', 1_000)).filter((ref) => ref.fromUs <= fromUs);
          await ledger.discard(refs.slice(-1));
          for (const ref of refs.slice(-1)) truth.delete((ref.fromUs - startUs) / minuteUs);
        } else if (one.do === 'ask') {
          // Also while something is being written: what is then seen must not be kept.
          await days.of('door', { fromUs, toUs });
          await Promise.all(waiting.splice(0));
          const overlapping = [...truth.values()]
            .sort((a, b) => a.fromUs - b.fromUs)
            .filter((range) => range.toUs > fromUs && range.fromUs < toUs);
          const found = (await days.of('door', { fromUs, toUs })).map((range) => cut(range, fromUs, toUs));
          const expected = joinRanges(overlapping, seamUs).map((range) => cut(range, fromUs, toUs));
          assert.deepEqual(found, expected);
        }
      }
      await Promise.all(waiting);
    }),
    { numRuns: 60 },
  );
});

function cut(range: { fromUs: number; toUs: number }, fromUs: number, toUs: number): number[] {
  return [Math.max(range.fromUs, fromUs), Math.min(range.toUs, toUs)];
}
