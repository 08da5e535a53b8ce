/**
 * A codec for large values that come again and again, such as rows that every neighbor passes on: a value whose bytes
 * were decoded lately is not decoded again, and one that was decoded is not encoded again.
 *
 * Invariants: what is read and written is byte for byte what the inner codec reads and writes; the memory is bounded;
 * values are shared, so whoever has one must not change it.
 */
import { type Codec, encode } from './codec.ts';

/** Values remembered at one time. */
const internedMax = 8_192;

/** `keyLength` tells, from the bytes at an offset, how many bytes name the value; it may name several versions. */
export function interned<T extends object>(
  inner: Codec<T>,
  keyLength: (bytes: Buffer, offset: number) => number,
): Codec<T> {
  const byKey = new Map<string, { readonly bytes: Buffer; readonly value: T }>();
  const encoded = new WeakMap<T, Buffer>();
  const remember = (key: string, bytes: Buffer, value: T): void => {
    byKey.delete(key);
    byKey.set(key, { bytes, value });
    if (byKey.size > internedMax) for (const oldest of byKey.keys()) return void byKey.delete(oldest);
  };
  return {
    write(writer, value) {
      let bytes = encoded.get(value);
      if (bytes === undefined) {
        bytes = encode(inner, value);
        encoded.set(value, bytes);
      }
      const at = writer.reserve(bytes.length);
      bytes.copy(writer.bytes, at);
    },
    read(reader) {
      const start = reader.offset;
      const key = reader.bytes.toString('latin1', start, start + keyLength(reader.bytes, start));
      const known = byKey.get(key);
      if (known !== undefined && reader.reason === undefined && isAt(reader.bytes, known.bytes, start)) {
        reader.offset = start + known.bytes.length;
        return known.value;
      }
      const value = inner.read(reader);
      if (reader.reason !== undefined) return value;
      const bytes = Buffer.from(reader.bytes.subarray(start, reader.offset));
      remember(key, bytes, value);
      encoded.set(value, bytes);
      return value;
    },
  };
}

function isAt(bytes: Buffer, wanted: Buffer, start: number): boolean {
  const end = start + wanted.length;
  return end <= bytes.length && bytes.compare(wanted, 0, wanted.length, start, end) === 0;
}
