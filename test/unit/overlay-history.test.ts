/** The history table: tenures told in any order, as often as you like, by anyone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { tenuresMax } from '../../firmware/overlay/constants.ts';
import { counterMax } from '../../firmware/overlay/counters.ts';
import { HistoryTable, ownersOf } from '../../firmware/overlay/history-table.ts';
import type { Tenure } from '../../firmware/overlay/packets.ts';

/** `'ss-1 3-5'`: epochs 3 to 5, by default from epoch × 100 µs to the next, or open. */
function tenure(text: string, times: { fromUs?: number; toUs?: number; camera?: string } = {}): Tenure {
  const [, server = '', first = '', last = first] = /^(\S+) (\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [firstEpoch, lastEpoch] = [Number(first), Number(last)];
  const { camera = 'cam-1', fromUs = firstEpoch * 100, toUs = (lastEpoch + 1) * 100 } = times;
  return { camera, server, firstEpoch, lastEpoch, fromUs, toUs };
}

const brief = (tenures: readonly Tenure[]): string[] =>
  tenures.map(
    ({ server, firstEpoch, lastEpoch, fromUs, toUs }) =>
      `${server} ${firstEpoch}-${lastEpoch} ${fromUs}..${toUs}`,
  );

function contents(table: HistoryTable): Tenure[] {
  return table.cameras().flatMap((camera) => table.of(camera));
}

describe('a server writes down what it manages', () => {
  test('a tenure opens, goes on over consecutive epochs, and ends', () => {
    const table = new HistoryTable('ss-1', []);
    table.began({ camera: 'cam-1', epoch: 4, utcUs: 1_000 });
    table.began({ camera: 'cam-1', epoch: 5, utcUs: 2_000 });
    assert.deepEqual(brief(table.of('cam-1')), ['ss-1 4-5 1000..0']);
    table.ended('cam-1', 3_000);
    assert.deepEqual(brief(table.of('cam-1')), ['ss-1 4-5 1000..3000']);
    table.began({ camera: 'cam-1', epoch: 6, utcUs: 4_000 });
    assert.deepEqual(brief(table.of('cam-1')), ['ss-1 4-6 1000..0']);
  });

  test('a gap in the epochs is another tenure, and the earlier one ends', () => {
    const table = new HistoryTable('ss-1', []);
    table.began({ camera: 'cam-1', epoch: 1, utcUs: 1_000 });
    table.began({ camera: 'cam-1', epoch: 3, utcUs: 2_000 });
    assert.deepEqual(brief(table.of('cam-1')), ['ss-1 1-1 1000..2000', 'ss-1 3-3 2000..0']);
  });

  test('only its own open tenures end', () => {
    const table = new HistoryTable('ss-1', [
      tenure('ss-2 1', { toUs: 0 }),
      tenure('ss-1 2'),
      tenure('ss-1 4', { toUs: 0 }),
    ]);
    table.ended('cam-1', 777);
    assert.deepEqual(brief(table.of('cam-1')), ['ss-2 1-1 100..0', 'ss-1 2-2 200..300', 'ss-1 4-4 400..777']);
    table.ended('cam-9', 777);
    assert.deepEqual(table.cameras(), ['cam-1']);
  });

  test('with a clock in 1970 a tenure still ends', () => {
    const table = new HistoryTable('ss-1', []);
    table.began({ camera: 'cam-1', epoch: 1, utcUs: 0 });
    table.ended('cam-1', 0);
    assert.deepEqual(brief(table.of('cam-1')), ['ss-1 1-1 0..1']);
  });

  test('its last own epoch is known, 0 when it never managed the camera', () => {
    const table = new HistoryTable('ss-1', [
      tenure('ss-1 2-3'),
      tenure('ss-2 4'),
      tenure('ss-2 1', { camera: 'cam-2' }),
    ]);
    assert.deepEqual(
      ['cam-1', 'cam-2', 'cam-3'].map((camera) => table.lastOwnEpoch(camera)),
      [3, 0, 0],
    );
  });
});

describe('tenures that others tell', () => {
  test('of one server, adjacent and overlapping ones are one; those with a gap are not', () => {
    const table = new HistoryTable('ss-1', []);
    table.merge([
      tenure('ss-2 6-7'),
      tenure('ss-2 1-2'),
      tenure('ss-2 3'),
      tenure('ss-2 2-3'),
      tenure('ss-3 4'),
    ]);
    assert.deepEqual(brief(table.of('cam-1')), [
      'ss-2 1-3 100..400',
      'ss-3 4-4 400..500',
      'ss-2 6-7 600..800',
    ]);
    table.merge([tenure('ss-2 4-5')]);
    assert.deepEqual(brief(table.of('cam-1')), ['ss-2 1-7 100..800', 'ss-3 4-4 400..500']);
  });

  test('an end beats none of the same epoch, but not one of a later epoch', () => {
    const open = tenure('ss-2 1', { toUs: 0 });
    const closed = tenure('ss-2 1', { toUs: 150 });
    for (const order of [
      [open, closed],
      [closed, open],
    ]) {
      assert.deepEqual(brief(new HistoryTable('ss-1', order).of('cam-1')), ['ss-2 1-1 100..150']);
    }
    const later = new HistoryTable('ss-1', [closed, tenure('ss-2 2', { toUs: 0 })]);
    assert.deepEqual(brief(later.of('cam-1')), ['ss-2 1-2 100..0']);
  });

  test('only cameras with news are named, sorted', () => {
    const table = new HistoryTable('ss-1', [tenure('ss-2 1', { camera: 'cam-2' })]);
    const told = ['cam-3', 'cam-2', 'cam-1'].map((camera) => tenure('ss-2 1', { camera }));
    assert.deepEqual(table.merge(told), ['cam-1', 'cam-3']);
    assert.deepEqual(table.merge(told), []);
  });

  test('impossible ones are ignored', () => {
    const table = new HistoryTable('ss-1', []);
    const bad = [
      tenure('ss-2 2-1'),
      tenure('ss-2 0-1'),
      tenure(`ss-2 1-${counterMax + 1}`),
      tenure('ss-2 1', { fromUs: -1 }),
      tenure('ss-2 1', { toUs: -1 }),
    ];
    assert.deepEqual(table.merge(bad), []);
    assert.deepEqual(table.cameras(), []);
    table.began({ camera: 'cam-1', epoch: counterMax + 1, utcUs: 5 });
    assert.deepEqual(table.cameras(), []);
  });

  test('a list that was given out does not change', () => {
    const table = new HistoryTable('ss-1', [tenure('ss-1 1', { toUs: 0 })]);
    const before = table.of('cam-1');
    const copy = structuredClone(before);
    table.ended('cam-1', 500);
    table.began({ camera: 'cam-1', epoch: 2, utcUs: 600 });
    assert.deepEqual(before, copy);
  });
});

const someTenure: fc.Arbitrary<Tenure> = fc
  .record({
    camera: fc.constantFrom('cam-1', 'cam-2'),
    server: fc.constantFrom('ss-1', 'ss-2', 'ss-3'),
    firstEpoch: fc.integer({ min: 0, max: 12 }),
    more: fc.integer({ min: -1, max: 3 }),
    fromUs: fc.integer({ min: 0, max: 3 }),
    toUs: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ more, ...one }) => ({ ...one, lastEpoch: one.firstEpoch + more }));
