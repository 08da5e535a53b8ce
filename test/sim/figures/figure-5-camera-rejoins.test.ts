/**
 * FIG. 4 and 5 [0060]–[0071]: seven servers; a camera joins; a camera of SS6 goes offline and rejoins at a server one,
 * two and three hops away, and its previous owners follow it.
 *
 * The figures' links are not in the text, but SS4 is three hops from SS6 [0070]:
 *
 *     SS2, SS3, SS4 ── SS1 ── SS5 ── SS6, SS7
 */
import assert from 'node:assert';
import { test } from 'node:test';
import {
  addCameras,
  assertOrder,
  figure,
  firstOf,
  isOneNetwork,
  type Joins,
  open,
  packetsOf,
  relayed,
  type Seen,
  settle,
} from '../../support/figure-world.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss1']],
  ['ss4', ['ss1']],
  ['ss5', ['ss1']],
  ['ss6', ['ss5']],
  ['ss7', ['ss5']],
];
const servers = joins.map(([server]) => server);

function history(world: SimWorld, server: string, camera: string): unknown {
  const row = world
    .serverNode(server)
    .tables()
    .history.find((one) => one.camera === camera);
  return row === undefined ? undefined : [row.state, row.previousOwners];
}

/** What every server thinks of a camera. */
function claims(world: SimWorld, camera: string): unknown[] {
  return servers.map((server) => {
    const view = world
      .serverNode(server)
      .cameras()
      .find((one) => one.camera === camera);
    return [view?.manager, view?.epoch, view?.online];
  });
}

const everywhere = (manager: string, epoch: number, online: boolean): unknown[] =>
  servers.map(() => [manager, epoch, online]);

test('a new camera asks by anycast, the earliest willing server manages it, and all seven servers know', () => {
  const world = figure(joins);
  // SS5 has the most links, but that is no load for a camera: the nearest is SS1.
  for (const server of servers) world.latency('cam-10', server, server === 'ss1' ? 1 : 15);
  const since = world.now;
  world.addCamera('cam-10');
  world.until('it is managed', () => world.cameraNode('cam-10').manager() !== undefined);
  settle(world, servers);

  const join = firstOf(world, 'cam-join', { from: 'cam-10', since });
  assert.equal(join.to, 'anycast');
  const offers = packetsOf(world, 'cam-response', { to: 'cam-10', since });
  const [earliest] = offers as [Seen<'cam-response'>];
  assert.deepEqual([...new Set(offers.map(({ from }) => from))].sort(), servers, 'all considered it');
  assert.equal(earliest.from, 'ss1');
  const accepted = firstOf(world, 'cam-connection', { from: 'cam-10' });
  const confirmed = firstOf(world, 'cam-connection', { to: 'cam-10' });
  assert.deepEqual([accepted.to, accepted.body.stage, accepted.body.epoch], ['ss1', 'accept', 1]);
  assert.deepEqual([confirmed.from, confirmed.body.stage], ['ss1', 'confirm']);
  const news = (from: string, to: string): Seen =>
    firstOf(world, 'ss-exchange', { from, to, since }, ({ rows }) =>
      rows.some(({ origin, units }) => origin === 'ss1' && units.some(({ unit }) => unit === 'cam-10')),
    );
  assertOrder({ join, earliest, accepted, confirmed, near: news('ss1', 'ss5'), far: news('ss5', 'ss6') });
  assert.deepEqual(claims(world, 'cam-10'), everywhere('ss1', 1, true));
  assert.equal(packetsOf(world, 'cam-connection', { since }).length, 2, 'nobody else was asked');
  assert.deepEqual(history(world, 'ss1', 'cam-10'), ['online', []]);
});

/** All seven, and IP-CAM 9 at SS6, which then loses its power. */
function cameraIsOffline(): SimWorld {
  const world = figure(joins);
  addCameras(world, [['cam-9', 'ss6']]);
  world.crash('cam-9', { machine: 'off' });
  world.until('SS6 misses it', () => claims(world, 'cam-9')[5]?.toString() === 'ss6,1,false', 5_000);
  return world;
}

test('a camera that fell silent is offline at its manager, and everybody learns it from the tables', () => {
  const world = cameraIsOffline();
  const since = world.now;
  settle(world, servers);
  assert.deepEqual(history(world, 'ss6', 'cam-9'), ['offline', []]);
  assert.deepEqual(claims(world, 'cam-9'), everywhere('ss6', 1, false));
  const told = firstOf(world, 'ss-exchange', { from: 'ss6', to: 'ss5', since: since - 20 }, ({ rows }) =>
    rows.some(({ units }) => units.some(({ unit, online }) => unit === 'cam-9' && !online)),
  );
  const passedOn = firstOf(world, 'ss-exchange', { from: 'ss5', to: 'ss1', since: since - 20 }, ({ rows }) =>
    rows.some(({ units }) => units.some(({ unit, online }) => unit === 'cam-9' && !online)),
  );
  assertOrder({ told, passedOn });
  for (const server of servers) {
    const { direct, indirect } = world.serverNode(server).tables().query;
    assert.ok(![...direct, ...indirect.oneHop, ...indirect.further].includes('cam-9'), server);
  }
  const [tenure] = world.serverNode('ss6').tables().history[0]?.tenures ?? [];
  assert.ok(tenure !== undefined && tenure.toUs > tenure.fromUs, 'its tenure has ended');
});

