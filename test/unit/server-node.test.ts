/** Servers among themselves and with cameras, in virtual time over a wire in memory (test/support/overlay-wire.ts). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import { answerDelayMs, counterMax, degree, linkSilenceMs, pendingAnswersMax } from '../../firmware/overlay/constants.ts';
import {
  camerasPerServerMax,
  nonceBytes,
  type OriginRow,
  type Packet,
  protocolVersion,
} from '../../firmware/overlay/packets.ts';
import { ServerNode } from '../../firmware/overlay/server-node.ts';
import { OverlayWire, seededRandom } from '../support/overlay-wire.ts';

const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

function serverOf(options: { camerasMax?: number; incarnation?: number; seed?: number } = {}): ServerNode {
  return new ServerNode({
    network: 'home',
    unit: 'ss-1',
    link: { host: '10.0.0.1', port: 8383 },
    pageUrl: 'http://10.0.0.1',
    incarnation: options.incarnation ?? 1,
    camerasMax: options.camerasMax ?? 64,
    random: seededRandom(options.seed ?? 1),
    utcUs: () => 7,
  });
}

function headerOf(sender: string): Packet['header'] {
  return { version: protocolVersion, network: 'home', sender, incarnation: 1 };
}

/** Every join is answered by then. */
const answeredMs = answerDelayMs.base + answerDelayMs.load + answerDelayMs.jitter;

const nonce = Buffer.alloc(nonceBytes, 9);

function camJoin(unit: string, cameras = [unit], host = '::'): OverlayEvent {
  const body = { nonce, link: { host, port: 7000 }, cameras, epoch: 0 };
  return { type: 'datagram', packet: { name: 'cam-join', header: headerOf(unit), body }, from: '10.0.0.9' };
}

function ssJoin(unit: string, host = '10.0.0.2', from = '10.0.0.2'): OverlayEvent {
  const body = { nonce, link: { host, port: 7000 } };
  return { type: 'datagram', packet: { name: 'ss-join', header: headerOf(unit), body }, from };
}

