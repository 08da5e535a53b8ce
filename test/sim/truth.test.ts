/** The demands after the healing: a network at rest meets them, and one lie in one table does not pass. */
import assert from 'node:assert';
import { before, test } from 'node:test';
import type { Tenure } from '../../firmware/overlay/packets.ts';
import type { ServerNode } from '../../firmware/overlay/server-node.ts';
import { historyProblem, isOwedForEver } from './history-truth.ts';
import { TenureRecord } from './tenure-record.ts';
import { disagreement } from './truth.ts';
import { SimWorld } from './world.ts';

let world: SimWorld;
let node: ServerNode;
let record: TenureRecord;

before(() => {
  world = new SimWorld({ seed: 5 });
  record = new TenureRecord(world);
  world.watchers.push(record);
  for (let place = 1; place <= 6; place++) world.addServer(`ss${place}`, { degree: { target: 2, max: 3 } });
  world.addCamera('cam1', { cameras: ['cam1a', 'cam1b'] });
  world.addCamera('cam2');
  world.until('all agree', () => disagreement(world, record) === undefined, 60_000, 250);
  world.write('ss1', 'note', 'x', Buffer.from('1'));
  world.until('the document is everywhere', () => disagreement(world, record) === undefined, 10_000, 100);
  node = world.serverNode('ss2');
});

/** What is found wrong while one method of one server's node answers `lie`. */
function withLie<K extends keyof ServerNode>(method: K, lie: unknown): string | undefined {
  Object.defineProperty(node, method, { configurable: true, value: () => lie });
  try {
    return disagreement(world, record);
  } finally {
    Reflect.deleteProperty(node, method);
  }
}

test('a network at rest meets all demands', () => {
  assert.equal(disagreement(world, record), undefined);
});

test('a foreign network name is seen', () => {
  const inside = node.inspect();
  assert.match(
    withLie('inspect', { ...inside, network: { ...inside.network, founder: 'x' } }) ?? '',
    /2 networks/,
  );
});

test('a neighbor that is none is seen', () => {
  const inside = node.inspect();
  const other = world.servers.find(({ id }) => id !== 'ss2' && !inside.neighbors.includes(id));
  assert.ok(other);
  assert.match(
    withLie('inspect', { ...inside, neighbors: [...inside.neighbors, other.id] }) ?? '',
    /not the reverse/,
  );
});

test('a wrong row of each table is seen', () => {
  const tables = node.tables();
  const { neighbor, query, history } = tables;
  const [first] = neighbor.oneHop;
  assert.ok(first);
  const lies = [
    [{ ...tables, neighbor: { ...neighbor, oneHop: neighbor.oneHop.slice(1) } }, /1-hop/],
    [
      {
        ...tables,
        neighbor: { ...neighbor, oneHop: [{ ...first, suspected: true }, ...neighbor.oneHop.slice(1)] },
      },
      /suspects/,
    ],
    [{ ...tables, neighbor: { ...neighbor, twoHop: [] } }, /2-hop/],
    [{ ...tables, query: { ...query, direct: [...query.direct, 'cam9'] } }, /direct cameras/],
    [
      {
        ...tables,
        history: [...history, { camera: 'cam2', state: 'offline', previousOwners: [], tenures: [] }],
      },
      /cam2 as offline/,
    ],
  ] as const;
  for (const [lie, seen] of lies) assert.match(withLie('tables', lie) ?? '', seen);
});

/** The present manager of cam2, and what it says when each tenure in its histories is changed by `change`. */
function withTenures(change: (tenures: Tenure[]) => Tenure[]): string | undefined {
  const manager = world.cameraNode('cam2').manager();
  assert.ok(manager);
  node = world.serverNode(manager);
  const tables = node.tables();
  const history = tables.history.map((row) => ({ ...row, tenures: change([...row.tenures]) }));
  return withLie('tables', { ...tables, history });
}

test('a tenure that its own server has forgotten is seen, also when the view says unknown in its place', () => {
  assert.match(withTenures(() => []) ?? '', /managed cam\w+ with epoch 1 and does not know of it/);
  const unknown = withTenures((tenures) => tenures.map((one) => ({ ...one, server: 'unknown' })));
  assert.match(unknown ?? '', /managed cam\w+ with epoch 1 and does not know of it/);
});