/** The camera comes back at `manager`. */
function rejoinAt(world: SimWorld, camera: string, manager: string): number {
  const since = world.now;
  world.reaches(camera, [manager]);
  world.restart(camera);
  world.until(`${camera} is at ${manager}`, () => world.cameraNode(camera).manager() === manager, 5_000);
  settle(world, servers);
  return since;
}

const isHandover = ({ body }: Seen<'ss-exchange'>): boolean =>
  body.tenures.some(({ camera, server }) => camera === 'cam-9' && server === 'ss6');

function assertHandedOver(world: SimWorld, manager: string): void {
  assert.deepEqual(history(world, manager, 'cam-9'), ['online', ['ss6']]);
  assert.deepEqual(history(world, 'ss6', 'cam-9'), ['indirectly', ['ss6']]);
  assert.deepEqual(claims(world, 'cam-9'), everywhere(manager, 2, true));
}

test('rejoining one hop away, its tenures go over the link', () => {
  const world = cameraIsOffline();
  const since = rejoinAt(world, 'cam-9', 'ss5');
  const sent = packetsOf(world, 'ss-exchange', { from: 'ss6', since }).filter(isHandover);
  assert.deepEqual(
    sent.map(({ to }) => to),
    ['ss5'],
  );
  const received = firstOf(
    world,
    'ss-exchange',
    { from: 'ss5', to: 'ss6', since },
    (body) => body.received === sent[0]?.body.request,
  );
  assertOrder({
    offered: firstOf(world, 'cam-response', { from: 'ss5', to: 'cam-9', since }),
    accepted: firstOf(world, 'cam-connection', { from: 'cam-9', to: 'ss5', since }),
    sent: sent[0] as Seen,
    received,
  });
  assertHandedOver(world, 'ss5');
});

test('rejoining two hops away, its tenures go through the neighbor between', () => {
  const world = cameraIsOffline();
  const since = rejoinAt(world, 'cam-9', 'ss1');
  const hops = relayed(world, 'ss-exchange', { since }).filter(isHandover);
  assert.deepEqual(
    hops.map(({ from, to, header }) => `${header.sender}: ${from} ${to}`),
    ['ss6: ss6 ss5', 'ss6: ss5 ss1'],
  );
  assert.deepEqual(
    packetsOf(world, 'ss-exchange', { from: 'ss6', to: 'ss1', since }),
    [],
    'no direct contact',
  );
  assertHandedOver(world, 'ss1');
});

test('rejoining three hops away, its tenures go by direct contact', () => {
  const world = cameraIsOffline();
  const since = rejoinAt(world, 'cam-9', 'ss4');
  const sent = packetsOf(world, 'ss-exchange', { from: 'ss6', since }).filter(isHandover);
  assert.deepEqual(
    sent.map(({ to }) => to),
    ['ss4'],
  );
  assert.deepEqual(relayed(world, 'ss-exchange', { since }).filter(isHandover), []);
  assertHandedOver(world, 'ss4');
  assert.ok(!world.linked('ss4', 'ss6'), 'a contact is no link');
  world.run(12_000);
  const contacts = world
    .unit('ss6')
    .openEnds()
    .map(({ peer }) => peer.unit);
  assert.ok(!contacts.includes('ss4'), 'it is closed when it is idle');
});

test('previous owners add up in order, wherever the camera goes', () => {
  const world = cameraIsOffline();
  for (const manager of ['ss4', 'ss2', 'ss6', 'ss7']) rejoinAt(world, 'cam-9', manager);
  world.until(
    'all histories have arrived',
    () => {
      const owners = history(world, 'ss7', 'cam-9');
      return JSON.stringify(owners) === JSON.stringify(['online', ['ss6', 'ss4', 'ss2', 'ss6']]);
    },
    10_000,
  );
  for (const former of ['ss2', 'ss4', 'ss6']) {
    assert.equal((history(world, former, 'cam-9') as unknown[])[0], 'indirectly', former);
  }
  const { tenures } =
    world
      .serverNode('ss7')
      .tables()
      .history.find(({ camera }) => camera === 'cam-9') ?? {};
  const epochs = tenures?.map(({ firstEpoch, lastEpoch }) => [firstEpoch, lastEpoch]);
  assert.deepEqual(epochs, [
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
  ]);
});

test('a former manager that cannot reach the present one keeps the history until it can', () => {
  const world = cameraIsOffline();
  const heal = world.cut([['ss6', 'ss4']]);
  rejoinAt(world, 'cam-9', 'ss4');
  world.run(6_000);
  assert.deepEqual(history(world, 'ss4', 'cam-9'), ['online', ['unknown']]);
  assert.deepEqual(history(world, 'ss6', 'cam-9'), ['indirectly', ['ss6']]);
  heal();
  world.until(
    'it has arrived',
    () => JSON.stringify(history(world, 'ss4', 'cam-9')) === '["online",["ss6"]]',
    60_000,
  );
});

test('a camera whose manager is heard again in time stays where it is', () => {
  const world = figure(joins);
  addCameras(world, [['cam-9', 'ss6']]);
  open(world, 'cam-9');
  const since = world.now;
  world.pause('ss6');
  world.run(1_000);
  world.resume('ss6');
  world.run(3_000);
  assert.deepEqual(packetsOf(world, 'cam-join', { from: 'cam-9', since }), []);
  assert.ok(isOneNetwork(world, servers), 'one network');
  assert.deepEqual(claims(world, 'cam-9'), everywhere('ss6', 1, true));
});
