/**
 * The site document: rows spread to all servers, the last writer wins, a deletion is a row and stays one; and the
 * deletion of a camera's history, which union would otherwise bring back.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { historyDeletion } from '../../../firmware/overlay/camera-deletion.ts';
import { addCameras, figure, type Joins, open, packetsOf, settle } from '../../support/figure-world.ts';
import { epochUtcMs } from '../life.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
  ['ss4', ['ss3']],
];
const servers = joins.map(([server]) => server);

/** The document of a server as text: `kind id=value`. */
function rowsOf(world: SimWorld, server: string): string[] {
  return world
    .serverNode(server)
    .document()
    .map(({ kind, id, value }) => `${kind} ${id}=${value?.toString() ?? 'deleted'}`);
}

function everywhere(world: SimWorld, rows: readonly string[], limitMs = 5_000): void {
  const wanted = JSON.stringify(rows);
  const isThere = (server: string): boolean => JSON.stringify(rowsOf(world, server)) === wanted;
  try {
    world.until(`${wanted} everywhere`, () => servers.every(isThere), limitMs);
  } catch {
    assert.deepEqual(
      servers.map((server) => rowsOf(world, server)),
      servers.map(() => rows),
    );
  }
}

const write = (world: SimWorld, server: string, id: string, value?: string): void =>
  world.write(server, 'setting', id, value === undefined ? undefined : Buffer.from(value));

test('a row that is written anywhere is soon everywhere, and crosses each link once', () => {
  const world = figure(joins);
  const since = world.now;
  write(world, 'ss4', 'name', 'barn');
  everywhere(world, ['setting name=barn'], 500);
  world.run(3_000);
  const sent = packetsOf(world, 'ss-exchange', { since }).filter(({ body }) => body.document.length > 0);
  assert.deepEqual(
    sent.map(({ from, to }) => `${from} ${to}`),
    ['ss4 ss3', 'ss3 ss2', 'ss2 ss1'],
  );
});

test('the last writer wins', () => {
  const world = figure(joins);
  write(world, 'ss1', 'name', 'barn');
  everywhere(world, ['setting name=barn']);
  write(world, 'ss4', 'name', 'stable');
  everywhere(world, ['setting name=stable']);
});

test('of two who write apart, the later wins on both sides', () => {
  const world = figure(joins);
  open(world, ...servers);
  const heal = world.partition([
    ['ss1', 'ss2'],
    ['ss3', 'ss4'],
  ]);
  settle(world, ['ss1', 'ss2'], 40_000);
  settle(world, ['ss3', 'ss4'], 40_000);
  write(world, 'ss4', 'name', 'stable');
  world.run(100);
  write(world, 'ss1', 'name', 'barn');
  write(world, 'ss2', 'lamp', 'on');
  write(world, 'ss3', 'door', 'shut');
  heal();
  everywhere(world, ['setting door=shut', 'setting lamp=on', 'setting name=barn'], 60_000);
});

test('a deletion is spread, and an old copy does not bring the row back', () => {
  const world = figure(joins);
  write(world, 'ss1', 'name', 'barn');
  everywhere(world, ['setting name=barn']);
  world.run(2_000);
  world.crash('ss4');
  settle(world, ['ss1', 'ss2', 'ss3']);
  write(world, 'ss2', 'name');
  world.run(1_000);
  open(world, 'ss4');
  world.restart('ss4');
  assert.deepEqual(rowsOf(world, 'ss4'), ['setting name=barn'], 'as it remembers it');
  settle(world, servers);
  everywhere(world, ['setting name=deleted']);
});

test('a row survives the restart of all servers', () => {
  const world = figure(joins);
  write(world, 'ss2', 'name', 'barn');
  everywhere(world, ['setting name=barn']);
  for (const server of servers) world.crash(server);
  world.run(2_000);
  open(world, ...servers);
  for (const server of servers) world.restart(server);
  settle(world, servers);
  everywhere(world, ['setting name=barn']);
});

test('a server whose clock is in 1970 can replace a row, also one from a clock that is a day ahead', () => {
  const world = figure(joins, {
    beforeJoin: (made, server) => {
      if (server === 'ss1') made.unit(server).clockFault.utcOffMs = 86_400_000;
      if (server === 'ss4')
        Object.assign(made.unit(server).clockFault, { utcOffMs: -epochUtcMs, trusted: false });
    },
  });
  write(world, 'ss1', 'name', 'ahead');
  everywhere(world, ['setting name=ahead']);
  write(world, 'ss4', 'name', 'behind');
  everywhere(world, ['setting name=behind']);
  write(world, 'ss3', 'name', 'right');
  everywhere(world, ['setting name=right']);
});

test('a newcomer gets the whole document', () => {
  const world = figure(joins);
  for (let row = 0; row < 600; row++)
    write(world, 'ss1', `row-${String(row).padStart(3, '0')}`, 'x'.repeat(200));
  world.addServer('new');
  world.until('it has all', () => rowsOf(world, 'new').length === 600, 5_000);
  assert.deepEqual(rowsOf(world, 'new'), rowsOf(world, 'ss1'));
});

/** The camera has been at SS2, SS4 and is at SS1; everybody's history is complete. */
function travelled(): SimWorld {
  const world = figure(joins);
  addCameras(world, [['cam', 'ss2']]);
  for (const manager of ['ss4', 'ss1']) {
    world.reaches('cam', [manager]);
    world.restart('cam');
    world.until(`at ${manager}`, () => world.cameraNode('cam').manager() === manager);
    settle(world, servers);
  }
  world.until('its history is there', () => owners(world, 'ss1').join() === 'ss2,ss4', 10_000);
  return world;
}

function owners(world: SimWorld, server: string): readonly string[] {
  return (
    world
      .serverNode(server)
      .tables()
      .history.find(({ camera }) => camera === 'cam')?.previousOwners ?? []
  );
}

test('a history that was deleted goes everywhere, and does not come back', () => {
  const world = travelled();
  const value = Buffer.alloc(8);
  value.writeBigInt64BE(BigInt(Math.round((epochUtcMs + world.now) * 1_000)));
  world.write('ss3', historyDeletion, 'cam', value);
  const gone = (): boolean =>
    servers.every((server) => !owners(world, server).some((one) => one.startsWith('ss')));
  world.until('gone everywhere', gone, 2_000);
  const [answer] = [world.query('ss3', 'cam')];
  assert.deepEqual(
    answer?.tenures.map(({ server }) => server),
    ['ss1'],
    'the present one stays',
  );

  // The camera moves on, servers restart, and nobody has it from anywhere.
  open(world, ...servers);
  world.restart('ss4');
  settle(world, servers);
  world.reaches('cam', ['ss3']);
  world.restart('cam');
  world.until('at ss3', () => world.cameraNode('cam').manager() === 'ss3');
  settle(world, servers);
  world.run(5_000);
  assert.deepEqual(owners(world, 'ss3'), ['unknown', 'ss1']);
  assert.ok(
    !world.query('ss2', 'cam')?.tenures.some(({ server }) => server === 'ss2' || server === 'ss4'),
    'not at SS2 either',
  );
});

test('until somebody deletes it, a history is kept, also by those who only managed the camera once', () => {
  const world = travelled();
  open(world, ...servers);
  for (const server of servers) world.crash(server);
  for (const server of servers) world.restart(server);
  world.until('one network', () => world.cameraNode('cam').manager() !== undefined);
  settle(world, servers);
  world.run(60_000);
  assert.deepEqual(owners(world, 'ss2')[0], 'ss2');
  assert.ok(owners(world, 'ss4').includes('ss4'), 'kept at SS4');
});
