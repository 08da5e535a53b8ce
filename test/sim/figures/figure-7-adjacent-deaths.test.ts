/**
 * FIG. 7A and 7B [0079]–[0087]: SS1–SS2–SS3–SS5–SS6–SS7 and SS4–SS3; SS3 and SS5 die together. With addresses known,
 * the far servers would be dialled and nothing be reconfigured; so the parts cannot reach each other until they are.
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
  open,
  packetsOf,
  type Seen,
  settle,
  sorted,
} from '../../support/figure-world.ts';
import type { SimWorld } from '../world.ts';

/** SS2 is the earliest of SS3's neighbors; of SS5's it is SS3, and then SS6. */
const joins: Joins = [
  ['ss2', []],
  ['ss1', ['ss2']],
  ['ss3', ['ss2']],
  ['ss4', ['ss3']],
  ['ss5', ['ss3']],
  ['ss6', ['ss5']],
  ['ss7', ['ss6']],
];
const survivors = ['ss1', 'ss2', 'ss4', 'ss6', 'ss7'];
const cameras = ['cam-2', 'cam-7'];

interface Scene {
  readonly world: SimWorld;
  readonly since: number;
  readonly heal: () => void;
  /** who dialled whom, as `from to` */
  readonly dials: { readonly at: number; readonly pair: string }[];
}

/** SS3 and SS5 have died, with their machines or not, and each part is on its own. */
function adjacentDeaths(
  parts: readonly (readonly string[])[],
  machine: 'on' | 'off' = 'on',
  more: Joins = [],
): Scene {
  const all = [...joins, ...more];
  const world = figure(all);
  addCameras(world, [
    ['cam-7', 'ss3'],
    ['cam-2', 'ss5'],
  ]);
  open(world, ...all.map(([server]) => server));
  // Nobody hears the cameras until they have been told to rejoin.
  for (const camera of cameras) world.reaches(camera, []);
  const dials: Scene['dials'] = [];
  world.watchers.push({
    effects: ({ id }, _event, effects) => {
      for (const effect of effects)
        if (effect.type === 'dial') dials.push({ at: world.now, pair: `${id} ${effect.address.host}` });
    },
  });
  const heal = parts.length > 1 ? world.partition(parts) : (): void => undefined;
  const since = world.now;
  world.crash('ss3', { machine });
  world.crash('ss5', { machine });
  return { world, since, heal, dials };
}

const threeParts = [['ss1', 'ss2'], ['ss4'], ['ss6', 'ss7']];

/** Everybody in a part knows of it, be it the one who has found it out. */
function untilReconfigured(world: SimWorld, since: number, servers = survivors): void {
  const knows = (server: string): boolean =>
    world.stories.some(
      ({ at, unit, text }) => at > since && unit === server && text.endsWith('the part is reconfigured'),
    );
  world.until('the parts are reconfigured', () => servers.every(knows), 40_000, 5);
}

for (const machine of ['on', 'off'] as const) {
  const how = machine === 'on' ? 'their programs ended' : 'their machines are off';
  test(`each part tries the servers beyond the dead, and then is told once to reconfigure (${how})`, () => {
    const { world, since, heal, dials } = adjacentDeaths(threeParts, machine);
    untilReconfigured(world, since);
    const [first] = packetsOf(world, 'ss-reconfiguration', { since }) as [Seen<'ss-reconfiguration'>];
    for (const pair of ['ss2 ss5', 'ss2 ss4', 'ss2 ss6', 'ss4 ss2', 'ss4 ss5', 'ss6 ss3', 'ss6 ss2']) {
      assert.ok(
        dials.some((dial) => dial.pair === pair && dial.at >= since),
        `${pair} was tried`,
      );
    }
    assert.ok(
      dials.some((dial) => dial.pair === 'ss2 ss5' && dial.at <= first.at),
      'SS5 was tried before',
    );
    heal();
    open(world, ...cameras);
    settle(world, survivors, 60_000);
    world.run(30_000);
    const told = packetsOf(world, 'ss-reconfiguration', { since });
    assert.deepEqual(
      sorted(told.map(({ from, to }) => `${from} ${to}`)),
      ['ss2 ss1', 'ss6 ss7'],
      'once each',
    );
    for (const { from, body } of told) {
      // SS2 cannot tell that SS4 lives; but that servers further away are out of reach is no reason to call them dead.
      const dead = from === 'ss2' ? ['ss3', 'ss4', 'ss5'] : ['ss3', 'ss5'];
      assert.deepEqual(sorted(body.dead), dead, `as ${from} sees it`);
    }
  });
}

test('the cameras of the dead are told to rejoin by those who are due: SS2, and SS6 in place of dead SS3', () => {
  const { world, since, heal } = adjacentDeaths(threeParts);
  untilReconfigured(world, since);
  heal();
  open(world, ...cameras);
  settle(world, survivors, 60_000);
  const told = packetsOf(world, 'cam-rejoin', { since }).map(
    ({ from, to, body }) => `${from} ${to} ${body.server}`,
  );
  assert.ok(told.includes('ss2 cam-7 ss3'), told.join());
  assert.ok(told.includes('ss6 cam-2 ss5'), told.join());
  // Who cannot reach those that are due may say it, too, but once; and nobody who was no neighbor of the dead.
  assert.equal(new Set(told).size, told.length);
  const tellers = new Set(told.map((one) => one.slice(0, 3)));
  assert.deepEqual(
    sorted(tellers).filter((server) => !['ss2', 'ss4', 'ss6'].includes(server)),
    [],
  );
  world.until('both have a manager', () =>
    cameras.every((camera) => world.cameraNode(camera).manager() !== undefined),
  );
  settle(world, survivors);
  for (const server of survivors) {
    const views = world.serverNode(server).cameras();
    for (const { camera, manager, epoch, online } of views)
      assert.deepEqual(
        [survivors.includes(manager), epoch, online],
        [true, 2, true],
        `${camera} at ${server}`,
      );
    assert.equal(views.length, 2);
  }
});

