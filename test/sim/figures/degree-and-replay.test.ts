/**
 * How servers find a place: the bound of the degree and the ring that refers to others, the peer cache where anycast is
 * dead; and joins that come late or again, which cost one refused dial and change nothing.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { addRogue } from '../../support/figure-rogue.ts';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  type Joins,
  neighborsOf,
  open,
  packetsOf,
  relayed,
  settle,
  sorted,
} from '../../support/figure-world.ts';
import { SimWorld } from '../world.ts';

const line: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
];
const servers = line.map(([server]) => server);
const atMostTwo = { servers: { degree: { target: 1, max: 2 } } };

/** What all servers know, for comparing before and after. */
function state(world: SimWorld): string {
  return JSON.stringify(
    servers.map((server) => {
      const { network, incarnation, neighbors, units } = world.serverNode(server).inspect();
      return [network, incarnation, neighbors, units, world.serverNode(server).cameras()];
    }),
  );
}

test('a full server refers a joiner to its neighbors, by the ring', () => {
  const world = figure(line, atMostTwo);
  const since = world.now;
  // SS2 has two links already, and only SS2 hears the newcomer.
  world.addServer('new', { degree: { target: 1, max: 2 }, start: false });
  world.reaches('new', ['ss2']);
  world.start('new');
  settle(world, [...servers, 'new']);
  assert.deepEqual(neighborsOf(world, 'ss2'), ['ss1', 'ss3']);
  const [neighbor = ''] = neighborsOf(world, 'new');
  assert.ok(['ss1', 'ss3'].includes(neighbor), neighbor);
  const join = firstOf(world, 'ss-join', { from: 'new', since });
  const referred = relayed(world, 'ss-join', { from: 'ss2', to: neighbor, since })[0];
  assert.ok(referred, 'SS2 has passed it on');
  assert.deepEqual(referred.body.nonce, join.body.nonce);
  const offer = firstOf(world, 'ss-response', { from: neighbor, to: 'new', since });
  assertOrder({
    join,
    referred,
    offer,
    connection: firstOf(world, 'ss-connection', { from: 'new', to: neighbor }),
  });
});

test('a camera is referred by a full server, too, as far as it takes', () => {
  const world = figure([...line, ['ss4', ['ss3']], ['ss5', ['ss4']], ['ss6', ['ss5']]], {
    each: Object.fromEntries(
      ['ss1', 'ss2', 'ss3', 'ss4', 'ss5'].map((server) => [server, { camerasMax: 0 }]),
    ),
  });
  world.reaches('cam', ['ss1']);
  const since = world.now;
  world.addCamera('cam');
  world.until('SS6 manages it, five hops away', () => world.cameraNode('cam').manager() === 'ss6', 5_000);
  const rings = packetsOf(world, 'cam-join', { from: 'cam', since }).map(({ body }) => body.ring);
  assert.deepEqual(rings.slice(0, 3), [2, 4, 32], 'the joiner widens the ring');
  const nonces = new Set(
    packetsOf(world, 'cam-join', { since }).map(({ body }) => body.nonce.toString('hex')),
  );
  assert.equal(nonces.size, 1, 'of one join');
});

test('a full server refuses the connection itself, and the joiner finds another', () => {
  const world = figure(line, atMostTwo);
  const refused: string[] = [];
  const rogue = addRogue(world, 'rogue', 'server', (event, self) => {
    if (event.type === 'packet' && event.packet.name === 'ss-disconnection')
      refused.push(event.packet.body.stage);
    if (event.type !== 'dialed') return [];
    const link = { host: 'rogue', port: 7400 };
    return [self.send(event.link, 'ss-connection', { link, joinTime: undefined })];
  });
  rogue.tell({ type: 'dial', dial: 1, address: world.unit('ss2').address });
  world.run(1_000);
  assert.deepEqual(refused, ['refused']);
  assert.deepEqual(neighborsOf(world, 'ss2'), ['ss1', 'ss3']);
  rogue.tell({ type: 'dial', dial: 2, address: world.unit('ss3').address });
  world.until('SS3 has room', () => neighborsOf(world, 'ss3').includes('rogue'), 1_000);
});

test('nobody ever has more links than its bound, however many join at one time', () => {
  const world = new SimWorld();
  let most = 0;
  world.watchers.push({
    effects: ({ id, role, isAlive }) => {
      if (role === 'server' && isAlive) most = Math.max(most, neighborsOf(world, id).length);
    },
  });
  const many = Array.from({ length: 14 }, (_, number) => `s${String(number).padStart(2, '0')}`);
  for (const server of many) world.addServer(server, { degree: { target: 2, max: 4 } });
  settle(world, many);
  world.run(15_000);
  assert.ok(most <= 4, `${most} links`);
  for (const server of many) assert.ok(neighborsOf(world, server).length >= 2, server);
});

