/** How a camera unit keeps its manager, loses it, and is given to another. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { admissionsPerSecond, leaseBoundsMs, offerMs } from '../../firmware/overlay/constants.ts';
import type { Effect } from '../../firmware/overlay/effects.ts';
import { joinsIn, managedCamera, TestCamera } from '../support/camera-events.ts';
import { kinds, lan, named, nonceOf, sent } from '../support/server-events.ts';

const unmanaged = (effects: readonly Effect[]): string[] =>
  named(effects, 'unmanaged').map(({ reason }) => reason);

describe('the lease', () => {
  test('lasts while the manager speaks, and a moment longer', () => {
    const camera = managedCamera();
    for (let round = 0; round < 10; round++) {
      assert.deepEqual(camera.run(lan.leaseMs - 1), []);
      camera.echo(1, 'ss-1');
    }
    assert.deepEqual(camera.run(lan.leaseMs - 1), []);
    const effects = camera.run(1);
    assert.deepEqual(unmanaged(effects), ['silent for 1500 ms']);
    assert.deepEqual(
      named(effects, 'close').map(({ link }) => link),
      [1],
    );
    assert.equal(camera.node.manager(), undefined);
    assert.deepEqual(unmanaged(camera.step({ type: 'closed', link: 1, reason: 'closed' })), []);
  });

  test('lasts while the manager sends anything at all', () => {
    const camera = managedCamera();
    for (let round = 0; round < 3; round++) {
      camera.run(lan.leaseMs - 1);
      camera.step({ type: 'heard', link: 1 });
    }
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('is not renewed by another server', () => {
    const camera = managedCamera();
    camera.accepted(2, 'ss-2');
    camera.run(lan.leaseMs - 1);
    camera.echo(2, 'ss-2');
    camera.step({ type: 'heard', link: 2 });
    assert.equal(unmanaged(camera.run(1)).length, 1);
  });

  test('is cut to sane bounds', () => {
    for (const [leaseMs, cut] of [
      [0, leaseBoundsMs.min],
      [0xffff_ffff, leaseBoundsMs.max],
      [3_000, 3_000],
    ] as const) {
      const camera = managedCamera({}, { leaseMs });
      assert.equal(unmanaged(camera.run(cut - 1)).length, 0, `${leaseMs} ms`);
      assert.equal(unmanaged(camera.run(1)).length, 1, `${leaseMs} ms`);
    }
  });

  test('does not lapse because the camera itself did not run', () => {
    const camera = managedCamera();
    camera.run(500);
    camera.now += 60_000;
    assert.deepEqual(unmanaged(camera.step({ type: 'tick' })), [], 'what was sent is still to be read');
    assert.deepEqual(unmanaged(camera.run(499)), []);
    assert.equal(unmanaged(camera.run(lan.leaseMs)).length, 1, 'but a manager that is silent then is lost');
  });

  test('ends with fractions of milliseconds, too, without ticks that never end', () => {
    const camera = managedCamera();
    for (let round = 0; round < 200; round++) {
      camera.now += 0.1 + round / 7;
      camera.echo(1, 'ss-1');
    }
    assert.equal(unmanaged(camera.run(lan.leaseMs + 1)).length, 1);
  });
});

describe('an echo', () => {
  test('of any server is answered in the camera’s own name, an answer is not', () => {
    const camera = managedCamera();
    const [answer] = sent(camera.echo(1, 'ss-1'), 'cam-echo', 1);
    assert.equal(answer?.header.sender, 'cam-1');
    assert.deepEqual(answer?.body, { reply: true, utcUs: 55, herd: 1 });
    assert.deepEqual(camera.echo(1, 'ss-1', { reply: true }), []);
    camera.accepted(2, 'ss-2');
    assert.equal(sent(camera.echo(2, 'ss-2'), 'cam-echo', 2).length, 1);
  });
});

describe('the manager’s clock', () => {
  const timed = (effects: readonly Effect[]): unknown[] =>
    named(effects, 'timed').map(({ server, utcUs, atMs, uncertaintyMs }) => [
      server,
      utcUs,
      atMs,
      uncertaintyMs,
    ]);

  test('is read from its confirmation, right within half the time that it took, before the camera streams', () => {
    const camera = new TestCamera();
    camera.offer(1, 'ss-1');
    camera.now += 40;
    const effects = camera.confirm(1, 'ss-1', { fields: { utcUs: 7_000_000 } });
    assert.deepEqual(timed(effects), [['ss-1', 7_000_000, camera.now - 20, 20]]);
    const order = effects.map(({ type }) => type).filter((type) => type === 'timed' || type === 'managed');
    assert.deepEqual(order, ['timed', 'managed']);
    assert.equal(sent(effects, 'cam-echo', 1).length, 1, 'an echo is asked for, to know the way better');
    camera.now += 6;
    assert.deepEqual(camera.echo(1, 'ss-1', { reply: true }), []);
    assert.deepEqual(timed(camera.echo(1, 'ss-1', { utcUs: 8_000_000 })), [
      ['ss-1', 8_000_000, camera.now - 3, 3],
    ]);
  });

  test('is not read from the echo of another server, nor from an answer that nobody asked for', () => {
    const camera = managedCamera();
    camera.accepted(2, 'ss-2');
    assert.deepEqual(timed(camera.echo(2, 'ss-2')), []);
    camera.echo(1, 'ss-1', { reply: true });
    const [before] = timed(camera.echo(1, 'ss-1'));
    camera.echo(1, 'ss-1', { reply: true });
    assert.deepEqual(timed(camera.echo(1, 'ss-1')), [before]);
  });
});

describe('a camera that loses its manager', () => {
  test('joins again at once when it was the only one there', () => {
    const camera = managedCamera();
    const effects = camera.step({ type: 'closed', link: 1, reason: 'reset' });
    assert.deepEqual(unmanaged(effects), ['reset']);
    assert.equal(joinsIn(camera.run(0)).length, 1);
    assert.deepEqual(named(camera.offer(2, 'ss-1'), 'persist')[0]?.state, { epoch: 2 });
  });

  test('waits for its place in the herd, spread over what the others can admit', () => {
    const herd = 200;
    const windowMs = (herd / admissionsPerSecond) * 1_000;
    const bins = [0, 0, 0, 0];
    for (let number = 0; number < herd; number++) {
      const camera = managedCamera({ unit: `cam-${number}`, cameras: ['a'] }, { herd });
      camera.step({ type: 'closed', link: 1, reason: 'reset' });
      const lostAt = camera.now;
      const first = joinsIn(camera.run(0));
      const slotMs = first.length > 0 ? 0 : camera.node.wakeAt() - lostAt;
      assert(slotMs >= 0 && slotMs < windowMs);
      const bin = Math.floor((slotMs / windowMs) * bins.length);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    for (const count of bins) assert(count > herd / 8, `evenly: ${bins.join()}`);
  });

  test('never waits for longer than half of what its outbox holds', () => {
    for (let number = 0; number < 20; number++) {
      const options = { unit: `cam-${number}`, outboxMs: 3_000 };
      const camera = managedCamera(options, { herd: 60_000 });
      camera.step({ type: 'closed', link: 1, reason: 'reset' });
      assert(camera.node.wakeAt() - camera.now <= 1_500);
    }
  });

  test('takes the herd’s size from what its manager said last', () => {
    const camera = managedCamera({}, { herd: 60_000 });
    camera.echo(1, 'ss-1', { herd: 1 });
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    assert.equal(camera.node.wakeAt(), camera.now);
  });
});

describe('a camera that is told to rejoin', () => {
  test('asks its manager, and stays when that answers', () => {
    const camera = managedCamera();
    const effects = camera.rejoin(2, 'ss-2', { server: 'ss-1', epoch: 1 });
    assert.deepEqual(
      sent(effects, 'cam-echo').map(({ link, body }) => [link, body.reply]),
      [[1, false]],
    );
    camera.run(10);
    camera.echo(1, 'ss-1', { reply: true });
    assert.deepEqual(unmanaged(camera.run(lan.replyMs / 2)), []);
    assert.equal(camera.node.manager(), 'ss-1');
  });

  test('leaves a manager that does not answer, and does not wait for it when it joins', () => {
    const camera = managedCamera();
    camera.rejoin(2, 'ss-2', { server: 'ss-1', epoch: 1 });
    const effects = camera.run(lan.replyMs / 2);
    assert.equal(unmanaged(effects).length, 1);
    assert.equal(joinsIn(effects)[0]?.body.lastManager, undefined);
    assert.deepEqual(kinds(camera.offer(3, 'ss-3')), ['persist', 'send']);
  });

  test('takes no notice when it is told of another server, or of an earlier epoch', () => {
    for (const body of [
      { server: 'ss-9', epoch: 1 },
      { server: 'ss-1', epoch: 0 },
    ]) {
      const camera = managedCamera();
      const effects = [...camera.rejoin(2, 'ss-2', body), ...camera.run(lan.replyMs)];
      assert.deepEqual([sent(effects, 'cam-echo').length, unmanaged(effects).length], [0, 0]);
    }
  });

  test('asks its manager once, however many say so', () => {
    const camera = managedCamera();
    for (let link = 2; link < 20; link++) {
      const effects = camera.rejoin(link, `ss-${link}`, { server: 'ss-1', epoch: 1 });
      assert.equal(sent(effects, 'cam-echo').length, link === 2 ? 1 : 0);
      assert(named(effects, 'close').some((close) => close.link === link));
    }
  });

  test('keeps its place in the herd when it waits for that', () => {
    const camera = managedCamera({}, { herd: 60_000 });
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    const dueAt = camera.node.wakeAt();
    camera.rejoin(2, 'ss-2', { server: 'ss-1', epoch: 1 });
    assert.equal(camera.node.wakeAt(), dueAt);
    const [join] = joinsIn(camera.run(dueAt - camera.now));
    assert.equal(join?.body.lastManager, undefined, 'but it waits no longer for the dead one’s offer');
  });

  test('asks anew when it has asked in vain for a while', () => {
    const camera = managedCamera();
    camera.step({ type: 'closed', link: 1, reason: 'reset' });
    camera.run(60_000);
    const waitMs = camera.node.wakeAt() - camera.now;
    camera.rejoin(2, 'ss-2', { server: 'ss-1', epoch: 1 });
    const effects = camera.run(1);
    assert(waitMs > 1, 'not because it was due');
    assert.equal(joinsIn(effects)[0]?.body.attempt, 0);
  });

  test('by its manager itself streams to it until another has confirmed', () => {
    const camera = managedCamera();
    const effects = camera.packet(1, 'ss-1', 'cam-rejoin', { server: 'ss-1', epoch: 1 });
    assert.equal(joinsIn(effects).length, 1);
    assert.deepEqual(unmanaged(effects), []);
    camera.offer(2, 'ss-2');
    assert.equal(camera.node.manager(), 'ss-1');
    assert.deepEqual(
      kinds(camera.confirm(2, 'ss-2')).filter((kind) => /managed/.test(kind)),
      ['unmanaged', 'managed'],
    );
    assert.equal(camera.node.manager(), 'ss-2');
  });
});

describe('a camera that is handed over', () => {
  const nonce = nonceOf(0xee);

  test('says that it has heard, takes the new manager’s offer, and closes the old link later', () => {
    const camera = managedCamera();
    const [told] = sent(camera.tell(1, 'ss-1', 'ss-2'), 'cam-transfer', 1);
    assert.deepEqual([told?.body.stage, told?.body.request, told?.body.server], ['told', 5, 'ss-2']);
    const effects = camera.offer(2, 'ss-2', { nonce, epoch: 1 });
    assert.deepEqual(named(effects, 'persist')[0]?.state, { epoch: 2 });
    assert.equal(camera.node.manager(), 'ss-1', 'until the new one has confirmed');
    const confirmed = camera.confirm(2, 'ss-2');
    assert.deepEqual(unmanaged(confirmed), ['handed over to ss-2']);
    assert.equal(camera.node.manager(), 'ss-2');
    assert.deepEqual(
      named(camera.run(1_000), 'close').map(({ link, reason }) => [link, reason]),
      [[1, 'handed over']],
    );
    assert.equal(camera.node.manager(), 'ss-2');
  });

  test('does not close the old link when its manager does', () => {
    const camera = managedCamera();
    camera.tell(1, 'ss-1', 'ss-2');
    camera.offer(2, 'ss-2', { nonce });
    camera.confirm(2, 'ss-2');
    camera.step({ type: 'closed', link: 1, reason: 'closed by the peer' });
    assert.deepEqual(named(camera.run(1_400), 'close'), []);
  });

  test('refuses the offer of another server, with another number, or too late', () => {
    for (const [server, other, delayMs] of [
      ['ss-3', nonce, 0],
      ['ss-2', nonceOf(0xef), 0],
      ['ss-2', nonce, offerMs],
    ] as const) {
      const camera = managedCamera();
      camera.tell(1, 'ss-1', 'ss-2');
      for (let waited = 0; waited < delayMs; waited += 500) {
        camera.run(500);
        camera.echo(1, 'ss-1');
      }
      const effects = camera.offer(2, server, { nonce: other });
      assert.deepEqual(kinds(effects), ['close'], server);
      assert.equal(camera.node.epoch(), 1);
    }
  });

  test('obeys nobody but its manager, and only what is meant for it', () => {
    const camera = managedCamera();
    camera.accepted(2, 'ss-2');
    assert.deepEqual(camera.tell(2, 'ss-2', 'ss-2'), []);
    assert.deepEqual(camera.tell(1, 'ss-1', 'ss-2', { unit: 'cam-9' }), []);
    assert.deepEqual(camera.tell(1, 'ss-1', 'ss-2', { stage: 'offer' }), []);
  });

  test('stays where it is when the new manager does not confirm', () => {
    const camera = managedCamera();
    camera.tell(1, 'ss-1', 'ss-2');
    camera.offer(2, 'ss-2', { nonce });
    const effects = [];
    for (let waited = 0; waited < 2 * lan.replyMs; waited += 500) {
      effects.push(...camera.run(500));
      camera.echo(1, 'ss-1');
    }
    assert.deepEqual(
      named(effects, 'close').map(({ link, reason }) => [link, reason]),
      [[2, 'no confirmation in time']],
    );
    assert.equal(camera.node.manager(), 'ss-1');
    assert.deepEqual(joinsIn(effects), []);
  });
});

describe('a command', () => {
  const body = {
    request: 1,
    reply: false,
    camera: 'cam-1',
    panMilli: 5,
    tiltMilli: undefined,
    zoom: undefined,
    framesPerSecond: undefined,
    refusal: '',
    stream: undefined,
  };

  test('of the manager is passed on, and answered to it', () => {
    const camera = managedCamera();
    assert.deepEqual(named(camera.packet(1, 'ss-1', 'cam-control', body), 'control')[0]?.body, body);
    const [reply] = sent(camera.step({ type: 'control', body }), 'cam-control', 1);
    assert.equal(reply?.body.reply, true);
  });

  const nowhere = { refusal: '', position: undefined, moving: false, mount: undefined };

  test('to steer is passed on, too; the answer, and what the camera tells by itself, go to the manager', () => {
    const camera = managedCamera();
    const none = { pan: undefined, tilt: undefined, zoom: undefined, velocity: undefined, preset: undefined };
    const wish = { verb: 'stop' as const, ...none };
    const steer = { request: 1, camera: 'cam-1', wish, ...nowhere };
    assert.deepEqual(named(camera.packet(1, 'ss-1', 'cam-steer', steer), 'steer')[0]?.body, steer);
    const [reply] = sent(camera.step({ type: 'steer', body: steer }), 'cam-steer', 1);
    assert.deepEqual(reply?.body, { ...steer, wish: undefined }, 'a camera wants nothing of a server');
    camera.accepted(2, 'ss-2');
    assert.deepEqual(kinds(camera.packet(2, 'ss-2', 'cam-steer', steer)), ['refused', 'close']);
    assert.deepEqual(new TestCamera().step({ type: 'steer', body: steer }), []);
  });

  test('of anybody else is refused', () => {
    const camera = managedCamera();
    camera.accepted(2, 'ss-2');
    assert.deepEqual(kinds(camera.packet(2, 'ss-2', 'cam-control', body)), ['refused', 'close']);
  });

  test('whose manager is gone is answered to nobody', () => {
    const camera = new TestCamera();
    assert.deepEqual(camera.step({ type: 'control', body }), []);
  });
});
