/**
 * Declared codecs: a packet is declared once as named, bounded fields; its type is inferred, and encoding and
 * decoding both come from the declaration.
 *
 * Invariants: decoding never throws and never allocates more than the input's own length plus the declared bounds;
 * encoding a value outside its bounds is a bug and asserts. All integers are big-endian. Integers above 32 bits are
 * JavaScript numbers and refused above 2^53 − 1, so that nothing is ever rounded.
 */
import assert from 'node:assert';
import { accept, type Result, reject } from './result.ts';

/** Reads fields one after another; after the first refusal every read yields a zero and `reason` is set. */
export class Reader {
  readonly bytes: Buffer;
  offset = 0;
  reason: string | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Refuses the rest; only the first reason is kept. */
  refuse(reason: string): void {
    this.reason ??= reason;
  }

  /** Moves past `length` bytes and returns where they began, or undefined when they are not there. */
  take(length: number): number | undefined {
    if (this.reason !== undefined) return undefined;
    if (this.offset + length > this.bytes.length) {
      this.refuse('truncated');
      return undefined;
    }
    const start = this.offset;
    this.offset += length;
    return start;
  }
}

/** Grows as needed; `finish` returns exactly what was written. */
class Writer {
  /** valid until the next `reserve` */
  bytes = Buffer.allocUnsafe(256);
  private length = 0;

