/**
 * A camera that is gone for good and is taken off the lists: on every server, whoever managed it, and for as long as it
 * stays away.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deletionValue, historyDeletion } from '../../../firmware/overlay/camera-deletion.ts';
import { addCameras, figure, type Joins, open, settle } from '../../support/figure-world.ts';
import { epochUtcMs } from '../life.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
];
const servers = joins.map(([server]) => server);

/** Cameras on a server's list. */
function listed(world: SimWorld, server: string): string {
  return world
    .serverNode(server)
    .cameras()
    .map(({ camera, online }) => `${camera}${online ? '' : ' off'}`)
    .join();
}

function everywhere(world: SimWorld, list: string, among = servers): void {
  const isThere = (): boolean => among.every((server) => listed(world, server) === list);
  try {
    world.until(list, isThere, 20_000);
  } catch {
    assert.deepEqual(
      among.map((server) => listed(world, server)),
      among.map(() => list),
    );
  }
}

/** As a person does who is asked by `server`. */
function remove(world: SimWorld, server: string, camera: string): void {
  const entry = world
    .serverNode(server)
    .cameras()
    .find((view) => view.camera === camera);
  const untilUs = (epochUtcMs + world.now) * 1_000;
  world.write(server, historyDeletion, camera, deletionValue({ untilUs, epoch: entry?.epoch ?? 0 }));
}

/** Cameras at SS1 and SS3; the one at SS1 has been switched off. */
function withAbsent(): SimWorld {
  const world = figure(joins);
  addCameras(world, [
    ['gone', 'ss1'],
    ['here', 'ss3'],
  ]);
  everywhere(world, 'gone,here');
  world.crash('gone');
  everywhere(world, 'gone off,here');
  return world;
}

test('a camera that is taken off the lists is on none, and in no history', () => {
  const world = withAbsent();
  remove(world, 'ss3', 'gone');
  everywhere(world, 'here');
  for (const server of servers) {
    const { history } = world.serverNode(server).tables();
    assert(!history.some(({ camera }) => camera === 'gone'), `${server} still has its history`);
    assert.deepEqual(world.query(server, 'gone')?.tenures, []);
  }
  assert.deepEqual(world.serverNode('ss1').inspect().units, [], 'its manager claims it no longer');
});

test('it stays off them when servers restart, and when a newcomer gets the document', () => {
  const world = withAbsent();
  remove(world, 'ss2', 'gone');
  everywhere(world, 'here');
  open(world, ...servers);
  for (const server of servers) world.restart(server);
  settle(world, servers);
  world.addServer('new');
  world.run(5_000);
  everywhere(world, 'here', [...servers, 'new']);
});

test('its manager may be gone, too, and may come back with its old claim', () => {
  const world = withAbsent();
  world.crash('ss1');
  settle(world, ['ss2', 'ss3'], 60_000);
  assert.equal(listed(world, 'ss3'), 'gone off,here', 'until somebody says so');
  remove(world, 'ss3', 'gone');
  everywhere(world, 'here', ['ss2', 'ss3']);
  open(world, 'ss1');
  world.restart('ss1');
  settle(world, servers, 60_000);
  world.run(5_000);
  everywhere(world, 'here');
});

test('a camera that comes back is back, and is not taken away again when it goes', () => {
  const world = withAbsent();
  remove(world, 'ss2', 'gone');
  everywhere(world, 'here');
  world.restart('gone');
  everywhere(world, 'gone,here');
  world.crash('gone');
  everywhere(world, 'gone off,here');
  world.run(60_000);
  everywhere(world, 'gone off,here');
});

test('one that is there is not hidden, whatever somebody says who cannot reach it', () => {
  const world = figure(joins);
  addCameras(world, [['here', 'ss1']]);
  open(world, ...servers);
  const heal = world.partition([
    ['ss1', 'here'],
    ['ss2', 'ss3'],
  ]);
  settle(world, ['ss2', 'ss3'], 60_000);
  everywhere(world, 'here off', ['ss2', 'ss3']);
  remove(world, 'ss3', 'here');
  everywhere(world, '', ['ss2', 'ss3']);
  heal();
  everywhere(world, 'here');
});
