/** The cameras that a server manages, event by event: offers, epochs, capacity, silence, and who else claims them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { offerMs } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { hashOf } from '../../firmware/overlay/origin-table.ts';
import type { PacketBody, UnitRow } from '../../firmware/overlay/packets.ts';
import {
  addressOf,
  epochUs,
  kinds,
  lan,
  named,
  nonceOf,
  rowOf,
  sent,
  storiesIn,
  TestServer,
  unitOf,
} from '../support/server-events.ts';

function withNeighbor(options: { camerasMax?: number } = {}): TestServer {
  const server = new TestServer(options);
  server.neighbor(50, 'ss-2');
  return server;
}

/** ss-2 says that it manages these units; what follows from that. */
function claimed(server: TestServer, units: UnitRow[], version: number): Effect[] {
  return server.exchange(50, 'ss-2', {
    rows: [rowOf('ss-2', { version, units, neighbors: [hashOf('ss-1')] })],
  });
}

const views = (server: TestServer) =>
  server.node.cameras().map(({ camera, manager, epoch, online }) => [camera, manager, epoch, online]);

describe('an offer', () => {
  test('is confirmed once, with lease, clock, and whom else to ask; all cameras of the unit are managed', () => {
    const server = withNeighbor();
    const [offer] = sent(server.offerTo(1, 'unit', { cameras: ['a', 'b'], epoch: 4 }), 'cam-response', 1);
    assert.equal(offer?.body.epoch, 4);
    assert.deepEqual(views(server), [], 'not before the camera has accepted');
    const effects = server.acceptOffer(1, 'unit', 5);
    const [confirm] = sent(effects, 'cam-connection', 1);
    assert.deepEqual(confirm?.body, {
      stage: 'confirm',
      epoch: 5,
      leaseMs: lan.leaseMs,
      utcUs: epochUs + server.now * 1_000,
      herd: 1,
      known: ['ss-1', 'ss-2'].map((id) => ({ server: id, link: addressOf(id) })),
    } satisfies PacketBody<'cam-connection'>);
    const [attached] = named(effects, 'attached');
    assert.deepEqual([attached?.link, attached?.unit, attached?.epoch], [1, 'unit', 5]);
    assert.deepEqual(attached?.cameras, ['a', 'b']);
    assert.deepEqual(kinds(server.acceptOffer(1, 'unit', 6)), [], 'a second acceptance changes nothing');
    assert.deepEqual(views(server), [
      ['a', 'ss-1', 5, true],
      ['b', 'ss-1', 5, true],
    ]);
  });

  test('carries the highest epoch that anybody has claimed for a camera of the unit', () => {
    const server = withNeighbor();
    const units = [unitOf('unit', { epoch: 8, online: false, cameras: ['a', 'b'] })];
    claimed(server, units, 4);
    const [offer] = sent(server.offerTo(1, 'unit', { cameras: ['b'], epoch: 3 }), 'cam-response', 1);
    assert.equal(offer?.body.epoch, 8);
  });

  test('does not carry an epoch so far above the camera’s own that it must be false', () => {
    const server = withNeighbor();
    claimed(server, [unitOf('unit', { epoch: 0x8000_0001, online: false })], 4);
    const [offer] = sent(server.offerTo(1, 'unit', { epoch: 3 }), 'cam-response', 1);
    assert.equal(offer?.body.epoch, 3);
  });

  test('that the camera takes without raising the epoch is refused', () => {
    for (const epoch of [0, 7, 8, 0xffff_0001]) {
      const server = new TestServer();
      server.offerTo(1, 'cam-1', { epoch: 8 });
      const effects = server.acceptOffer(1, 'cam-1', epoch);
      assert.equal(named(effects, 'refused')[0]?.reason, 'an epoch that does not rise', `${epoch}`);
      assert.deepEqual(
        named(effects, 'close').map(({ link }) => link),
        [1],
      );
      assert.deepEqual(named(effects, 'attached'), []);
    }
  });

  test('that is not taken expires', () => {
    const server = new TestServer();
    server.offerTo(1, 'cam-1');
    assert.deepEqual(named(server.run(offerMs - 1), 'close'), []);
    const closed = named(server.run(1), 'close');
    assert.deepEqual(
      closed.map(({ link, reason }) => [link, reason]),
      [[1, 'the offer was not taken']],
    );
    assert.deepEqual(kinds(server.acceptOffer(1, 'cam-1', 1)), [], 'and cannot be taken then');
  });

  test('leaves out cameras of another unit that is online with them, wherever', () => {
    const server = withNeighbor();
    server.manage(1, 'door');
    claimed(server, [unitOf('gate')], 4);
    const thief = server.offerTo(2, 'thief', { cameras: ['door', 'gate', 'own'] });
    assert.deepEqual(
      named(thief, 'refused').map(({ reason, peer }) => [reason, peer]),
      [
        ['door is a camera of door', 'thief'],
        ['gate is a camera of gate', 'thief'],
      ],
    );
    assert.deepEqual(named(server.acceptOffer(2, 'thief', 9), 'attached')[0]?.cameras, ['own']);
    const nothing = server.offerTo(3, 'thief-2', { cameras: ['door'] });
    assert.deepEqual(sent(nothing, 'cam-response'), []);
    assert.deepEqual(
      named(nothing, 'close').map(({ link }) => link),
      [3],
    );
  });

  test('is not made with a camera that another unit has left: it has taken its place', () => {
    const server = new TestServer();
    server.manage(1, 'broken', { cameras: ['door'], epoch: 3 });
    server.alive.delete(1);
    server.step({ type: 'closed', link: 1, reason: 'reset' });
    server.offerTo(2, 'fresh', { cameras: ['door'] });
    server.acceptOffer(2, 'fresh', 4);
    assert.deepEqual(
      server.node.cameras().map(({ unit, epoch, online }) => [unit, epoch, online]),
      [['fresh', 4, true]],
    );
  });
});

