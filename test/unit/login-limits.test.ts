// How often somebody may try to sign in, and that nobody is locked out by others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressKey, LoginLimits } from '../../firmware/access/login-limits.ts';
import { AccessRig, addUser, signIn } from '../support/access-rig.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

test('an address has five tries, then waits twice as long after each, up to five minutes', () => {
  const clock = new VirtualClock();
  const limits = new LoginLimits(clock);
  const waits: number[] = [];
  for (let tries = 0; tries < 16; tries++) {
    const seconds = limits.begin(`user-${tries}`, '192.0.2.1');
    waits.push(seconds);
    if (seconds === 0) continue;
    clock.advance(seconds * 1000 - 1);
    assert.equal(limits.begin(`user-${tries}`, '192.0.2.1'), 1);
    clock.advance(1);
    assert.equal(limits.begin(`user-${tries}`, '192.0.2.1'), 0);
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
});

test('an hour of peace wipes the slate', () => {
  const clock = new VirtualClock();
  const limits = new LoginLimits(clock);
  for (let tries = 0; tries < 5; tries++) limits.begin('anna', '192.0.2.1');
  assert.equal(limits.begin('anna', '192.0.2.1'), 1);
  clock.advance(3_600_001);
  for (let tries = 0; tries < 5; tries++) assert.equal(limits.begin('anna', '192.0.2.1'), 0);
});

test('a user who is tried from everywhere can still sign in from an address with a clean slate, at any time', () => {
  const clock = new VirtualClock();
  const limits = new LoginLimits(clock);
  for (let attacker = 0; attacker < 2_000; attacker++) {
    const address = `198.51.100.${attacker % 250}`;
    if (limits.begin('anna', address) > 0) clock.advance(100);
    if (attacker % 100 !== 0) continue;
    const fresh = `203.0.113.${attacker / 100}`;
    assert.equal(limits.begin('anna', fresh), 0, `after ${attacker} tries`);
    limits.succeeded('anna', fresh);
  }
  // Whoever has failed before waits with the others, a minute at most.
  limits.begin('anna', '203.0.113.200');
  const seconds = limits.begin('anna', '203.0.113.200');
  assert.ok(seconds > 0 && seconds <= 60, `${seconds} s`);
});

test('knowing one password does not help to guess another', () => {
  const limits = new LoginLimits(new VirtualClock());
  let tries = 0;
  for (; tries < 20; tries++) {
    if (limits.begin('anna', '192.0.2.1') > 0) break;
    if (limits.begin('mallory', '192.0.2.1') > 0) break;
    limits.succeeded('mallory', '192.0.2.1');
  }
  assert.ok(tries <= 5, `${tries} tries`);
});

test('many tries at once are no way around the count', () => {
  const limits = new LoginLimits(new VirtualClock());
  const begun = Array.from({ length: 50 }, () => limits.begin('anna', '192.0.2.1'));
  assert.equal(begun.filter((seconds) => seconds === 0).length, 5);
});

test('however many addresses and names there are, what is remembered is bounded', () => {
  const clock = new VirtualClock();
  const limits = new LoginLimits(clock);
  for (let n = 0; n < 20_000; n++) limits.begin(`user-${n}`, `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  assert.equal(limits.size, 2 * 4_096);
});

test('addresses of IPv6 count by their network, mapped ones as what they are', () => {
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), addressKey('2001:0DB8:1:2::99'));
  assert.notEqual(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:3::1'));
  assert.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(addressKey('fe80::1%eth0'), addressKey('fe80::2'));
  assert.equal(addressKey('::1'), '0:0:0:0::/64');
});

test('signing in says how long to wait, and goes on afterwards', async () => {
  const rig = new AccessRig();
  const server = await rig.server();
  await addUser(server, 'anna');
  const from = { address: '192.0.2.7', secure: true };
  for (let tries = 0; tries < 5; tries++) {
    const wrong = await server.access.signIn.signIn({ user: 'anna', password: 'wrong' }, from);
    assert.equal(wrong.ok ? 0 : wrong.status, 401);
  }
  const refused = await server.access.signIn.signIn({ user: 'anna', password: 'wrong' }, from);
  assert.deepEqual(refused.ok ? {} : [refused.status, refused.retryAfterSeconds], [429, 1]);
  rig.clock.advance(1_000);
  await signIn(server, 'anna', from);
});
