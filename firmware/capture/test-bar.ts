/**
 * The machine-readable bar of a test picture: which frame it is, and when it was drawn.
 *
 * Two rows of 40 square cells, one cell from the top left corner; a cell is white for 1. In reading order:
 * the mark 1010, the frame number (24 bits), UTC in ms (44 bits), CRC-8 (polynomial 0x07, begun with ones) of the
 * two before it as nine bytes, padded with zeros in front.
 *
 * Needs nothing but a way to look at pixels, so that a browser can read it too.
 */
import { accept, type Result, reject } from '../base/result.ts';
import type { LumaPlane } from './bitmap-font.ts';

/** Smallest picture that the bar and the clock fit into. */
export const testPictureWidthMin = 256;
export const testPictureHeightMin = 144;

export const barColumns = 40;
export const barRows = 2;

const black = 16;
const white = 235;
const mark = 0b1010;
const frameNumbers = 2 ** 24;
const timesMs = 2 ** 44;

/** Side of a cell of the bar: 12 pixels at a width of 640, even, at least 4. */
export function cellSide(width: number): number {
  return Math.max(4, 2 * Math.floor((width * 3) / 320));
}

/** CRC-8 of a frame number and a time as nine bytes: four zero bits, 24 bits, 44 bits. */
function barCrc(frameNumber: number, utcMs: number): number {
  let crc = 0xff;
  for (let bit = 71; bit >= 0; bit--) {
    const one = bit >= 44 ? bitOf(frameNumber, bit - 44) : bitOf(utcMs, bit);
    const top = (crc >> 7) ^ one;
    crc = ((crc << 1) & 0xff) ^ (top === 0 ? 0 : 0x07);
  }
  return crc;
}

function bitOf(value: number, bit: number): number {
  return Math.floor(value / 2 ** bit) % 2;
}

/** Draws one line of pixels of each row of cells and copies it down. */
export function drawBar(plane: LumaPlane, width: number, frameNumber: number, utcMs: number): void {
  const frame = frameNumber % frameNumbers;
  const time = Math.max(0, Math.floor(utcMs)) % timesMs;
  const side = cellSide(width);
  const fields: readonly (readonly [value: number, bits: number])[] = [
    [mark, 4],
    [frame, 24],
    [time, 44],
    [barCrc(frame, time), 8],
  ];
  let cell = 0;
  for (const [value, bits] of fields) {
    for (let bit = bits - 1; bit >= 0; bit--, cell++) {
      const start =
        side * (1 + Math.floor(cell / barColumns)) * plane.stride + side * (1 + (cell % barColumns));
      plane.bytes.fill(bitOf(value, bit) === 1 ? white : black, start, start + side);
    }
  }
  for (let row = 0; row < barRows; row++) {
    const start = side * (1 + row) * plane.stride + side;
    for (let line = 1; line < side; line++) {
      plane.bytes.copyWithin(start + line * plane.stride, start, start + side * barColumns);
    }
  }
}

/**
 * Reads the bar of a test picture of this size, also after lossy coding: a cell is its inner half on average, and the
 * mark's own black and white are the measure. `luma` gives 0 to 255, in limited or full range. Refuses a picture
 * without a bar and one whose CRC does not fit. UTC is ms.
 */
export function readTestBar(
  luma: (x: number, y: number) => number,
  width: number,
  height: number,
): Result<{ frameNumber: number; utcMs: number }> {
  const side = cellSide(width);
  if (width < testPictureWidthMin || height < testPictureHeightMin)
    return reject('picture too small for a test bar');
  const level = (cell: number) => {
    const left = side * (1 + (cell % barColumns)) + (side >> 2);
    const top = side * (1 + Math.floor(cell / barColumns)) + (side >> 2);
    let sum = 0;
    for (let i = 0; i < 16; i++) {
      sum += luma(left + ((((i & 3) * side) >> 3) | 0), top + (((i >> 2) * side) >> 3));
    }
    return sum / 16;
  };
  const bright = (level(0) + level(2)) / 2;
  const dark = (level(1) + level(3)) / 2;
  if (bright - dark < 64) return reject('no test bar');
  let next = 4;
  const take = (bits: number) => {
    let value = 0;
    for (let i = 0; i < bits; i++) value = value * 2 + (level(next++) > (bright + dark) / 2 ? 1 : 0);
    return value;
  };
  const frameNumber = take(24);
  const utcMs = take(44);
  return take(8) === barCrc(frameNumber, utcMs)
    ? accept({ frameNumber, utcMs })
    : reject('CRC of the test bar');
}
