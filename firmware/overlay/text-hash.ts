/**
 * MurmurHash3_x86_128 (Austin Appleby, public domain) of a text's UTF-8 bytes, seed 0: names table rows in digests, so
 * that two servers see whether their tables differ. It is no seal: whoever can write rows could make two that collide,
 * and would gain nothing but that a difference is found later.
 *
 * It is written out here because the overlay is pure: the same code runs in the simulator, and most of a large network's
 * work is to name rows: no native call is made for a text of ASCII, and one buffer is allocated.
 */

const c1 = 0x239b961b;
const c2 = 0xab0e9789;
const c3 = 0x38b34ae5;
const c4 = 0xa1e38b93;

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
const scramble = (word: number, first: number, by: number, second: number): number =>
  Math.imul(rotate(Math.imul(word, first), by), second);

/** Every bit of the result depends on every bit of the value. */
function finish(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return twice ^ (twice >>> 16);
}

/** Longer texts, of the site document, have a buffer of their own. */
const scratchUnits = 1_024;
const scratch = Buffer.alloc(bytesMax(scratchUnits));

/** UTF-8 bytes of so many UTF-16 units at most, up to the end of a block. */
function bytesMax(units: number): number {
  return units * 3 + 16;
}

/** Writes the text's bytes, and zeros up to the end of the last block; returns how many are the text's. */
function write(text: string, into: Buffer): number {
  let length = 0;
  for (; length < text.length; length++) {
    const code = text.charCodeAt(length);
    if (code > 0x7f) break;
    into[length] = code;
  }
  if (length < text.length) length += into.write(text.slice(length), length);
  for (let at = length; (at & 15) !== 0; at++) into[at] = 0;
  return length;
}

const word = (bytes: Buffer, at: number): number =>
  (bytes[at] as number) |
  ((bytes[at + 1] as number) << 8) |
  ((bytes[at + 2] as number) << 16) |
  ((bytes[at + 3] as number) << 24);

/** 16 bytes. */
export function textHash(text: string): Buffer {
  const input = text.length > scratchUnits ? Buffer.alloc(bytesMax(text.length)) : scratch;
  const length = write(text, input);
  let [h1, h2, h3, h4] = [0, 0, 0, 0];
  // The tail of the last block is zero, and a word of zero changes nothing: no case per length is needed.
  for (let at = 0; at < length; at += 16) {
    const whole = at + 16 <= length;
    h1 ^= scramble(word(input, at), c1, 15, c2);
    if (whole) h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= scramble(word(input, at + 4), c2, 16, c3);
    if (whole) h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= scramble(word(input, at + 8), c3, 17, c4);
    if (whole) h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= scramble(word(input, at + 12), c4, 18, c1);
    if (whole) h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  return mixed(h1 ^ length, h2 ^ length, h3 ^ length, h4 ^ length);
}

function mixed(a: number, b: number, c: number, d: number): Buffer {
  const sum = (a + b + c + d) | 0;
  const [h1, h2, h3, h4] = [finish(sum), finish((b + sum) | 0), finish((c + sum) | 0), finish((d + sum) | 0)];
  const last = (h1 + h2 + h3 + h4) | 0;
  const hash = Buffer.allocUnsafe(16);
  put(hash, 0, last);
  put(hash, 4, h2 + last);
  put(hash, 8, h3 + last);
  put(hash, 12, h4 + last);
  return hash;
}

function put(into: Buffer, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}
