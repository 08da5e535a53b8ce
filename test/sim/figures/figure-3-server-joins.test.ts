/**
 * FIG. 2 and 3 [0050]–[0059]: a new server joins the line SS4–SS1–SS2–SS3. All hear it; SS3 and SS4 have the most room,
 * and SS3 is the nearest, so it answers earliest.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  type Joins,
  neighborsOf,
  oneLink,
  open,
  packetsOf,
  settle,
  sorted,
} from '../../support/figure-world.ts';
import { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
  ['ss4', ['ss1']],
];
const old = joins.map(([server]) => server);

function beforeTheJoin(): SimWorld {
  const world = figure(joins);
  for (const server of ['ss1', 'ss2', 'ss4']) world.latency('new', server, 20);
  addCameras(world, [
    ['cam-1', 'ss1'],
    ['cam-3', 'ss3'],
  ]);
  world.addServer('new', { degree: oneLink, start: false });
  return world;
}

test('a new server asks by anycast, connects to the earliest responder, and both exchange their tables', () => {
  const world = beforeTheJoin();
  const since = world.now;
  world.start('new');
  settle(world, [...old, 'new']);

  const join = firstOf(world, 'ss-join', { from: 'new' });
  assert.equal(join.to, 'anycast');
  const offer = firstOf(world, 'ss-response', { to: 'new' }, ({ nonce }) => nonce !== undefined);
  assert.equal(offer.from, 'ss3', 'the earliest');
  assert.deepEqual(offer.body.nonce, join.body.nonce);
  const connection = firstOf(world, 'ss-connection', { from: 'new' });
  assert.equal(connection.to, 'ss3');
  const established = firstOf(world, 'ss-response', { from: 'ss3', to: 'new', since: connection.at });
  const tables = { from: 'ss3', to: 'new', since: connection.at };
  const theirs = firstOf(world, 'ss-exchange', tables, ({ card }) => card !== undefined);
  firstOf(world, 'ss-exchange', tables, ({ rows }) => rows.some(({ origin }) => origin === 'ss1'));
  const ours = firstOf(world, 'ss-exchange', { from: 'new', to: 'ss3' }, ({ card }) => card !== undefined);
  firstOf(world, 'ss-exchange', { from: 'new', to: 'ss3' }, ({ rows }) =>
    rows.some(({ origin }) => origin === 'new'),
  );
  assertOrder({ join, offer, connection, established, theirs, ours });

  const others = packetsOf(world, 'ss-response', { to: 'new', since }).map(({ from }) => from);
  assert.ok(new Set(others).size > 1, 'others were willing, too');
  assert.deepEqual(
    packetsOf(world, 'ss-connection', { from: 'new' }).map(({ to }) => to),
    ['ss3'],
    'only the earliest is asked',
  );
  assert.deepEqual(neighborsOf(world, 'new'), ['ss3']);
  const { neighbor, query } = world.serverNode('new').tables();
  assert.deepEqual(
    neighbor.twoHop.map(({ server, from }) => [server, from]),
    [['ss2', ['ss3']]],
  );
  assert.deepEqual(query.indirect, { oneHop: ['cam-3'], further: ['cam-1'] });
});

test('the server it connected to tells its 1-hop and 2-hop neighbors of the arrival, and nobody else is told', () => {
  const world = beforeTheJoin();
  const since = world.now;
  world.start('new');
  settle(world, [...old, 'new']);
  const connection = firstOf(world, 'ss-connection', { from: 'new' });
  const near = firstOf(
    world,
    'ss-arriving',
    { from: 'ss3', to: 'ss2', since },
    ({ server }) => server === 'new',
  );
  const far = firstOf(
    world,
    'ss-arriving',
    { from: 'ss2', to: 'ss1', since },
    ({ server }) => server === 'new',
  );
  assertOrder({ connection, near, far });
  assert.deepEqual(near.body.link, world.unit('new').address);
  const told = packetsOf(world, 'ss-arriving', { since }).map(({ from, to }) => `${from} ${to}`);
  assert.deepEqual(sorted(told), ['ss2 ss1', 'ss3 ss2'], 'SS4 is three hops from SS3');
});

test('the join time comes from the server that accepts the join, and is later than all before', () => {
  const world = beforeTheJoin();
  world.start('new');
  settle(world, [...old, 'new']);
  const { joinTime } = world.serverNode('new').inspect();
  const granted = firstOf(
    world,
    'ss-response',
    { from: 'ss3', to: 'new' },
    ({ nonce }) => nonce === undefined,
  );
  assert.deepEqual(granted.body.joinTime, joinTime);
  const [told] = world
    .serverNode('ss3')
    .tables()
    .neighbor.oneHop.filter(({ server }) => server === 'new');
  assert.deepEqual(told?.joinTime, joinTime);
  for (const server of old)
    assert.ok((world.serverNode(server).inspect().joinTime?.ms ?? 0) < (joinTime?.ms ?? 0), server);
});

test('a server that nobody answers is alone: it records its join time and serves cameras', () => {
  const world = new SimWorld();
  world.addServer('alone', { degree: oneLink });
  world.addCamera('cam');
  world.until('it serves the camera', () => world.cameraNode('cam').manager() === 'alone', 5_000);
  world.until('it has waited', () => world.serverNode('alone').inspect().joinTime !== undefined, 5_000);
  const { joinTime, network, neighbors } = world.serverNode('alone').inspect();
  assert.ok(joinTime !== undefined && joinTime.ms > 0, 'a time');
  assert.deepEqual(neighbors, []);
  assert.equal(network.founder, 'alone');
  assert.equal(network.standing, 'provisional');
  world.until('it waits for others to join', () => world.unit('alone').routed, 5_000);
});

for (const [how, fault] of [
  ['ends', (world: SimWorld): void => world.crash('ss3')],
  ['loses its machine', (world: SimWorld): void => world.crash('ss3', { machine: 'off' })],
  ['hangs', (world: SimWorld): void => world.pause('ss3')],
] as const) {
  test(`when the earliest responder ${how} before it answers the connection, the next one is taken`, () => {
    const world = beforeTheJoin();
    world.start('new');
    world.until(
      'SS3 has offered',
      () => packetsOf(world, 'ss-response', { from: 'ss3', to: 'new' }).length > 0,
      5_000,
      1,
    );
    fault(world);
    const tookMs = world.until('it is linked', () => neighborsOf(world, 'new').length > 0, 10_000);
    const [neighbor = ''] = neighborsOf(world, 'new');
    assert.ok(['ss1', 'ss2', 'ss4'].includes(neighbor), neighbor);
    assert.ok(world.linked('new', neighbor), 'both say so');
    assert.ok(tookMs < 6_000, `${tookMs} ms`);
    settle(world, ['new', 'ss1', 'ss2', 'ss4']);
  });
}

test('a re-activated server sends its histories to the server that took its camera over', () => {
  const world = beforeTheJoin();
  world.reaches('cam-3', ['ss1', 'ss3']);
  world.crash('ss3');
  settle(world, ['ss1', 'ss2', 'ss4']);
  world.until('SS1 takes over', () => world.cameraNode('cam-3').manager() === 'ss1');
  const owners = (server: string): unknown =>
    world
      .serverNode(server)
      .tables()
      .history.filter(({ camera }) => camera === 'cam-3')
      .map(({ state, previousOwners }) => [state, previousOwners]);
  assert.deepEqual(owners('ss1'), [['online', ['unknown']]], 'nobody alive knows the first epoch');

  const since = world.now;
  open(world, 'ss3');
  world.restart('ss3');
  settle(world, old);
  const connection = firstOf(world, 'ss-connection', { from: 'ss3', since });
  const histories = world.packets.findIndex(
    ({ at, from, packet }) =>
      at >= since && from === 'ss3' && packet.name === 'ss-exchange' && packet.body.tenures.length > 0,
  );
  const relayed = world.packets.findIndex(
    ({ at, from, packet }) =>
      at >= since && from === 'ss3' && packet.name === 'ss-relay' && packet.body.target === 'ss1',
  );
  assert.ok(Math.max(histories, relayed) > connection.place, 'sent after it is connected');
  assert.deepEqual(owners('ss1'), [['online', ['ss3']]]);
  assert.deepEqual(owners('ss3'), [['indirectly', ['ss3']]]);
});
