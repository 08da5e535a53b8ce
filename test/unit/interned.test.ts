/** The codec of values that come again and again: the same bytes, fewer decodings. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Codec, decode, encode, list, shortText, struct, u8, u32 } from '../../firmware/base/codec.ts';
import { interned } from '../../firmware/base/interned.ts';

interface Item {
  name: string;
  version: number;
  words: string[];
}

const inner = struct({ name: shortText(8), version: u32, words: list(shortText(8), 4) });

/** Counts what the inner codec does. */
function counting(): { codec: Codec<Item>; reads: () => number; writes: () => number } {
  let reads = 0;
  let writes = 0;
  const counted: Codec<Item> = {
    write: (writer, value) => {
      writes += 1;
      inner.write(writer, value);
    },
    read: (reader) => {
      reads += 1;
      return inner.read(reader);
    },
  };
  const codec = interned(counted, (bytes, offset) => 1 + (bytes[offset] ?? 0) + 4);
  return { codec, reads: () => reads, writes: () => writes };
}

const items = fc.record(
  {
    name: fc.string({ maxLength: 4, unit: 'grapheme-ascii' }),
    version: fc.integer({ min: 0, max: 3 }),
    words: fc.array(fc.string({ maxLength: 4, unit: 'grapheme-ascii' }), { maxLength: 4 }),
  },
  { noNullPrototype: true },
);

describe('an interned codec', () => {
  test('reads and writes what the inner one does, whatever came before', () => {
    const { codec } = counting();
    const several = struct({ items: list(codec, 8), end: u8 });
    const plain = struct({ items: list(inner, 8), end: u8 });
    fc.assert(
      fc.property(fc.array(items, { maxLength: 8 }), (all) => {
        const bytes = encode(plain, { items: all, end: 7 });
        assert.deepEqual(encode(several, { items: all, end: 7 }), bytes);
        const decoded = decode(several, bytes);
        assert.deepEqual(decoded, { ok: true, value: { items: all, end: 7 } }, 'the same value');
      }),
    );
  });

  test('decodes the same bytes once, and does not encode what it has decoded', () => {
    const { codec, reads, writes } = counting();
    const bytes = encode(inner, { name: 'a', version: 1, words: ['x'] });
    const first = decode(codec, bytes);
    const second = decode(codec, Buffer.from(bytes));
    assert.ok(first.ok && second.ok, 'both are sound');
    assert.equal(first.value, second.value);
    assert.deepEqual(encode(codec, first.value), bytes);
    assert.deepEqual([reads(), writes()], [1, 0]);
  });

  test('is not deceived by other bytes with the same name and version', () => {
    const { codec } = counting();
    const one = encode(inner, { name: 'a', version: 1, words: ['x'] });
    const other = encode(inner, { name: 'a', version: 1, words: ['y'] });
    decode(codec, one);
    assert.deepEqual(decode(codec, other), { ok: true, value: { name: 'a', version: 1, words: ['y'] } });
  });

  test('refuses bytes that are cut, also of a value that it knows', () => {
    const { codec } = counting();
    const bytes = encode(inner, { name: 'abc', version: 1, words: ['hello', 'you'] });
    decode(codec, bytes);
    for (let length = 0; length < bytes.length; length++)
      assert.equal(decode(codec, bytes.subarray(0, length)).ok, false, `${length} bytes`);
  });
});
