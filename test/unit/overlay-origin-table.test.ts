/** The query table's rows: which is newer, who can be reached, who claims a camera, and what a digest tells. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { originRowsMax, originUnitsMax } from '../../firmware/overlay/constants.ts';
import { hashOf, isDead, OriginTable, rowBytes } from '../../firmware/overlay/origin-table.ts';
import { encodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import { linksPerServerMax, type OriginRow } from '../../firmware/overlay/packets.ts';
import { exchangeBody } from '../../firmware/overlay/spread.ts';
import { headerOf, packetOf, rowOf, unitOf } from '../support/server-events.ts';

const linkedTo = (...servers: string[]): { neighbors: number[] } => ({
  neighbors: servers.map(hashOf).sort((a, b) => a - b),
});

function tableOf(rows: readonly OriginRow[], self = 'ss-1'): OriginTable {
  const table = new OriginTable(self);
  for (const row of rows) table.merge(row);
  return table;
}

/** Another id with the same FNV-1a hash as one of its kind: 77,000 tries are enough on the average. */
function collision(): readonly [string, string] {
  const seen = new Map<number, string>();
  for (let number = 0; ; number++) {
    const id = `ss-${number.toString(36)}`;
    const other = seen.get(hashOf(id));
    if (other !== undefined) return [other, id];
    seen.set(hashOf(id), id);
  }
}

describe('a row', () => {
  test('is replaced only by a newer one: first the incarnation counts, then the version', () => {
    const table = tableOf([rowOf('a', { incarnation: 2, version: 10 })]);
    for (const [incarnation, version, news] of [
      [2, 10, false],
      [2, 9, false],
      [1, 4_000, false],
      [2, 11, true],
      [2, 10, false],
      [2, 12, true],
      [3, 2, true],
    ] as const) {
      assert.equal(table.merge(rowOf('a', { incarnation, version })), news, `${incarnation}.${version}`);
    }
    assert.deepEqual(table.versions(), [{ origin: 'a', incarnation: 3, version: 2 }]);
  });

  test('with an odd version is that of a dead server, until its owner says the next even one', () => {
    const table = tableOf([rowOf('ss-1', linkedTo('a')), rowOf('a', linkedTo('ss-1'))]);
    const hops = (): string[] => [...table.hopsFrom('ss-1').keys()];
    assert.deepEqual(hops(), ['ss-1', 'a']);
    const buried = rowOf('a', { version: 3, ...linkedTo('ss-1') });
    assert(isDead(buried));
    table.merge(buried);
    assert.deepEqual(hops(), ['ss-1']);
    table.merge(rowOf('a', { version: 4, ...linkedTo('ss-1') }));
    assert.deepEqual(hops(), ['ss-1', 'a']);
  });

  test('is at most as long on the wire as it is counted', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', '7'), minLength: 1, maxLength: 32 });
    const unit = fc.record({ unit: text, host: text, cameras: fc.array(text, { maxLength: 8 }) });
    const some = fc.record({
      origin: text,
      host: text,
      units: fc.array(unit, { maxLength: 20 }),
      links: fc.nat(linksPerServerMax),
      pageUrl: fc.string({ maxLength: 50 }),
    });
    const bytesOf = (rows: OriginRow[]): number =>
      encodePacketBody(packetOf(headerOf('a'), 'ss-exchange', exchangeBody({ rows }))).length;
    const none = bytesOf([]);
    fc.assert(
      fc.property(some, ({ origin, host, units, links, pageUrl }) => {
        const row = rowOf(origin, {
          link: { host, port: 1 },
          pageUrl,
          neighbors: Array.from({ length: links }, (_, at) => at),
          units: units.map((one) =>
            unitOf(one.unit, { cameras: one.cameras, link: { host: one.host, port: 1 } }),
          ),
        });
        assert(bytesOf([row]) - none <= rowBytes(row));
      }),
    );
  });
});

