/** The camera's side of the overlay, event by event in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CameraNode } from '../../firmware/overlay/camera-node.ts';
import {
  confirmMs,
  counterMax,
  fallbackOffersMax,
  joinBackoffMs,
  leaseBoundsMs,
  leaseMs,
} from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import { nonceBytes, type Packet, protocolVersion } from '../../firmware/overlay/packets.ts';
import { OverlayWire, seededRandom } from '../support/overlay-wire.ts';

function named<T extends Effect['type']>(
  effects: readonly Effect[],
  type: T,
): Extract<Effect, { type: T }>[] {
  return effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

const kinds = (effects: readonly Effect[]): string[] => effects.map(({ type }) => type);

/** A camera unit that has sent its first join. */
class Camera {
  readonly node: CameraNode;
  /** of the join sent last */
  nonce: Buffer = Buffer.alloc(0);
  joins = 0;
  now = 0;

  constructor(options: { epoch?: number } = {}) {
    this.node = new CameraNode({
      network: 'home',
      unit: 'cam-1',
      cameras: ['cam-1', 'cam-2'],
      link: { host: '10.0.0.9', port: 7 },
      incarnation: 4,
      epoch: options.epoch ?? 0,
      random: seededRandom(3),
    });
    this.step({ type: 'start' });
  }

  step(event: OverlayEvent): Effect[] {
    const effects = this.node.step(this.now, event);
    for (const { packet } of named(effects, 'anycast')) {
      assert(packet.name === 'cam-join');
      this.nonce = packet.body.nonce;
      this.joins += 1;
    }
    return effects;
  }

  packet(link: number, sender: string, packet: Pick<Packet, 'name' | 'body'>): Effect[] {
    const header = { version: protocolVersion, network: 'home', sender, incarnation: 1 };
    return this.step({ type: 'packet', link, packet: { ...packet, header } as Packet });
  }

  /** A server dials and offers. */
  offer(link: number, server: string, { epoch = 0, nonce = this.nonce } = {}): Effect[] {
    assert.deepEqual(this.step({ type: 'accepted', link, peer: { unit: server, role: 'server' } }), []);
    return this.packet(link, server, { name: 'cam-response', body: { nonce, epoch } });
  }

  confirm(link: number, server: string, { epoch = 1, lease = leaseMs } = {}): Effect[] {
    const body = { stage: 'confirm', epoch, leaseMs: lease, utcUs: 0 } as const;
    return this.packet(link, server, { name: 'cam-connection', body });
  }

  echo(link: number, server: string, reply = false): Effect[] {
    return this.packet(link, server, { name: 'cam-echo', body: { reply, utcUs: 55 } });
  }

  /** Lets time pass to the next tick and ticks. */
  wake(): Effect[] {
    this.now = Math.max(this.now, this.node.wakeAt());
    return this.step({ type: 'tick' });
  }
}

/** Managed by ss-1 over link 1 with this epoch. */
function managed(options: { lease?: number } = {}): Camera {
  const camera = new Camera();
  camera.offer(1, 'ss-1');
  camera.confirm(1, 'ss-1', options);
  assert.equal(camera.node.manager(), 'ss-1');
  return camera;
}

