/**
 * Overload [0029][0031][0057][0058] (claims 3, 15): cameras move to a newcomer, and between old servers, and never lose
 * a manager on the way. A server that takes ten is overloaded from eight on.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { offerMs, transferCooldownMs } from '../../../firmware/overlay/constants.ts';
import type { PacketBody } from '../../../firmware/overlay/packets.ts';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  type Joins,
  oneLink,
  packetsOf,
  type Seen,
  settle,
  sorted,
} from '../../support/figure-world.ts';
import type { SimWorld } from '../world.ts';

const line: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
];
const cams = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, number) => `cam-${String(from + number).padStart(2, '0')}`);

function at(world: SimWorld, server: string): string[] {
  const { direct } = world.serverNode(server).tables().query;
  return sorted(direct);
}

function stages(
  world: SimWorld,
  stage: PacketBody<'cam-transfer'>['stage'],
  since = 0,
): Seen<'cam-transfer'>[] {
  return packetsOf(world, 'cam-transfer', { since }).filter(({ body }) => body.stage === stage);
}

/** Nobody but a camera that has no manager asks for one. */
function assertNoGap(world: SimWorld, since: number): void {
  assert.deepEqual(packetsOf(world, 'cam-join', { since }), []);
  assert.deepEqual(
    world.stories.filter(({ at: when, text }) => when >= since && text.startsWith('lost ')),
    [],
  );
}

/** The line, with `count` cameras at SS1, and a server that has not started yet. */
function loadedLine(count: number, newcomer = { camerasMax: 10 }): SimWorld {
  const world = figure(line, {
    each: { ss1: { camerasMax: 10 }, ss2: { camerasMax: 0 }, ss3: { camerasMax: 0 } },
  });
  addCameras(
    world,
    cams(0, count).map((camera) => [camera, 'ss1'] as const),
  );
  world.addServer('new', { degree: oneLink, ...newcomer, start: false });
  world.reaches('new', ['ss3']);
  return world;
}

const all = ['ss1', 'ss2', 'ss3', 'new'];

function newcomerArrives(world: SimWorld): number {
  // What SS1 tried on its own account is long over.
  world.run(transferCooldownMs);
  const since = world.now;
  world.start('new');
  world.until('cameras have moved', () => at(world, 'new').length > 0, 15_000);
  world.run(offerMs);
  settle(world, all);
  return since;
}

test('an overloaded server two hops from a newcomer hands cameras over to it', () => {
  const world = loadedLine(9);
  const since = newcomerArrives(world);
  const arriving = firstOf(world, 'ss-arriving', { to: 'ss2', since }, ({ server }) => server === 'new');
  const ask = stages(world, 'ask', since).find(
    ({ from, to }) => from === 'ss1' && to === 'new',
  ) as Seen<'cam-transfer'>;
  const grant = firstOf(world, 'cam-transfer', { from: 'new', to: 'ss1' }, ({ stage }) => stage === 'grant');
  const [moved = ''] = at(world, 'new');
  const tell = firstOf(world, 'cam-transfer', { from: 'ss1', to: moved });
  const told = firstOf(world, 'cam-transfer', { from: moved, to: 'ss1' });
  const offer = stages(world, 'offer', since).find(({ body }) => body.unit === moved) as Seen<'cam-transfer'>;
  const dialled = firstOf(world, 'cam-response', { from: 'new', to: moved });
  const accepted = firstOf(world, 'cam-connection', { from: moved, to: 'new' });
  const confirmed = firstOf(world, 'cam-connection', { from: 'new', to: moved });
  assertOrder({ arriving, ask, grant, tell, told, offer, dialled, accepted, confirmed });
  assert.deepEqual([tell.body.server, tell.body.nonce], ['new', dialled.body.nonce]);
  assert.deepEqual([dialled.body.epoch, accepted.body.epoch], [1, 2], 'one more than all before');
  assertNoGap(world, since);
});