test('a repair is not refused for the bound: n − 1 more, and pruned after', () => {
  const leaves = Array.from({ length: 5 }, (_, number) => `leaf-${number}`);
  // Each leaf is at its bound already: the hub and one of its own.
  const joins: Joins = [
    ['hub', []],
    ...leaves.map((leaf) => [leaf, ['hub']] as const),
    ...leaves.map((leaf) => [`far-${leaf}`, [leaf]] as const),
  ];
  const world = figure(joins, {
    servers: { degree: { target: 1, max: 2 } },
    each: { hub: { degree: { target: 1, max: 8 } } },
  });
  const since = world.now;
  let most = 0;
  world.watchers.push({
    effects: ({ id }) => {
      if (leaves.includes(id)) most = Math.max(most, neighborsOf(world, id).length);
    },
  });
  world.crash('hub');
  settle(world, joins.map(([server]) => server).slice(1));
  const refused = packetsOf(world, 'ss-disconnection', { since }).filter(
    ({ body }) => body.stage === 'refused',
  );
  assert.deepEqual(refused, []);
  assert.ok(most > 2 && most <= 2 + leaves.length - 1, `${most} links`);
  world.until(
    'pruned',
    () => packetsOf(world, 'ss-disconnection', { since }).some(({ body }) => body.stage === 'done'),
    30_000,
  );
});

test('a server that restarts where anycast is dead finds its network by its peer cache', () => {
  const world = figure(line);
  open(world, ...servers);
  world.run(3_000);
  world.anycast.endpoints = [];
  for (const [times, server] of ['ss3', 'ss1', 'ss2'].entries()) {
    world.restart(server);
    const tookMs = settle(world, servers, 20_000);
    assert.ok(tookMs < 5_000, `${server}, restart ${times}: ${tookMs} ms`);
  }
});

test('a camera whose network has lost its anycast finds a server that it knows', () => {
  const world = figure(line);
  addCameras(world, [['cam', 'ss2']]);
  world.run(2_000);
  world.anycast.endpoints = [];
  open(world, 'cam');
  world.crash('ss2');
  world.until(
    'it has another manager',
    () => ['ss1', 'ss3'].includes(world.cameraNode('cam').manager() ?? ''),
    15_000,
  );
  settle(world, ['ss1', 'ss3']);
});

test('a join that is replayed later costs at most one refused dial per server, and changes nothing', () => {
  const world = figure(line);
  addCameras(world, [['cam', 'ss2']]);
  open(world, ...servers, 'cam');
  // Joins of the time when they were news.
  const old = [...world.anycast.overheard];
  assert.ok(
    old.some(({ from }) => from === 'cam') && old.some(({ from }) => from === 'ss3'),
    'both were overheard',
  );
  world.run(2_000);
  for (const server of servers) world.unit(server).forgetNonces();
  world.run(60_000);
  const before = state(world);
  const since = world.now;
  const dials = new Map<string, number>();
  world.watchers.push({
    effects: ({ id }, _event, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'dial') continue;
        const pair = `${id} ${effect.address.host}`;
        dials.set(pair, (dials.get(pair) ?? 0) + 1);
      }
    },
  });
  const [replayed] = old.filter(({ from }) => from === 'cam');
  assert.ok(replayed, 'it was overheard');
  world.anycast.replay(replayed);
  world.run(4_000);
  assert.ok(dials.size > 0, 'somebody was willing');
  for (const [pair, count] of dials) assert.ok(pair.endsWith(' cam') && count === 1, `${pair}: ${count}`);
  const offers = packetsOf(world, 'cam-response', { to: 'cam', since });
  assert.equal(offers.length, dials.size);
  assert.deepEqual(packetsOf(world, 'cam-connection', { since }), [], 'none was taken');
  assert.equal(world.cameraNode('cam').epoch(), 1);
  assert.equal(state(world), before);
});

test('a server’s old join is answered by offers that it refuses, and no link changes', () => {
  const world = figure(line);
  world.addServer('new', { degree: { target: 1, max: 8 }, start: false });
  // SS1 and SS2 have not heard it when it was news.
  world.reaches('new', ['ss3']);
  world.start('new');
  settle(world, [...servers, 'new']);
  const [first] = world.anycast.overheard.filter(({ from }) => from === 'new');
  assert.ok(first, 'it was overheard');
  open(world, ...servers, 'new');
  world.run(60_000);
  for (const server of servers) world.unit(server).forgetNonces();
  const before = state(world);
  const since = world.now;
  world.anycast.replay(first);
  world.run(4_000);
  const offers = packetsOf(world, 'ss-response', { to: 'new', since });
  assert.ok(offers.length > 0 && offers.length <= servers.length, `${offers.length} offers`);
  assert.equal(new Set(offers.map(({ from }) => from)).size, offers.length, 'one dial each');
  assert.deepEqual(packetsOf(world, 'ss-connection', { since }), []);
  assert.equal(state(world), before);
  const contacts = sorted(
    world
      .unit('new')
      .openEnds()
      .map(({ peer }) => peer.unit),
  );
  assert.deepEqual(contacts, ['ss3'], 'the dials are closed again');
});

test('a join with a broken seal does nothing at all', () => {
  const world = figure(line);
  addCameras(world, [['cam', 'ss2']]);
  const [seen] = packetsOf(world, 'cam-join');
  const before = state(world);
  const since = world.now;
  const entry = world.packets[seen?.place ?? 0];
  assert.ok(entry, 'it was sent');
  world.anycast.forge(entry.packet);
  world.run(2_000);
  assert.ok((world.dropped.get('seal is broken') ?? 0) > 0, 'it arrived');
  assert.deepEqual(packetsOf(world, 'cam-response', { since }), []);
  assert.equal(state(world), before);
});