function named<T extends Effect['type']>(effects: readonly Effect[], type: T): Extract<Effect, { type: T }>[] {
  return effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

function sent(effects: readonly Effect[]): Packet[] {
  return named(effects, 'send').map(({ packet }) => packet);
}

/** Lets the server answer a join and be connected to the joiner; returns the effects of the connection. */
function meet(node: ServerNode, now: number, join: OverlayEvent, link: number): Effect[] {
  node.step(now, join);
  const [dial] = named(node.step(now + answeredMs, { type: 'tick' }), 'dial');
  assert(dial !== undefined && join.type === 'datagram', 'the join is answered');
  const role = join.packet.name === 'cam-join' ? 'camera' : 'server';
  return node.step(now + answeredMs, {
    type: 'dialed',
    dial: dial.dial,
    link,
    peer: { unit: join.packet.header.sender, role },
  });
}

function accept(unit: string, link: number, epoch: number): OverlayEvent {
  const body = { stage: 'accept', epoch, leaseMs: 0, utcUs: 0 } as const;
  return { type: 'packet', link, packet: { name: 'cam-connection', header: headerOf(unit), body } };
}

function exchange(link: number, rows: OriginRow[], sender = 'ss-2'): OverlayEvent {
  return { type: 'packet', link, packet: { name: 'ss-exchange', header: headerOf(sender), body: { rows } } };
}

function rowOf(origin: string, fields: Partial<OriginRow> = {}): OriginRow {
  const link = { host: origin, port: 1 };
  return { origin, incarnation: 1, version: 1, link, pageUrl: '', neighbors: [], cameras: [], ...fields };
}

/** ss-1 with ss-2 as its neighbor over link 1. */
function withNeighbor(options: { camerasMax?: number; incarnation?: number } = {}): ServerNode {
  const node = serverOf(options);
  node.step(0, { type: 'start' });
  meet(node, 0, ssJoin('ss-2'), 1);
  const body = { link: { host: '10.0.0.2', port: 1 } };
  node.step(60, { type: 'packet', link: 1, packet: { name: 'ss-connection', header: headerOf('ss-2'), body } });
  assert.deepEqual([...node.origins()].find(({ origin }) => origin === 'ss-1')?.neighbors, ['ss-2']);
  return node;
}

describe('servers on a wire', () => {
  for (const seed of seeds) {
    test(`two that join at once keep exactly one link (seed ${seed})`, () => {
      const wire = new OverlayWire({ seed });
      const [a, b] = [wire.addServer('ss-1'), wire.addServer('ss-2')];
      wire.until('they know each other', () => a.node.hops().has('ss-2') && b.node.hops().has('ss-1'));
      wire.run(60_000);
      assert.equal(wire.linksBetween(a, b), 1);
      assert.equal(wire.linksBetween(b, a), 1);
      for (const { node } of [a, b]) assert.equal(node.hops().size, 2);
    });

    for (const count of [3, 6, 24]) {
      test(`${count} that start together become one network within their degree (seed ${seed})`, () => {
        const wire = new OverlayWire({ seed });
        const servers = Array.from({ length: count }, (_, place) => wire.addServer(`ss-${place + 1}`));
        wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === count));
        wire.run(40_000);
        for (const server of servers) {
          assert.equal(server.node.hops().size, count);
          const links = servers.filter((other) => wire.linksBetween(server, other) > 0).length;
          assert(links >= 1 && links <= degree.max, `${server.id} has ${links} links`);
          assert.equal(server.ends.size, links, 'no link is left over from a handshake');
          const row = server.node.origins().find(({ origin }) => origin === server.id);
          assert.equal(row?.neighbors.length, links);
        }
      });
    }
  }

  test('every server knows the manager of every camera', () => {
    const wire = new OverlayWire({ seed: 11 });
    const servers = Array.from({ length: 6 }, (_, place) => wire.addServer(`ss-${place + 1}`));
    wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === 6));
    const cameras = Array.from({ length: 12 }, (_, place) => wire.addCamera(`cam-${place + 1}`));
    const known = (): boolean =>
      servers.every(({ node }) =>
        cameras.every((camera) => {
          const claim = node.cameras().find(({ camera: id }) => id === camera.id);
          return claim?.online === true && claim.server === camera.node.manager();
        }),
      );
    wire.until('all know all cameras', known);
    wire.run(20_000);
    assert(known());
  });

  for (const silent of [false, true]) {
    test(`a dead server's cameras are managed elsewhere with a higher epoch (${silent ? 'silent' : 'reset'})`, () => {
      const wire = new OverlayWire({ seed: 12 });
      const servers = ['ss-1', 'ss-2', 'ss-3'].map((id) => wire.addServer(id));
      wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === 3));
      const camera = wire.addCamera('cam-1');
      wire.until('the camera is managed', () => camera.node.manager() !== undefined);
      wire.run(1_000);
      const dead = servers.find(({ id }) => id === camera.node.manager());
      const alive = servers.filter((server) => server !== dead);
      assert(dead !== undefined);
      const [before] = alive[0]?.node.cameras() ?? [];
      assert.equal(before?.server, dead.id);

      wire.anycast = false;
      wire.crash(dead, { silent });
      wire.until('the others see that it cannot be reached', () => alive.every(({ node }) => !node.hops().has(dead.id)));
      // No row says otherwise: whoever asks is told the last manager, which cannot be reached.
      for (const { node } of alive) assert.equal(node.cameras()[0]?.server, dead.id);

      wire.anycast = true;
      const moved = (): boolean =>
        alive.every(({ node }) => {
          const [claim] = node.cameras();
          return claim?.online === true && claim.server !== dead.id && claim.epoch > before.epoch;
        });
      wire.until('another server has it', moved);
    });
  }

  test('a server whose disk was lost continues above what its peers remember', () => {
    const wire = new OverlayWire({ seed: 13 });
    const [a, b] = [wire.addServer('ss-1', { state: { incarnation: 41 } }), wire.addServer('ss-2')];
    wire.until('they know each other', () => b.node.hops().has('ss-1') && a.node.hops().has('ss-2'));
    wire.crash(a);
    wire.run(5_000);
    const again = wire.addServer('ss-1');
    assert.equal(again.state['incarnation'], 1);
    const knows = (): boolean => (b.node.origins().find(({ origin }) => origin === 'ss-1')?.incarnation ?? 0) > 42;
    wire.until('the peer takes its new row', knows);
    assert.equal(again.state['incarnation'], 43);
  });

  test('news of a camera herd is batched, not one flood for each camera', () => {
    const wire = new OverlayWire({ seed: 14 });
    const servers = ['ss-1', 'ss-2', 'ss-3'].map((id) => wire.addServer(id, { camerasMax: 128 }));
    wire.until('all reach all', () => servers.every(({ node }) => node.hops().size === 3));
    wire.run(1_000);
    const before = wire.packets.get('ss-exchange') ?? 0;
    for (let number = 0; number < 100; number++) wire.addCamera(`cam-${number}`);
    wire.until('all cameras are known everywhere', () =>
      servers.every(({ node }) => node.cameras().filter(({ online }) => online).length === 100),
    );
    const exchanges = (wire.packets.get('ss-exchange') ?? 0) - before;
    assert(exchanges < 100, `${exchanges} exchanges for 100 cameras`);
  });

  test('a full server leaves cameras to the others, and never takes more than it can', () => {
    const wire = new OverlayWire({ seed: 15 });
    const servers = ['ss-1', 'ss-2'].map((id) => wire.addServer(id, { camerasMax: 3 }));
    const cameras = Array.from({ length: 6 }, (_, place) => wire.addCamera(`cam-${place}`));
    wire.until('all are managed', () => cameras.every(({ node }) => node.manager() !== undefined));
    for (const { id } of servers) assert.equal(cameras.filter(({ node }) => node.manager() === id).length, 3);
    const [late] = [wire.addCamera('cam-late')];
    wire.run(30_000);
    assert.equal(late?.node.manager(), undefined);
  });

  test('a unit of eight cameras counts as eight', () => {
    const wire = new OverlayWire({ seed: 16 });
    const server = wire.addServer('ss-1', { camerasMax: 20 });
    const units = Array.from({ length: 3 }, (_, unit) =>
      wire.addCamera(`unit-${unit}`, { cameras: Array.from({ length: 8 }, (__, place) => `cam-${unit}-${place}`) }),
    );
    wire.run(20_000);
    assert.equal(units.filter(({ node }) => node.manager() === 'ss-1').length, 2);
    assert.equal(server.node.cameras().filter(({ online }) => online).length, 16);
  });

  test('a server that has seen more cameras than a row holds forgets the oldest that are gone', () => {
    const wire = new OverlayWire({ seed: 17 });
    const server = wire.addServer('ss-1', { camerasMax: 1024 });
    for (let round = 0; round < 3; round++) {
      const cameras = Array.from({ length: 60 }, (_, place) => wire.addCamera(`cam-${round}-${place}`));
      wire.until('all are managed', () => cameras.every(({ node }) => node.manager() === 'ss-1'));
      if (round < 2) for (const camera of cameras) wire.crash(camera);
      wire.run(1_000);
    }
    const claims = server.node.cameras();
    assert.equal(claims.length, camerasPerServerMax);
    assert.equal(claims.filter(({ online }) => online).length, 60);
    const ofRound = (round: number): number => claims.filter(({ camera }) => camera.startsWith(`cam-${round}-`)).length;
    assert.deepEqual([ofRound(0), ofRound(1)], [camerasPerServerMax - 120, 60], 'the oldest went');
  });
});

