/** What a server believes of rows: of its own past, and of numbers that cannot be. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { counterMax } from '../../firmware/overlay/counters.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { linksPerServerMax, type OriginRow } from '../../firmware/overlay/packets.ts';
import { kinds, named, rowOf, sent, storiesIn, TestServer, unitOf } from '../support/server-events.ts';

/** No unit is started so often. */
const honestMax = 2 ** 31;

function withNeighbors(options: { incarnation?: number } = {}): TestServer {
  const server = new TestServer(options);
  server.neighbor(1, 'ss-2');
  server.neighbor(2, 'ss-3');
  server.run(2_000);
  return server;
}

/** This server's row as the neighbor over link 2 hears it. */
const ownRows = (effects: readonly Effect[]): OriginRow[] =>
  sent(effects, 'ss-exchange', 2).flatMap(({ body }) => body.rows.filter(({ origin }) => origin === 'ss-1'));

describe('a server that hears of a life of its own that it does not remember', () => {
  test('goes on above its incarnation, which is on the disk before anybody hears of it', () => {
    const server = withNeighbors({ incarnation: 3 });
    const effects = server.exchange(1, 'ss-2', { rows: [rowOf('ss-1', { incarnation: 9 })] });
    assert.deepEqual(named(effects, 'persist')[0]?.state, { incarnation: 10 });
    effects.push(...server.run(200));
    const order = kinds(effects);
    assert(order.indexOf('persist') < order.indexOf('send'));
    for (const { header } of sent(effects, 'ss-exchange')) assert.equal(header.incarnation, 10);
    assert.deepEqual(
      ownRows(effects).map(({ incarnation }) => incarnation),
      [10],
    );
  });

  test('says the next even version when it was buried, and that it lives', () => {
    const server = withNeighbors();
    const version = server.ownVersion();
    const buried = rowOf('ss-1', { version: version + 1, standing: 'dead' });
    const effects = server.exchange(1, 'ss-2', { rows: [buried] });
    assert.match(storiesIn(effects).join(), /ss-1 was believed dead: says that it lives/);
    effects.push(...server.run(200));
    const [own] = ownRows(effects);
    assert.deepEqual([own?.version, own?.standing, own?.incarnation], [version + 2, 'alive', 1]);
    assert.deepEqual(named(effects, 'persist'), [], 'the same incarnation will do');
  });

  test('says a version above a later one of the same incarnation', () => {
    const server = withNeighbors();
    const later = server.ownVersion() + 1_000;
    server.exchange(1, 'ss-2', { rows: [rowOf('ss-1', { version: later })] });
    assert.equal(server.ownVersion(), later + 2);
  });

  test('raises its incarnation where its versions are used up', () => {
    const server = withNeighbors({ incarnation: 3 });
    const rows = [rowOf('ss-1', { incarnation: 3, version: counterMax - 8 })];
    const effects = server.exchange(1, 'ss-2', { rows });
    assert.deepEqual(named(effects, 'persist')[0]?.state, { incarnation: 4 });
    assert(server.ownVersion() < counterMax / 2);
  });

  test('takes no notice of its past, and of what it has said itself', () => {
    const server = withNeighbors({ incarnation: 3 });
    const version = server.ownVersion();
    for (const old of [
      { incarnation: 3, version },
      { incarnation: 3, version: version - 1 },
      { incarnation: 2, version: version + 1_001 },
    ]) {
      const effects = [...server.exchange(1, 'ss-2', { rows: [rowOf('ss-1', old)] }), ...server.run(200)];
      assert.deepEqual([named(effects, 'persist').length, ownRows(effects).length], [0, 0]);
    }
    assert.equal(server.ownVersion(), version);
  });

  test('refuses an incarnation that cannot be, so that nobody uses them up', () => {
    const server = withNeighbors({ incarnation: 3 });
    for (const incarnation of [honestMax + 1, counterMax, 0xffff_ffff]) {
      const effects = server.exchange(1, 'ss-2', { rows: [rowOf('ss-1', { incarnation })] });
      assert.equal(named(effects, 'refused')[0]?.reason, 'a row whose numbers cannot be');
      assert.equal(server.node.inspect().incarnation, 3);
    }
  });
});

