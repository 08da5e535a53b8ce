/**
 * FIG. 6A–6C and 6E [0072]–[0078]: SS4 dies, to which SS1, SS2, SS3 and SS5 are linked; SS6 is linked to SS2. SS5 has
 * joined first, so that nobody takes the lowest id for the earliest-joined. Figure 6D is in figure-6-pruning.test.ts.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { admissionsPerSecond } from '../../../firmware/overlay/constants.ts';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  type Joins,
  neighborsOf,
  open,
  packetsOf,
  type Seen,
  settle,
  sorted,
  storiesSince,
} from '../../support/figure-world.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss5', []],
  ['ss4', ['ss5']],
  ['ss3', ['ss4']],
  ['ss1', ['ss4']],
  ['ss2', ['ss4']],
  ['ss6', ['ss2']],
];
const former = ['ss1', 'ss2', 'ss3', 'ss5'];
const survivors = [...former, 'ss6'];
const cameras = ['cam-1', 'cam-2', 'cam-3'];

function figureSix(seed = 1): SimWorld {
  const world = figure(joins, { seed });
  for (const server of former) assert.deepEqual(neighborsOf(world, server).includes('ss4'), true);
  addCameras(
    world,
    cameras.map((camera) => [camera, 'ss4'] as const),
  );
  return world;
}

/** SS4 is gone; whether the others find out by its silence, or by their broken links. */
function die(world: SimWorld, machine: 'on' | 'off'): number {
  const since = world.now;
  world.crash('ss4', { machine });
  world.until('all four know', () => former.every((server) => buriedAt(world, server) !== undefined), 8_000);
  return since;
}

function buriedAt(world: SimWorld, server: string): number | undefined {
  return world.stories.find(({ unit, text }) => unit === server && /^ss4 suspected → .* → dead$/.test(text))
    ?.at;
}

for (const machine of ['on', 'off'] as const) {
  const how = machine === 'on' ? 'whose program ended' : 'that fell silent';
  test(`a server ${how} is suspected, others are asked about it, and then it is dead`, () => {
    const world = figureSix();
    const since = die(world, machine);
    let confirmed = 0;
    for (const server of former) {
      const suspected = world.stories.find(
        ({ at, unit, text }) => at >= since && unit === server && /^ss4 .* → suspected, asking ss/.test(text),
      );
      const buried = buriedAt(world, server) ?? 0;
      assert.ok(suspected !== undefined && suspected.at < buried, `${server} suspects it first`);
      const about = { from: server, since: suspected.at, until: buried };
      const asked = firstOf(world, 'ss-echo', about, ({ subject, reply }) => subject === 'ss4' && !reply);
      const answers = packetsOf(world, 'ss-echo', { to: server, since: asked.at, until: buried });
      const silent = answers.find(({ body }) => body.subject === 'ss4' && body.verdict === 'silent');
      const [request] = packetsOf(world, 'ss-reconnection', { from: server, since: buried });
      // Who is a little later than others may know it from them.
      if (silent === undefined) continue;
      confirmed += 1;
      assertOrder(request === undefined ? { asked, silent } : { asked, silent, request });
    }
    assert.ok(confirmed > 0, 'by the word of others');
    const foundAfterMs = Math.max(...former.map((server) => buriedAt(world, server) ?? 0)) - since;
    assert.ok(foundAfterMs < (machine === 'on' ? 1_000 : 5_000), `found dead after ${foundAfterMs} ms`);
  });

  test(`each former neighbor of a server ${how} asks ceil(n/2) of the others, and all are connected again`, () => {
    const world = figureSix();
    const since = die(world, machine);
    settle(world, survivors);
    for (const server of former) {
      const at = buriedAt(world, server) ?? 0;
      const sent = packetsOf(world, 'ss-reconnection', { from: server, since: at, until: at + 900 });
      const targets = sent.map(({ to }) => to);
      // Of its two, it need not ask one that was faster and is its neighbor already.
      const already = packetsOf(world, 'ss-reconnection', { to: server, since, until: at + 900 }).map(
        ({ from }) => from,
      );
      assert.ok(
        targets.length <= 2 && new Set(targets).size === targets.length,
        `${server} asked ${targets.join()}`,
      );
      assert.ok(
        new Set([...targets, ...already]).size >= 2,
        `${server}: ${targets.join()} and ${already.join()}`,
      );
      for (const { to, body } of sent)
        assert.ok(former.includes(to) && body.dead === 'ss4', `${to} for ${body.dead}`);
    }
    const [request] = packetsOf(world, 'ss-reconnection', { since }) as [Seen<'ss-reconnection'>];
    const accepted = firstOf(world, 'ss-response', { from: request.to, to: request.from, since: request.at });
    assertOrder({ request, accepted });
    assert.deepEqual(packetsOf(world, 'ss-reconfiguration', { since }), []);
    for (const server of survivors) {
      const dead = world
        .serverNode(server)
        .servers()
        .find((one) => one.server === 'ss4');
      assert.deepEqual([dead?.dead, dead?.hops], [true, undefined], server);
    }
  });
}

