/** Reaching a server: over the link that is there, or by one dial for all who ask. Times are virtual ms. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { contactIdleMs } from '../../firmware/overlay/constants.ts';
import { Contacts } from '../../firmware/overlay/contacts.ts';
import type { Effect, Peer } from '../../firmware/overlay/effects.ts';
import type { ServerContext } from '../../firmware/overlay/server-context.ts';
import { addressOf, contextOf, kinds, lan, named } from '../support/server-events.ts';

const serverPeer = (unit: string): Peer => ({ unit, role: 'server' });

class Bench {
  readonly context: ServerContext = contextOf();
  readonly contacts = new Contacts(this.context);
  readonly outcomes: string[] = [];

  reach(name: string, server = 'ss-2', { fresh = false, address = true } = {}): Effect[] {
    const wish = {
      use: (link: number) => this.outcomes.push(`${name}: link ${link}`),
      failed: (reason: string) => this.outcomes.push(`${name}: ${reason}`),
    };
    this.contacts.reach(server, address ? addressOf(server) : undefined, wish, { fresh });
    return this.context.takeEffects();
  }

  dialed(dial: number, link: number, peer = serverPeer('ss-2')): Effect[] {
    this.contacts.dialed(dial, link, peer);
    return this.context.takeEffects();
  }

  at(now: number): Effect[] {
    this.context.now = now;
    this.context.timers.run(now);
    return this.context.takeEffects();
  }

  /** Links that are closed by `now`, and why. */
  closedBy(now: number): (readonly [number, string])[] {
    const effects: Effect[] = [];
    while (this.context.timers.wakeAt() <= now) effects.push(...this.at(this.context.timers.wakeAt()));
    effects.push(...this.at(now));
    return named(effects, 'close').map(({ link, reason }) => [link, reason]);
  }

  takeOutcomes(): string[] {
    return this.outcomes.splice(0);
  }
}

describe('who wants to reach a server', () => {
  test('shares one dial with everybody who wants the same', () => {
    const bench = new Bench();
    const [dial] = named(bench.reach('first'), 'dial');
    assert.deepEqual(dial?.address, addressOf('ss-2'));
    assert.deepEqual(bench.reach('second'), []);
    assert.equal(named(bench.reach('other', 'ss-3'), 'dial').length, 1, 'not for another server');
    assert(bench.contacts.isDialling('ss-2'));
    bench.dialed(dial.dial, 7);
    assert.deepEqual(bench.takeOutcomes(), ['first: link 7', 'second: link 7']);
    assert(!bench.contacts.isDialling('ss-2'));
  });

  test('uses the connection that is there', () => {
    const bench = new Bench();
    bench.contacts.opened(7, 'ss-2', 'ss-2');
    assert.deepEqual(bench.reach('first'), []);
    assert.deepEqual(bench.takeOutcomes(), ['first: link 7']);
  });

  test('dials anew where that was silent lately, sooner when it must be proven alive', () => {
    for (const [silentMs, fresh, dials] of [
      [2 * lan.echoMs - 1, false, 0],
      [2 * lan.echoMs, false, 1],
      [0.5 * lan.echoMs - 1, true, 0],
      [0.5 * lan.echoMs, true, 1],
    ] as const) {
      const bench = new Bench();
      bench.contacts.opened(7, 'ss-2', 'ss-2');
      bench.context.now = silentMs;
      assert.equal(named(bench.reach('first', 'ss-2', { fresh }), 'dial').length, dials, `${silentMs} ms`);
    }
  });

  test('hears that it failed, once, and the next one dials again', () => {
    const bench = new Bench();
    const [dial] = named(bench.reach('first'), 'dial');
    bench.reach('second');
    bench.contacts.dialFailed(dial?.dial ?? 0, 'refused');
    bench.contacts.dialFailed(dial?.dial ?? 0, 'refused');
    assert.deepEqual(bench.takeOutcomes(), ['first: refused', 'second: refused']);
    assert.equal(named(bench.reach('third'), 'dial').length, 1);
  });

  test('without an address hears so at once', () => {
    const bench = new Bench();
    assert.deepEqual(bench.reach('first', 'ss-2', { address: false }), []);
    assert.deepEqual(bench.takeOutcomes(), ['first: its address is not known']);
  });

  test('does not wait for a dial that is stuck: a second one may be quicker', () => {
    const bench = new Bench();
    const [slow] = named(bench.reach('first'), 'dial');
    bench.context.now = lan.replyMs - 1;
    assert.deepEqual(bench.reach('second'), []);
    bench.context.now = lan.replyMs;
    const [quick] = named(bench.reach('third'), 'dial');
    assert(slow !== undefined && quick !== undefined);
    bench.dialed(quick.dial, 8);
    assert.deepEqual(bench.takeOutcomes(), ['third: link 8']);
    bench.contacts.dialFailed(slow.dial, 'timed out');
    assert.deepEqual(bench.takeOutcomes(), ['first: timed out', 'second: timed out']);
  });

  test('is one of a bounded number', () => {
    const bench = new Bench();
    for (let number = 0; number < 64; number++) bench.reach(`${number}`);
    assert.deepEqual(bench.takeOutcomes(), []);
    bench.reach('one more');
    assert.deepEqual(bench.takeOutcomes(), ['one more: too many requests wait for it']);
    for (let number = 0; number < 511; number++) bench.reach(`${number}`, `far-${number}`);
    assert.deepEqual(bench.takeOutcomes(), []);
    assert.deepEqual(bench.reach('one more', 'far-512'), []);
    assert.deepEqual(bench.takeOutcomes(), ['one more: too many dials']);
  });
});