describe('the capacity', () => {
  test('is never exceeded, however many offers are out', () => {
    const server = new TestServer({ camerasMax: 2 });
    for (const link of [1, 2, 3]) server.offerTo(link, `cam-${link}`);
    const outcomes = [1, 2, 3].map((link) => kinds(server.acceptOffer(link, `cam-${link}`, 1)));
    assert.deepEqual(
      outcomes.map((kind) => kind.includes('attached')),
      [true, true, false],
    );
    assert(outcomes[2]?.includes('close'));
  });

  test('counts every camera of a unit, and the bit rate of the unit', () => {
    const server = new TestServer({ camerasMax: 10, kbpsMax: 10_000 });
    server.manage(1, 'unit-1', { cameras: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], kbps: 1_000 });
    server.datagram('unit-2', 'cam-join', {
      ...joinOf('unit-2', ['x', 'y', 'z'], 1_000),
      nonce: nonceOf(90),
    });
    server.datagram('unit-3', 'cam-join', { ...joinOf('unit-3', ['u'], 9_001), nonce: nonceOf(91) });
    server.datagram('unit-4', 'cam-join', { ...joinOf('unit-4', ['v', 'w'], 9_000), nonce: nonceOf(92) });
    server.run(1_000);
    assert.deepEqual(
      server.dials.map(({ address }) => address.host),
      ['unit-4'],
    );
  });

  test('of none means no camera at all', () => {
    for (const options of [{ camerasMax: 0 }, { kbpsMax: 0 }]) {
      const server = new TestServer(options);
      server.datagram('cam-1', 'cam-join', joinOf('cam-1', ['cam-1'], 1));
      server.run(1_000);
      assert.equal(server.dials.length, 0);
    }
  });

  test('takes no camera while nothing can be recorded, and takes it when that is over', () => {
    const server = new TestServer();
    const version = server.ownVersion();
    const effects = server.step({ type: 'capacity', usable: false });
    assert.deepEqual(storiesIn(effects), ['nothing can be recorded: no camera is taken']);
    assert.ok(server.ownVersion() > version, 'the others are told');
    assert.deepEqual(kinds(server.step({ type: 'capacity', usable: false })), [], 'said once');
    server.datagram('cam-1', 'cam-join', joinOf('cam-1', ['cam-1'], 1));
    server.run(1_000);
    assert.equal(server.dials.length, 0);
    server.step({ type: 'capacity', usable: true });
    server.datagram('cam-2', 'cam-join', { ...joinOf('cam-2', ['cam-2'], 1), nonce: nonceOf(90) });
    server.run(1_000);
    assert.equal(server.dials.length, 1);
  });

  test('does not count a camera twice that comes over a new link', () => {
    const server = new TestServer({ camerasMax: 1 });
    server.manage(1, 'cam-1', { epoch: 1 });
    server.offerTo(2, 'cam-1');
    const effects = server.acceptOffer(2, 'cam-1', 2);
    assert.deepEqual(
      named(effects, 'close').map(({ link, reason }) => [link, reason]),
      [[1, 'the camera has a newer link here']],
    );
    assert.deepEqual(
      [named(effects, 'detached')[0]?.link, named(effects, 'attached')[0]?.link],
      [1, 2],
      'it is detached from the old one first',
    );
    assert.deepEqual(kinds(server.step({ type: 'closed', link: 1, reason: 'closed' })), []);
    assert.deepEqual(views(server), [['cam-1', 'ss-1', 2, true]]);
  });
});