describe('a path', () => {
  test('exists where both ends name each other', () => {
    const table = tableOf([
      rowOf('ss-1', linkedTo('a', 'deaf')),
      rowOf('a', linkedTo('ss-1', 'b')),
      rowOf('b', linkedTo('a')),
      rowOf('deaf', linkedTo('b')),
      rowOf('boaster', linkedTo('ss-1', 'a', 'b')),
    ]);
    assert.deepEqual(Object.fromEntries(table.hopsFrom('ss-1')), { 'ss-1': 0, a: 1, b: 2 });
  });

  test('is counted by its fewest links', () => {
    const table = tableOf([
      rowOf('ss-1', linkedTo('a', 'd')),
      rowOf('a', linkedTo('ss-1', 'b')),
      rowOf('b', linkedTo('a', 'c')),
      rowOf('c', linkedTo('b', 'd')),
      rowOf('d', linkedTo('c', 'ss-1')),
    ]);
    assert.deepEqual(Object.fromEntries(table.hopsFrom('ss-1')), { 'ss-1': 0, a: 1, d: 1, b: 2, c: 2 });
    assert.equal(table.hopsFrom('b').get('ss-1'), 2, 'from elsewhere, too');
  });

  test('is not taken from a server by another id with the same hash', () => {
    const [real, double] = collision();
    assert.equal(hashOf(real), hashOf(double));
    const own = rowOf('self', linkedTo(real));
    const neighbor = rowOf(real, linkedTo('self'));
    for (const rows of [
      [own, neighbor, rowOf(double)],
      [rowOf(double), own, neighbor],
    ]) {
      assert.deepEqual([...tableOf(rows, 'self').hopsFrom('self').keys()], ['self', real]);
    }
  });

  test('is found anew when a row has changed', () => {
    const table = tableOf([rowOf('ss-1', linkedTo('a')), rowOf('a', linkedTo('ss-1'))]);
    assert.equal(table.hopsFrom('ss-1').size, 2);
    table.merge(rowOf('a', { version: 4 }));
    assert.equal(table.hopsFrom('ss-1').size, 1);
  });
});

describe('a claim to a camera', () => {
  const claims = (origin: string, epoch: number, version = 2): OriginRow =>
    rowOf(origin, { version, units: [unitOf('cam', { epoch })] });

  test('with the highest epoch wins, whichever came first', () => {
    for (const rows of [
      [claims('a', 3), claims('b', 5)],
      [claims('b', 5), claims('a', 3)],
    ]) {
      const table = tableOf(rows);
      assert.deepEqual(table.claimTo('cam'), { server: 'b', epoch: 5 });
      assert.deepEqual(
        table.cameras().map(({ manager, epoch }) => [manager, epoch]),
        [['b', 5]],
      );
    }
  });

  test('with an epoch that another has, too, goes to the lower id at every server', () => {
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      assert.equal(tableOf(order.map((origin) => claims(origin, 5))).claimTo('cam')?.server, 'a');
    }
  });

  test('that is withdrawn or lowered leaves the camera to the next', () => {
    const table = tableOf([claims('a', 3), claims('b', 5)]);
    table.merge(claims('b', 1, 4));
    assert.deepEqual(table.claimTo('cam'), { server: 'a', epoch: 3 }, 'lowered');
    table.merge(claims('b', 7, 6));
    assert.equal(table.claimTo('cam')?.server, 'b');
    table.merge(rowOf('b', { version: 8 }));
    assert.deepEqual(table.claimTo('cam'), { server: 'a', epoch: 3 }, 'withdrawn');
    table.merge(rowOf('a', { version: 6 }));
    assert.equal(table.claimTo('cam'), undefined);
    assert.deepEqual(table.cameras(), []);
  });

  test('names the unit that a camera is online with, while its server lives', () => {
    const table = tableOf([claims('a', 3)]);
    assert.equal(table.ownerOf('cam'), 'cam');
    table.merge(rowOf('a', { version: 3, units: [unitOf('cam', { epoch: 3 })] }));
    assert.equal(table.ownerOf('cam'), undefined, 'its server is dead');
    table.merge(rowOf('a', { version: 4, units: [unitOf('cam', { epoch: 3, online: false })] }));
    assert.equal(table.ownerOf('cam'), undefined, 'it is offline');
    assert.equal(table.ownerOf('nobody'), undefined);
  });

  test('of a unit that took another’s place at the same server shows the new unit', () => {
    const old = unitOf('unit-a', { epoch: 3, online: false, cameras: ['door'] });
    const present = unitOf('unit-b', { epoch: 4, cameras: ['door'] });
    const [view] = tableOf([rowOf('a', { units: [old, present] })]).cameras();
    assert.deepEqual(view, { camera: 'door', unit: 'unit-b', manager: 'a', epoch: 4, online: true });
  });

  test('is the best of all rows, whatever was merged in whatever order', () => {
    const unit = fc.record({ unit: fc.constantFrom('u', 'v'), epoch: fc.integer({ min: 1, max: 4 }) });
    const row = fc.record({
      origin: fc.constantFrom('a', 'b', 'c'),
      version: fc.integer({ min: 0, max: 9 }),
      units: fc.uniqueArray(unit, { maxLength: 2, selector: (one) => one.unit }),
    });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), (steps) => {
        const table = new OriginTable('ss-1');
        for (const { origin, version, units } of steps) {
          const told = units.map((one) => unitOf(one.unit, { epoch: one.epoch }));
          table.merge(rowOf(origin, { version, units: told }));
          for (const camera of ['u', 'v']) {
            const all = table
              .all()
              .flatMap((known) =>
                known.units
                  .filter(({ cameras }) => cameras.includes(camera))
                  .map(({ epoch }) => ({ epoch, server: known.origin })),
              );
            all.sort((a, b) => b.epoch - a.epoch || (a.server < b.server ? -1 : 1));
            assert.deepEqual(table.claimTo(camera), all[0]);
          }
        }
      }),
    );
  });
});