describe('a dialled connection', () => {
  for (const peer of [serverPeer('ss-3'), { unit: 'ss-2', role: 'camera' }] as const) {
    test(`with the certificate of ${peer.role} ${peer.unit} is refused, and those who wanted it hear so`, () => {
      const bench = new Bench();
      const [dial] = named(bench.reach('first'), 'dial');
      const effects = bench.dialed(dial?.dial ?? 0, 7, peer);
      assert.deepEqual(kinds(effects), ['refused', 'close']);
      assert.equal(named(effects, 'refused')[0]?.peer, peer.unit);
      assert.deepEqual(bench.takeOutcomes(), [`first: dialled server ss-2, found ${peer.role} ${peer.unit}`]);
      assert.equal(bench.context.links.size, 0);
    });
  }

  test('that nobody wants any more is closed', () => {
    const bench = new Bench();
    assert.deepEqual(kinds(bench.dialed(99, 7)), ['close']);
  });
});

describe('a contact', () => {
  test('is closed when nobody has used or heard it for a while', () => {
    const bench = new Bench();
    bench.contacts.opened(7, 'ss-2', 'ss-2');
    assert.deepEqual(bench.closedBy(contactIdleMs - 1), []);
    assert.deepEqual(bench.closedBy(contactIdleMs), [[7, 'idle']]);
    assert.equal(bench.context.links.size, 0);
    assert.equal(bench.context.timers.wakeAt(), Number.POSITIVE_INFINITY, 'then nothing is left to watch');
  });

  test('that is used or heard stays, and one that serves a neighborship stays anyway', () => {
    const bench = new Bench();
    for (const [link, peer] of [
      [7, 'ss-2'],
      [8, 'ss-3'],
      [9, 'ss-4'],
    ] as const)
      bench.contacts.opened(link, peer, peer);
    bench.at(3_000);
    bench.context.send(7, 'ss-arriving', {
      server: 'ss-5',
      link: addressOf('ss-5'),
      joinTime: { ms: 1, count: 0 },
      hops: 1,
    });
    const heard = bench.context.links.get(8);
    const neighbor = bench.context.links.get(9);
    assert(heard !== undefined && neighbor !== undefined);
    heard.heardAt = 3_000;
    neighbor.neighbor = true;
    assert.deepEqual(bench.closedBy(contactIdleMs), []);
    assert.deepEqual(bench.closedBy(20_000), [
      [7, 'idle'],
      [8, 'idle'],
    ]);
  });

  test('is one of a few with the same server: the oldest goes, never one of a neighborship', () => {
    const bench = new Bench();
    bench.contacts.opened(1, 'ss-2', 'ss-2');
    const neighbor = bench.context.links.get(1);
    assert(neighbor !== undefined);
    neighbor.neighbor = true;
    const closed: number[] = [];
    for (let link = 2; link <= 8; link++) {
      bench.contacts.opened(link, 'ss-2', 'ss-2');
      closed.push(...named(bench.context.takeEffects(), 'close').map((close) => close.link));
    }
    bench.contacts.opened(9, 'ss-3', 'ss-3');
    assert.deepEqual(named(bench.context.takeEffects(), 'close'), []);
    assert.deepEqual(closed, [2, 3, 4]);
    assert.deepEqual(
      bench.context.links.to('ss-2').map(({ id }) => id),
      [1, 5, 6, 7, 8],
    );
  });
});
