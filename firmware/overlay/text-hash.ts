/**
 * MurmurHash3_x86_128 (Austin Appleby, public domain) of a text's UTF-8 bytes, seed 0: names table rows in digests, so
 * that two servers see whether their tables differ. It is no seal: whoever can write rows could make two that collide,
 * and would gain nothing but that a difference is found later.
 *
 * It is written out here because the overlay is pure: the same code runs in the simulator, and costs no native call.
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

/** 16 bytes. */
export function textHash(text: string): Buffer {
  const length = Buffer.byteLength(text);
  // The tail of the last block is zero, and a word of zero changes nothing: no case per length is needed.
  const input = Buffer.alloc((length + 15) & ~15);
  input.write(text);
  let [h1, h2, h3, h4] = [0, 0, 0, 0];
  for (let at = 0; at < input.length; at += 16) {
    const whole = at + 16 <= length;
    h1 ^= scramble(input.readUInt32LE(at), c1, 15, c2);
    if (whole) h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= scramble(input.readUInt32LE(at + 4), c2, 16, c3);
    if (whole) h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= scramble(input.readUInt32LE(at + 8), c3, 17, c4);
    if (whole) h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= scramble(input.readUInt32LE(at + 12), c4, 18, c1);
    if (whole) h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  return mixed(h1 ^ length, h2 ^ length, h3 ^ length, h4 ^ length);
}

function mixed(a: number, b: number, c: number, d: number): Buffer {
  const first = finish((a + b + c + d) | 0);
  const sum = (a + b + c + d) | 0;
  const [h2, h3, h4] = [finish((b + sum) | 0), finish((c + sum) | 0), finish((d + sum) | 0)];
  const last = (first + h2 + h3 + h4) | 0;
  const hash = Buffer.allocUnsafe(16);
  hash.writeInt32BE(last, 0);
  hash.writeInt32BE((h2 + last) | 0, 4);
  hash.writeInt32BE((h3 + last) | 0, 8);
  hash.writeInt32BE((h4 + last) | 0, 12);
  return hash;
}
