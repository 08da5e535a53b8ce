import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { NonceCache } from '../../firmware/site/nonce-cache.ts';
import {
  datagramBodyBytesMax,
  datagramBytesMax,
  openDatagram,
  type SealKey,
  sealDatagram,
} from '../../firmware/site/seal.ts';
import { createSealKey, formatSealKeys, parseSealKeys } from '../../firmware/site/seal-keys.ts';

const key: SealKey = { id: 7, secret: Buffer.alloc(32, 0x11) };
const newKey: SealKey = { id: 8, secret: Buffer.alloc(32, 0x22) };
const body = Buffer.from('a camera looks for a server');

function refusalOf(keys: readonly SealKey[], datagram: Uint8Array): string {
  const opened = openDatagram(keys, datagram);
  assert.ok(!opened.ok, 'the datagram was opened');
  return opened.reason;
}

test('what was sealed is opened, with its nonce and the id of its key', () => {
  const nonce = Buffer.alloc(16, 0x33);
  const opened = openDatagram(
    [key],
    sealDatagram([key], body, () => nonce),
  );
  assert.deepStrictEqual(opened, { ok: true, value: { body, nonce, keyId: 7 } });
});

test('the layout is the declared one', () => {
  const datagram = sealDatagram([key], body, () => Buffer.alloc(16, 0x33));
  const head = `5354524c01${'00000007'}${'33'.repeat(16)}${body.toString('hex')}`;
  assert.strictEqual(datagram.subarray(0, -32).toString('hex'), head);
  assert.strictEqual(datagram.length, 25 + body.length + 32);
});

test('bodies of every size up to the largest are opened unchanged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: datagramBodyBytesMax }), (bytes) => {
      const opened = openDatagram([key], sealDatagram([key], bytes, randomBytes));
      assert.deepStrictEqual(opened.ok && opened.value.body, Buffer.from(bytes));
    }),
  );
});

test('the largest datagram is 1200 bytes, and a larger body is a bug', () => {
  assert.strictEqual(sealDatagram([key], Buffer.alloc(datagramBodyBytesMax), randomBytes).length, 1200);
  assert.throws(() => sealDatagram([key], Buffer.alloc(datagramBodyBytesMax + 1), randomBytes), /1144 bytes/);
  assert.throws(() => sealDatagram([], body, randomBytes), /no seal key/);
});

test('every truncation is refused', () => {
  const datagram = sealDatagram([key], body, randomBytes);
  for (let length = 0; length < datagram.length; length++) {
    assert.match(refusalOf([key], datagram.subarray(0, length)), /truncated|broken/);
  }
});

test('every flip of a single bit is refused', () => {
  const datagram = sealDatagram([key, newKey], body, randomBytes);
  for (let bit = 0; bit < datagram.length * 8; bit++) {
    const flipped = Buffer.from(datagram);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.match(refusalOf([key, newKey], flipped), /version|unknown key|broken/);
  }
});

test('bytes behind the seal, and datagrams above the limit, are refused', () => {
  const datagram = sealDatagram([key], body, randomBytes);
  assert.strictEqual(refusalOf([key], Buffer.concat([datagram, Buffer.alloc(1)])), 'seal is broken');
  assert.strictEqual(refusalOf([key], Buffer.alloc(datagramBytesMax + 1)), 'datagram is too long');
  assert.strictEqual(refusalOf([key], Buffer.alloc(100_000)), 'datagram is too long');
});

test('a datagram of another site is refused, also when its key has the same id', () => {
  const datagram = sealDatagram([{ id: 7, secret: Buffer.alloc(32, 0x99) }], body, randomBytes);
  assert.strictEqual(refusalOf([key], datagram), 'seal is broken');
  assert.strictEqual(refusalOf([newKey], datagram), 'sealed with an unknown key');
  assert.strictEqual(refusalOf([], datagram), 'sealed with an unknown key');
});

test('no bytes whatever are opened without the key, and none throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1300 }), (bytes) => !openDatagram([key], bytes).ok));
});

test('an opened body does not share memory with the socket buffer', () => {
  const datagram = sealDatagram([key], body, randomBytes);
  const opened = openDatagram([key], datagram);
  datagram.fill(0);
  assert.deepStrictEqual(opened.ok && opened.value.body, body);
});

