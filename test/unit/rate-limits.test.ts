/** Limits of how often somebody may ask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Principal } from '../../firmware/access/principal.ts';
import { RateLimits } from '../../firmware/viewing/rate-limits.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const limit = { burst: 3, perMinute: 6 };

function somebody(name: string): Principal {
  return { name, role: 'viewer', cameras: 'all', via: 'session' };
}

test('so many may be had at once, and then one each time that has passed for it', () => {
  const clock = new VirtualClock();
  const limits = new RateLimits(clock);
  const take = (): number => limits.take('x', somebody('ann'), limit);
  assert.deepEqual([take(), take(), take(), take()], [0, 0, 0, 10]);
  clock.advance(9_999);
  assert.equal(take(), 1, 'not a moment too early');
  clock.advance(1);
  assert.deepEqual([take(), take()], [0, 10]);
  clock.advance(3_600_000);
  assert.deepEqual([take(), take(), take(), take()], [0, 0, 0, 10], 'what was not used does not add up');
});

test('one who asks too often costs neither another nor other requests, and a server is never limited', () => {
  const limits = new RateLimits(new VirtualClock());
  for (let i = 0; i < 5; i++) limits.take('x', somebody('ann'), limit);
  assert.equal(limits.take('x', somebody('ann'), limit) > 0, true);
  assert.equal(limits.take('x', somebody('bob'), limit), 0);
  assert.equal(limits.take('y', somebody('ann'), limit), 0);
  for (let i = 0; i < 50; i++) assert.equal(limits.take('x', somebody('server:ss-1'), limit), 0);
});

test('however many there are, memory is bounded, and the busy one is not forgotten', () => {
  const limits = new RateLimits(new VirtualClock());
  for (let i = 0; i < 3; i++) limits.take('x', somebody('ann'), limit);
  for (let i = 0; i < 10_000; i++) {
    limits.take('x', somebody(`user-${i}`), limit);
    assert.equal(limits.take('x', somebody('ann'), limit) > 0, true, `after ${i} others`);
  }
});