  /** Makes room for `size` bytes and returns where in `bytes` they go. */
  reserve(size: number): number {
    const needed = this.length + size;
    if (needed > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    const at = this.length;
    this.length = needed;
    return at;
  }

  finish(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}

/** How one field travels. */
export interface Codec<T> {
  write(writer: Writer, value: T): void;
  read(reader: Reader): T;
}

/** The value type of a codec. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

// Messages are made only when needed: numbers are written a million times a minute.
function unsigned(size: 1 | 2 | 4, max: number): Codec<number> {
  return {
    write(writer, value) {
      if (!Number.isInteger(value) || value < 0 || value > max)
        assert.fail(`u${size * 8} out of range: ${value}`);
      const at = writer.reserve(size);
      const { bytes } = writer;
      for (let place = size - 1, rest = value; place >= 0; place--, rest = Math.floor(rest / 256))
        bytes[at + place] = rest & 0xff;
    },
    read(reader) {
      const at = reader.take(size);
      if (at === undefined) return 0;
      let value = 0;
      for (let place = 0; place < size; place++) value = value * 256 + (reader.bytes[at + place] ?? 0);
      return value;
    },
  };
}

export const u8: Codec<number> = unsigned(1, 0xff);
export const u16: Codec<number> = unsigned(2, 0xffff);
export const u32: Codec<number> = unsigned(4, 0xffff_ffff);

/** Eight bytes, two's complement, refused outside ± 2^53 − 1. Times are microseconds unless a name says otherwise. */
export const i64: Codec<number> = {
  write(writer, value) {
    if (!Number.isSafeInteger(value)) assert.fail(`i64 out of range: ${value}`);
    const at = writer.reserve(8);
    const { bytes } = writer;
    bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
    bytes.writeUInt32BE(value - Math.floor(value / 0x1_0000_0000) * 0x1_0000_0000, at + 4);
  },
  read(reader) {
    const at = reader.take(8);
    if (at === undefined) return 0;
    const value = reader.bytes.readInt32BE(at) * 0x1_0000_0000 + reader.bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) reader.refuse('integer above 2^53');
    return reader.reason === undefined ? value : 0;
  },
};

/** Eight bytes, unsigned, refused above 2^53 − 1. */
export const u64: Codec<number> = {
  write(writer, value) {
    if (value < 0) assert.fail(`u64 out of range: ${value}`);
    i64.write(writer, value);
  },
  read(reader) {
    const value = i64.read(reader);
    if (value < 0) reader.refuse('negative integer');
    return value < 0 ? 0 : value;
  },
};

/** A number with three decimals between `min` and `max`: degrees, factors. Others are rounded. */
export function thousandths(min: number, max: number): Codec<number> {
  return {
    write(writer, value) {
      if (!(value >= min && value <= max)) assert.fail(`thousandths(${min}, ${max}) got ${value}`);
      i64.write(writer, Math.round(value * 1000));
    },
    read(reader) {
      const value = i64.read(reader) / 1000;
      if (value < min || value > max) reader.refuse(`number outside ${min}..${max}`);
      return reader.reason === undefined ? value : 0;
    },
  };
}

export const flag: Codec<boolean> = {
  write: (writer, value) => u8.write(writer, value ? 1 : 0),
  read(reader) {
    const value = u8.read(reader);
    if (value > 1) reader.refuse('flag is neither 0 nor 1');
    return value === 1;
  },
};

/** At most `max` bytes, copied out of the input so that a small field does not keep a large packet alive. */
export function bytes(max: number): Codec<Buffer> {
  return {
    write(writer, value) {
      if (value.length > max) assert.fail(`bytes(${max}) got ${value.length}`);
      u32.write(writer, value.length);
      const at = writer.reserve(value.length);
      value.copy(writer.bytes, at);
    },
    read(reader) {
      const length = u32.read(reader);
      if (length > max) reader.refuse(`field longer than ${max} bytes`);
      const at = reader.take(length);
      return at === undefined ? Buffer.alloc(0) : Buffer.from(reader.bytes.subarray(at, at + length));
    },
  };
}

/** Exactly `size` bytes, without a length prefix. */
export function fixedBytes(size: number): Codec<Buffer> {
  return {
    write(writer, value) {
      if (value.length !== size) assert.fail(`fixedBytes(${size}) got ${value.length}`);
      const at = writer.reserve(size);
      value.copy(writer.bytes, at);
    },
    read(reader) {
      const at = reader.take(size);
      return at === undefined ? Buffer.alloc(size) : Buffer.from(reader.bytes.subarray(at, at + size));
    },
  };
}

/** A byte order mark is a character like any other: text that is decoded and encoded again is the same bytes. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 text of at most `max` bytes; malformed UTF-8 is refused. */
export function text(max: number): Codec<string> {
  return textOf(u32, max);
}

/** The same for texts of at most 255 bytes, with one byte of length where a packet is sent many times. */
export function shortText(max: number): Codec<string> {
  assert(max <= 0xff, `shortText(${max})`);
  return textOf(u8, max);
}

function textOf(lengthPrefix: Codec<number>, max: number): Codec<string> {
  return {
    write(writer, value) {
      const encoded = Buffer.from(value, 'utf8');
      if (encoded.length > max) assert.fail(`text(${max}) got ${encoded.length} bytes`);
      lengthPrefix.write(writer, encoded.length);
      const at = writer.reserve(encoded.length);
      encoded.copy(writer.bytes, at);
    },
    read(reader) {
      const length = lengthPrefix.read(reader);
      if (length > max) reader.refuse(`field longer than ${max} bytes`);
      const at = reader.take(length);
      if (at === undefined) return '';
      const end = at + length;
      if (isAscii(reader.bytes, at, end)) return reader.bytes.toString('latin1', at, end);
      try {
        return utf8.decode(reader.bytes.subarray(at, end));
      } catch {
        reader.refuse('text is not UTF-8');
        return '';
      }
    },
  };
}

/** Most texts are short ids: to look at them is five times as fast as to have them decoded. */
function isAscii(bytes: Buffer, at: number, end: number): boolean {
  for (let place = at; place < end; place++) if ((bytes[place] ?? 0) > 0x7f) return false;
  return true;
}

/** ASCII text of at most 255 bytes, for names that are checked further: no decoder is needed for these. */
export function shortAscii(max: number): Codec<string> {
  return {
    write(writer, value) {
      if (value.length > max) assert.fail(`shortAscii(${max}) got ${value.length}`);
      u8.write(writer, value.length);
      const at = writer.reserve(value.length);
      writer.bytes.write(value, at, value.length, 'latin1');
    },
    read(reader) {
      const length = u8.read(reader);
      if (length > max) reader.refuse(`field longer than ${max} bytes`);
      const at = reader.take(length);
      return at === undefined ? '' : reader.bytes.toString('latin1', at, at + length);
    },
  };
}

/** Values that `isRight`; others are refused for `reason`. */
export function refined<T>(item: Codec<T>, isRight: (value: T) => boolean, reason: string): Codec<T> {
  return {
    write(writer, value) {
      if (!isRight(value)) assert.fail(reason);
      item.write(writer, value);
    },
    read(reader) {
      const value = item.read(reader);
      if (reader.reason === undefined && !isRight(value)) reader.refuse(reason);
      return value;
    },
  };
}

/** One of a fixed list of words, sent as its place in the list: append only. */
export function oneOf<const W extends readonly string[]>(words: W): Codec<W[number]> {
  return {
    write(writer, value) {
      const place = words.indexOf(value);
      if (place < 0) assert.fail(`not one of ${words.join(', ')}: ${value}`);
      u8.write(writer, place);
    },
    read(reader) {
      const word = words[u8.read(reader)];
      if (word === undefined) reader.refuse(`unknown value, expected one of ${words.join(', ')}`);
      return word ?? (words[0] as W[number]);
    },
  };
}

/** At most `max` items. */
export function list<T>(item: Codec<T>, max: number): Codec<T[]> {
  return {
    write(writer, value) {
      if (value.length > max) assert.fail(`list(${max}) got ${value.length}`);
      u16.write(writer, value.length);
      for (const entry of value) item.write(writer, entry);
    },
    read(reader) {
      const count = u16.read(reader);
      if (count > max) reader.refuse(`more than ${max} items`);
      const value: T[] = [];
      for (let i = 0; i < count && reader.reason === undefined; i++) value.push(item.read(reader));
      return value;
    },
  };
}

/** A value that may be absent. */
export function optional<T>(item: Codec<T>): Codec<T | undefined> {
  return {
    write(writer, value) {
      flag.write(writer, value !== undefined);
      if (value !== undefined) item.write(writer, value);
    },
    read: (reader) => (flag.read(reader) ? item.read(reader) : undefined),
  };
}

/**
 * A last field that came later: absent where the input ends before it, so that what has no such field reads and is
 * written as before.
 */
export function appended<T>(item: Codec<T>): Codec<T | undefined> {
  return {
    write(writer, value) {
      if (value !== undefined) item.write(writer, value);
    },
    read: (reader) => (reader.offset === reader.bytes.length ? undefined : item.read(reader)),
  };
}

/** Named fields, in the order of the declaration. */
export function struct<T extends object>(fields: { [K in keyof T]: Codec<T[K]> }): Codec<T> {
  const names = Object.keys(fields) as (keyof T)[];
  return {
    write(writer, value) {
      for (const name of names) fields[name].write(writer, value[name]);
    },
    read(reader) {
      const value: Partial<T> = {};
      for (const name of names) value[name] = fields[name].read(reader);
      return value as T;
    },
  };
}

/** Encodes one value into a fresh buffer. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new Writer();
  codec.write(writer, value);
  return writer.finish();
}

/** Decodes one value that fills `input` exactly. */
export function decode<T>(codec: Codec<T>, input: Uint8Array): Result<T> {
  const reader = new Reader(input);
  const value = codec.read(reader);
  if (reader.reason === undefined && reader.offset !== reader.bytes.length) reader.refuse('trailing bytes');
  return reader.reason === undefined ? accept(value) : reject(reader.reason);
}
