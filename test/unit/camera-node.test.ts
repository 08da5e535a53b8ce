/** How a camera unit joins: what it asks, which offer it takes, and with which epoch. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { joinBackoffMs, offerMs, pendingOffersMax, rings } from '../../firmware/overlay/constants.ts';
import { counterMax } from '../../firmware/overlay/counters.ts';
import { nonceBytes, protocolVersion } from '../../firmware/overlay/packets.ts';
import { joinsIn, managedCamera, TestCamera } from '../support/camera-events.ts';
import { addressOf, home, kinds, lan, named, noMemory, nonceOf, sent } from '../support/server-events.ts';

const known = ['ss-7', 'ss-8'].map((server) => ({ server, link: addressOf(server) }));

describe('a join', () => {
  test('tells what a server must know of the unit', () => {
    const memory = { ...noMemory, network: home, manager: 'ss-3', known };
    const camera = new TestCamera({ epoch: 12, memory });
    const [join] = joinsIn(camera.node.step(0, { type: 'start' }));
    assert.deepEqual(join?.header, {
      version: protocolVersion,
      site: 'home',
      sender: 'cam-1',
      incarnation: 4,
      network: home,
    });
    const { nonce, ...body } = join.body;
    assert.deepEqual(body, {
      link: { host: '10.0.0.9', port: 7 },
      cameras: ['cam-1', 'cam-2'],
      epoch: 12,
      kbps: 2_000,
      ring: 2,
      attempt: 0,
      lastManager: 'ss-3',
    });
    assert.equal(nonce.length, nonceBytes);
    assert.deepEqual(join.also, [], 'those it knows are not asked at first');
  });

  test('that nobody answers is asked with wider rings, and of those it knows', () => {
    const camera = new TestCamera({ memory: { ...noMemory, known } });
    const first = camera.nonce;
    const joins = joinsIn(camera.run(2 * lan.ringMs));
    assert.deepEqual(
      joins.map(({ body, also }) => [body.ring, body.attempt, also]),
      rings.slice(1).map((ring) => [ring, 0, ['ss-7', 'ss-8']]),
    );
    for (const { body } of joins) assert(body.nonce.equals(first), 'it is the same join');
  });

  test('is not widened while an offer is being considered', () => {
    const camera = new TestCamera({ memory: { ...noMemory, manager: 'ss-3' } });
    camera.now = lan.ringMs - 1;
    camera.offer(1, 'ss-1');
    assert.deepEqual(joinsIn(camera.run(2)), []);
  });

  test('is repeated with a new number and a longer wait each time, up to a share of what its outbox holds', () => {
    const camera = new TestCamera({ outboxMs: 24_000 });
    const first = { at: 0, nonce: camera.nonce.toString('hex'), attempt: 0 };
    const joins = [first];
    while (joins.length < 12) {
      const asked = joinsIn(camera.wake()).filter(({ body }) => body.ring === rings[0]);
      for (const { body } of asked)
        joins.push({ at: camera.now, nonce: body.nonce.toString('hex'), attempt: body.attempt });
    }
    assert.equal(new Set(joins.map(({ nonce }) => nonce)).size, 12);
    for (const [round, { at, attempt }] of joins.slice(1).entries()) {
      const base = Math.min(joinBackoffMs.first * 2 ** round, 2_000);
      assert.equal(at - (joins[round]?.at ?? 0), base + rings.length * lan.ringMs, `wait ${round}`);
      assert.equal(attempt, round + 1, 'and tells how often it was asked before');
    }
  });

  test('waits for a random time around its back-off, so that cameras do not join in step', () => {
    const waitWith = (value: number): number => {
      const camera = new TestCamera({
        random: { unit: () => value, bytes: (count) => Buffer.alloc(count, 7) },
      });
      camera.run(rings.length * lan.ringMs);
      return camera.node.wakeAt() - rings.length * lan.ringMs;
    };
    assert.deepEqual([waitWith(0), waitWith(0.5)], [0.75 * joinBackoffMs.first, joinBackoffMs.first]);
  });
});

describe('an offer', () => {
  test('is taken with an epoch that is on the disk before anybody hears of it', () => {
    const camera = new TestCamera({ epoch: 3 });
    const effects = camera.offer(1, 'ss-1', { epoch: 9 });
    assert.deepEqual(kinds(effects), ['persist', 'send']);
    assert.deepEqual(named(effects, 'persist')[0]?.state, { epoch: 10 });
    const [accept] = sent(effects, 'cam-connection', 1);
    assert.deepEqual([accept?.body.stage, accept?.body.epoch], ['accept', 10]);
    assert.equal(camera.node.manager(), undefined, 'it has no manager before that is confirmed');
    const confirmed = camera.confirm(1, 'ss-1');
    assert.deepEqual(named(confirmed, 'managed'), [{ type: 'managed', link: 1, server: 'ss-1', epoch: 10 }]);
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('raises the epoch above the camera’s own and above what the server knows', () => {
    for (const [own, offered, next] of [
      [3, 9, 10],
      [9, 3, 10],
      [0, 0, 1],
    ] as const) {
      const effects = new TestCamera({ epoch: own }).offer(1, 'ss-1', { epoch: offered });
      assert.deepEqual(named(effects, 'persist')[0]?.state, { epoch: next });
    }
  });

  test('that answers none of its joins is refused', () => {
    const camera = new TestCamera();
    const effects = camera.offer(1, 'ss-1', { nonce: nonceOf(0x77) });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
    assert.equal(named(effects, 'refused')[0]?.peer, 'ss-1');
    assert.equal(camera.node.epoch(), 0);
  });

  test('for one of its last three joins is taken, not for one before those', () => {
    for (const [joins, taken] of [
      [2, true],
      [3, false],
    ] as const) {
      const camera = new TestCamera();
      const first = camera.nonce;
      let current = first;
      for (let count = 0; count < joins; ) {
        camera.wake();
        if (camera.nonce.equals(current)) continue;
        current = camera.nonce;
        count += 1;
      }
      const effects = camera.offer(1, 'ss-1', { nonce: first });
      assert.deepEqual(kinds(effects), taken ? ['persist', 'send'] : ['refused', 'close']);
    }
  });

  test('for a join that led to a manager it has lost since is refused', () => {
    const camera = managedCamera();
    const before = camera.nonce;
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    assert.deepEqual(kinds(camera.offer(2, 'ss-2', { nonce: before })), ['refused', 'close']);
  });

  test('that comes after it has found a manager is closed, and is nobody’s fault', () => {
    const camera = managedCamera();
    assert.deepEqual(kinds(camera.offer(2, 'ss-2')), ['close']);
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('with an epoch above which it could not go is refused', () => {
    const camera = new TestCamera();
    for (const epoch of [0xffff_ffff, counterMax])
      assert.deepEqual(kinds(camera.offer(epoch, 'ss-1', { epoch })), ['refused', 'close']);
    assert.deepEqual(kinds(camera.offer(3, 'ss-3', { epoch: counterMax - 1 })), ['persist', 'send']);
  });

  test('is kept as a fallback while another is being taken, up to three of them', () => {
    const camera = new TestCamera();
    camera.offer(1, 'ss-1');
    for (let number = 2; number < 2 + pendingOffersMax; number++)
      assert.deepEqual(camera.offer(number, `ss-${number}`), []);
    assert.deepEqual(kinds(camera.offer(99, 'ss-99')), ['close']);
    const closed = named(camera.confirm(1, 'ss-1'), 'close').map(({ link }) => link);
    assert.deepEqual(closed, [2, 3, 4], 'the others are let go when it is confirmed');
  });

  test('that is made twice over one link is one', () => {
    const camera = new TestCamera();
    camera.offer(1, 'ss-1');
    camera.offer(2, 'ss-2');
    const again = { nonce: camera.nonce, epoch: 0 };
    assert.deepEqual(camera.packet(2, 'ss-2', 'cam-response', again), []);
    assert.deepEqual(camera.packet(1, 'ss-1', 'cam-response', again), []);
    assert.deepEqual(
      named(camera.confirm(1, 'ss-1'), 'close').map(({ link }) => link),
      [2],
    );
    assert.deepEqual(camera.packet(1, 'ss-1', 'cam-response', again), []);
    assert.equal(camera.node.manager(), 'ss-1');
  });

  for (const how of ['is silent', 'goes away'] as const) {
    test(`whose server ${how} is followed by the next, with a higher epoch`, () => {
      const camera = new TestCamera();
      camera.offer(1, 'ss-1');
      camera.offer(2, 'ss-2', { epoch: 7 });
      const effects =
        how === 'is silent'
          ? camera.run(lan.replyMs)
          : camera.step({ type: 'closed', link: 1, reason: 'reset' });
      assert.deepEqual(named(effects, 'persist').at(-1)?.state, { epoch: 8 });
      assert.deepEqual(
        sent(effects, 'cam-connection').map(({ link }) => link),
        [2],
      );
      assert.deepEqual(camera.confirm(1, 'ss-1', { epoch: 1 }), [], 'the first comes too late');
      camera.confirm(2, 'ss-2', { epoch: 8 });
      assert.equal(camera.node.manager(), 'ss-2');
    });
  }

  test('that went away is no fallback: the camera joins again', () => {
    const camera = new TestCamera();
    camera.offer(1, 'ss-1');
    camera.offer(2, 'ss-2');
    camera.step({ type: 'closed', link: 2, reason: 'reset' });
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    assert(joinsIn(camera.run(2_000)).length > 0);
  });

  test('is not confirmed with another epoch, over another link, or twice', () => {
    const camera = new TestCamera();
    camera.offer(1, 'ss-1');
    camera.offer(2, 'ss-2');
    assert.deepEqual(camera.confirm(1, 'ss-1', { epoch: 2 }), []);
    assert.deepEqual(camera.confirm(2, 'ss-2'), []);
    assert.equal(camera.node.manager(), undefined);
    camera.confirm(1, 'ss-1');
    assert.deepEqual(camera.confirm(1, 'ss-1'), []);
  });
});

describe('a camera that had a manager before', () => {
  const memory = { ...noMemory, manager: 'ss-3' };

  test('takes that one’s offer at once', () => {
    const camera = new TestCamera({ memory });
    assert.deepEqual(kinds(camera.offer(1, 'ss-3')), ['persist', 'send']);
  });

  test('waits a little for it before it takes another’s, no longer for further ones', () => {
    const camera = new TestCamera({ memory });
    assert.deepEqual(camera.offer(1, 'ss-1'), []);
    camera.run(lan.lastManagerMs / 2);
    assert.deepEqual(camera.offer(2, 'ss-2'), []);
    assert.deepEqual(named(camera.run(lan.lastManagerMs / 2 - 1), 'persist'), []);
    const effects = camera.run(1);
    assert.deepEqual(
      sent(effects, 'cam-connection').map(({ link }) => link),
      [1],
      'the earliest',
    );
  });

  test('takes its offer in that time, and falls back on the others', () => {
    const camera = new TestCamera({ memory });
    camera.offer(1, 'ss-1');
    camera.run(lan.lastManagerMs - 1);
    assert.deepEqual(
      sent(camera.offer(2, 'ss-3'), 'cam-connection').map(({ link }) => link),
      [2],
    );
    const effects = camera.step({ type: 'closed', link: 2, reason: 'reset' });
    assert.deepEqual(
      sent(effects, 'cam-connection').map(({ link }) => link),
      [1],
    );
  });
});

describe('whoever dials a camera', () => {
  test('must be a server', () => {
    const camera = new TestCamera();
    const effects = camera.step({ type: 'accepted', link: 1, peer: { unit: 'cam-2', role: 'camera' } });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
    assert.deepEqual(
      camera.packet(1, 'cam-2', 'cam-response', { nonce: camera.nonce, epoch: 0 }),
      [],
      'and is not heard any more',
    );
  });

  test('must speak in its own name', () => {
    const camera = new TestCamera();
    camera.accepted(1, 'ss-1');
    const effects = camera.packet(1, 'ss-2', 'cam-response', { nonce: camera.nonce, epoch: 0 });
    assert.deepEqual(kinds(effects), ['refused', 'close']);
    const lost = managedCamera().packet(1, 'ss-2', 'cam-echo', { reply: false, utcUs: 0, herd: 0 });
    assert.deepEqual(kinds(lost).slice(0, 3), ['refused', 'close', 'unmanaged'], 'also as its manager');
  });

  test('and says nothing does not keep a place', () => {
    const camera = managedCamera();
    camera.accepted(2, 'ss-2');
    const effects = [];
    for (let waited = 0; waited < offerMs; waited += 500) {
      camera.echo(1, 'ss-1');
      effects.push(...camera.run(500));
    }
    assert.deepEqual(
      named(effects, 'close').map(({ link }) => link),
      [2],
    );
  });

  test('over a link that the camera was never told of is not heard', () => {
    const camera = managedCamera();
    assert.deepEqual(camera.echo(9, 'ss-9'), []);
    assert.deepEqual(camera.step({ type: 'closed', link: 9, reason: 'reset' }), []);
    assert.equal(camera.node.manager(), 'ss-1');
  });
});

describe('what a camera remembers', () => {
  test('is its manager, its network, and whom else to ask', () => {
    const camera = new TestCamera();
    camera.offer(1, 'ss-1');
    const records = named(camera.confirm(1, 'ss-1', { fields: { known } }), 'remember').map(
      ({ record }) => record,
    );
    assert.deepEqual(
      records.sort((a, b) => (a.kind < b.kind ? -1 : 1)),
      [
        { kind: 'known', servers: known },
        { kind: 'manager', server: 'ss-1' },
        { kind: 'network', network: home, joinTime: undefined },
      ],
    );
  });

  test('is asked when anycast leads nowhere', () => {
    const camera = managedCamera({}, { known });
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    const joins = joinsIn(camera.run(lan.ringMs));
    assert.deepEqual(
      joins.map(({ body, also }) => [body.ring, also]),
      [
        [2, []],
        [4, ['ss-7', 'ss-8']],
      ],
    );
    assert.equal(joins[0]?.body.lastManager, 'ss-1');
    assert.deepEqual(joins[0]?.header.network, home);
  });
});