test('when all find out at one time, each sends exactly two requests, to two different former neighbors', () => {
  const world = figureSix();
  for (const a of former) for (const b of former) if (a < b) world.latency(a, b, 30);
  world.run(2_000);
  const since = die(world, 'on');
  world.run(800);
  for (const server of former) {
    const targets = packetsOf(world, 'ss-reconnection', { from: server, since }).map(({ to }) => to);
    assert.equal(targets.length, 2, `${server}: ${targets.join()}`);
    assert.equal(new Set(targets).size, 2);
    assert.ok(
      targets.every((target) => former.includes(target) && target !== server),
      targets.join(),
    );
  }
});

test('only the earliest-joined former neighbor tells the cameras of the dead server to rejoin', () => {
  const world = figureSix();
  // Until they are told, nobody hears them.
  for (const camera of cameras) world.reaches(camera, []);
  const since = die(world, 'off');
  settle(world, survivors);
  const told = packetsOf(world, 'cam-rejoin', { since });
  assert.deepEqual(
    sorted(told.map(({ from, to }) => `${from} ${to}`)),
    cameras.map((camera) => `ss5 ${camera}`),
    'SS5 joined first',
  );
  for (const { body } of told) assert.deepEqual(body, { server: 'ss4', epoch: 1 });
  const request = firstOf(world, 'ss-reconnection', { from: 'ss5', since });
  assert.ok(request.at <= (told[0]?.at ?? 0), 'the links come first');

  open(world, ...cameras);
  world.until('all have a manager', () =>
    cameras.every((camera) => world.cameraNode(camera).manager() !== undefined),
  );
  settle(world, survivors);
  for (const camera of cameras) {
    const manager = world.cameraNode(camera).manager() ?? '';
    assert.ok(survivors.includes(manager), manager);
    for (const server of survivors) {
      const view = world
        .serverNode(server)
        .cameras()
        .find((one) => one.camera === camera);
      assert.deepEqual([view?.manager, view?.epoch, view?.online], [manager, 2, true], server);
    }
  }
});

test('the herd of a dead server is spread, and whoever is told keeps its place in it', () => {
  const world = figure(joins, { servers: { camerasMax: 100 } });
  const herd = Array.from({ length: 30 }, (_, number) => `herd-${String(number).padStart(2, '0')}`);
  addCameras(
    world,
    herd.map((camera) => [camera, 'ss4'] as const),
  );
  open(world, ...herd);
  const since = die(world, 'on');
  world.until(
    'all have a manager',
    () => herd.every((camera) => survivors.includes(world.cameraNode(camera).manager() ?? '')),
    3_000,
  );
  const told = packetsOf(world, 'cam-rejoin', { since });
  assert.ok(told.length > 0 && told.every(({ from }) => from === 'ss5'), 'only SS5 tells');
  // 30 cameras at 50 in a second.
  const windowMs = (herd.length / admissionsPerSecond) * 1_000;
  const times = herd.map(
    (from) => (packetsOf(world, 'cam-join', { from, since })[0]?.at ?? Number.NaN) - since,
  );
  assert.ok(Math.max(...times) <= windowMs + 10, `the last asks after ${Math.max(...times)} ms`);
  for (let at = 0; at < windowMs; at += 100) {
    const together = times.filter((time) => time >= at && time < at + 100).length;
    assert.ok(together <= 12, `${together} ask from ${at} ms on`);
  }
});

test('a camera whose manager answers stays, whoever says that it is dead', () => {
  const world = figureSix();
  const since = world.now;
  world.partition([['ss4'], survivors]);
  settle(world, survivors);
  world.run(3_000);
  const told = packetsOf(world, 'cam-rejoin', { since });
  assert.deepEqual(sorted(told.map(({ to }) => to)), cameras);
  for (const camera of cameras) {
    firstOf(world, 'cam-echo', { from: camera, to: 'ss4', since: told[0]?.at ?? 0 }, ({ reply }) => !reply);
    assert.equal(world.cameraNode(camera).manager(), 'ss4');
    assert.equal(world.cameraNode(camera).epoch(), 1);
    assert.deepEqual(packetsOf(world, 'cam-join', { from: camera, since }), []);
  }
});

test('a server that was believed dead says that it lives, and is back with its cameras', () => {
  const world = figureSix();
  const heal = world.partition([['ss4'], survivors]);
  settle(world, survivors);
  heal();
  open(world, ...joins.map(([server]) => server));
  const since = world.now;
  settle(world, [...survivors, 'ss4'], 90_000);
  assert.ok(
    storiesSince(world, since).some((story) => story.includes('ss4 is back')),
    'told',
  );
  for (const camera of cameras) assert.equal(world.cameraNode(camera).epoch(), 1, 'never without a manager');
});

test('a server whose links broke, but which answers others, is not buried', () => {
  const world = figureSix();
  const since = world.now;
  const said = (text: string): boolean => storiesSince(world, since).some((story) => story.includes(text));
  world.breakLinks('ss1', 'ss4', 'reset');
  world.run(5_000);
  assert.ok(said('ss1: ss4 link broken') && world.linked('ss1', 'ss4'), 'noticed, and linked again');
  world.breakLinks('ss3', 'ss4', 'silent');
  world.run(8_000);
  assert.ok(said('silent for') && world.linked('ss3', 'ss4'), 'noticed, and linked again');
  assert.ok(!storiesSince(world, since).some((story) => story.endsWith('→ dead')), 'nobody is buried');
  assert.deepEqual(packetsOf(world, 'ss-reconnection', { since }), []);
});
