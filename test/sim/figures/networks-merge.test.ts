/**
 * Networks that were founded apart become one, whoever meets whom first: by multicast, and where there is nothing but
 * anycast. The later joins the earlier; lone founders and founders without a clock yield.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { addCameras, firstOf, open, settle, storiesSince } from '../../support/figure-world.ts';
import type { Endpoint } from '../anycast-carrier.ts';
import { epochUtcMs } from '../life.ts';
import { SimWorld } from '../world.ts';

const east = ['e1', 'e2', 'e3'];
const west = ['w1', 'w2'];
const all = [...east, ...west];

interface Apart {
  readonly world: SimWorld;
  readonly since: number;
}

/** East is founded first, West a little later; then they meet. */
function apart(endpoints: readonly Endpoint[], seed = 1): Apart {
  const world = new SimWorld({ endpoints, seed });
  const heal = world.partition([
    [...east, 'cam-e'],
    [...west, 'cam-w'],
  ]);
  for (const server of east) world.addServer(server);
  world.run(500);
  for (const server of west) world.addServer(server);
  settle(world, east, 60_000);
  settle(world, west, 60_000);
  for (const camera of ['cam-e', 'cam-w']) world.addCamera(camera);
  const isManaged = (camera: string): boolean => world.cameraNode(camera).manager() !== undefined;
  world.until('both are managed', () => isManaged('cam-e') && isManaged('cam-w'), 60_000);
  settle(world, east);
  settle(world, west);
  heal();
  return { world, since: world.now };
}

function founders(world: SimWorld, servers: readonly string[]): string[] {
  return [...new Set(servers.map((server) => world.serverNode(server).inspect().network.founder))];
}

for (const [how, endpoints, limitMs] of [
  ['multicast', [{ kind: 'multicast' }], 40_000],
  ['anycast only', [{ kind: 'anycast' }], 240_000],
] as const) {
  test(`two networks that were founded apart become one, by ${how}`, () => {
    const { world, since } = apart(endpoints);
    const earlier = founders(world, east);
    assert.equal(earlier.length, 1);
    assert.notDeepEqual(founders(world, west), earlier);
    settle(world, all, limitMs);
    assert.deepEqual(founders(world, all), earlier, 'the later joins the earlier');
    // Through the normal join: asked by anycast, offered, connected.
    const join = firstOf(world, 'ss-join', { since });
    const offer = firstOf(world, 'ss-response', { since }, ({ nonce }) => nonce !== undefined);
    const connection = firstOf(world, 'ss-connection', { since });
    assert.ok(join.place < offer.place && offer.place < connection.place, 'the normal join');
    for (const camera of ['cam-e', 'cam-w']) {
      assert.deepEqual([world.cameraNode(camera).epoch()], [1], `${camera} stays where it is`);
      for (const server of all) assert.equal(world.query(server, camera)?.state, 'online');
    }
    assert.ok(
      !storiesSince(world, since).some((story) => story.includes('suspected')),
      'nobody is suspected',
    );
  });
}

test('lone founders, each with an anycast address that leads to itself, find each other', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const world = new SimWorld({ endpoints: [{ kind: 'anycast' }], seed });
    for (const server of all) world.addServer(server);
    settle(world, all, 120_000);
    assert.equal(founders(world, all).length, 1, `replay with seed ${seed}`);
  }
});

test('servers that start at one time are one network soon, with one founder', () => {
  const world = new SimWorld();
  const servers = Array.from({ length: 12 }, (_, number) => `s${String(number).padStart(2, '0')}`);
  for (const server of servers) world.addServer(server);
  const tookMs = settle(world, servers, 30_000);
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
  assert.equal(founders(world, servers).length, 1);
});

test('a lone founder yields to a network, however much earlier it was founded', () => {
  const world = new SimWorld();
  const heal = world.partition([['old'], west]);
  world.addServer('old');
  world.run(20_000);
  for (const server of west) world.addServer(server);
  settle(world, west);
  const { founder } = world.serverNode('w1').inspect().network;
  assert.equal(world.serverNode('old').inspect().network.standing, 'provisional');
  heal();
  settle(world, ['old', ...west], 40_000);
  assert.deepEqual(founders(world, ['old', ...west]), [founder]);
});

test('of two lone founders the earlier one’s network stays', () => {
  const world = new SimWorld();
  const heal = world.partition([['a'], ['b']]);
  world.addServer('b');
  world.run(5_000);
  world.addServer('a');
  world.run(5_000);
  heal();
  settle(world, ['a', 'b'], 40_000);
  assert.deepEqual(founders(world, ['a', 'b']), ['b']);
  assert.equal(world.serverNode('a').inspect().network.standing, 'established');
});

test('a network whose founder had no clock yields, though 1970 is earlier', () => {
  const world = new SimWorld();
  const heal = world.partition([east, west]);
  for (const server of east) {
    world.addServer(server, { start: false });
    Object.assign(world.unit(server).clockFault, { utcOffMs: -epochUtcMs, trusted: false });
    world.start(server);
  }
  settle(world, east);
  for (const server of west) world.addServer(server);
  settle(world, west);
  const trusted = founders(world, west);
  heal();
  settle(world, all, 40_000);
  assert.deepEqual(founders(world, all), trusted);
});

test('the name of a network survives the restart of all its servers, and of its founder', () => {
  const world = new SimWorld();
  for (const server of east) world.addServer(server);
  settle(world, east);
  const { network } = world.serverNode('e1').inspect();
  world.run(5_000);
  for (const server of east) world.crash(server, { machine: 'off' });
  world.run(5_000);
  for (const server of [...east].reverse()) world.restart(server);
  settle(world, east);
  for (const server of east) assert.deepEqual(world.serverNode(server).inspect().network, network);
});

test('a partition that heals leaves one network, and cameras that have one manager each', () => {
  const world = new SimWorld();
  for (const server of all) world.addServer(server);
  settle(world, all);
  addCameras(world, [
    ['cam-e', 'e1'],
    ['cam-w', 'w1'],
  ]);
  open(world, 'cam-e', 'cam-w');
  const heal = world.partition([
    [...east, 'cam-w'],
    [...west, 'cam-e'],
  ]);
  settle(world, east, 40_000);
  settle(world, west, 40_000);
  world.until(
    'both have moved',
    () =>
      west.includes(world.cameraNode('cam-e').manager() ?? '') &&
      east.includes(world.cameraNode('cam-w').manager() ?? ''),
  );
  heal();
  settle(world, all, 90_000);
  for (const camera of ['cam-e', 'cam-w']) {
    const manager = world.cameraNode(camera).manager();
    for (const server of all) {
      const answer = world.query(server, camera);
      assert.deepEqual([answer?.manager, answer?.state], [manager, 'online'], `${camera} at ${server}`);
      assert.equal(answer?.tenures.length, 2);
    }
  }
});
