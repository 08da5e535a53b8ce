/** The demands after the healing: a network at rest meets them, and one lie in one table does not pass. */
import assert from 'node:assert';
import { before, test } from 'node:test';
import type { ServerNode } from '../../firmware/overlay/server-node.ts';
import { disagreement } from './truth.ts';
import { SimWorld } from './world.ts';

let world: SimWorld;
let node: ServerNode;

before(() => {
  world = new SimWorld({ seed: 5 });
  for (let place = 1; place <= 6; place++) world.addServer(`ss${place}`, { degree: { target: 2, max: 3 } });
  world.addCamera('cam1', { cameras: ['cam1a', 'cam1b'] });
  world.addCamera('cam2');
  world.until('all agree', () => disagreement(world) === undefined, 60_000, 250);
  world.write('ss1', 'note', 'x', Buffer.from('1'));
  world.until('the document is everywhere', () => disagreement(world) === undefined, 10_000, 100);
  node = world.serverNode('ss2');
});

/** What is found wrong while one method of one server's node answers `lie`. */
function withLie<K extends keyof ServerNode>(method: K, lie: unknown): string | undefined {
  Object.defineProperty(node, method, { configurable: true, value: () => lie });
  try {
    return disagreement(world);
  } finally {
    Reflect.deleteProperty(node, method);
  }
}

test('a network at rest meets all demands', () => {
  assert.equal(disagreement(world), undefined);
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

test('a hole in a history is seen', () => {
  const manager = world.cameraNode('cam2').manager();
  assert.ok(manager);
  node = world.serverNode(manager);
  const tables = node.tables();
  const history = tables.history.map((row) => ({
    ...row,
    tenures: row.tenures.map((one) => ({ ...one, firstEpoch: one.firstEpoch + 1 })),
  }));
  assert.match(withLie('tables', { ...tables, history }) ?? '', /has a hole/);
});

test('a manager that does not know what a former manager knows is seen', () => {
  const manager = world.cameraNode('cam2').manager();
  const other = world.servers.find(({ id }) => id !== manager);
  assert.ok(other);
  const tables = world.serverNode(other.id).tables();
  const tenure = { camera: 'cam2', server: other.id, firstEpoch: 1, lastEpoch: 1, fromUs: 1, toUs: 2 };
  const row = { camera: 'cam2', state: 'indirectly' as const, previousOwners: [], tenures: [tenure] };
  node = world.serverNode(other.id);
  assert.match(withLie('tables', { ...tables, history: [row] }) ?? '', /does not know of its time/);
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
