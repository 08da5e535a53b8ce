/**
 * Epochs: a camera decides who manages it, also after it has lost its disk; and nobody who claims an epoch that cannot
 * be gets it, or keeps it from its manager.
 */
import assert from 'node:assert';
import { test } from 'node:test';
import { counterMax } from '../../../firmware/overlay/counters.ts';
import type { PacketBody } from '../../../firmware/overlay/packets.ts';
import { addRogue, type Rogue } from '../../support/figure-rogue.ts';
import {
  addCameras,
  figure,
  firstOf,
  type Joins,
  open,
  packetsOf,
  settle,
} from '../../support/figure-world.ts';
import type { SimWorld } from '../world.ts';

const joins: Joins = [
  ['ss1', []],
  ['ss2', ['ss1']],
  ['ss3', ['ss2']],
];
const servers = joins.map(([server]) => server);

/** A camera that has had four managements, the last at SS1. */
function experienced(): SimWorld {
  const world = figure(joins);
  addCameras(world, [['cam', 'ss1']]);
  for (const manager of ['ss2', 'ss3', 'ss1']) {
    world.reaches('cam', [manager]);
    world.restart('cam');
    world.until(`at ${manager}`, () => world.cameraNode('cam').manager() === manager);
    settle(world, servers);
  }
  assert.equal(world.cameraNode('cam').epoch(), 4);
  return world;
}

for (const [disk, epochAtStart] of [
  ['kept', 4],
  ['stale', 2],
  ['lost', 0],
] as const) {
  test(`a camera with a ${disk} disk goes on above every epoch that was ever used`, () => {
    const world = experienced();
    const secondAt = firstOf(world, 'cam-connection', { from: 'cam' }, ({ epoch }) => epoch === 3).at;
    open(world, 'cam');
    const since = world.now;
    world.restart('cam', { disk, staleMs: since - secondAt + 1 });
    world.until('it is managed', () => world.cameraNode('cam').manager() !== undefined);
    settle(world, servers);
    const join = firstOf(world, 'cam-join', { from: 'cam', since });
    assert.equal(join.body.epoch, epochAtStart);
    const accepted = firstOf(world, 'cam-connection', { from: 'cam', since });
    assert.equal(accepted.body.epoch, 5);
    for (const server of servers) {
      const [view] = world.serverNode(server).cameras();
      assert.deepEqual([view?.epoch, view?.manager], [5, world.cameraNode('cam').manager()], server);
    }
    assert.equal(world.unit('cam').disk.read().counters['epoch'], 5, 'before it was told');
  });
}

/** The camera has had so many managers. */
function hadManagers(world: SimWorld, epoch: number): void {
  world.crash('cam');
  assert(world.unit('cam').disk.persist(world.now, { epoch }));
  world.restart('cam');
  world.until('it has a manager', () => world.cameraNode('cam').epoch() > epoch, 10_000);
  settle(world, servers);
}

const lives = [
  ['', 4],
  [', however old it is', 1_000_000],
] as const;
for (const [however, epoch] of lives)
  test(`a camera with a lost disk goes on above every epoch${however}`, () => {
    const world = experienced();
    hadManagers(world, epoch);
    world.restart('cam', { disk: 'lost' });
    world.until('it goes on', () => world.cameraNode('cam').epoch() > epoch + 1, 10_000);
    settle(world, servers);
    for (const server of servers) {
      const [view] = world.serverNode(server).cameras();
      assert.deepEqual([view?.epoch, view?.online], [world.cameraNode('cam').epoch(), true], server);
    }
  });

for (const [however, epoch] of lives)
  test(`a camera with a lost disk that finds a server which knows nothing is sorted out when the others hear of it${however}`, () => {
    const world = experienced();
    hadManagers(world, epoch);
    const heal = world.partition([['ss3'], ['ss1', 'ss2']]);
    world.crash('cam');
    settle(world, ['ss1', 'ss2']);
    // SS3 starts anew and has never heard of the camera.
    world.restart('ss3', { disk: 'lost' });
    world.reaches('cam', ['ss3']);
    world.restart('cam', { disk: 'lost' });
    world.until('SS3 manages it', () => world.cameraNode('cam').manager() === 'ss3');
    assert.equal(world.cameraNode('cam').epoch(), 1);
    heal();
    open(world, ...servers, 'cam');
    settle(world, servers, 90_000);
    world.until(
      'all agree with the camera',
      () => {
        const camera = world.cameraNode('cam');
        return servers.every((server) => {
          const [view] = world.serverNode(server).cameras();
          return view?.manager === camera.manager() && view?.epoch === camera.epoch() && view.online;
        });
      },
      30_000,
    );
    assert.ok(world.cameraNode('cam').epoch() > epoch, 'above all epochs');
  });

const offer = (nonce: Buffer, epoch: number): PacketBody<'cam-response'> => ({ nonce, epoch });

test('a camera refuses an offer with an epoch that cannot be, and takes the next', () => {
  const world = figure(joins);
  // It hears the join as everybody does, and is the fastest.
  const rogue = addRogue(world, 'rogue', 'server', (event, self) => {
    if (event.type === 'datagram' && event.packet.name === 'cam-join')
      return [{ type: 'dial', dial: 1, address: event.packet.body.link }];
    if (event.type !== 'dialed') return [];
    const join = self.heard.find((one) => one.type === 'datagram' && one.packet.name === 'cam-join');
    assert.ok(join?.type === 'datagram' && join.packet.name === 'cam-join', 'it has heard the join');
    return [self.send(event.link, 'cam-response', offer(join.packet.body.nonce, 0xffff_ffff))];
  });
  for (const server of servers) world.latency('cam', server, 5);
  world.addCamera('cam');
  world.until('it is managed', () => world.cameraNode('cam').manager() !== undefined);
  assert.ok(servers.includes(world.cameraNode('cam').manager() ?? ''), 'by one that can be');
  assert.equal(world.cameraNode('cam').epoch(), 1);
  firstOf(world, 'cam-response', { from: 'rogue', to: 'cam' });
  assert.ok(
    rogue.heard.some(({ type }) => type === 'closed'),
    'it was closed',
  );
});

