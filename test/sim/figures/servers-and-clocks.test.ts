/**
 * Identity and time of servers: incarnations that outlive a lost disk, and join times that order servers whose clocks
 * are wrong (HLC).
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { clockAheadMs } from '../../../firmware/overlay/constants.ts';
import { compareHlc } from '../../../firmware/overlay/hlc.ts';
import type { HlcTime } from '../../../firmware/overlay/packets.ts';
import {
  addCameras,
  figure,
  type Joins,
  open,
  packetsOf,
  settle,
  sorted,
} from '../../support/figure-world.ts';
import { epochUtcMs } from '../life.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
  ['ss4', ['ss2']],
  ['ss5', ['ss4']],
];
const servers = joins.map(([server]) => server);
const dayMs = 86_400_000;

function joinTimeOf(world: SimWorld, server: string): HlcTime {
  const { joinTime } = world.serverNode(server).inspect();
  assert.ok(joinTime, server);
  return joinTime;
}

function incarnationsOf(world: SimWorld, server: string): (number | undefined)[] {
  return servers
    .filter((other) => world.linked(other, server))
    .map((other) => {
      const { oneHop } = world.serverNode(other).tables().neighbor;
      return oneHop.find((one) => one.server === server)?.incarnation;
    });
}

for (const disk of ['lost', 'stale'] as const) {
  test(`a server with a ${disk} disk goes on above the incarnation that others remember`, () => {
    const world = figure(joins);
    open(world, ...servers);
    for (let times = 0; times < 3; times++) {
      world.restart('ss4');
      settle(world, servers);
    }
    const before = world.serverNode('ss4').inspect().incarnation;
    assert.equal(before, 4);
    const since = world.now;
    world.restart('ss4', { disk, staleMs: since - 100 });
    assert.ok(world.serverNode('ss4').inspect().incarnation < before, 'it has forgotten');
    world.until('it knows better', () => world.serverNode('ss4').inspect().incarnation > before, 10_000);
    settle(world, servers);
    const now = world.serverNode('ss4').inspect().incarnation;
    assert.ok(incarnationsOf(world, 'ss4').length > 0, 'it has neighbors');
    assert.ok(
      incarnationsOf(world, 'ss4').every((one) => one === now),
      'all know',
    );
    assert.equal(world.unit('ss4').disk.read().counters['incarnation'], now, 'persisted');
    const raised = packetsOf(world, 'ss-exchange', { from: 'ss4', since }).find(
      ({ header }) => header.incarnation === now,
    );
    const told = packetsOf(world, 'ss-exchange', { to: 'ss4', since }).find(({ body }) =>
      body.rows.some(({ origin, incarnation }) => origin === 'ss4' && incarnation === before),
    );
    assert.ok(told !== undefined && raised !== undefined && told.place < raised.place, 'a peer has told it');
  });
}

test('a server with a lost disk goes on above the incarnation that others remember, however often it was started', () => {
  const world = figure(joins);
  open(world, ...servers);
  world.crash('ss4');
  assert(world.unit('ss4').disk.persist(world.now, { incarnation: 1_000_000 }));
  world.restart('ss4');
  settle(world, servers);
  world.restart('ss4', { disk: 'lost' });
  world.until('it knows better', () => world.serverNode('ss4').inspect().incarnation > 1_000_001, 10_000);
  settle(world, servers);
  const now = world.serverNode('ss4').inspect().incarnation;
  assert.deepEqual(new Set(incarnationsOf(world, 'ss4')), new Set([now]), 'all know');
});

test('only the owner raises an incarnation, and only at a start or when others remember a higher one', () => {
  const world = figure(joins);
  addCameras(world, [['cam', 'ss3']]);
  world.run(20_000);
  for (const server of servers) assert.equal(world.serverNode(server).inspect().incarnation, 1, server);
});

test('join times rise in the order of joining when most clocks start in 1970', () => {
  const world = figure(joins, {
    beforeJoin: (made, server) => {
      if (server === 'ss3') return;
      Object.assign(made.unit(server).clockFault, { utcOffMs: -epochUtcMs, trusted: false });
    },
  });
  const times = servers.map((server) => joinTimeOf(world, server));
  for (let at = 1; at < times.length; at++) {
    assert.ok(
      compareHlc(times[at - 1] as HlcTime, times[at] as HlcTime) < 0,
      `${servers[at]} after ${servers[at - 1]}`,
    );
  }
});

test('all neighbors agree on a server’s join time, whatever their own clocks say', () => {
  const world = figure(joins, {
    beforeJoin: (made, server) => {
      const faults: Record<string, object> = {
        ss1: { utcOffMs: -epochUtcMs, trusted: false },
        ss2: { utcOffMs: dayMs },
        ss5: { utcOffMs: -dayMs, trusted: false },
      };
      Object.assign(made.unit(server).clockFault, faults[server]);
    },
  });
  for (const server of servers) {
    for (const { neighbor } of servers.map((other) => world.serverNode(other).tables())) {
      for (const one of [...neighbor.oneHop, ...neighbor.twoHop]) {
        if (one.server === server) assert.deepEqual(one.joinTime, joinTimeOf(world, server), server);
      }
    }
  }
});

test('a clock that is a day ahead does not drag those along that are right', () => {
  const world = figure(joins, {
    beforeJoin: (made, server) => {
      if (server === 'ss2') made.unit('ss2').clockFault.utcOffMs = dayMs;
    },
  });
  // SS2 accepted SS3 and SS4, with its own time; SS4 is right, and accepted SS5.
  for (const server of ['ss3', 'ss4']) assert.ok(joinTimeOf(world, server).ms > epochUtcMs + dayMs, server);
  const { ms } = joinTimeOf(world, 'ss5');
  assert.ok(ms < epochUtcMs + world.now + clockAheadMs, `${ms - epochUtcMs} ms`);
  world.write('ss5', 'setting', 'a', Buffer.from('1'));
  const [row] = world.serverNode('ss5').document();
  assert.ok((row?.time.ms ?? 0) < epochUtcMs + world.now + clockAheadMs, 'its rows, too');
});

test('with clocks that disagree, still exactly one server tells the cameras of a dead one to rejoin', () => {
  const world = figure(joins, {
    beforeJoin: (made, server) => {
      const faults: Record<string, object> = {
        ss1: { utcOffMs: dayMs },
        ss3: { utcOffMs: -epochUtcMs, trusted: false },
        ss4: { utcOffMs: dayMs, trusted: false },
      };
      Object.assign(made.unit(server).clockFault, faults[server]);
    },
  });
  const cameras = ['cam-1', 'cam-2'];
  addCameras(
    world,
    cameras.map((camera) => [camera, 'ss2'] as const),
  );
  for (const camera of cameras) world.reaches(camera, []);
  const since = world.now;
  const former = ['ss1', 'ss3', 'ss4'];
  const [earliest = ''] = [...former].sort((a, b) => compareHlc(joinTimeOf(world, a), joinTimeOf(world, b)));
  world.crash('ss2');
  settle(world, ['ss1', 'ss3', 'ss4', 'ss5']);
  const told = packetsOf(world, 'cam-rejoin', { since }).map(({ from, to }) => `${from} ${to}`);
  assert.deepEqual(
    sorted(told),
    cameras.map((camera) => `${earliest} ${camera}`),
  );
});

test('a join time survives a restart, and is never given twice', () => {
  const world = figure(joins);
  const before = servers.map((server) => joinTimeOf(world, server));
  open(world, ...servers);
  world.restart('ss3');
  settle(world, servers);
  const after = servers.map((server) => joinTimeOf(world, server));
  assert.deepEqual(after, before);
  assert.equal(new Set(after.map(({ ms, count }) => `${ms} ${count}`)).size, servers.length);
});
