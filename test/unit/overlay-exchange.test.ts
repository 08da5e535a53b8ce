/** How tables are kept equal: what goes out over which link and when, and what is asked for. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { frameBodyBytesMax } from '../../firmware/base/frames.ts';
import { batchMs, digestMs, originRowsMax } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { hashOf, rowBytes } from '../../firmware/overlay/origin-table.ts';
import {
  documentValueBytesMax,
  linksPerServerMax,
  type OriginRow,
  toldNeighborsMax,
} from '../../firmware/overlay/packets.ts';
import {
  cardNeighborOf,
  cardOf,
  digestOf,
  named,
  rowOf,
  sent,
  sizesOf,
  storiesIn,
  TestServer,
  unitOf,
} from '../support/server-events.ts';

/** ss-1 with ss-2 over link 1 and ss-3 over link 2, after everything has come to rest. */
function betweenTwo(): TestServer {
  const server = new TestServer();
  server.neighbor(1, 'ss-2');
  server.neighbor(2, 'ss-3');
  server.run(2_000);
  return server;
}

/** Origins of the rows that went over a link. */
const originsTo = (effects: readonly Effect[], link: number): string[] =>
  sent(effects, 'ss-exchange', link).flatMap(({ body }) => body.rows.map(({ origin }) => origin));

const longId = (prefix: string, number: number): string => `${prefix}${number}`.padEnd(32, '-x');

/** As long as a row may be that others believe. */
function largestRow(origin: string): OriginRow {
  const link = { host: 'h'.repeat(64), port: 1 };
  const neighbors = Array.from({ length: linksPerServerMax }, (_, at) => at);
  const row = rowOf(origin, { link, pageUrl: 'p'.repeat(200), neighbors });
  const units = [];
  for (let at = 0; ; at++) {
    const cameras = Array.from({ length: 8 }, (_, camera) => longId(`${origin.slice(0, 4)}-${at}-`, camera));
    units.push(unitOf(longId('u', at), { link, cameras }));
    if (rowBytes({ ...row, units }) > 48_000) return { ...row, units: units.slice(0, -1) };
  }
}