function joinOf(unit: string, cameras: string[], kbps: number): PacketBody<'cam-join'> {
  const about = { cameras, epoch: 0, kbps, lastManager: undefined };
  return { nonce: nonceOf(1), link: addressOf(unit), ring: 2, attempt: 0, ...about };
}

describe('a managed camera', () => {
  test('is echoed all the time, and is offline when it was silent for too long', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    const echoes = sent(server.run(3_000), 'cam-echo', 1);
    assert.equal(echoes.length, 3_000 / lan.cameraEchoMs);
    assert(echoes.every(({ body }) => !body.reply && body.herd === 1));
    assert.deepEqual(views(server), [['cam-1', 'ss-1', 1, true]]);
    server.alive.delete(1);
    assert.deepEqual(named(server.run(lan.cameraSilenceMs - 1), 'detached'), []);
    const effects = server.run(lan.cameraEchoMs);
    assert.deepEqual(
      named(effects, 'detached').map(({ unit }) => unit),
      ['cam-1'],
    );
    assert.deepEqual(
      named(effects, 'close').map(({ link }) => link),
      [1],
    );
    assert.deepEqual(views(server), [['cam-1', 'ss-1', 1, false]], 'its claim stays');
  });

  test('whose link breaks is offline at once', () => {
    const server = withNeighbor();
    server.manage(1, 'cam-1');
    server.run(200);
    server.alive.delete(1);
    const effects = server.step({ type: 'closed', link: 1, reason: 'reset' });
    assert.deepEqual(kinds(effects).slice(0, 2), ['detached', 'story']);
    const rows = sent(server.run(200), 'ss-exchange', 50).flatMap(({ body }) => body.rows);
    assert.deepEqual(
      rows.at(-1)?.units.map(({ unit, online, epoch }) => [unit, online, epoch]),
      [['cam-1', false, 1]],
    );
  });

  test('is not silent because this server did not run', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    server.run(lan.cameraEchoMs);
    server.alive.delete(1);
    server.now += 30_000;
    const effects = server.step({ type: 'tick' });
    assert.deepEqual(named(effects, 'detached'), []);
    server.alive.add(1);
    assert.deepEqual(named(server.run(3_000), 'detached'), []);
  });

  test('that speaks in another’s name is cut off', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    const effects = server.packet(1, 'cam-2', 'cam-echo', { reply: true, utcUs: 0, herd: 0 });
    assert.deepEqual(kinds(effects).slice(0, 3), ['refused', 'close', 'detached']);
  });

  test('gets its echo answered, and its answer is not', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    const echo = { reply: false, utcUs: 99, herd: 0 };
    const [answer] = sent(server.packet(1, 'cam-1', 'cam-echo', echo), 'cam-echo', 1);
    assert.deepEqual(answer?.body, { ...echo, reply: true });
    assert.deepEqual(kinds(server.packet(1, 'cam-1', 'cam-echo', { ...echo, reply: true })), []);
  });

  test('is told what to do; its answer comes back, and so does a refusal for one that is elsewhere', () => {
    const server = new TestServer();
    server.manage(1, 'cam-1');
    const body: PacketBody<'cam-control'> = {
      request: 7,
      reply: false,
      camera: 'cam-1',
      panMilli: 1_000,
      tiltMilli: undefined,
      zoom: undefined,
      framesPerSecond: undefined,
      refusal: '',
      stream: undefined,
    };
    assert.equal(sent(server.step({ type: 'control', body }), 'cam-control', 1).length, 1);
    const replied = server.packet(1, 'cam-1', 'cam-control', { ...body, reply: true, refusal: 'stuck' });
    assert.equal(named(replied, 'controlled')[0]?.body.refusal, 'stuck');
    const [refused] = named(
      server.step({ type: 'control', body: { ...body, camera: 'cam-2' } }),
      'controlled',
    );
    assert.deepEqual([refused?.body.reply, refused?.body.refusal], [true, 'ss-1 does not manage cam-2']);
  });
});