describe('a camera unit', () => {
  test('joins with what a server must know of it', () => {
    const node = new CameraNode({
      network: 'home',
      unit: 'cam-1',
      cameras: ['a', 'b'],
      link: { host: '::', port: 7 },
      incarnation: 4,
      epoch: 12,
      random: seededRandom(1),
    });
    const [join] = named(node.step(0, { type: 'start' }), 'anycast');
    assert(join?.packet.name === 'cam-join');
    assert.deepEqual(join.packet.header, { version: 1, network: 'home', sender: 'cam-1', incarnation: 4 });
    const { nonce, ...body } = join.packet.body;
    assert.deepEqual(body, { link: { host: '::', port: 7 }, cameras: ['a', 'b'], epoch: 12 });
    assert.equal(nonce.length, nonceBytes);
  });

  test('accepts the earliest offer, and has the epoch on its disk before it says so', () => {
    const camera = new Camera({ epoch: 3 });
    const effects = camera.offer(1, 'ss-1', { epoch: 9 });
    assert.deepEqual(kinds(effects), ['persist', 'send']);
    assert.deepEqual(named(effects, 'persist')[0]?.state, { epoch: 10 });
    const [accept] = named(effects, 'send');
    assert(accept?.packet.name === 'cam-connection');
    assert.deepEqual([accept.link, accept.packet.body.stage, accept.packet.body.epoch], [1, 'accept', 10]);
    assert.equal(camera.node.manager(), undefined, 'not before it is confirmed');

    assert.deepEqual(camera.offer(2, 'ss-2'), [], 'the second waits as a fallback');
    const confirmed = camera.confirm(1, 'ss-1', { epoch: 10 });
    assert.deepEqual(kinds(confirmed), ['managed', 'story', 'close']);
    assert.deepEqual(named(confirmed, 'managed')[0], { type: 'managed', link: 1, server: 'ss-1', epoch: 10 });
    assert.equal(named(confirmed, 'close')[0]?.link, 2);
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('raises its epoch above its own and above what the server knows', () => {
    for (const [own, offered, next] of [
      [3, 9, 10],
      [9, 3, 10],
      [0, 0, 1],
    ] as const) {
      const [persist] = named(new Camera({ epoch: own }).offer(1, 'ss-1', { epoch: offered }), 'persist');
      assert.deepEqual(persist?.state, { epoch: next });
    }
  });

  test('refuses an offer that answers none of its joins', () => {
    const camera = new Camera();
    const effects = camera.offer(1, 'ss-1', { nonce: Buffer.alloc(nonceBytes, 1) });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
    assert.equal(camera.node.manager(), undefined);
  });

  test('takes an offer that was overtaken by its next join, but not one of long ago', () => {
    const camera = new Camera();
    const first = camera.nonce;
    camera.wake();
    assert(!camera.nonce.equals(first));
    assert.deepEqual(kinds(camera.offer(1, 'ss-1', { nonce: first })), ['persist', 'send']);

    const patient = new Camera();
    const old = patient.nonce;
    for (let round = 0; round < 3; round++) patient.wake();
    assert.deepEqual(kinds(patient.offer(1, 'ss-1', { nonce: old })), ['refused', 'close']);
  });

  test('refuses an offer for a join that led to a manager it has lost since', () => {
    const camera = managed();
    const before = camera.nonce;
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    assert.deepEqual(kinds(camera.offer(2, 'ss-2', { nonce: before })), ['refused', 'close']);
  });

  test('refuses an epoch above which it could not go', () => {
    const camera = new Camera();
    assert.deepEqual(kinds(camera.offer(1, 'ss-1', { epoch: 0xffff_ffff })), ['refused', 'close']);
    assert.deepEqual(kinds(camera.offer(2, 'ss-2', { epoch: counterMax })), ['refused', 'close']);
    assert.deepEqual(kinds(camera.offer(3, 'ss-3', { epoch: counterMax - 1 })), ['persist', 'send']);
  });

  test('refuses a camera certificate in a server’s role', () => {
    const camera = new Camera();
    const effects = camera.step({ type: 'accepted', link: 1, peer: { unit: 'cam-2', role: 'camera' } });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
    const offer = camera.packet(1, 'cam-2', {
      name: 'cam-response',
      body: { nonce: camera.nonce, epoch: 0 },
    });
    assert.deepEqual(offer, []);
  });

  test('refuses a packet whose sender is not the certificate’s unit', () => {
    const camera = new Camera();
    camera.step({ type: 'accepted', link: 1, peer: { unit: 'ss-1', role: 'server' } });
    const effects = camera.packet(1, 'ss-2', {
      name: 'cam-response',
      body: { nonce: camera.nonce, epoch: 0 },
    });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
  });

  test('takes no confirmation of another epoch, another link or another time', () => {
    const camera = new Camera();
    camera.offer(1, 'ss-1');
    camera.offer(2, 'ss-2');
    assert.deepEqual(camera.confirm(1, 'ss-1', { epoch: 2 }), []);
    assert.deepEqual(camera.confirm(2, 'ss-2', { epoch: 1 }), []);
    assert.equal(camera.node.manager(), undefined);
    camera.confirm(1, 'ss-1');
    assert.deepEqual(camera.confirm(1, 'ss-1'), [], 'twice changes nothing');
  });

  test('goes on to the next offer when the chosen server does not confirm or goes away', () => {
    for (const how of ['silence', 'closed'] as const) {
      const camera = new Camera();
      camera.offer(1, 'ss-1');
      camera.offer(2, 'ss-2', { epoch: 7 });
      const startedAt = camera.now;
      const effects =
        how === 'silence' ? camera.wake() : camera.step({ type: 'closed', link: 1, reason: 'reset' });
      if (how === 'silence') assert.equal(camera.now - startedAt, confirmMs);
      assert.deepEqual(named(effects, 'persist')[0]?.state, { epoch: 8 });
      assert.equal(named(effects, 'send')[0]?.link, 2);
      assert.deepEqual(camera.confirm(1, 'ss-1', { epoch: 1 }), [], 'the first came too late');
      camera.confirm(2, 'ss-2', { epoch: 8 });
      assert.equal(camera.node.manager(), 'ss-2');
    }
  });

  test('forgets a fallback that went away', () => {
    const camera = new Camera();
    camera.offer(1, 'ss-1');
    camera.offer(2, 'ss-2');
    camera.step({ type: 'closed', link: 2, reason: 'reset' });
    assert.deepEqual(kinds(camera.step({ type: 'closed', link: 1, reason: 'reset' })), ['anycast']);
  });

  test('keeps a bounded number of fallbacks', () => {
    const camera = new Camera();
    camera.offer(1, 'ss-1');
    for (let number = 2; number < 2 + fallbackOffersMax; number++)
      assert.deepEqual(camera.offer(number, `ss-${number}`), []);
    assert.deepEqual(kinds(camera.offer(99, 'ss-99')), ['close']);
  });

  test('does not close its manager’s link because it offers again', () => {
    const camera = new Camera();
    camera.offer(1, 'ss-1');
    const again = { name: 'cam-response', body: { nonce: camera.nonce, epoch: 0 } } as const;
    assert.deepEqual(camera.packet(1, 'ss-1', again), []);
    assert.deepEqual(named(camera.confirm(1, 'ss-1'), 'close'), []);
    assert.deepEqual(camera.packet(1, 'ss-1', again), []);
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('answers an echo in its own name, and not the answer', () => {
    const camera = managed();
    const [answer] = named(camera.echo(1, 'ss-1'), 'send');
    assert(answer?.packet.name === 'cam-echo');
    assert.deepEqual(
      [answer.packet.header.sender, answer.packet.body],
      ['cam-1', { reply: true, utcUs: 55 }],
    );
    assert.deepEqual(camera.echo(1, 'ss-1', true), []);
  });

  test('keeps its lease while its manager speaks, and joins again when it lapses', () => {
    const camera = managed();
    for (let round = 0; round < 10; round++) {
      camera.now += leaseMs - 1;
      assert.deepEqual(camera.step({ type: 'tick' }), []);
      camera.echo(1, 'ss-1');
    }
    assert.equal(camera.node.wakeAt(), camera.now + leaseMs);
    const effects = camera.wake();
    assert.deepEqual(kinds(effects), ['close', 'unmanaged', 'story', 'anycast']);
    assert.equal(camera.node.manager(), undefined);
    assert.deepEqual(
      camera.step({ type: 'closed', link: 1, reason: 'closed' }),
      [],
      'its own close is no second loss',
    );
  });

  test('keeps its lease while its manager sends anything at all', () => {
    const camera = managed();
    for (let round = 0; round < 3; round++) {
      camera.now += leaseMs - 1;
      assert.deepEqual(camera.step({ type: 'heard', link: 1 }), []);
      assert.deepEqual(camera.step({ type: 'tick' }), []);
    }
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('another server’s packets do not renew the lease', () => {
    const camera = managed();
    camera.step({ type: 'accepted', link: 2, peer: { unit: 'ss-2', role: 'server' } });
    camera.now += leaseMs - 1;
    camera.echo(2, 'ss-2');
    camera.now += 1;
    assert(kinds(camera.step({ type: 'tick' })).includes('unmanaged'));
  });

  test('cuts a lease to sane bounds', () => {
    for (const [lease, cut] of [
      [0, leaseBoundsMs.min],
      [0xffff_ffff, leaseBoundsMs.max],
      [3_000, 3_000],
    ] as const) {
      const camera = managed({ lease });
      assert.equal(camera.node.wakeAt() - camera.now, cut);
    }
  });

  test('joins again at once when the link breaks', () => {
    const camera = managed();
    const effects = camera.step({ type: 'closed', link: 1, reason: 'reset' });
    assert.deepEqual(kinds(effects), ['unmanaged', 'story', 'anycast']);
    assert.deepEqual(named(effects, 'unmanaged')[0], { type: 'unmanaged', server: 'ss-1', reason: 'reset' });
    // The next manager gets a higher epoch.
    assert.deepEqual(named(camera.offer(2, 'ss-2'), 'persist')[0]?.state, { epoch: 2 });
  });

  test('joins again and again, backing off within bounds and never at the same step', () => {
    const camera = new Camera();
    const waits: number[] = [];
    for (let round = 0; round < 12; round++) {
      const before = camera.now;
      assert.deepEqual(kinds(camera.wake()), ['anycast']);
      waits.push(camera.now - before);
    }
    for (const [round, wait] of waits.entries()) {
      const base = Math.min(joinBackoffMs.first * 2 ** round, joinBackoffMs.max);
      assert(wait >= base * 0.75 && wait <= base * 1.25, `wait ${round} is ${wait} ms`);
    }
    assert(new Set(waits.slice(-4)).size > 1, 'jitter');
  });

  test('a tick before its time does nothing', () => {
    const camera = new Camera();
    camera.now = camera.node.wakeAt() - 0.001;
    assert.deepEqual(camera.step({ type: 'tick' }), []);
  });

  test('knows nothing of links it was never told of', () => {
    const camera = managed();
    assert.deepEqual(camera.echo(9, 'ss-9'), []);
    assert.deepEqual(camera.step({ type: 'closed', link: 9, reason: 'reset' }), []);
    assert.equal(camera.node.manager(), 'ss-1');
  });
});

for (const seed of [1, 2, 3, 4, 5]) {
  test(`never two managers with one epoch, through restarts and broken links (seed ${seed})`, () => {
    const wire = new OverlayWire({ seed });
    const servers = ['ss-1', 'ss-2', 'ss-3'].map((id) => wire.addServer(id));
    let camera = wire.addCamera('cam-1');
    const managers = new Map<number, string>();
    for (let round = 0; round < 12; round++) {
      wire.until('it is managed', () => camera.node.manager() !== undefined);
      for (const { server, epoch } of named(camera.effects.splice(0), 'managed')) {
        assert(!managers.has(epoch), `epoch ${epoch} twice`);
        for (const earlier of managers.keys()) assert(earlier < epoch, 'epochs rise');
        managers.set(epoch, server);
      }
      // Long enough for the news to spread: a disk lost before that is lost to everyone.
      wire.run(1_000 + 2_000 * (round % 3));
      const state = { ...camera.state };
      if (round % 2 === 0) wire.crash(camera, { silent: round % 4 === 0 });
      // Every fourth time its disk is lost as well: the servers remember its epoch.
      if (round % 2 === 0) camera = wire.addCamera('cam-1', round % 4 === 0 ? {} : { state });
      // Never at the same time: a server that has just started remembers nothing either.
      const server = servers[round % 3];
      if (round % 4 === 1 && server !== undefined) {
        wire.crash(server);
        servers[round % 3] = wire.addServer(server.id, { state: server.state });
      }
      wire.run(6_000);
    }
    assert(managers.size >= 6);
  });
}