describe('a server that hears of others', () => {
  const known = rowOf('ss-9', { incarnation: 4, version: 100, units: [unitOf('cam', { epoch: 6 })] });
  function hears(row: OriginRow): { effects: Effect[]; passedOn: OriginRow[] } {
    const server = withNeighbors();
    server.exchange(1, 'ss-2', { rows: [known] });
    server.run(500);
    const effects = server.exchange(1, 'ss-2', { rows: [row] });
    const passedOn = sent(server.run(500), 'ss-exchange', 2).flatMap(({ body }) => body.rows);
    return { effects, passedOn };
  }

  for (const [what, fields] of [
    ['an incarnation', { incarnation: counterMax + 1 }],
    ['a version', { incarnation: 5, version: counterMax + 1 }],
    ['an epoch', { version: 102, units: [unitOf('cam', { epoch: counterMax + 1 })] }],
  ] as const) {
    test(`refuses ${what} at the end of its field, and does not pass it on`, () => {
      const { effects, passedOn } = hears({
        ...known,
        ...fields,
        units: [...('units' in fields ? fields.units : [])],
      });
      assert.deepEqual(
        named(effects, 'refused').map(({ reason, peer }) => [reason, peer]),
        [['a row whose numbers cannot be', 'ss-2']],
      );
      assert.deepEqual(passedOn, []);
    });
  }

  test('passes on what is before that, however far it has risen: an honest row must not get stuck', () => {
    for (const fields of [{ incarnation: counterMax }, { version: counterMax }]) {
      const { effects, passedOn } = hears({ ...known, ...fields });
      assert.deepEqual(named(effects, 'refused'), []);
      assert.deepEqual(passedOn, [{ ...known, ...fields }]);
    }
  });

  test('refuses a row that would fit no packet', () => {
    const cameras = Array.from({ length: 8 }, (_, at) => `camera-${at}`.padEnd(32, 'x'));
    const units = Array.from({ length: 250 }, (_, at) => unitOf(`unit-${at}`, { cameras }));
    const neighbors = Array.from({ length: linksPerServerMax }, (_, at) => at);
    const { effects, passedOn } = hears({ ...known, version: 102, units, neighbors });
    assert.equal(named(effects, 'refused')[0]?.reason, 'a row that fits no packet');
    assert.deepEqual(passedOn, []);
  });

  test('tells the burial and the return of a server, once each', () => {
    const server = withNeighbors();
    server.exchange(1, 'ss-2', { rows: [known] });
    const told = (fields: Partial<OriginRow>): string[] =>
      storiesIn(server.exchange(1, 'ss-2', { rows: [{ ...known, ...fields }] }));
    assert.deepEqual(told({ version: 101, standing: 'dead' }), ['ss-9 is dead (told by ss-2)']);
    assert.deepEqual(told({ version: 103, standing: 'dead' }), []);
    assert.deepEqual(told({ version: 104 }), ['ss-9 is back']);
    assert.deepEqual(told({ version: 105, standing: 'left' }), ['ss-9 leaves']);
  });

  test('reminds one that comes with too low an incarnation of what it was, once for each connection', () => {
    const server = withNeighbors();
    server.exchange(1, 'ss-2', { rows: [known] });
    server.accepted(3, 'ss-9');
    const says = (): OriginRow[] => {
      const effects = server.exchange(3, 'ss-9', {}, { incarnation: 1 });
      return sent(effects, 'ss-exchange', 3).flatMap(({ body }) => body.rows);
    };
    assert.deepEqual(says(), [known]);
    assert.deepEqual(says(), []);
    server.accepted(4, 'ss-9');
    const current = server.exchange(4, 'ss-9', {}, { incarnation: 4 });
    assert.deepEqual(named(current, 'send'), [], 'who remembers is not told');
  });
});