describe('a server', () => {
  test('refuses a camera certificate on a link it accepts', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    const effects = node.step(0, { type: 'accepted', link: 1, peer: { unit: 'cam-1', role: 'camera' } });
    assert.deepEqual(effects.map(({ type }) => type), ['refused', 'close']);
    assert.deepEqual(node.step(0, exchange(1, [rowOf('ss-9')], 'cam-1')), []);
    assert.equal(node.origins().length, 1);
  });

  test('refuses whoever is not the joiner it has dialled', () => {
    for (const peer of [
      { unit: 'ss-3', role: 'server' },
      { unit: 'ss-2', role: 'camera' },
    ] as const) {
      const node = serverOf();
      node.step(0, { type: 'start' });
      node.step(0, ssJoin('ss-2'));
      const [dial] = named(node.step(60, { type: 'tick' }), 'dial');
      assert(dial !== undefined);
      const effects = node.step(60, { type: 'dialed', dial: dial.dial, link: 1, peer });
      assert.deepEqual(effects.map(({ type }) => type), ['refused', 'close']);
    }
  });

  test('closes a link that speaks in another unit’s name, a server’s and a camera’s alike', () => {
    const node = withNeighbor();
    meet(node, 100, camJoin('cam-1'), 2);
    for (const [link, effects] of [
      [1, node.step(200, exchange(1, [rowOf('ss-9')], 'ss-9'))],
      [2, node.step(200, accept('cam-2', 2, 1))],
    ] as const) {
      assert.equal(named(effects, 'refused')[0]?.reason, 'a packet in another unit’s name');
      assert.equal(named(effects, 'close')[0]?.link, link);
    }
    assert.equal(node.cameras().length, 0);
    assert.equal(node.origins().some(({ origin }) => origin === 'ss-9'), false);
  });

  test('refuses an offer that answers none of its joins, and takes one that answers the join before', () => {
    const node = serverOf();
    const [first] = named(node.step(0, { type: 'start' }), 'anycast');
    const [second] = named(node.step(node.wakeAt() < 700 ? 700 : 1_000, { type: 'tick' }), 'anycast');
    assert(first?.packet.name === 'ss-join' && second?.packet.name === 'ss-join');
    assert(!first.packet.body.nonce.equals(second.packet.body.nonce), 'each join has its own');
    const offer = (link: number, sender: string, answered: Buffer): Effect[] => {
      node.step(800, { type: 'accepted', link, peer: { unit: sender, role: 'server' } });
      const body = { nonce: answered, link: { host: sender, port: 1 } };
      return node.step(800, { type: 'packet', link, packet: { name: 'ss-response', header: headerOf(sender), body } });
    };
    const stale = offer(1, 'ss-2', nonce);
    assert.deepEqual(stale.map(({ type }) => type), ['refused', 'close']);
    assert.equal(sent(offer(2, 'ss-3', first.packet.body.nonce))[0]?.name, 'ss-connection');
  });

  test('does not become the neighbor of a server it never agreed with', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    node.step(0, { type: 'accepted', link: 1, peer: { unit: 'ss-2', role: 'server' } });
    const header = headerOf('ss-2');
    const link = { host: 'ss-2', port: 1 };
    node.step(1, { type: 'packet', link: 1, packet: { name: 'ss-response', header, body: { nonce: undefined, link } } });
    node.step(1, { type: 'packet', link: 1, packet: { name: 'ss-connection', header, body: { link } } });
    node.step(2, exchange(1, [rowOf('ss-9')]));
    assert.equal(node.origins().length, 1);
    assert.deepEqual(node.origins()[0]?.neighbors, []);
  });

  test('takes no more neighbors than its bound, whoever insists', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    for (let number = 2; number < 30; number++) {
      const unit = `ss-${number}`;
      node.step(number, ssJoin(unit));
    }
    const dials = named(node.step(100, { type: 'tick' }), 'dial');
    for (const [place, { dial }] of dials.entries()) {
      const peer = { unit: `ss-${place + 2}`, role: 'server' } as const;
      node.step(100, { type: 'dialed', dial, link: place + 1, peer });
    }
    let closed = 0;
    for (const [place] of dials.entries()) {
      const sender = `ss-${place + 2}`;
      const body = { link: { host: sender, port: 1 } };
      const event = { type: 'packet', link: place + 1, packet: { name: 'ss-connection', header: headerOf(sender), body } } as const;
      closed += named(node.step(100, event), 'close').length;
    }
    assert.equal(node.origins()[0]?.neighbors.length, degree.max);
    assert.equal(closed, dials.length - degree.max);
  });

  test('answers a flood of joins up to a bound', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    for (let number = 0; number < 10_000; number++) node.step(0, camJoin(`cam-${number}`));
    const dials = named(node.step(1_000, { type: 'tick' }), 'dial');
    assert.equal(dials.length, pendingAnswersMax);
  });

  test('answers one joiner once, however often it asks', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    for (let number = 0; number < 100; number++) node.step(0, ssJoin('ss-2'));
    assert.equal(named(node.step(60, { type: 'tick' }), 'dial').length, 1);
    node.step(61, ssJoin('ss-2'));
    assert.equal(named(node.step(200, { type: 'tick' }), 'dial').length, 0, 'it is being dialled already');
  });

  test('answers a joiner that asks again no later for that', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    const dueAt: number[] = [];
    for (let now = 0; now < 1_000 && dueAt.length === 0; now++) {
      node.step(now, camJoin('cam-1'));
      if (named(node.step(now, { type: 'tick' }), 'dial').length > 0) dueAt.push(now);
    }
    assert((dueAt[0] ?? 1_000) <= answerDelayMs.base + answerDelayMs.jitter + 1);
  });

  test('answers the later the more of its capacity is used', () => {
    const delayOf = (attached: number): number => {
      const node = serverOf({ camerasMax: 10 });
      node.step(0, { type: 'start' });
      for (let number = 0; number < attached; number++) {
        meet(node, 0, camJoin(`cam-${number}`), number + 1);
        node.step(100, accept(`cam-${number}`, number + 1, 1));
      }
      node.step(200, camJoin('cam-late'));
      for (let waited = 0; ; waited++) {
        if (named(node.step(200 + waited, { type: 'tick' }), 'dial').length > 0) return waited;
      }
    };
    const [idle, busy] = [delayOf(0), delayOf(9)];
    const { base, load, jitter } = answerDelayMs;
    assert(idle <= base + jitter + 1, `${idle} ms idle`);
    assert(busy >= base + 0.9 * load && busy <= answeredMs, `${busy} ms busy`);
  });

  test('ignores its own join', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    node.step(0, ssJoin('ss-1'));
    assert.equal(named(node.step(60, { type: 'tick' }), 'dial').length, 0);
  });

  const dialled = (host: string, from: string): string | undefined => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    node.step(0, ssJoin('ss-2', host, from));
    return named(node.step(60, { type: 'tick' }), 'dial')[0]?.address.host;
  };

  test('dials a joiner where it says, or where its join came from when it listens everywhere', () => {
    assert.equal(dialled('10.0.0.2', '10.9.9.9'), '10.0.0.2');
    for (const everywhere of ['::', '0.0.0.0', '']) assert.equal(dialled(everywhere, '10.9.9.9'), '10.9.9.9');
    assert.equal(dialled('::', 'fe80::2%eth0'), 'fe80::2%eth0');
  });

  test('reaches a link-local address by the interface its join came by, never by the joiner’s', () => {
    assert.equal(dialled('fe80::2', 'fe80::2%eth0'), 'fe80::2%eth0');
    assert.equal(dialled('fe80::2%wlan7', 'fe80::2%eth0'), 'fe80::2%eth0');
    assert.equal(dialled('fe80::2', '10.0.0.2'), 'fe80::2');
    assert.equal(dialled('2001:db8::2', 'fe80::2%eth0'), '2001:db8::2');
  });

  test('confirms a camera once, and attaches it once', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    const [offer] = sent(meet(node, 0, camJoin('cam-1', ['cam-1', 'cam-2']), 1));
    assert(offer?.name === 'cam-response' && offer.body.nonce.equals(nonce));
    const effects = node.step(70, accept('cam-1', 1, 5));
    const [confirm] = sent(effects);
    assert(confirm?.name === 'cam-connection');
    assert.deepEqual([confirm.body.stage, confirm.body.epoch], ['confirm', 5]);
    assert.deepEqual(named(effects, 'attached')[0]?.cameras, ['cam-1', 'cam-2']);
    assert.deepEqual(node.step(80, accept('cam-1', 1, 6)), [], 'a second acceptance changes nothing');
    assert.deepEqual(node.cameras().map(({ epoch }) => epoch), [5, 5]);
  });

  test('refuses an epoch that does not rise above the one it offered', () => {
    const node = withNeighbor();
    const cameras = [{ camera: 'cam-1', unit: 'cam-1', epoch: 8, online: false }];
    node.step(70, exchange(1, [rowOf('ss-2', { cameras })]));
    const [offer] = sent(meet(node, 100, camJoin('cam-1'), 2));
    assert(offer?.name === 'cam-response');
    assert.equal(offer.body.epoch, 8);
    const effects = node.step(170, accept('cam-1', 2, 8));
    assert.deepEqual(named(effects, 'attached'), []);
    assert.equal(named(effects, 'close')[0]?.link, 2);
  });

  test('keeps only the newer of two links of one unit', () => {
    const node = serverOf();
    node.step(0, { type: 'start' });
    meet(node, 0, camJoin('cam-1'), 1);
    node.step(70, accept('cam-1', 1, 1));
    meet(node, 100, camJoin('cam-1'), 2);
    const effects = node.step(170, accept('cam-1', 2, 2));
    assert.equal(named(effects, 'close')[0]?.link, 1);
    assert.equal(named(effects, 'detached')[0]?.link, 1);
    assert.deepEqual(node.step(171, { type: 'closed', link: 1, reason: 'closed' }), []);
    assert.deepEqual(node.cameras().map(({ epoch, online }) => [epoch, online]), [[2, true]]);
  });

  test('yields a camera to a manager with a higher epoch, and not to one with the same or a lower', () => {
    const node = withNeighbor();
    meet(node, 100, camJoin('cam-1'), 2);
    node.step(170, accept('cam-1', 2, 5));
    const claimed = (epoch: number, version: number): Effect[] => {
      const cameras = [{ camera: 'cam-1', unit: 'cam-1', epoch, online: true }];
      return node.step(300 + version, exchange(1, [rowOf('ss-2', { version, cameras })]));
    };
    assert.deepEqual(named(claimed(4, 2), 'close'), []);
    assert.deepEqual(named(claimed(5, 3), 'close'), []);
    const effects = claimed(6, 4);
    assert.equal(named(effects, 'close')[0]?.link, 2);
    assert.equal(named(effects, 'detached')[0]?.unit, 'cam-1');
    assert.deepEqual(node.cameras().map(({ server, epoch }) => [server, epoch]), [['ss-2', 6]]);
  });

  test('gives a silent camera and a silent server up', () => {
    const node = withNeighbor();
    meet(node, 100, camJoin('cam-1'), 2);
    node.step(170, accept('cam-1', 2, 1));
    const effects: Effect[] = [];
    for (let now = 200; now < 200 + linkSilenceMs + 1_000; now += 50) effects.push(...node.step(now, { type: 'tick' }));
    assert.deepEqual(new Set(named(effects, 'close').map(({ link }) => link)), new Set([1, 2]));
    assert.deepEqual(node.cameras().map(({ online }) => online), [false]);
    assert.deepEqual([...node.hops().keys()], ['ss-1']);
    assert(named(effects, 'anycast').length >= 1, 'it asks for neighbors again');
  });

  test('answers a server’s echo, and does not answer the answer', () => {
    const node = withNeighbor();
    const echo = (reply: boolean): OverlayEvent => ({
      type: 'packet',
      link: 1,
      packet: { name: 'ss-echo', header: headerOf('ss-2'), body: { reply } },
    });
    assert.deepEqual(sent(node.step(70, echo(false))).map(({ body }) => body), [{ reply: true }]);
    assert.deepEqual(node.step(71, echo(true)), []);
  });

  test('passes news on to everyone but its source, and old news to no one', () => {
    const node = withNeighbor();
    meet(node, 100, ssJoin('ss-3'), 2);
    const body = { link: { host: 'ss-3', port: 1 } };
    node.step(170, { type: 'packet', link: 2, packet: { name: 'ss-connection', header: headerOf('ss-3'), body } });
    node.step(400, { type: 'tick' });
    const news = named(node.step(500, exchange(1, [rowOf('ss-9', { version: 2 })])), 'send');
    assert.deepEqual(news.map(({ link }) => link), [2]);
    assert.deepEqual(node.step(501, exchange(1, [rowOf('ss-9', { version: 2 })])), []);
    assert.deepEqual(node.step(502, exchange(1, [rowOf('ss-9', { version: 1 })])), []);
  });

  test('outlives whatever its peers remember of it, but not numbers that cannot be', () => {
    const before = { incarnation: 3, version: 1 };
    const cases: [string, Partial<OriginRow>, number][] = [
      ['a later life', { incarnation: 9 }, 10],
      ['a later version of the same life', { ...before, version: 1_000 }, 4],
      ['the same number with another content', { ...before, neighbors: ['ss-7'] }, 4],
      ['an earlier life', { incarnation: 2, version: 1_000 }, 3],
      ['nonsense', { incarnation: counterMax + 1 }, 3],
    ];
    for (const [what, fields, incarnation] of cases) {
      const node = withNeighbor({ incarnation: 3 });
      const own = node.origins().find(({ origin }) => origin === 'ss-1');
      const version = fields.version ?? own?.version ?? 0;
      const row = { ...rowOf('ss-1'), ...fields, version: fields.version === 1 ? (own?.version ?? 0) : version };
      const effects = node.step(200, exchange(1, [row]));
      const now = node.origins().find(({ origin }) => origin === 'ss-1');
      assert.equal(now?.incarnation, incarnation, what);
      assert.equal(named(effects, 'persist')[0]?.state['incarnation'], incarnation === 3 ? undefined : incarnation, what);
    }
  });

  test('keeps a bounded number of rows and of cameras in them, however many a peer claims', () => {
    const node = withNeighbor();
    const cameras = Array.from({ length: camerasPerServerMax }, (_, place) => {
      return { camera: `cam-${place}`, unit: `cam-${place}`, epoch: 1, online: true };
    });
    for (let number = 0; number < 5_000; number++) {
      const hostile = number < 1_000 ? cameras.map((claim) => ({ ...claim, camera: `x${number}-${claim.camera}` })) : [];
      node.step(100, exchange(1, [rowOf(`z-${number}`, { cameras: hostile })]));
    }
    assert.equal(node.origins().length, 4_096);
    assert(node.cameras().length <= 16_384);
    // What is known may still change, and shrink.
    node.step(101, exchange(1, [rowOf('z-0', { version: 2, cameras: [] })]));
    assert.equal(node.cameras().some(({ server }) => server === 'z-0'), false);
  });
});