const someTenures = fc.array(someTenure, { maxLength: 12 });
const tableOf = (...lists: Tenure[][]): HistoryTable => {
  const table = new HistoryTable('ss-1', []);
  for (const list of lists) table.merge(list);
  return table;
};
/** Every (camera, server, epoch) that the tenures speak of. */
function epochsOf(tenures: readonly Tenure[]): string[] {
  const epochs = new Set<string>();
  for (const { camera, server, firstEpoch, lastEpoch } of tenures) {
    for (let epoch = firstEpoch; epoch <= lastEpoch; epoch++) epochs.add(`${camera} ${server} ${epoch}`);
  }
  return [...epochs].sort();
}

describe('merging', () => {
  const same = (a: HistoryTable, b: HistoryTable): void => assert.deepEqual(contents(a), contents(b));

  test('is commutative', () => {
    fc.assert(
      fc.property(someTenures, someTenures, (a, b) => same(tableOf(a, b), tableOf(b, a))),
      { numRuns: 500 },
    );
  });

  test('is associative: tables merged with tables are the tenures merged one by one', () => {
    fc.assert(
      fc.property(someTenures, someTenures, someTenures, (a, b, c) => {
        same(tableOf(contents(tableOf(a, b)), c), tableOf(a, contents(tableOf(b, c))));
        same(tableOf(a, b, c), tableOf(...[...a, ...b, ...c].map((one) => [one])));
      }),
      { numRuns: 500 },
    );
  });

  test('is idempotent, and then tells no news', () => {
    fc.assert(
      fc.property(someTenures, (a) => {
        const table = tableOf(a);
        const before = contents(table);
        assert.deepEqual(table.merge(a), []);
        assert.deepEqual(table.merge(before), []);
        assert.deepEqual(contents(table), before);
      }),
      { numRuns: 500 },
    );
  });

  test('loses no epoch and makes none up, and a server has each epoch in one tenure only', () => {
    fc.assert(
      fc.property(someTenures, (a) => {
        const sound = a.filter(({ firstEpoch, lastEpoch }) => firstEpoch >= 1 && firstEpoch <= lastEpoch);
        const kept = contents(tableOf(a));
        assert.deepEqual(epochsOf(kept), epochsOf(sound));
        const total = kept.reduce((sum, one) => sum + one.lastEpoch - one.firstEpoch + 1, 0);
        assert.equal(total, epochsOf(kept).length);
      }),
      { numRuns: 500 },
    );
  });

  test('names exactly the cameras whose tenures changed', () => {
    fc.assert(
      fc.property(someTenures, someTenures, (a, b) => {
        const table = tableOf(a);
        table.takeChanged();
        const before = new Map(['cam-1', 'cam-2'].map((camera) => [camera, table.of(camera)]));
        const named = table.merge(b);
        for (const [camera, tenures] of before) {
          const changed = JSON.stringify(tenures) !== JSON.stringify(table.of(camera));
          assert.equal(named.includes(camera), changed);
        }
        assert.deepEqual(table.takeChanged(), named);
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is to be remembered', () => {
  test('is each camera that changed since the last time, and nothing that came from the disk', () => {
    const table = new HistoryTable('ss-1', [tenure('ss-2 1')]);
    assert.deepEqual(table.takeChanged(), []);
    table.began({ camera: 'cam-2', epoch: 1, utcUs: 1 });
    table.merge([tenure('ss-2 1'), tenure('ss-3 2')]);
    assert.deepEqual(table.takeChanged(), ['cam-1', 'cam-2']);
    assert.deepEqual(table.takeChanged(), []);
  });

  test('is also that a camera was forgotten', () => {
    const table = new HistoryTable('ss-1', [tenure('ss-1 1')]);
    table.forget('cam-1');
    table.forget('cam-9');
    assert.deepEqual(table.takeChanged(), ['cam-1']);
    assert.deepEqual([table.of('cam-1'), table.cameras(), table.lastOwnEpoch('cam-1')], [[], [], 0]);
  });
});

describe('a full table', () => {
  const many = Array.from({ length: tenuresMax.perCamera + 10 }, (_, at) => tenure(`ss-2 ${2 * at + 2}`));

  test('keeps the newest tenures of a camera, in whatever order they come', () => {
    const kept = brief(many.slice(10));
    assert.deepEqual(brief(new HistoryTable('ss-1', many).of('cam-1')), kept);
    assert.deepEqual(brief(new HistoryTable('ss-1', many.toReversed()).of('cam-1')), kept);
  });

  test('hears an old tenure again without calling it news', () => {
    const table = new HistoryTable('ss-1', many);
    assert.deepEqual(table.merge(many), []);
    assert.deepEqual(table.takeChanged(), []);
  });

  test('never drops the open tenure of this server', () => {
    const table = new HistoryTable('ss-1', [tenure('ss-1 1', { toUs: 0 })]);
    table.merge(many);
    assert.equal(table.of('cam-1').length, tenuresMax.perCamera);
    table.ended('cam-1', 999);
    assert.deepEqual(brief(table.of('cam-1').slice(0, 1)), ['ss-1 1-1 100..999']);
  });

  test('drops what ended longest ago, of whichever camera, and stays below its bound', () => {
    const table = new HistoryTable('ss-1', [tenure('ss-1 1', { camera: 'mine', fromUs: 1, toUs: 0 })]);
    for (let at = 0; at < tenuresMax.all + 512; at += 512) {
      table.merge(
        Array.from({ length: 512 }, (_, i) =>
          tenure('ss-2 1', { camera: `cam-${at + i}`, fromUs: at + i, toUs: at + i + 1 }),
        ),
      );
    }
    const kept = contents(table).length;
    assert(kept <= tenuresMax.all && kept > tenuresMax.all * 0.9, `${kept} tenures`);
    assert.deepEqual(table.of('cam-0'), []);
    assert.equal(table.of(`cam-${tenuresMax.all + 511}`).length, 1);
    assert.equal(table.of('mine').length, 1);
  });
});

describe('previous owners', () => {
  const oldestFirst = [tenure('ss-2 2-3'), tenure('ss-1 6', { toUs: 0 })];

  test('missing epochs are an unknown tenure', () => {
    assert.deepEqual(brief(ownersOf(oldestFirst)), [
      'unknown 1-1 0..200',
      'ss-2 2-3 200..400',
      'unknown 4-5 400..600',
      'ss-1 6-6 600..0',
    ]);
    assert.deepEqual(ownersOf([]), []);
  });

  test('of any tenures cover every epoch up to the last, each known tenure unchanged', () => {
    fc.assert(
      fc.property(someTenures, (list) => {
        const tenures = tableOf(list).of('cam-1');
        const owners = ownersOf(tenures.toReversed());
        assert.deepEqual(
          owners.filter(({ server }) => server !== 'unknown'),
          tenures,
        );
        const last = Math.max(0, ...tenures.map(({ lastEpoch }) => lastEpoch));
        const epochs = new Set(epochsOf(owners).map((text) => text.split(' ')[2]));
        assert.equal(epochs.size, last);
        const missing = owners.filter(({ server }) => server === 'unknown');
        const told = new Set(epochsOf(tenures).map((text) => text.split(' ')[2]));
        assert.equal(
          missing.reduce((sum, one) => sum + one.lastEpoch - one.firstEpoch + 1, told.size),
          last,
        );
      }),
    );
  });

  const view = (table: HistoryTable, manager: string | undefined) =>
    table.view(
      () => 'online',
      () => manager,
    );

  test('do not count the present manager, whoever it is', () => {
    const table = new HistoryTable('ss-1', [
      tenure('ss-1 1'),
      tenure('ss-2 2'),
      tenure('ss-1 3', { toUs: 0 }),
    ]);
    assert.deepEqual(view(table, 'ss-1')[0]?.previousOwners, ['ss-1', 'ss-2']);
    // ss-3 has it, which this server has not written down yet: everybody it knows of was before.
    assert.deepEqual(view(table, 'ss-3')[0]?.previousOwners, ['ss-1', 'ss-2', 'ss-1']);
    assert.deepEqual(view(table, undefined)[0]?.previousOwners, ['ss-1', 'ss-2', 'ss-1']);
  });

  test('include the unknown', () => {
    const table = new HistoryTable('ss-1', oldestFirst);
    assert.deepEqual(view(table, 'ss-1')[0]?.previousOwners, ['unknown', 'ss-2', 'unknown']);
    assert.equal(view(table, 'ss-1')[0]?.tenures.length, 4);
  });

  test('are shown only of cameras that this server manages or has managed', () => {
    const table = new HistoryTable('ss-1', [
      tenure('ss-1 1', { camera: 'cam-2' }),
      tenure('ss-2 1', { camera: 'cam-1' }),
      tenure('ss-1 1', { camera: 'cam-0', toUs: 0 }),
    ]);
    const states = table.view(
      (camera) => (camera === 'cam-0' ? 'online' : 'indirectly'),
      () => undefined,
    );
    assert.deepEqual(
      states.map(({ camera, state }) => [camera, state]),
      [
        ['cam-0', 'online'],
        ['cam-2', 'indirectly'],
      ],
    );
  });

  test('Table 3 of FIG. 1: SS4 manages camera 6, online, and nobody did before', () => {
    const table = new HistoryTable('ss-4', []);
    table.began({ camera: 'cam-6', epoch: 1, utcUs: 1_000 });
    const rows = table
      .view(
        () => 'online',
        () => 'ss-4',
      )
      .map(({ camera, state, previousOwners }) => ({ camera, state, previousOwners }));
    assert.deepEqual(rows, [{ camera: 'cam-6', state: 'online', previousOwners: [] }]);
  });
});