test('as many move as relieve it, and all tables follow', () => {
  const world = loadedLine(9);
  newcomerArrives(world);
  assert.equal(at(world, 'ss1').length, 7, 'below eight it is not overloaded');
  const moved = at(world, 'new');
  assert.equal(moved.length, 2);
  for (const camera of moved) {
    const row = (server: string): unknown => {
      const found = world
        .serverNode(server)
        .tables()
        .history.find((one) => one.camera === camera);
      return [found?.state, found?.previousOwners];
    };
    world.until('its history has arrived', () => JSON.stringify(row('new')) === '["online",["ss1"]]', 5_000);
    assert.deepEqual(row('ss1'), ['indirectly', ['ss1']]);
  }
  for (const server of all) {
    const known = world.serverNode(server).cameras();
    assert.deepEqual(
      known.filter(({ manager }) => manager === 'new').map(({ camera }) => camera),
      moved,
      server,
    );
  }
});

test('the cameras with the least delay and the least data move first', () => {
  const world = figure(line, {
    each: { ss1: { camerasMax: 10 }, ss2: { camerasMax: 0 }, ss3: { camerasMax: 0 } },
  });
  const cameras = cams(0, 9);
  for (const [number, camera] of cameras.entries()) {
    world.latency(camera, 'ss1', number === 6 ? 1 : 4);
    world.reaches(camera, ['ss1']);
    world.addCamera(camera, { kbps: number === 3 ? 500 : 4_000 });
  }
  world.until('all are managed', () => at(world, 'ss1').length === 9);
  world.addServer('new', { degree: oneLink, camerasMax: 10, start: false });
  world.reaches('new', ['ss3']);
  newcomerArrives(world);
  assert.deepEqual(at(world, 'new'), ['cam-03', 'cam-06'], 'the nearest, then the one with least data');
});

test('an overloaded server is relieved by an old neighbor, without a newcomer', () => {
  const world = figure(line.slice(0, 2), { servers: { camerasMax: 10 } });
  const since = world.now;
  addCameras(
    world,
    cams(0, 7).map((camera) => [camera, 'ss1'] as const),
  );
  assert.deepEqual(stages(world, 'ask'), [], 'not overloaded yet');
  world.reaches('cam-07', ['ss1']);
  world.addCamera('cam-07');
  world.until('relieved', () => at(world, 'ss2').length === 1, 5_000);
  settle(world, ['ss1', 'ss2']);
  assert.deepEqual([at(world, 'ss1').length, at(world, 'ss2').length], [7, 1]);
  const joins = new Set(
    packetsOf(world, 'cam-join', { since }).map(({ body }) => body.nonce.toString('hex')),
  );
  assert.equal(joins.size, 8, 'each camera has joined once');
});

test('there is a pause between two transfers', () => {
  const world = figure(line.slice(0, 2), { servers: { camerasMax: 10 } });
  addCameras(
    world,
    cams(0, 7).map((camera) => [camera, 'ss1'] as const),
  );
  for (const camera of cams(7, 2)) {
    world.reaches(camera, ['ss1']);
    world.addCamera(camera);
    world.until(
      'relieved',
      () => at(world, 'ss1').length === 7 && world.cameraNode(camera).manager() !== undefined,
    );
  }
  const [first, second] = stages(world, 'ask') as [Seen<'cam-transfer'>, Seen<'cam-transfer'>];
  assert.ok(second.at - first.at >= transferCooldownMs, `${second.at - first.at} ms`);
});

test('no camera moves when the gap is not more than twice its share', () => {
  const world = figure(line.slice(0, 2), { each: { ss1: { camerasMax: 10 }, ss2: { camerasMax: 16 } } });
  addCameras(
    world,
    cams(20, 10).map((camera) => [camera, 'ss2'] as const),
  );
  addCameras(
    world,
    cams(0, 8).map((camera) => [camera, 'ss1'] as const),
  );
  world.run(2 * transferCooldownMs);
  const granted = stages(world, 'grant').map(({ from, body }) => `${from} ${body.tokens}`);
  assert.ok(granted.includes('ss2 2'), 'there would be room');
  assert.deepEqual(stages(world, 'tell'), []);
  assert.deepEqual([at(world, 'ss1').length, at(world, 'ss2').length], [8, 10]);
});