test('a tenure that never was is seen: a server, an epoch, and one that is too long', () => {
  const lies = [
    (one: Tenure): Tenure => ({ ...one, server: 'ss9' }),
    (one: Tenure): Tenure => ({ ...one, firstEpoch: 7, lastEpoch: 7 }),
    (one: Tenure): Tenure => ({ ...one, lastEpoch: one.lastEpoch + 1 }),
  ];
  for (const lie of lies) assert.match(withTenures((tenures) => tenures.map(lie)) ?? '', /which never was/);
});

test('a server that restarts owes what was on its disk, and not what may have been lost', () => {
  const small = new SimWorld({ seed: 9 });
  const its = new TenureRecord(small);
  small.watchers.push(its);
  small.addServer('a');
  small.addCamera('cam');
  const managed = (epoch: number) => (): boolean => small.unit('cam').management?.epoch === epoch;
  small.until('managed', managed(1));
  small.run(2_000);
  small.restart('a');
  assert.equal(its.known().length, 1);
  small.until('managed again', managed(2));
  small.run(500);
  small.crash('a', { lostShare: 1 });
  assert.equal(its.known().length, 0);
  small.restart('a');
  // The second one was half a second old.
  assert.deepEqual(
    its.known().map(({ epoch }) => epoch),
    [1],
  );
  small.until('managed once more', managed(3));
  const { history } = small.serverNode('a').tables();
  assert.deepEqual(
    history[0]?.tenures.map(({ server, firstEpoch }) => `${server} ${firstEpoch}`),
    ['a 1', 'unknown 2', 'a 3'],
  );
  assert.equal(historyProblem(small, its), undefined);
  small.restart('a', { disk: 'lost' });
  assert.deepEqual(its.known(), []);
});

test('a manager that does not know what a former manager knows is seen', () => {
  const manager = world.cameraNode('cam2').manager();
  const other = world.servers.find(({ id }) => id !== manager);
  assert.ok(other);
  const tables = world.serverNode(other.id).tables();
  // It really was there, but for the record.
  const tenure = { camera: 'cam2', server: other.id, firstEpoch: 1, lastEpoch: 1, fromUs: 1, toUs: 2 };
  const row = { camera: 'cam2', state: 'indirectly' as const, previousOwners: [], tenures: [tenure] };
  node = world.serverNode(other.id);
  assert.match(withLie('tables', { ...tables, history: [row] }) ?? '', /which never was/);
  const planted = new TenureRecord(world);
  planted.has = () => true;
  Object.defineProperty(node, 'tables', {
    configurable: true,
    value: () => ({ ...tables, history: [row] }),
  });
  assert.match(historyProblem(world, planted) ?? '', /does not know of its time/);
  Reflect.deleteProperty(node, 'tables');
});

test('a history is owed for ever only of a camera without a manager whose last one is dead', () => {
  const manager = world.cameraNode('cam2').manager();
  const dead = world.servers.find(({ id }) => id !== manager);
  assert.ok(manager && dead);
  node = world.serverNode(manager);
  const tables = node.tables();
  const inside = node.inspect();
  const withTimer = { ...inside, timers: [...inside.timers, 'history'] };
  // Some other camera is dead, and its last manager, too: that is no excuse for the history of this one.
  assert.match(withLie('inspect', withTimer) ?? '', /timers \[history\]/);
  assert.equal(isOwedForEver(world, manager), false);
  assert.ok(tables.history.some(({ camera }) => camera === 'cam2'));
});

test('a camera that is somewhere else is seen', () => {
  const [first, ...others] = node.cameras();
  assert.ok(first);
  assert.match(withLie('cameras', others) ?? '', /with nobody/);
  assert.match(withLie('cameras', [{ ...first, epoch: 99 }, ...others]) ?? '', /at epoch 99/);
});

test('a server that is believed dead is seen', () => {
  const servers = node.servers().map((view) => (view.server === 'ss5' ? { ...view, dead: true } : view));
  assert.match(withLie('servers', servers) ?? '', /shows ss5 dead/);
});

test('a document that differs is seen', () => {
  assert.match(withLie('document', []) ?? '', /documents/);
});

test('a lock and a timer that are left over are seen', () => {
  const inside = node.inspect();
  assert.match(withLie('inspect', { ...inside, lock: { holder: 'ss1', until: 1 } }) ?? '', /locked by ss1/);
  assert.match(
    withLie('inspect', { ...inside, timers: [...inside.timers, 'repair:ss9'] }) ?? '',
    /timers \[repair:ss9\]/,
  );
});
