/**
 * The user's query [0088]–[0091] (claims 12, 25), on the line of FIG. 1: any server answers for any camera with its
 * manager's own word, and with the previous managers, so that the user can then ask each of them.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import type { QueryAnswer } from '../../../firmware/overlay/effects.ts';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  type Joins,
  packetsOf,
  settle,
  sorted,
} from '../../support/figure-world.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss3', []],
  ['ss2', ['ss3']],
  ['ss4', ['ss3']],
  ['ss5', ['ss4']],
  ['ss1', ['ss2']],
];
const servers = ['ss1', 'ss2', 'ss3', 'ss4', 'ss5'];
const managers: readonly (readonly [string, string])[] = [
  ['cam-0', 'ss1'],
  ['cam-1', 'ss2'],
  ['cam-3', 'ss3'],
  ['cam-5', 'ss5'],
  ['cam-6', 'ss4'],
];

function figureOne(): SimWorld {
  const world = figure(joins);
  addCameras(world, managers);
  return world;
}

function ask(world: SimWorld, server: string, camera: string): QueryAnswer {
  const answer = world.query(server, camera);
  assert.ok(answer, `${server} does not answer for ${camera}`);
  return answer;
}

const owners = (answer: QueryAnswer): string[] => answer.tenures.map(({ server }) => server);

/** The camera goes to another server. */
function move(world: SimWorld, camera: string, manager: string): void {
  world.reaches(camera, [manager]);
  world.restart(camera);
  world.until(`${camera} is at ${manager}`, () => world.cameraNode(camera).manager() === manager);
}

test('a server answers for its own camera at once, without a packet', () => {
  const world = figureOne();
  const since = world.now;
  const answer = ask(world, 'ss1', 'cam-0');
  assert.deepEqual(packetsOf(world, 'cam-query', { since }), []);
  assert.deepEqual(
    [answer.manager, answer.state, answer.epoch, answer.link],
    ['ss1', 'online', 1, world.unit('ss1').address],
  );
  assert.deepEqual(owners(answer), ['ss1']);
});

test('for the camera of another server it asks that server, and returns its answer and its address', () => {
  const world = figureOne();
  const since = world.now;
  const answer = ask(world, 'ss1', 'cam-1');
  const query = firstOf(world, 'cam-query', { from: 'ss1', to: 'ss2', since }, ({ reply }) => !reply);
  const reply = firstOf(world, 'cam-query', { from: 'ss2', to: 'ss1', since }, (body) => body.reply);
  assertOrder({ query, reply });
  assert.equal(reply.body.request, query.body.request);
  assert.deepEqual(
    [answer.manager, answer.state, answer.epoch, answer.link],
    ['ss2', 'online', 1, world.unit('ss2').address],
  );
});

test('every server gives the same answer for every camera', () => {
  const world = figureOne();
  for (const [camera, manager] of managers) {
    for (const server of servers) {
      const answer = ask(world, server, camera);
      assert.deepEqual(
        [answer.camera, answer.manager, answer.state, answer.link?.host, owners(answer)],
        [camera, manager, 'online', manager, [manager]],
        `${camera}, asked of ${server}`,
      );
    }
  }
});

test('previous managers are named, and each of them answers for its part', () => {
  const world = figureOne();
  for (const manager of ['ss2', 'ss5', 'ss1']) {
    move(world, 'cam-3', manager);
    settle(world, servers);
  }
  world.until('its history has arrived', () => ask(world, 'ss4', 'cam-3').tenures.length === 4, 10_000);
  for (const server of servers) {
    const answer = ask(world, server, 'cam-3');
    assert.deepEqual(owners(answer), ['ss3', 'ss2', 'ss5', 'ss1'], `asked of ${server}`);
    assert.deepEqual([answer.manager, answer.epoch], ['ss1', 4]);
    const times = answer.tenures.map(({ fromUs, toUs }) => [fromUs, toUs] as const);
    for (const [at, [fromUs, toUs]] of times.entries()) {
      const next = times[at + 1]?.[0];
      if (next === undefined) assert.equal(toUs, 0, 'the present one goes on');
      else assert.ok(fromUs < toUs && toUs <= next, 'one after another');
    }
  }
});