test('a server without capacity grants nothing and answers no camera', () => {
  const world = figure(line.slice(0, 2), { each: { ss1: { camerasMax: 10 }, ss2: { camerasMax: 0 } } });
  addCameras(
    world,
    cams(0, 9).map((camera) => [camera, 'ss1'] as const),
  );
  world.run(2 * transferCooldownMs);
  const grants = stages(world, 'grant');
  assert.ok(grants.length > 0 && grants.every(({ body }) => body.tokens === 0), 'asked, and nothing granted');
  world.reaches('cam-90', ['ss2']);
  world.addCamera('cam-90');
  world.until('it is managed, over the ring', () => world.cameraNode('cam-90').manager() === 'ss1');
  world.reaches('cam-91', ['ss2']);
  world.addCamera('cam-91');
  world.run(10_000);
  assert.equal(world.cameraNode('cam-91').manager(), undefined, 'both are full');
  assert.deepEqual(packetsOf(world, 'cam-response', { from: 'ss2' }), []);
});

for (const [how, fault] of [
  ['cannot reach it', (world: SimWorld): unknown => cams(0, 9).map((camera) => world.cut([['new', camera]]))],
  [
    'ends when it hears of it',
    (world: SimWorld): unknown =>
      world.light({ unit: 'new', packet: 'cam-transfer', way: 'received', count: 2, machineToo: true }),
  ],
  [
    'ends when it has dialled it',
    (world: SimWorld): unknown =>
      world.light({ unit: 'new', packet: 'cam-response', way: 'sent', count: 1, machineToo: true }),
  ],
] as const) {
  test(`a camera stays where it is when the new manager ${how}`, () => {
    const world = loadedLine(9);
    world.run(transferCooldownMs);
    const since = world.now;
    fault(world);
    world.start('new');
    world.until('a camera is told', () => stages(world, 'tell', since).length > 0, 15_000);
    world.run(2 * offerMs);
    assert.equal(at(world, 'ss1').length, 9);
    for (const camera of cams(0, 9)) assert.equal(world.cameraNode(camera).manager(), 'ss1', camera);
    assertNoGap(world, since);
    for (const camera of cams(0, 9))
      assert.ok(!world.cameraNode(camera).timers().includes('confirm'), camera);
  });
}

test('a camera whose new manager ends as soon as it has it comes back, with an epoch above both', () => {
  const world = loadedLine(8);
  world.run(transferCooldownMs);
  const since = world.now;
  world.light({ unit: 'new', packet: 'cam-connection', way: 'received', count: 1, machineToo: true });
  world.start('new');
  world.until('the new manager is gone', () => !world.unit('new').isAlive, 15_000);
  world.run(2 * offerMs);
  const [moved = ''] = packetsOf(world, 'cam-connection', { to: 'new', since }).map(({ from }) => from);
  assert.deepEqual([world.cameraNode(moved).manager(), world.cameraNode(moved).epoch()], ['ss1', 3]);
  const epochs = packetsOf(world, 'cam-connection', { from: moved }).map(({ body }) => body.epoch);
  assert.deepEqual(epochs, [1, 2, 3]);
});

test('a camera that is handed over twice has never two managers with one epoch', () => {
  const world = figure(line, {
    each: { ss1: { camerasMax: 10 }, ss2: { camerasMax: 10 }, ss3: { camerasMax: 40 } },
  });
  const claims = new Map<string, string>();
  world.watchers.push({
    effects: (unit, _event, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'attached') continue;
        const key = `${effect.unit} ${effect.epoch}`;
        assert.equal(claims.get(key) ?? unit.id, unit.id, key);
        claims.set(key, unit.id);
      }
    },
  });
  addCameras(
    world,
    cams(0, 8).map((camera) => [camera, 'ss2'] as const),
  );
  for (const camera of cams(10, 9)) {
    world.reaches(camera, ['ss1']);
    world.addCamera(camera);
  }
  world.run(4 * transferCooldownMs);
  settle(world, ['ss1', 'ss2', 'ss3']);
  assert.ok(at(world, 'ss1').length < 8 && at(world, 'ss2').length < 8, 'both are relieved');
  assert.equal(['ss1', 'ss2', 'ss3'].flatMap((server) => at(world, server)).length, 17);
  assert.ok(claims.size > 17, 'some were handed over');
});