describe('news', () => {
  test('is the address at which this server is reached, when its machine gets another one', () => {
    const server = betweenTwo();
    const reachableAt = { host: '10.0.0.7', port: 9 };
    const effects = [...server.step({ type: 'moved', reachableAt }), ...server.run(batchMs)];
    for (const link of [1, 2]) {
      const bodies = sent(effects, 'ss-exchange', link).map(({ body }) => body);
      const rows = bodies.flatMap((body) => body.rows).filter(({ origin }) => origin === 'ss-1');
      assert.deepEqual(
        rows.map((row) => row.link),
        [reachableAt],
      );
      assert.deepEqual(
        bodies.flatMap(({ card }) => card?.link ?? []),
        [reachableAt],
      );
    }
  });

  test('goes to everybody but whom it came from, once', () => {
    const server = betweenTwo();
    const effects = [...server.exchange(1, 'ss-2', { rows: [rowOf('ss-9')] }), ...server.run(300)];
    assert.deepEqual(originsTo(effects, 1), []);
    assert.deepEqual(originsTo(effects, 2), ['ss-9']);
    const again = [
      ...server.exchange(1, 'ss-2', { rows: [rowOf('ss-9'), rowOf('ss-9', { version: 1 })] }),
      ...server.exchange(2, 'ss-3', { rows: [rowOf('ss-9')] }),
      ...server.run(300),
    ];
    assert.deepEqual([...originsTo(again, 1), ...originsTo(again, 2)], [], 'old news is none');
  });

  test('goes at once after a quiet time, and then in batches', () => {
    const server = betweenTwo();
    const startedAt = server.now;
    server.exchange(1, 'ss-2', { rows: [rowOf('ss-5')] });
    assert.deepEqual(originsTo(server.run(1), 2), ['ss-5']);
    server.exchange(1, 'ss-2', { rows: [rowOf('ss-6')] });
    server.exchange(1, 'ss-2', { rows: [rowOf('ss-7')] });
    server.exchange(1, 'ss-2', { rows: [rowOf('ss-6', { version: 4 })] });
    const before = server.run(startedAt + batchMs - 1 - server.now);
    assert.deepEqual(originsTo(before, 2), []);
    const batch = sent(server.run(3), 'ss-exchange', 2);
    assert.deepEqual(
      batch.map(({ body }) => body.rows.map(({ origin, version }) => [origin, version])),
      [
        [
          ['ss-6', 4],
          ['ss-7', 2],
        ],
      ],
    );
  });

  test('of a third server counts only over the link of a neighbor, of itself over any', () => {
    const server = betweenTwo();
    server.accepted(3, 'ss-4');
    server.exchange(3, 'ss-4', { rows: [rowOf('ss-9'), rowOf('ss-4')], document: [], digest: digestOf(1) });
    const known = server.node.servers().map((one) => one.server);
    assert(!known.includes('ss-9'));
    assert(known.includes('ss-4'));
  });

  test('of a card counts only over the link that counts, and of whom it comes from', () => {
    const server = betweenTwo();
    server.accepted(3, 'ss-2');
    server.exchange(3, 'ss-2', { card: cardOf('ss-2', ['ss-8']) });
    assert.deepEqual(server.node.tables().neighbor.twoHop, []);
    server.exchange(1, 'ss-2', { card: cardOf('ss-2', ['ss-8', 'ss-3', 'ss-1'], { load: 250 }) });
    const { oneHop, twoHop } = server.node.tables().neighbor;
    assert.deepEqual(
      twoHop.map((far) => [far.server, far.from]),
      [['ss-8', ['ss-2']]],
      'neither this server nor its neighbors',
    );
    assert.equal(oneHop[0]?.load, 0.25);
  });

  test('never makes a packet that is longer than a frame, however long the rows are', () => {
    const server = betweenTwo();
    for (let at = 0; at < 5; at++) {
      server.exchange(1, 'ss-2', { rows: [largestRow(longId('ss-big', at))] });
    }
    const effects = server.run(200);
    assert.equal(originsTo(effects, 2).length, 5, 'all of them went');
    for (const size of sizesOf(effects)) assert(size <= frameBodyBytesMax, `${size} bytes`);
  });

  test('of the site document makes no packet that is longer than a frame', () => {
    const server = betweenTwo();
    const sizes: number[] = [];
    for (let at = 0; at < 60; at++) {
      const value = Buffer.alloc(documentValueBytesMax, at);
      sizes.push(...sizesOf(server.step({ type: 'write', kind: 'setting', id: `row-${at}`, value })));
    }
    server.accepted(3, 'ss-4');
    const greeting = [
      ...server.packet(3, 'ss-4', 'ss-connection', {
        link: { host: 'ss-4', port: 1 },
        joinTime: undefined,
      }),
      ...server.run(100),
    ];
    const rows = sent(greeting, 'ss-exchange', 3).flatMap(({ body }) => body.document);
    assert.equal(rows.length, 60, 'a newcomer gets the whole document');
    for (const size of [...sizes, ...sizesOf(greeting)]) assert(size <= frameBodyBytesMax, `${size} bytes`);
  });

  test('of the versions of a large network is told in packets that fit', () => {
    const server = betweenTwo();
    const rows = Array.from({ length: 3_100 }, (_, at) => rowOf(longId('ss-far', at)));
    for (let at = 0; at < rows.length; at += 200)
      server.exchange(1, 'ss-2', { rows: rows.slice(at, at + 200) });
    server.run(2_000);
    const effects = server.exchange(1, 'ss-2', { digest: digestOf(7) });
    const lists = sent(effects, 'ss-exchange', 1).flatMap(({ body }) => body.versions ?? []);
    assert.deepEqual(
      lists.map(({ more }) => more),
      [true, true, false],
    );
    const told = lists.flatMap((list) => list.rows.map(({ origin }) => origin));
    assert.equal(told.length, server.node.servers().length);
    assert.deepEqual(told, [...told].sort());
    for (const [place, { after }] of lists.entries())
      assert.equal(after, lists[place - 1]?.rows.at(-1)?.origin ?? '');
    for (const size of sizesOf(effects)) assert(size <= frameBodyBytesMax, `${size} bytes`);
  });

  test('of itself is a card that fits a frame, however many neighbors it has and they have', () => {
    const host = 'h'.repeat(64);
    const server = new TestServer({ degree: { target: 3, max: linksPerServerMax } });
    const far = (prefix: string) =>
      Array.from({ length: linksPerServerMax - 1 }, (_, at) => longId(prefix, at));
    const sizes: number[] = [];
    for (let at = 0; at < linksPerServerMax; at++) {
      const id = longId('ss-near', at);
      server.accepted(at + 1, id);
      const link = { host, port: 1 };
      server.packet(at + 1, id, 'ss-connection', { link, joinTime: undefined });
      const others = far(`f${at}-`).map((one) => cardNeighborOf(one, { neighbors: [] }));
      const card = cardOf(id, [cardNeighborOf('ss-1'), ...others], { link });
      server.exchange(at + 1, id, { card, rows: [rowOf(id, { neighbors: [hashOf('ss-1')] })] });
      sizes.push(...sizesOf(server.run(110)));
      for (let seen = 1; seen <= at + 1; seen++) server.alive.add(seen);
    }
    assert.equal(server.node.inspect().neighbors.length, linksPerServerMax);
    assert(Math.max(...sizes) > 30_000, 'the cards are large indeed');
    for (const size of sizes) assert(size <= frameBodyBytesMax, `${size} bytes`);
    const told = server.node.tables().neighbor.oneHop[0]?.neighbors.length ?? 0;
    assert.ok(told > toldNeighborsMax / linksPerServerMax, `${told} are known, fewer are told`);
  });

  test('of a network that is larger than a table is kept within bounds', () => {
    const server = betweenTwo();
    for (let at = 0; at < originRowsMax + 1_000; at += 250) {
      const rows = Array.from({ length: 250 }, (_, place) => rowOf(`x-${at + place}`));
      server.exchange(1, 'ss-2', { rows });
    }
    assert.equal(server.node.servers().length, originRowsMax);
    const hops = new Map(server.node.servers().map((one) => [one.server, one.hops]));
    assert.deepEqual(
      ['ss-1', 'ss-2', 'ss-3'].map((id) => hops.get(id)),
      [0, 1, 1],
    );
  });
});

