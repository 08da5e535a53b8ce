// Passwords: what is taken, how it is kept, and that a crowd at the door is held off.
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { test } from 'node:test';
import { Passwords, passwordFault } from '../../firmware/access/passwords.ts';

test('a password has 8 to 256 characters of whatever kind', () => {
  for (const good of [
    '12345678',
    'aaaaaaaa',
    '        ',
    '🐦🐦🐦🐦🐦🐦🐦🐦',
    'x'.repeat(256),
    '🐦'.repeat(256),
  ]) {
    assert.equal(passwordFault(good), undefined, good);
  }
  for (const bad of ['', '1234567', '🐦🐦🐦🐦🐦🐦🐦', 'x'.repeat(257), '🐦'.repeat(257)]) {
    assert.notEqual(passwordFault(bad), undefined, bad);
  }
});

test('it is kept as scrypt with N = 2^15, r = 8, p = 1 and a salt of its own', async () => {
  const passwords = new Passwords();
  const [one, two] = [await passwords.store('correct horse'), await passwords.store('correct horse')];
  assert.ok(one !== undefined && two !== undefined, 'stored');
  assert.ok(!one.salt.equals(two.salt), 'two salts');
  assert.equal(one.salt.length, 16);
  const parameters = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
  assert.deepEqual(one.hash, scryptSync('correct horse', one.salt, 32, parameters));
  assert.equal(await passwords.verify('correct horse', one), true);
  assert.equal(await passwords.verify('correct horsf', one), false);
  assert.equal(await passwords.verify('correct horse', undefined), false);
});

test('the same letters count, however a keyboard composes them', async () => {
  const passwords = new Passwords();
  const stored = await passwords.store('Müller-Straße'.normalize('NFD'));
  assert.equal(await passwords.verify('Müller-Straße'.normalize('NFC'), stored), true);
});

test('a text far too long is refused and costs no more than a password', async () => {
  const passwords = new Passwords();
  const stored = await passwords.store('x'.repeat(256));
  assert.equal(await passwords.verify('x'.repeat(1_000_000), stored), false);
});

test('two are computed at a time, sixteen wait, and the next is told so', async () => {
  const passwords = new Passwords();
  const results = await Promise.all(Array.from({ length: 20 }, () => passwords.verify('wrong', undefined)));
  assert.deepEqual(
    results.map((result) => result === 'busy'),
    Array.from({ length: 20 }, (_, place) => place >= 18),
  );
  assert.equal(await passwords.verify('wrong', undefined), false);
});
