/** A server that leaves in good order, in the figures 6: its cameras go first, and nobody has to find out. */
import assert from 'node:assert';
import { test } from 'node:test';
import { profiles } from '../../../firmware/overlay/constants.ts';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  type Joins,
  open,
  packetsOf,
  type Seen,
  settle,
  sorted,
  storiesSince,
} from '../../support/figure-world.ts';
import { SimWorld } from '../world.ts';

const { leaveMs } = profiles.lan;

const joins: Joins = [
  ['ss1', []],
  ['ss4', ['ss1']],
  ['ss2', ['ss4']],
  ['ss3', ['ss4']],
  ['ss5', ['ss4']],
  ['ss6', ['ss2']],
];
const survivors = ['ss1', 'ss2', 'ss3', 'ss5', 'ss6'];
const cameras = ['cam-1', 'cam-2', 'cam-3'];

function figureSix(more: Joins = [], each = {}): SimWorld {
  const world = figure([...joins, ...more], { each });
  addCameras(
    world,
    cameras.map((camera) => [camera, 'ss4'] as const),
  );
  return world;
}

function leave(world: SimWorld, server: string): number {
  const since = world.now;
  world.leave(server);
  world.until(`${server} has ended`, () => !world.unit(server).isAlive, leaveMs + 2_000);
  return since;
}

/** Nobody suspected anybody, was told of a death, or thought that the leaver came back. */
function assertNoAlarm(world: SimWorld, since: number): void {
  const alarms = storiesSince(world, since).filter((story) => /suspected|dead|is back|silent/.test(story));
  // The repair after a departure is the one after a death, and says so in its own words.
  assert.deepEqual(
    alarms.filter((story) => !story.includes('repair ends')),
    [],
  );
}

test('the address goes down first, then the cameras, then the neighbors are told', () => {
  const world = figureSix();
  let downAt = 0;
  world.watchers.push({
    effects: ({ id }, _event, effects) => {
      for (const effect of effects)
        if (id === 'ss4' && effect.type === 'anycast-address' && !effect.up) downAt = world.packets.length;
    },
  });
  const since = leave(world, 'ss4');
  const [asked] = packetsOf(world, 'cam-transfer', { from: 'ss4', since }) as [Seen];
  const moved = cameras.map((camera) => firstOf(world, 'cam-connection', { from: camera, since }));
  const lastMoved = moved.reduce((a, b) => (a.place > b.place ? a : b));
  const [farewell] = packetsOf(world, 'ss-disconnection', { from: 'ss4', since }) as [
    Seen<'ss-disconnection'>,
  ];
  assert.equal(farewell.body.stage, 'leave');
  assertOrder({ address: { place: downAt - 1, at: since }, asked, lastMoved, farewell });
  const told = packetsOf(world, 'ss-disconnection', { from: 'ss4', since }).filter(
    ({ body }) => body.stage === 'leave',
  );
  assert.deepEqual(sorted(told.map(({ to }) => to)), ['ss1', 'ss2', 'ss3', 'ss5']);
});

test('no camera is ever without a manager, and its history follows it', () => {
  const world = figureSix();
  const since = leave(world, 'ss4');
  assert.deepEqual(packetsOf(world, 'cam-join', { since }), []);
  for (const camera of cameras) {
    const manager = world.cameraNode(camera).manager() ?? '';
    assert.ok(survivors.includes(manager), `${camera}: ${manager}`);
    assert.equal(world.cameraNode(camera).epoch(), 2);
    const row = world
      .serverNode(manager)
      .tables()
      .history.find((one) => one.camera === camera);
    assert.deepEqual([row?.state, row?.previousOwners], ['online', ['ss4']], 'before it was gone');
  }
  settle(world, survivors);
  for (const server of survivors) {
    for (const camera of cameras) {
      const answer = world.query(server, camera);
      assert.deepEqual([answer?.state, answer?.tenures.map((tenure) => tenure.server)[0]], ['online', 'ss4']);
    }
  }
});