describe('digests', () => {
  test('are compared about every digest period, with every neighbor', () => {
    const server = betweenTwo();
    const startedAt = server.now;
    const effects = server.run(3 * digestMs);
    for (const link of [1, 2]) {
      const digests = sent(effects, 'ss-exchange', link).filter(({ body }) => body.digest !== undefined);
      assert.equal(digests.length, 3, `over link ${link} since ${startedAt}`);
    }
  });

  test('that are equal are no reason to say anything', () => {
    const server = betweenTwo();
    const [digest] = sent(server.run(digestMs), 'ss-exchange', 1).flatMap(({ body }) => body.digest ?? []);
    assert(digest !== undefined);
    assert.deepEqual(server.exchange(1, 'ss-2', { digest }), []);
  });

  test('that differ while rows are on their way are doubted once; the second time the versions are told', () => {
    const server = betweenTwo();
    const versions = (effects: Effect[]): number =>
      sent(effects, 'ss-exchange', 1).filter(({ body }) => body.versions !== undefined).length;
    server.exchange(2, 'ss-3', { rows: [rowOf('ss-9')] });
    server.run(900);
    assert.equal(versions(server.exchange(1, 'ss-2', { digest: digestOf(1) })), 0);
    assert.equal(versions(server.exchange(1, 'ss-2', { digest: digestOf(1) })), 1);

    const quiet = betweenTwo();
    quiet.exchange(2, 'ss-3', { rows: [rowOf('ss-9')] });
    quiet.run(1_101);
    assert.equal(versions(quiet.exchange(1, 'ss-2', { digest: digestOf(1) })), 1, 'at once when it is quiet');
  });

  test('of documents that differ are answered with the document', () => {
    const server = betweenTwo();
    server.step({ type: 'write', kind: 'user', id: 'ann', value: Buffer.from('x') });
    server.run(2_000);
    const effects = server.exchange(1, 'ss-2', { digest: digestOf(1) });
    const rows = sent(effects, 'ss-exchange', 1).flatMap(({ body }) => body.document);
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['ann'],
    );
  });
});