test('the first key seals and every key opens, so that keys can be rotated one unit at a time', () => {
  const before = sealDatagram([key], body, randomBytes);
  const during = sealDatagram([newKey, key], body, randomBytes);
  for (const keys of [
    [key, newKey],
    [newKey, key],
  ]) {
    assert.ok(openDatagram(keys, before).ok);
    assert.ok(openDatagram(keys, during).ok);
  }
  assert.strictEqual(refusalOf([newKey], before), 'sealed with an unknown key');
  assert.ok(openDatagram([newKey], during).ok);
});

test('two datagrams of one body have different nonces', () => {
  const nonces = [1, 2].map(() => {
    const opened = openDatagram([key], sealDatagram([key], body, randomBytes));
    return opened.ok && opened.value.nonce.toString('hex');
  });
  assert.notStrictEqual(nonces[0], nonces[1]);
});

test('a replayed nonce is seen, another is not', () => {
  const cache = new NonceCache(10);
  const nonces = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)] as const;
  assert.strictEqual(cache.seen(nonces[0], 0), false);
  assert.strictEqual(cache.seen(nonces[1], 1), false);
  assert.strictEqual(cache.seen(nonces[0], 2), true);
  assert.strictEqual(cache.seen(Buffer.from(nonces[0]), 3), true);
});

test('a full nonce cache forgets the oldest and never grows', () => {
  const cache = new NonceCache(3);
  const nonce = (number: number) => Buffer.alloc(16, number);
  for (let number = 0; number < 4; number++) assert.strictEqual(cache.seen(nonce(number), number), false);
  assert.strictEqual(cache.size, 3);
  for (let number = 1; number < 4; number++) assert.strictEqual(cache.seen(nonce(number), 5), true);
  assert.strictEqual(cache.seen(nonce(0), 6), false);
  assert.strictEqual(cache.size, 3);
});

test('a nonce is forgotten when its lifetime is over, not before', () => {
  const cache = new NonceCache(10, 1000);
  assert.strictEqual(cache.seen(Buffer.alloc(16), 0), false);
  assert.strictEqual(cache.seen(Buffer.alloc(16), 999), true);
  assert.strictEqual(cache.seen(Buffer.alloc(16), 1000), false);
  assert.strictEqual(cache.size, 1);
});

test('a seal key file is read as it was written', () => {
  const keys = [
    createSealKey(randomBytes),
    createSealKey(randomBytes),
    { id: 0xffff_ffff, secret: randomBytes(32) },
  ];
  const text = formatSealKeys(keys);
  assert.match(text, /^starling-seal-keys 1\n(\d+ [0-9a-f]{64}\n){3}$/);
  assert.deepStrictEqual(parseSealKeys(text), { ok: true, value: keys });
  assert.deepStrictEqual(parseSealKeys(text.replaceAll('\n', '\r\n')), { ok: true, value: keys });
});

const secret = 'ab'.repeat(32);
const badFiles: [what: string, text: string, reason: RegExp][] = [
  ['an empty file', '', /line 1 is not/],
  ['a file of another version', `starling-seal-keys 2\n1 ${secret}\n`, /line 1 is not/],
  ['a file without keys', 'starling-seal-keys 1\n', /no key/],
  ['a short secret', `starling-seal-keys 1\n1 ${secret.slice(2)}\n`, /line 2 is not/],
  ['a torn last line', `starling-seal-keys 1\n1 ${secret}\n2 ${secret.slice(0, 9)}`, /line 3 is not/],
  ['an id above 32 bits', `starling-seal-keys 1\n4294967296 ${secret}\n`, /line 2 has an id above/],
  ['a repeated id', `starling-seal-keys 1\n1 ${secret}\n1 ${secret}\n`, /line 3 repeats/],
  [
    'nine keys',
    `starling-seal-keys 1\n${[1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => `${id} ${secret}`).join('\n')}`,
    /8 keys/,
  ],
];

for (const [what, text, reason] of badFiles) {
  test(`${what} is refused as a seal key file, and the reason tells no secret`, () => {
    const parsed = parseSealKeys(text);
    assert.ok(!parsed.ok);
    assert.match(parsed.reason, reason);
    assert.doesNotMatch(parsed.reason, /abab/);
  });
}