describe('the digest', () => {
  test('is equal exactly where the rows are, whatever the order', () => {
    const row = fc.record({
      origin: fc.constantFrom('a', 'b', 'c'),
      incarnation: fc.integer({ min: 1, max: 2 }),
      version: fc.integer({ min: 2, max: 4 }),
    });
    const rows = fc.array(row, { maxLength: 8 });
    fc.assert(
      fc.property(rows, rows, (one, other) => {
        const [a, b] = [one, other].map((some) =>
          tableOf(some.map(({ origin, ...fields }) => rowOf(origin, fields))),
        ) as [OriginTable, OriginTable];
        const same = JSON.stringify(a.versions()) === JSON.stringify(b.versions());
        assert.equal(a.digest().equals(b.digest()), same);
      }),
    );
  });
});

describe('a full table', () => {
  const strangers = Array.from({ length: originRowsMax }, (_, at) => `s-${at}`);

  test('forgets a server that cannot be reached, and all that it claimed, never one that can', () => {
    const near = [rowOf('ss-1', linkedTo('a')), rowOf('a', linkedTo('ss-1'))];
    const far = strangers.slice(2).map((id) => rowOf(id, { units: [unitOf(`cam-${id}`)] }));
    const table = tableOf([...near, ...far]);
    assert.equal(table.size, originRowsMax);
    assert(table.merge(rowOf('new')));
    assert.equal(table.size, originRowsMax);
    const gone = strangers.slice(2).filter((id) => table.get(id) === undefined);
    assert.equal(gone.length, 1);
    assert.equal(table.claimTo(`cam-${gone[0]}`), undefined);
    assert.deepEqual([...table.hopsFrom('ss-1').keys()], ['ss-1', 'a']);
    assert(
      table.digest().equals(tableOf(table.all()).digest()),
      'the digest is that of the rows that are left',
    );
  });

  test('takes no new server when it can reach all that it has, but goes on hearing from those', () => {
    const ids = strangers.slice(1);
    const near = ids.map((id) => rowOf(id, linkedTo('ss-1')));
    const table = tableOf([rowOf('ss-1', linkedTo(...ids)), ...near]);
    assert.equal(table.merge(rowOf('new')), false);
    assert.equal(table.get('new'), undefined);
    assert(table.merge(rowOf('s-7', { version: 4, ...linkedTo('ss-1') })));
  });

  test('has room for so many units and no more, whoever claims them', () => {
    const perRow = 256;
    const units = Array.from({ length: perRow }, (_, at) => unitOf(`u-${at}`));
    const table = new OriginTable('ss-1');
    for (let at = 0; at < originUnitsMax / perRow; at++) assert(table.merge(rowOf(`s-${at}`, { units })));
    assert.equal(table.merge(rowOf('one-more', { units: units.slice(0, 1) })), false);
    assert(table.merge(rowOf('s-0', { version: 4, units: units.slice(1) })), 'what is known may shrink');
    assert(table.merge(rowOf('one-more', { units: units.slice(0, 1) })), 'and then there is room');
  });
});