describe('a camera that another server claims, too', () => {
  test('is yielded to a higher epoch, and to an equal one, not to a lower one', () => {
    for (const [epoch, yields] of [
      [4, false],
      [5, true],
      [6, true],
    ] as const) {
      const server = withNeighbor();
      server.manage(1, 'cam-1', { epoch: 5 });
      const effects = claimed(server, [unitOf('cam-1', { epoch })], 4);
      assert.equal(named(effects, 'close')[0]?.link, yields ? 1 : undefined, `epoch ${epoch}`);
      assert.equal(named(effects, 'detached')[0]?.unit, yields ? 'cam-1' : undefined);
      assert.deepEqual(views(server), [['cam-1', yields ? 'ss-2' : 'ss-1', yields ? epoch : 5, true]]);
    }
  });

  test('is not yielded to an epoch that cannot be', () => {
    const server = withNeighbor();
    server.manage(1, 'cam-1', { epoch: 5 });
    assert.deepEqual(named(claimed(server, [unitOf('cam-1', { epoch: 0x8000_0001 })], 4), 'detached'), []);
  });

  test('leaves this server’s row, also when it was offline here', () => {
    const server = withNeighbor();
    server.manage(1, 'cam-1', { epoch: 5 });
    server.alive.delete(1);
    server.step({ type: 'closed', link: 1, reason: 'reset' });
    claimed(server, [unitOf('cam-1', { epoch: 6 })], 4);
    const rows = sent(server.run(200), 'ss-exchange', 50).flatMap(({ body }) => body.rows);
    assert.deepEqual(rows.at(-1)?.units, []);
  });

  test('and whose tables show it there is shown as gone from here', () => {
    const server = withNeighbor();
    server.manage(1, 'cam-1', { epoch: 5 });
    const effects = claimed(server, [unitOf('cam-1', { epoch: 6 })], 4);
    assert.match(storiesIn(effects).join(), /cam-1 is gone \(ss-2 manages it now\)/);
    assert.deepEqual(
      server.node.tables().history.map(({ camera, state }) => [camera, state]),
      [['cam-1', 'indirectly']],
    );
  });
});

test('a server that has had more units than its row holds forgets the oldest that are gone, none that is online', () => {
  const server = new TestServer({ camerasMax: 10_000, kbpsMax: 100_000_000 });
  const online = ['unit-0', 'unit-1'];
  for (let number = 0; number < 300; number++) {
    const unit = `unit-${number}`;
    server.manage(number + 1, unit);
    if (online.includes(unit)) continue;
    server.alive.delete(number + 1);
    server.step({ type: 'closed', link: number + 1, reason: 'reset' });
  }
  const units = server.node.inspect().units;
  assert(units.length <= 256);
  const names = units.map(({ unit }) => unit);
  assert(online.every((unit) => names.includes(unit)));
  assert(names.includes('unit-299') && !names.includes('unit-2'));
});
