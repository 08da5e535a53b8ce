/** The declared codecs against every value, every truncation and every flipped bit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  appended,
  bytes,
  type Codec,
  decode,
  encode,
  fixedBytes,
  flag,
  i64,
  list,
  oneOf,
  optional,
  Reader,
  shortText,
  struct,
  text,
  u8,
  u16,
  u32,
  u64,
  type ValueOf,
} from '../../firmware/base/codec.ts';
import { id, isId, shortId } from '../../firmware/base/ids.ts';

const record = struct({
  kind: oneOf(['a', 'b', 'c']),
  small: u8,
  middle: u16,
  large: u32,
  signed: i64,
  unsigned: u64,
  yes: flag,
  name: text(16),
  word: shortText(12),
  raw: bytes(8),
  fixed: fixedBytes(4),
  maybe: optional(u16),
  many: list(struct({ id: u8, tags: list(text(4), 3) }), 5),
});
type Record = ValueOf<typeof record>;

const buffer = (constraints: fc.IntArrayConstraints): fc.Arbitrary<Buffer> =>
  fc.uint8Array(constraints).map((array) => Buffer.from(array));
const textOf = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength: max }).filter((value) => Buffer.byteLength(value) <= max);

const plain = { noNullPrototype: true };

const records: fc.Arbitrary<Record> = fc.record(
  {
    kind: fc.constantFrom('a', 'b', 'c'),
    small: fc.integer({ min: 0, max: 0xff }),
    middle: fc.integer({ min: 0, max: 0xffff }),
    large: fc.integer({ min: 0, max: 0xffff_ffff }),
    signed: fc.maxSafeInteger(),
    unsigned: fc.maxSafeNat(),
    yes: fc.boolean(),
    name: textOf(16),
    word: textOf(12),
    raw: buffer({ maxLength: 8 }),
    fixed: buffer({ minLength: 4, maxLength: 4 }),
    maybe: fc.option(fc.integer({ min: 0, max: 0xffff }), { nil: undefined }),
    many: fc.array(
      fc.record(
        { id: fc.integer({ min: 0, max: 0xff }), tags: fc.array(textOf(4), { maxLength: 3 }) },
        plain,
      ),
      { maxLength: 5 },
    ),
  },
  plain,
);

test('whatever is encoded is decoded as the same value', () => {
  fc.assert(
    fc.property(records, (value) => {
      const decoded = decode(record, encode(record, value));
      assert(decoded.ok, decoded.ok ? '' : decoded.reason);
      assert.deepEqual(decoded.value, value);
    }),
  );
});

test('the ends of every integer make the round trip', () => {
  const ends: [Codec<number>, number[]][] = [
    [u8, [0, 0xff]],
    [u16, [0, 0xffff]],
    [u32, [0, 0x8000_0000, 0xffff_ffff]],
    [u64, [0, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER]],
    [i64, [Number.MIN_SAFE_INTEGER, -0x1_0000_0001, -0x1_0000_0000, -1, 0, 1, Number.MAX_SAFE_INTEGER]],
  ];
  for (const [codec, values] of ends) {
    for (const value of values) assert.deepEqual(decode(codec, encode(codec, value)), { ok: true, value });
  }
  assert.equal(encode(i64, -2).toString('hex'), 'fffffffffffffffe');
  assert.equal(encode(u16, 0x1234).toString('hex'), '1234');
});

test('encoding a value outside its bounds is a bug', () => {
  const bugs: [() => unknown, RegExp][] = [
    [() => encode(u8, 256), /u8 out of range/],
    [() => encode(u8, -1), /u8 out of range/],
    [() => encode(u16, 1.5), /u16 out of range/],
    [() => encode(u32, 2 ** 32), /u32 out of range/],
    [() => encode(u64, -1), /u64 out of range/],
    [() => encode(i64, 2 ** 53), /i64 out of range/],
    [() => encode(bytes(2), Buffer.alloc(3)), /bytes\(2\)/],
    [() => encode(text(2), 'äö'), /text\(2\)/],
    [() => encode(shortText(2), 'äö'), /text\(2\)/],
    [() => shortText(256), /shortText\(256\)/],
    [() => encode(fixedBytes(2), Buffer.alloc(3)), /fixedBytes\(2\)/],
    [() => encode(list(u8, 1), [1, 2]), /list\(1\)/],
    [() => encode(oneOf(['a', 'b']), 'c' as 'a'), /not one of/],
  ];
  for (const [bug, message] of bugs) assert.throws(bug, message);
});

test('every truncation and every tail is refused', () => {
  fc.assert(
    fc.property(records, buffer({ minLength: 1, maxLength: 4 }), (value, tail) => {
      const whole = encode(record, value);
      for (let length = 0; length < whole.length; length++) {
        assert(!decode(record, whole.subarray(0, length)).ok, `${length} of ${whole.length} bytes`);
      }
      assert.deepEqual(decode(record, Buffer.concat([whole, tail])), { ok: false, reason: 'trailing bytes' });
    }),
    { numRuns: 30 },
  );
});

test('a flipped bit gives another value or a reason, never an error', () => {
  fc.assert(
    fc.property(records, (value) => {
      const whole = encode(record, value);
      for (let bit = 0; bit < whole.length * 8; bit++) {
        const bent = Buffer.from(whole);
        bent.writeUInt8((bent[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
        const decoded = decode(record, bent);
        // What is accepted is a value in bounds: it can be encoded, and to the same bytes.
        if (decoded.ok) assert.deepEqual(encode(record, decoded.value), bent);
      }
    }),
    { numRuns: 30 },
  );
});

test('any bytes at all are decoded or refused', () => {
  fc.assert(
    fc.property(buffer({ maxLength: 200 }), (garbage) => {
      const decoded = decode(record, garbage);
      if (decoded.ok) assert.deepEqual(encode(record, decoded.value), garbage);
    }),
  );
});

test('a hostile length allocates nothing', () => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(0xffff_ffff);
  const before = process.memoryUsage().arrayBuffers;
  assert.deepEqual(decode(bytes(16), length), { ok: false, reason: 'field longer than 16 bytes' });
  assert.deepEqual(decode(bytes(0xffff_ffff), length), { ok: false, reason: 'truncated' });
  assert.deepEqual(decode(text(0xffff_ffff), length), { ok: false, reason: 'truncated' });
  assert(process.memoryUsage().arrayBuffers - before < 1_000_000);
});

test('a hostile count ends with the bytes, and nested ones do not multiply', () => {
  let reads = 0;
  const counted: Codec<number> = {
    write: (writer, value) => u8.write(writer, value),
    read(reader) {
      reads += 1;
      return u8.read(reader);
    },
  };
  const nested = list(list(counted, 0xffff), 0xffff);
  const hostile = Buffer.alloc(64, 0xff);
  assert(!decode(nested, hostile).ok);
  assert(reads <= hostile.length, `${reads} reads`);
  assert.deepEqual(decode(list(u8, 3), Buffer.from('000401020304', 'hex')), {
    ok: false,
    reason: 'more than 3 items',
  });
});

test('values that only look right are refused', () => {
  const refused: [Codec<unknown>, string, RegExp][] = [
    [flag, '02', /neither 0 nor 1/],
    [optional(u8), '0201', /neither 0 nor 1/],
    [oneOf(['a', 'b']), '02', /expected one of a, b/],
    [text(8), '00000002c328', /not UTF-8/],
    [u64, 'ffffffffffffffff', /negative/],
    [u64, '0020000000000000', /2\^53/],
    [i64, '0020000000000001', /2\^53/],
    [i64, 'ffe0000000000000', /2\^53/],
  ];
  for (const [codec, hex, reason] of refused) {
    const decoded = decode(codec, Buffer.from(hex, 'hex'));
    assert(!decoded.ok, hex);
    assert.match(decoded.reason, reason);
  }
});

test('an appended field may be absent: what was written without it is read, and written, as before', () => {
  const old = struct({ a: u8 });
  const grown = struct({ a: u8, b: appended(struct({ c: u8, d: optional(u8) })) });
  const before = encode(old, { a: 7 });
  assert.deepEqual(decode(grown, before), { ok: true, value: { a: 7, b: undefined } });
  assert.deepEqual(encode(grown, { a: 7, b: undefined }), before);
  const after = { a: 7, b: { c: 1, d: undefined } };
  assert.deepEqual(decode(grown, encode(grown, after)), { ok: true, value: after });
  assert(!decode(grown, Buffer.from('0701', 'hex')).ok, 'half of it');
  assert(!decode(grown, Buffer.from('07010000', 'hex')).ok, 'more than it');
});

test('a byte order mark does not vanish from a text', () => {
  const marked = Buffer.from('00000004efbbbf61', 'hex');
  assert.deepEqual(decode(text(8), marked), { ok: true, value: '\ufeffa' });
  assert(!decode(id, marked).ok);
});

test('the first reason is the one that is told', () => {
  const decoded = decode(struct({ a: flag, b: u32 }), Buffer.from('07', 'hex'));
  assert.deepEqual(decoded, { ok: false, reason: 'flag is neither 0 nor 1' });
});

test('a decoded field does not keep the packet it came in alive', () => {
  const packet = encode(struct({ raw: bytes(8), fixed: fixedBytes(2) }), {
    raw: Buffer.from('abc'),
    fixed: Buffer.from('de'),
  });
  const decoded = decode(struct({ raw: bytes(8), fixed: fixedBytes(2) }), packet);
  assert(decoded.ok);
  packet.fill(0);
  assert.equal(decoded.value.raw.toString(), 'abc');
  assert.equal(decoded.value.fixed.toString(), 'de');
});

test('a reader begins where its view begins', () => {
  const whole = Buffer.from('ff0102', 'hex');
  const reader = new Reader(whole.subarray(1));
  assert.equal(u16.read(reader), 0x0102);
});

test('an id is a short name of lower case letters, digits and hyphens', () => {
  for (const good of ['a', '0', 'cam-1', 'a'.repeat(32)]) {
    assert(isId(good), good);
    assert.deepEqual(decode(id, encode(id, good)), { ok: true, value: good });
  }
  for (const bad of ['', '-a', 'A', 'a_b', 'a/b', '..', 'a b', 'ä', 'a\n', 'a'.repeat(33)]) {
    assert(!isId(bad), bad);
    assert(!decode(id, encode(text(99), bad)).ok, bad);
  }
});

test('a short text is one byte of length and its UTF-8', () => {
  assert.equal(encode(shortText(9), 'a\u00e4').toString('hex'), '0361c3a4');
  for (const value of ['', 'x', '\ufeffa', 'z'.repeat(255)]) {
    const sent = encode(shortText(255), value);
    assert.equal(sent.length, 1 + Buffer.byteLength(value));
    assert.deepEqual(decode(shortText(255), sent), { ok: true, value });
  }
});

test('a short text that is too long, cut off or not UTF-8 is refused', () => {
  const refused = (hex: string): unknown => decode(shortText(2), Buffer.from(hex, 'hex'));
  assert.deepEqual(refused('03616263'), { ok: false, reason: 'field longer than 2 bytes' });
  assert.deepEqual(refused('0261'), { ok: false, reason: 'truncated' });
  assert.deepEqual(refused(''), { ok: false, reason: 'truncated' });
  assert.deepEqual(refused('01ff'), { ok: false, reason: 'text is not UTF-8' });
  assert.deepEqual(refused('02c3a461'), { ok: false, reason: 'trailing bytes' });
});

test('a short id is an id with one byte of length', () => {
  assert.equal(encode(shortId, 'cam-1').toString('hex'), '0563616d2d31');
  for (const good of ['a', 'cam-1', 'a'.repeat(32)]) {
    assert.deepEqual(decode(shortId, encode(shortId, good)), { ok: true, value: good });
  }
  for (const bad of ['', '-a', 'A', 'a/b', '..', 'a\n', 'ä']) {
    assert.deepEqual(decode(shortId, encode(shortText(99), bad)), { ok: false, reason: 'malformed id' }, bad);
  }
  assert(!decode(shortId, encode(shortText(99), 'a'.repeat(33))).ok);
});

test('what is left of a refused text is not read as a name', () => {
  const both = struct({ word: shortText(1), name: shortId });
  assert.deepEqual(decode(both, Buffer.from('0261610161', 'hex')), {
    ok: false,
    reason: 'field longer than 1 bytes',
  });
});