test('a former manager redirects to the present one, whose answer counts', () => {
  const world = figureOne();
  // News reaches SS1 late: SS5 and SS4 it dials itself, at once.
  for (const ms of [150, 300, 600]) {
    world.latency('ss1', 'ss2', ms);
    world.run(3_000);
  }
  move(world, 'cam-5', 'ss4');
  const knows = (server: string): boolean =>
    world
      .serverNode(server)
      .cameras()
      .some(({ camera, manager }) => camera === 'cam-5' && manager === 'ss4');
  world.until('SS5 knows where it went', () => knows('ss5'), 2_000, 1);
  assert.ok(!knows('ss1'), 'SS1 does not know yet');
  const since = world.now;
  const answer = ask(world, 'ss1', 'cam-5');
  const redirect = firstOf(world, 'cam-query', { from: 'ss5', to: 'ss1', since });
  assert.deepEqual(
    [redirect.body.state, redirect.body.manager, redirect.body.epoch],
    ['elsewhere', 'ss4', 2],
  );
  const onwards = firstOf(world, 'cam-query', { from: 'ss1', to: 'ss4', since });
  assertOrder({ asked: firstOf(world, 'cam-query', { from: 'ss1', to: 'ss5', since }), redirect, onwards });
  assert.deepEqual(
    [answer.manager, answer.state, answer.epoch, answer.link?.host],
    ['ss4', 'online', 2, 'ss4'],
  );
});

test('of a camera that is off, the last manager answers', () => {
  const world = figureOne();
  world.crash('cam-5', { machine: 'off' });
  world.run(4_000);
  for (const server of servers) {
    const answer = ask(world, server, 'cam-5');
    assert.deepEqual([answer.manager, answer.state, owners(answer)], ['ss5', 'offline', ['ss5']], server);
  }
});

for (const [how, fault] of [
  ['is dead', (world: SimWorld): void => world.crash('ss5')],
  ['has lost its power', (world: SimWorld): void => world.crash('ss5', { machine: 'off' })],
  ['is cut off', (world: SimWorld): unknown => world.partition([['ss5'], servers.slice(0, 4)])],
  ['hangs', (world: SimWorld): void => world.pause('ss5')],
] as const) {
  test(`of a camera whose manager ${how}, what was known last is told, and that it is unreachable`, () => {
    const world = figureOne();
    world.crash('cam-5', { machine: 'off' });
    fault(world);
    for (const when of ['at once', 'later']) {
      for (const server of ['ss1', 'ss4']) {
        const since = world.now;
        const answer = ask(world, server, 'cam-5');
        assert.deepEqual(
          [answer.manager, answer.state, answer.epoch, answer.link?.host],
          ['ss5', 'unreachable', 1, 'ss5'],
          `${when}, asked of ${server}`,
        );
        assert.ok(world.now - since <= 7_100, `${world.now - since} ms`);
      }
      world.run(8_000);
    }
  });
}

test('a previous manager tells its own part of the history when the present one is unreachable', () => {
  const world = figureOne();
  move(world, 'cam-3', 'ss5');
  settle(world, servers);
  world.reaches('cam-3', []);
  world.crash('ss5');
  const answer = ask(world, 'ss3', 'cam-3');
  assert.deepEqual([answer.manager, answer.state], ['ss5', 'unreachable']);
  assert.deepEqual(owners(answer), ['ss3']);
});

test('a camera that nobody has ever seen is unknown, everywhere', () => {
  const world = figureOne();
  for (const server of servers) {
    const answer = ask(world, server, 'cam-99');
    assert.deepEqual(
      [answer.manager, answer.link, answer.state, answer.tenures],
      [undefined, undefined, 'unknown', []],
    );
  }
});

test('no query is left without an answer, whatever happens to the manager meanwhile', () => {
  const world = figureOne();
  const queries = servers.flatMap((server) => managers.map(([camera]) => world.ask(server, camera)));
  world.crash('ss3');
  world.pause('ss4');
  world.run(8_000);
  const asked = queries.filter(
    (_, at) => !['ss3', 'ss4'].includes(servers[Math.floor(at / managers.length)] ?? ''),
  );
  assert.equal(asked.length, 15);
  const states = asked.map((query) => world.answerTo(query)?.state ?? 'none');
  assert.deepEqual(sorted(new Set(states)), ['online', 'unreachable']);
});