test('its neighbors connect each other, and nobody suspects anybody', () => {
  const world = figureSix();
  const since = leave(world, 'ss4');
  settle(world, survivors);
  world.run(10_000);
  settle(world, survivors);
  assertNoAlarm(world, since);
  for (const server of ['ss1', 'ss2', 'ss3', 'ss5']) {
    const sent = packetsOf(world, 'ss-reconnection', { from: server, since });
    const received = packetsOf(world, 'ss-reconnection', { to: server, since });
    assert.ok(new Set([...sent.map(({ to }) => to), ...received.map(({ from }) => from)]).size >= 2, server);
  }
  assert.deepEqual(packetsOf(world, 'cam-rejoin', { since }), []);
  for (const server of survivors) {
    const left = world
      .serverNode(server)
      .servers()
      .find((one) => one.server === 'ss4');
    assert.deepEqual([left?.dead, left?.hops], [true, undefined], server);
  }
});

test('it comes back when it is started again', () => {
  const world = figureSix();
  leave(world, 'ss4');
  settle(world, survivors);
  open(world, 'ss4');
  const since = world.now;
  world.restart('ss4');
  settle(world, [...survivors, 'ss4'], 10_000);
  assertOrder({
    join: firstOf(world, 'ss-join', { from: 'ss4', since }),
    connection: firstOf(world, 'ss-connection', { from: 'ss4', since }),
  });
  for (const camera of cameras)
    assert.equal(world.cameraNode(camera).epoch(), 2, 'its cameras stay where they are');
  const states = world
    .serverNode('ss4')
    .tables()
    .history.map(({ state }) => state);
  assert.deepEqual(states, ['indirectly', 'indirectly', 'indirectly']);
});

test('cameras that nobody takes are told to look for a place themselves, and it leaves in time all the same', () => {
  const full = { camerasMax: 0 };
  // SS7 has room, but SS4 cannot ask it.
  const world = figureSix([['ss7', ['ss6']]], { ss1: full, ss2: full, ss3: full, ss5: full, ss6: full });
  world.cut([['ss4', 'ss7']]);
  const since = world.now;
  open(world, ...cameras);
  world.leave('ss4');
  const tookMs = world.until('it has ended', () => !world.unit('ss4').isAlive, leaveMs + 2_000);
  assert.ok(tookMs <= leaveMs + 1_100, `${tookMs} ms`);
  const told = packetsOf(world, 'cam-rejoin', { from: 'ss4', since });
  assert.deepEqual(sorted(told.map(({ to }) => to)), cameras);
  settle(world, [...survivors, 'ss7']);
  for (const camera of cameras) assert.equal(world.cameraNode(camera).manager(), 'ss7');
  const gaps = storiesSince(world, since).filter((story) => story.includes('lost ss4'));
  assert.deepEqual(gaps, [], 'they stayed until they had a place');
});

test('the last server leaves at once', () => {
  const world = new SimWorld();
  world.addServer('ss1');
  world.run(3_000);
  const since = world.now;
  leave(world, 'ss1');
  assert.ok(world.now - since <= 1_100, `${world.now - since} ms`);
});

test('two neighbors that leave together both end, and the others stay one network', () => {
  const world = figureSix();
  const since = world.now;
  world.leave('ss4');
  world.leave('ss2');
  world.until(
    'both have ended',
    () => !world.unit('ss4').isAlive && !world.unit('ss2').isAlive,
    leaveMs + 2_000,
  );
  open(world, ...survivors);
  settle(world, ['ss1', 'ss3', 'ss5', 'ss6'], 40_000);
  assertNoAlarm(world, since);
  for (const camera of cameras)
    assert.ok(['ss1', 'ss3', 'ss5', 'ss6'].includes(world.cameraNode(camera).manager() ?? ''), camera);
});

test('a neighbor that hangs does not hold it up', () => {
  const world = figureSix();
  world.pause('ss5');
  const since = leave(world, 'ss4');
  assert.ok(world.now - since <= leaveMs + 1_100, `${world.now - since} ms`);
  world.resume('ss5');
  open(world, ...survivors);
  settle(world, survivors, 40_000);
});
