/**
 * FIG. 1 and Tables 1–3 [0035][0037][0043]: the line SS1–SS2–SS3–SS4–SS5 as SS4 sees it. A link cost is a round trip
 * in ms. The join times are those of Table 1: all clocks are stepped before each join.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import type { HlcTime } from '../../../firmware/overlay/packets.ts';
import { addCameras, figure, type Joins, sorted } from '../../support/figure-world.ts';
import { epochUtcMs } from '../life.ts';
import type { SimWorld } from '../world.ts';

/** The text gives no time for SS1; that of SS5, “12:00 AM”, must be noon, for SS4 was there already. */
const joinTimes: Readonly<Record<string, string>> = {
  ss3: '10:00',
  ss2: '11:00',
  ss4: '11:23',
  ss5: '12:00',
  ss1: '12:30',
};

const joins: Joins = [
  ['ss3', []],
  ['ss2', ['ss3']],
  ['ss4', ['ss3']],
  ['ss5', ['ss4']],
  ['ss1', ['ss2']],
];

function setClocks(world: SimWorld, time: string): void {
  const utcOffMs = Date.parse(`2008-07-08T${time}:00Z`) - epochUtcMs - world.now;
  for (const server of world.servers) server.clockFault.utcOffMs = utcOffMs;
}

function figureOne(): SimWorld {
  const world = figure(joins, {
    beforeJoin: (before, server) => {
      if (server === 'ss3') {
        before.latency('ss1', 'ss2', 3);
        before.latency('ss2', 'ss3', 3.5);
        before.latency('ss3', 'ss4', 2.5);
        before.latency('ss4', 'ss5', 2.5);
      }
      setClocks(before, joinTimes[server] ?? '');
    },
  });
  addCameras(world, [
    ['cam-0', 'ss1'],
    ['cam-1', 'ss2'],
    ['cam-2', 'ss2'],
    ['cam-3', 'ss3'],
    ['cam-4', 'ss3'],
    ['cam-5', 'ss5'],
    ['cam-6', 'ss4'],
  ]);
  return world;
}

function minuteOf({ ms }: HlcTime): string {
  return new Date(ms).toISOString().slice(11, 16);
}

const cams = (...numbers: number[]): string[] => numbers.map((number) => `cam-${number}`);

test('the neighbor table of SS4 is Table 1', () => {
  const { neighbor } = figureOne().serverNode('ss4').tables();
  assert.equal(minuteOf(neighbor.joinTime), '11:23');
  assert.deepEqual(
    neighbor.oneHop.map(({ server, linkCostMs, joinTime }) => [server, linkCostMs, minuteOf(joinTime)]),
    [
      ['ss3', 5, '10:00'],
      ['ss5', 5, '12:00'],
    ],
  );
  assert.deepEqual(
    neighbor.twoHop.map(({ server, from, linkCostMs, joinTime }) => [
      server,
      from,
      linkCostMs,
      minuteOf(joinTime),
    ]),
    [['ss2', ['ss3'], 12, '11:00']],
  );
});

test('the query table of SS4 is Table 2', () => {
  const { query } = figureOne().serverNode('ss4').tables();
  assert.deepEqual(query.direct, cams(6));
  assert.deepEqual(sorted(query.indirect.oneHop), cams(3, 4, 5));
  assert.deepEqual(sorted(query.indirect.further), cams(0, 1, 2));
  const rows = query.servers.map(({ server, hops, direct, indirect1, indirect2 }) => [
    server,
    hops,
    sorted(direct),
    sorted(indirect1),
    sorted(indirect2),
  ]);
  assert.deepEqual(sorted(rows.map((row) => JSON.stringify(row))), [
    JSON.stringify(['ss2', 2, cams(1, 2), cams(0, 3, 4), cams(5, 6)]),
    JSON.stringify(['ss3', 1, cams(3, 4), cams(1, 2, 6), cams(0, 5)]),
    JSON.stringify(['ss5', 1, cams(5), cams(6), cams(0, 1, 2, 3, 4)]),
  ]);
});

test('the history table of SS4 is Table 3', () => {
  const { history } = figureOne().serverNode('ss4').tables();
  assert.deepEqual(
    history.map(({ camera, state, previousOwners }) => [camera, state, previousOwners]),
    [['cam-6', 'online', []]],
  );
});

test('both ends of a link tell the same cost, and a server keeps nothing of servers three hops away', () => {
  const world = figureOne();
  const cost = (server: string, to: string): number | undefined =>
    world
      .serverNode(server)
      .tables()
      .neighbor.oneHop.find((one) => one.server === to)?.linkCostMs;
  for (const [a, b, ms] of [
    ['ss2', 'ss3', 7],
    ['ss3', 'ss4', 5],
    ['ss4', 'ss5', 5],
  ] as const) {
    assert.deepEqual([cost(a, b), cost(b, a)], [ms, ms], `${a}–${b}`);
  }
  const { neighbor, query } = world.serverNode('ss4').tables();
  const described = [...neighbor.oneHop, ...neighbor.twoHop, ...query.servers].map(({ server }) => server);
  assert.ok(!described.includes('ss1'), 'SS1 is three hops away');
});