/** A camera unit that accepts every offer, with the epochs of the list in turn. */
function addGreedyCamera(world: SimWorld, id: string, epochs: readonly number[]): Rogue {
  const left = [...epochs];
  return addRogue(world, id, 'camera', (event, self) => {
    if (event.type !== 'packet' || event.packet.name !== 'cam-response') return [];
    const accept = {
      stage: 'accept' as const,
      epoch: left.shift() ?? 0,
      leaseMs: 0,
      utcUs: 0,
      herd: 0,
      known: [],
    };
    return [self.send(event.link, 'cam-connection', { ...accept })];
  });
}

let asked = 0;

function join(rogue: Rogue, world: SimWorld, id: string, cameras: readonly string[]): void {
  const body = {
    nonce: Buffer.alloc(16, ++asked),
    link: { host: id, port: 7400 },
    cameras: [...cameras],
    epoch: 0,
  };
  const rest = { kbps: 1, ring: 2, attempt: 0, lastManager: undefined };
  rogue.tell({ type: 'anycast', packet: rogue.packet('cam-join', { ...body, ...rest }), also: [] });
  world.run(1_500);
}

test('a server refuses a camera that accepts with an epoch that does not rise', () => {
  const world = experienced();
  world.reaches('greedy', ['ss3']);
  const rogue = addGreedyCamera(world, 'greedy', [7, 7, 3, counterMax + 1]);
  const confirmed = (): number[] =>
    packetsOf(world, 'cam-connection', { to: 'greedy' }).map(({ body }) => body.epoch);
  join(rogue, world, 'greedy', ['greedy']);
  assert.deepEqual(confirmed(), [7]);
  for (let times = 0; times < 3; times++) join(rogue, world, 'greedy', ['greedy']);
  const tried = packetsOf(world, 'cam-connection', { from: 'greedy' }).map(({ body }) => body.epoch);
  assert.deepEqual(tried, [7, 7, 3, counterMax + 1]);
  assert.deepEqual(confirmed(), [7], 'nothing else was confirmed');
  for (const server of servers) {
    const view = world
      .serverNode(server)
      .cameras()
      .find(({ camera }) => camera === 'greedy');
    assert.equal(view?.epoch, 7, server);
  }
});

test('a unit that claims the camera of another, with whatever epoch, does not get it', () => {
  const world = experienced();
  for (const epoch of [0, 4, counterMax + 1]) {
    const id = `thief-${epoch}`;
    join(addGreedyCamera(world, id, [epoch]), world, id, ['cam']);
    for (const server of servers) {
      const [view] = world.serverNode(server).cameras();
      assert.deepEqual(
        [view?.unit, view?.manager, view?.epoch, view?.online],
        ['cam', 'ss1', 4, true],
        server,
      );
    }
  }
  assert.equal(world.cameraNode('cam').manager(), 'ss1');
});

test('a row that claims a camera with an epoch that cannot be changes nothing', () => {
  const world = experienced();
  const rogue = addRogue(world, 'rogue', 'server', (event, self) =>
    event.type === 'dialed'
      ? [self.send(event.link, 'ss-connection', { link: { host: 'rogue', port: 7400 }, joinTime: undefined })]
      : [],
  );
  rogue.tell({ type: 'dial', dial: 1, address: world.unit('ss2').address });
  world.until('it is a neighbor', () => world.serverNode('ss2').inspect().neighbors.includes('rogue'), 2_000);
  const unit = {
    unit: 'cam',
    epoch: 0xffff_fff0,
    online: true,
    link: { host: 'x', port: 1 },
    cameras: ['cam'],
  };
  const row = {
    origin: 'rogue',
    incarnation: 1,
    version: 2,
    standing: 'alive' as const,
    link: { host: 'rogue', port: 7400 },
    pageUrl: '',
    neighbors: [],
    units: [unit],
  };
  const nothing = {
    card: undefined,
    digest: undefined,
    versions: undefined,
    tenures: [],
    request: 0,
    received: 0,
    document: [],
  };
  rogue.tell(rogue.send(1, 'ss-exchange', { ...nothing, rows: [row] }));
  world.run(1_000);
  for (const server of servers) {
    const [view] = world.serverNode(server).cameras();
    assert.deepEqual([view?.manager, view?.epoch, view?.online], ['ss1', 4, true], server);
  }
  assert.equal(world.cameraNode('cam').manager(), 'ss1');
});

test('a command from a server that is not the manager is not obeyed', () => {
  const world = experienced();
  const obeyed: string[] = [];
  world.watchers.push({
    effects: ({ id }, _event, effects) => {
      for (const { type } of effects) if (type === 'control') obeyed.push(id);
    },
  });
  const rogue = addRogue(world, 'rogue', 'server');
  rogue.tell({ type: 'dial', dial: 1, address: world.unit('cam').address });
  world.run(50);
  const none = { zoom: undefined, framesPerSecond: undefined, stream: undefined };
  const empty = { request: 1, reply: false, refusal: '', ...none };
  rogue.tell(rogue.send(1, 'cam-control', { ...empty, camera: 'cam', panMilli: 1, tiltMilli: undefined }));
  world.run(1_000);
  assert.deepEqual(obeyed, []);
  assert.ok(
    rogue.heard.some(({ type }) => type === 'closed'),
    'it was closed',
  );
  assert.equal(world.cameraNode('cam').manager(), 'ss1');
});