describe('a list of versions', () => {
  function knowing(): TestServer {
    const server = betweenTwo();
    server.exchange(2, 'ss-3', {
      rows: ['a', 'b', 'c', 'd'].map((id) => rowOf(id, { version: 10 })),
    });
    server.run(2_000);
    return server;
  }
  const all = (server: TestServer, change: Record<string, number | undefined>) =>
    server.node
      .servers()
      .map((one) => ({
        origin: one.server,
        incarnation: 1,
        version: one.server.startsWith('ss') ? 0x7fff_0000 : 10,
      }))
      .map((row) => ({ ...row, version: row.origin in change ? (change[row.origin] ?? 0) : row.version }))
      .filter((row) => !(row.origin in change) || change[row.origin] !== undefined);

  test('is answered with what is newer here or missing there, and nothing else', () => {
    const server = knowing();
    const rows = all(server, { b: 8, c: 12, d: undefined }).filter(({ origin }) => !origin.startsWith('ss'));
    const own = all(server, {}).filter(({ origin }) => origin.startsWith('ss'));
    server.exchange(1, 'ss-2', { versions: { after: '', more: false, rows: [...rows, ...own] } });
    assert.deepEqual(originsTo(server.run(200), 1).sort(), ['b', 'd']);
  });

  test('that has more is answered with the own list, once until that was acted on', () => {
    const server = knowing();
    const lists = (effects: Effect[]): number =>
      sent(effects, 'ss-exchange', 1).filter(({ body }) => body.versions !== undefined).length;
    const versions = { after: '', more: false, rows: all(server, { c: 12 }) };
    assert.equal(lists(server.exchange(1, 'ss-2', { versions })), 1);
    assert.equal(lists(server.exchange(1, 'ss-2', { versions })), 0);
    server.run(200);
    assert.equal(lists(server.exchange(1, 'ss-2', { versions })), 1);
    server.run(200);
    const same = all(server, {}).map((row) => (row.origin.startsWith('ss') ? { ...row, version: 0 } : row));
    const equal = { after: '', more: false, rows: same };
    assert.equal(lists(server.exchange(1, 'ss-2', { versions: equal })), 0, 'one that has no more is not');
  });

  test('that is a part of a longer one is compared with that part only', () => {
    const server = knowing();
    const part = { after: 'a', more: true, rows: [{ origin: 'c', incarnation: 1, version: 10 }] };
    server.exchange(1, 'ss-2', { versions: part });
    assert.deepEqual(originsTo(server.run(200), 1), ['b'], 'neither a, before it, nor d, behind it');
  });
});

describe('the site document', () => {
  test('that is full says so, and changes of what it has go on', () => {
    const server = new TestServer();
    const write = (id: string, value: string): Effect[] =>
      server.step({ type: 'write', kind: 'setting', id, value: Buffer.from(value) });
    for (let at = 0; at < 4_096; at++) write(`row-${at}`, 'x');
    assert.match(storiesIn(write('one-more', 'x')).join(), /document is full/);
    assert.equal(named(write('one-more', 'x'), 'document').length, 0);
    assert.equal(named(write('row-1', 'new'), 'document').length, 1);
  });
});
