/** Join times and names of networks: total orders that hold with clocks that are wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { clockAheadMs } from '../../firmware/overlay/constants.ts';
import { afterHlc, compareHlc, HybridClock, isBelievable, zeroHlc } from '../../firmware/overlay/hlc.ts';
import { compareNetworks, establish, foundNetwork, sameNetwork } from '../../firmware/overlay/network-id.ts';
import type { HlcTime, NetworkId } from '../../firmware/overlay/packets.ts';

const utcMs = 1_764_000_000_000;
const lastMs = Math.floor(Number.MAX_SAFE_INTEGER / 1_000);

/** A clock whose local time and trust a test sets. */
function clockAt(ms: number, trusted: boolean) {
  const local = { ms, trusted };
  const clock = new HybridClock(
    () => local.ms * 1_000,
    () => local.trusted,
  );
  return { local, clock };
}

const hlc: fc.Arbitrary<HlcTime> = fc.record(
  {
    ms: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.maxSafeNat()),
    count: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0xfffe, max: 0xffff })),
  },
  { noNullPrototype: true },
);

test('readings follow the local clock and count within a millisecond', () => {
  const { local, clock } = clockAt(utcMs, true);
  assert.deepEqual(clock.now(), { ms: utcMs, count: 0 });
  assert.deepEqual(clock.now(), { ms: utcMs, count: 1 });
  local.ms += 2.7;
  assert.deepEqual(clock.now(), { ms: utcMs + 2, count: 0 });
});

test('readings rise when the local clock is set back', () => {
  const { local, clock } = clockAt(utcMs, true);
  clock.now();
  local.ms -= 3_600_000;
  assert.deepEqual(clock.now(), { ms: utcMs, count: 1 });
});

test('a count that is full carries into the milliseconds', () => {
  const { clock } = clockAt(utcMs, true);
  assert(clock.observe({ ms: utcMs, count: 0xffff }));
  assert.deepEqual(clock.now(), { ms: utcMs + 1, count: 0 });
});

test('a reading further ahead of a clock that was set than the limit is not believed', () => {
  const { clock } = clockAt(utcMs, true);
  assert.equal(clock.observe({ ms: utcMs + clockAheadMs + 1, count: 0 }), false);
  assert.deepEqual(clock.now(), { ms: utcMs, count: 0 });
  assert.equal(clock.observe({ ms: utcMs + clockAheadMs, count: 7 }), true);
  assert.deepEqual(clock.now(), { ms: utcMs + clockAheadMs, count: 8 });
});

test('a clock that starts in 1970 follows whatever it hears', () => {
  const { clock } = clockAt(12, false);
  assert.deepEqual(clock.now(), { ms: 12, count: 0 });
  assert.equal(clock.observe({ ms: utcMs, count: 3 }), true);
  assert.deepEqual(clock.now(), { ms: utcMs, count: 4 });
});

test('a time after which no other could be sent is not even believed by a clock that was not set', () => {
  const { clock } = clockAt(12, false);
  assert.equal(clock.observe({ ms: Number.MAX_SAFE_INTEGER, count: 0xffff }), false);
  assert.equal(clock.observe({ ms: lastMs + 1, count: 0 }), false);
  assert.equal(clock.observe({ ms: lastMs, count: 0xffff }), true);
  assert.deepEqual(clock.now(), { ms: lastMs + 1, count: 0 });
});

test('a local clock before 1970 or beyond its field reads as the nearest time that can be sent', () => {
  assert.deepEqual(clockAt(-5_000, true).clock.now(), { ms: 0, count: 1 });
  assert.equal(clockAt(lastMs * 10, true).clock.now().ms, lastMs);
});

test('however a clock is set and whatever it hears, readings rise and can be sent', () => {
  const step = fc.oneof(
    fc.record({ set: fc.maxSafeInteger(), trusted: fc.boolean() }),
    fc.record({ hear: hlc }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const { local, clock } = clockAt(0, false);
      let last = zeroHlc;
      for (const one of steps) {
        if ('set' in one) Object.assign(local, { ms: one.set / 1_000, trusted: one.trusted });
        const believed = 'hear' in one && clock.observe(one.hear);
        const reading = clock.now();
        assert(compareHlc(reading, last) > 0, 'rises');
        assert(reading.ms >= Math.min(Math.floor(local.ms), lastMs), 'is at least the local time');
        if (believed) assert(compareHlc(reading, one.hear) > 0, 'is above what it believed');
        assert(Number.isSafeInteger(reading.ms) && reading.count >= 0 && reading.count <= 0xffff);
        last = reading;
      }
    }),
  );
});

test('times are ordered by milliseconds, then count', () => {
  const sorted = [
    zeroHlc,
    { ms: 0, count: 1 },
    { ms: 1, count: 0 },
    { ms: 2, count: 0xffff },
    { ms: 3, count: 0 },
  ];
  sorted.forEach((a, i) => {
    sorted.forEach((b, j) => assert.equal(Math.sign(compareHlc(a, b)), Math.sign(i - j)));
  });
  fc.assert(fc.property(hlc, (time) => compareHlc(afterHlc(time), time) > 0 || !isBelievable(time)));
});

const early = { ms: 1, count: 0 };
const late = { ms: 2, count: 0 };
const named = (
  standing: NetworkId['standing'],
  trusted: boolean,
  founded: HlcTime,
  founder: string,
): NetworkId => ({
  standing,
  trusted,
  founded,
  founder,
});

test('an established network stays, then a trusted one, then the earlier, then the lower founder', () => {
  const sorted = [
    named('established', true, early, 'a'),
    named('established', true, early, 'b'),
    named('established', true, late, 'a'),
    named('established', false, early, 'a'),
    named('provisional', true, early, 'a'),
    named('provisional', false, early, 'a'),
    named('provisional', false, { ms: 1, count: 1 }, 'a'),
  ];
  sorted.forEach((a, i) => {
    sorted.forEach((b, j) =>
      assert.equal(Math.sign(compareNetworks(a, b)), Math.sign(i - j), `${i} and ${j}`),
    );
  });
});

test('a founded network is provisional, and the same network once it is established', () => {
  const alone = foundNetwork({ founder: 'ss-1', time: early, trusted: true });
  assert.deepEqual(alone, named('provisional', true, early, 'ss-1'));
  const met = establish(alone);
  assert.deepEqual(met, named('established', true, early, 'ss-1'));
  assert.equal(establish(met), met);
  assert(sameNetwork(alone, met));
  assert(!sameNetwork(alone, { ...alone, founder: 'ss-2' }));
  assert(!sameNetwork(alone, { ...alone, founded: late }));
});
