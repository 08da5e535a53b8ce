/** The exchange lock [0077], the known servers, and a server's own health: small tables with a bound. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { healthMax, knownServersMax, lockLeaseMs } from '../../firmware/overlay/constants.ts';
import { ExchangeLock } from '../../firmware/overlay/exchange-lock.ts';
import { KnownServers } from '../../firmware/overlay/known-servers.ts';
import { LocalHealth } from '../../firmware/overlay/local-health.ts';

describe('the exchange lock', () => {
  test('is BUSY to a third server until the exchange is complete', () => {
    const lock = new ExchangeLock();
    const fence = lock.tryHold(0, 'ss-2');
    assert.equal(fence, 1);
    assert.equal(lock.tryHold(1, 'ss-3'), undefined);
    assert.equal(lock.tryHold(1, 'ss-2'), undefined, 'and to its holder');
    assert.equal(lock.release('ss-2', 1), true);
    assert.equal(lock.tryHold(2, 'ss-3'), 2);
  });

  test('is free when its lease ends, and then the old fencing number opens nothing', () => {
    const lock = new ExchangeLock();
    lock.tryHold(100, 'ss-2');
    assert.equal(lock.wakeAt(), 100 + lockLeaseMs);
    assert.equal(lock.holds(100 + lockLeaseMs - 1, 'ss-2', 1), true);
    assert.equal(lock.holds(100 + lockLeaseMs, 'ss-2', 1), false);
    assert.equal(lock.current(100 + lockLeaseMs), undefined);
    assert.equal(lock.wakeAt(), Number.POSITIVE_INFINITY);
    assert.equal(lock.tryHold(100 + lockLeaseMs, 'ss-2'), 2);
    assert.equal(lock.holds(100 + lockLeaseMs, 'ss-2', 1), false);
    assert.equal(lock.release('ss-2', 1), false);
    assert.equal(lock.current(100 + lockLeaseMs)?.holder, 'ss-2');
  });

  test('is not released by somebody else', () => {
    const lock = new ExchangeLock();
    lock.tryHold(0, 'ss-2');
    assert.equal(lock.release('ss-3', 1), false);
    assert.equal(lock.holds(0, 'ss-3', 1), false);
    assert.equal(lock.holds(0, 'ss-2', 1), true);
    assert.equal(new ExchangeLock().release('ss-2', 0), false);
  });

  test('has one holder at a time and rising numbers, whatever is asked of it', () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: lockLeaseMs }),
      who: fc.constantFrom('a', 'b', 'c'),
      release: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const lock = new ExchangeLock();
        const grants: { who: string; fence: number; until: number; released: boolean }[] = [];
        let now = 0;
        for (const { wait, who, release } of steps) {
          now += wait;
          const live = grants.filter((grant) => !grant.released && now < grant.until);
          assert(live.length <= 1);
          for (const grant of grants)
            assert.equal(lock.holds(now, grant.who, grant.fence), live.includes(grant));
          const mine = live.find((grant) => grant.who === who);
          if (release && mine !== undefined) mine.released = lock.release(who, mine.fence);
          if (release) continue;
          const fence = lock.tryHold(now, who);
          assert.equal(fence !== undefined, live.length === 0, 'granted exactly when free');
          if (fence === undefined) continue;
          assert(fence > (grants.at(-1)?.fence ?? 0), 'numbers rise');
          grants.push({ who, fence, until: now + lockLeaseMs, released: false });
        }
      }),
    );
  });
});

describe('known servers', () => {
  const at = (port: number) => ({ host: '10.0.0.1', port });
  const names = (known: KnownServers, max = 99): string[] => known.list(max).map(({ server }) => server);

  test('are listed most recently confirmed first', () => {
    const known = new KnownServers([
      { server: 'a', link: at(1) },
      { server: 'b', link: at(2) },
    ]);
    assert.deepEqual(names(known), ['a', 'b']);
    known.saw('c', at(3));
    known.saw('b', at(2));
    assert.deepEqual(names(known), ['b', 'c', 'a']);
    assert.deepEqual(names(known, 2), ['b', 'c']);
  });

  test('are dialled where they were seen last', () => {
    const known = new KnownServers([{ server: 'a', link: at(1) }]);
    known.saw('a', at(2));
    assert.deepEqual(known.list(9), [{ server: 'a', link: at(2) }]);
  });

  test('are at most so many: the one confirmed longest ago goes', () => {
    const known = new KnownServers([]);
    for (let i = 0; i <= knownServersMax; i++) known.saw(`s-${i}`, at(i));
    assert.equal(known.list(99).length, knownServersMax);
    assert(!names(known).includes('s-0'));
    const many = Array.from({ length: knownServersMax + 5 }, (_, i) => ({ server: `s-${i}`, link: at(i) }));
    assert.deepEqual(new KnownServers(many).list(99), many.slice(0, knownServersMax));
  });

  test('are written to the disk when they differ, not when they are only heard in another order', () => {
    const known = new KnownServers([
      { server: 'a', link: at(1) },
      { server: 'b', link: at(2) },
    ]);
    assert.equal(known.takeChanged(), false);
    known.saw('b', at(2));
    known.saw('a', { ...at(1) });
    assert.equal(known.takeChanged(), false);
    for (const change of [
      () => known.saw('a', at(7)),
      () => known.saw('c', at(3)),
      () => known.remove('b'),
    ]) {
      change();
      assert.equal(known.takeChanged(), true);
      assert.equal(known.takeChanged(), false);
    }
    known.remove('nobody');
    assert.equal(known.takeChanged(), false);
    assert.deepEqual(names(known), ['c', 'a']);
  });
});

describe('local health', () => {
  test('each bad sign lengthens the own times, up to a limit; each good one shortens them', () => {
    const health = new LocalHealth(700);
    assert.equal(health.factor(0), 1);
    health.worse(0);
    health.worse(0);
    assert.equal(health.factor(0), 3);
    health.better(0);
    assert.equal(health.factor(0), 2);
    for (let i = 0; i < 20; i++) health.worse(0);
    assert.equal(health.factor(0), 1 + healthMax);
    for (let i = 0; i < 20; i++) health.better(0);
    assert.equal(health.factor(0), 1);
  });

  test('one point is forgiven per four echo periods without a sign', () => {
    const health = new LocalHealth(700);
    health.worse(1_000);
    health.worse(1_000);
    assert.equal(health.factor(1_000 + 2_799), 3);
    assert.equal(health.factor(1_000 + 2_800), 2);
    assert.equal(health.factor(1_000 + 5_599), 2);
    assert.equal(health.factor(1_000 + 5_600), 1);
    assert.equal(health.factor(9_000_000), 1);
  });

  test('being asked late does not delay the next point', () => {
    const health = new LocalHealth(700);
    health.worse(0);
    health.worse(0);
    assert.equal(health.factor(4_000), 2);
    assert.equal(health.factor(5_600), 1);
  });

  test('a bad sign begins the wait anew, and asking does not', () => {
    const health = new LocalHealth(700);
    health.worse(0);
    for (let now = 0; now < 2_000; now += 100) health.factor(now);
    health.worse(2_000);
    assert.equal(health.factor(4_799), 3);
    assert.equal(health.factor(4_800), 2);
  });
});