test('where SS4 can be reached, it is asked, connected as after one death, and leaves it to SS2 to tell IP-CAM 7', () => {
  const { world, since, heal } = adjacentDeaths([
    ['ss1', 'ss2', 'ss4'],
    ['ss6', 'ss7'],
  ]);
  untilReconfigured(world, since);
  // Operations 703 and 712.
  const asked = (from: string, to: string): Seen =>
    firstOf(world, 'ss-echo', { from, to, since }, ({ subject, reply }) => subject === 'ss3' && !reply);
  const request = packetsOf(world, 'ss-reconnection', { since }).find(({ body }) => body.dead === 'ss3');
  assert.ok(request, 'a repair was asked for');
  assertOrder({ asked: asked(request.from, request.to), request });
  asked('ss2', 'ss4');
  asked('ss4', 'ss2');
  heal();
  settle(world, survivors, 60_000);
  const told = packetsOf(world, 'cam-rejoin', { since }).map(({ from, to }) => `${from} ${to}`);
  assert.ok(told.includes('ss2 cam-7') && told.includes('ss6 cam-2'), told.join());
  assert.ok(!told.includes('ss4 cam-7'), 'SS2 joined earlier, and SS4 can reach it');
  const reconfigured = packetsOf(world, 'ss-reconfiguration', { since }).map(({ to }) => to);
  assert.equal(reconfigured.length, new Set(reconfigured).size, 'each is told once');
});

test('all but the earliest of each part join again, in the order of joining, and keep their links meanwhile', () => {
  const { world, since, heal } = adjacentDeaths(threeParts.with(2, ['ss6', 'ss7', 'ss8', 'ss9']), 'on', [
    ['ss8', ['ss7']],
    ['ss9', ['ss8']],
  ]);
  untilReconfigured(world, since, ['ss1', 'ss2', 'ss6', 'ss7', 'ss8', 'ss9']);
  const [first] = packetsOf(world, 'ss-reconfiguration', { since }) as [Seen<'ss-reconfiguration'>];
  heal();
  const reaches = (from: string, to: string): boolean =>
    world
      .serverNode(from)
      .servers()
      .some(({ server, hops }) => server === to && hops !== undefined);
  for (let step = 0; step < 30; step++) {
    world.run(50);
    assert.ok(reaches('ss1', 'ss2'), 'old links stay until there are new ones');
    for (const server of ['ss7', 'ss8', 'ss9'])
      assert.ok(reaches('ss6', server), 'old links stay until there are new ones');
  }
  // A rejoin begins as if there were no links; the probes of earlier and later have some.
  const rejoined = (from: string): number | undefined =>
    packetsOf(world, 'ss-join', { from, since: first.at }).find(({ body }) => body.degree === 0)?.at;
  const times = ['ss7', 'ss8', 'ss9'].map((server) => rejoined(server) ?? Number.NaN);
  assert.ok(
    times.every((at) => at > first.at),
    times.join(),
  );
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
    'in the order of joining',
  );
  assert.ok(rejoined('ss1') !== undefined, 'SS1 joins again');
  assert.equal(rejoined('ss2'), undefined, 'the earliest of its part keeps its place');
  assert.equal(rejoined('ss6'), undefined, 'the earliest of its part keeps its place');
  settle(world, [...survivors, 'ss8', 'ss9'], 60_000);
});

test('after that there is one network again, in time, and it stays one', () => {
  const { world, since, heal } = adjacentDeaths(threeParts);
  untilReconfigured(world, since);
  heal();
  const tookMs = settle(world, survivors, 60_000);
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
  const names = new Set(survivors.map((server) => world.serverNode(server).inspect().network.founder));
  assert.deepEqual([...names], ['ss2']);
  world.run(20_000);
  settle(world, survivors, 1_000);
  for (const server of survivors) {
    for (const neighbor of neighborsOf(world, server))
      assert.ok(world.linked(server, neighbor), `${server}–${neighbor}`);
    const { neighbor, query } = world.serverNode(server).tables();
    const named = [...neighbor.oneHop, ...neighbor.twoHop, ...query.servers].map((one) => one.server);
    assert.ok(!named.includes('ss3') && !named.includes('ss5'), `${server} still names the dead`);
  }
});

test('where the far servers can be reached, nothing is reconfigured', () => {
  const { world, since } = adjacentDeaths([]);
  settle(world, survivors, 30_000);
  world.run(10_000);
  assert.deepEqual(packetsOf(world, 'ss-reconfiguration', { since }), []);
});

test('adjacent servers that die again within a minute do not reconfigure the part again', () => {
  const { world, since, heal } = adjacentDeaths(threeParts);
  untilReconfigured(world, since);
  heal();
  settle(world, survivors, 60_000);
  world.restart('ss3');
  world.restart('ss5');
  settle(world, [...survivors, 'ss3', 'ss5'], 30_000);
  const again = world.now;
  assert.ok(again - since < 45_000, 'within a minute');
  world.partition([survivors.slice(0, 2), survivors.slice(2)]);
  world.crash('ss3');
  world.crash('ss5');
  world.run(12_000);
  const told = packetsOf(world, 'ss-reconfiguration', { since: again }).filter(
    ({ at }) => at < since + 60_000,
  );
  assert.deepEqual(
    told.map(({ from, to }) => `${from} ${to}`),
    [],
  );
});
