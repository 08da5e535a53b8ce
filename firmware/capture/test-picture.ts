/**
 * The `test` source: a camera without a camera. Every frame says which camera, which frame and when, for people (text)
 * and for tests (a bar of cells), and flashes at each whole second of running time so that sound can be compared.
 *
 * Invariants: a frame is a function of its arguments; running time is frame number / frame rate; per frame only what
 * changed is drawn, in luma. Pictures are I420 as GStreamer lays it out (rows padded to 4 bytes), sides even.
 *
 * The bar: two rows of 40 square cells, one cell from the top left corner; a cell is white for 1. In reading order:
 * the mark 1010, the frame number (24 bits), UTC in ms (44 bits), CRC-8 (polynomial 0x07, begun with ones) of the
 * two before it as nine bytes, padded with zeros in front.
 */
import assert from 'node:assert';
import { accept, reject, type Result } from '../base/result.ts';
import {
  type Area,
  cellHeight,
  cellWidth,
  characterArea,
  drawCharacter,
  drawText,
  fillArea,
  type LumaPlane,
  type TextStyle,
} from './bitmap-font.ts';
import { createFlock, drawLandscape, layoutOf, type PictureLayout } from './test-scene.ts';

/** Smallest picture that the bar and the clock fit into. */
const testPictureWidthMin = 256;
const testPictureHeightMin = 144;

const black = 16;
const white = 235;
const barColumns = 40;
const barRows = 2;
const mark = 0b1010;
const frameNumbers = 2 ** 24;
const timesMs = 2 ** 44;
/** How long the patch is white at each whole second. */
const flashMs = 80;

/** What the picture shows. `hue` is 0 to 360 degrees, `label` the camera's id. */
export interface TestPictureOptions {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly label: string;
  readonly hue: number;
}

/** Draws frames of `bytes` bytes. */
export interface TestPicture {
  readonly bytes: number;
  /**
   * Draws one frame. The first time a buffer is given it is drawn whole, afterwards only the changes, so leave its
   * content alone in between. The bar holds the frame number modulo 2^24.
   */
  draw(target: Buffer, frameNumber: number, utcMs: number): void;
}

/** The nearest size that can be drawn: sides even and not too small. */
export function nearestTestSize(width: number, height: number): { width: number; height: number } {
  return {
    width: Math.max(testPictureWidthMin, 2 * Math.round(width / 2)),
    height: Math.max(testPictureHeightMin, 2 * Math.round(height / 2)),
  };
}

/** Prepares everything that does not move; sides as from `nearestTestSize`. */
export function createTestPicture(options: TestPictureOptions): TestPicture {
  const { width, height, frameRate, hue } = options;
  const nearest = nearestTestSize(width, height);
  assert(nearest.width === width && nearest.height === height, `no test picture of ${width} × ${height}`);
  const layout = layoutOf(width, height);
  const { stride } = layout;
  const background = drawLandscape(layout, hue);
  const flash = flashArea(width);
  const lines = textLines(options);
  drawStills(background, layout, lines.label, options.label);
  const flock = createFlock(layout, lines.label.y);
  /** what was drawn into a buffer before */
  const drawn = new WeakMap<Buffer, { birds: Area[]; clock: string; frame: string }>();

  return {
    bytes: layout.bytes,
    draw(target, frameNumber, utcMs) {
      assert(target.length >= layout.bytes, `buffer of ${target.length} bytes for ${layout.bytes}`);
      const plane = { bytes: target, stride };
      const seconds = frameNumber / frameRate;
      const birds = flock.areas(seconds);
      const clock = utcText(utcMs);
      const frame = `FRAME ${String(frameNumber % 10_000_000).padStart(7, '0')}`;
      const before = drawn.get(target);
      if (before === undefined) background.copy(target);
      else for (const area of before.birds) restore(plane, background, area);
      flock.draw(plane, seconds);
      drawBar(plane, width, frameNumber, utcMs);
      fillArea(plane, flash, isFlash(frameNumber, frameRate) ? white : black);
      redrawText(plane, background, lines.clock, { from: before?.clock ?? '', to: clock });
      redrawText(plane, background, lines.frame, { from: before?.frame ?? '', to: frame });
      drawn.set(target, { birds, clock, frame });
    },
  };
}

/** Side of a cell of the bar: 12 pixels at a width of 640, even, at least 4. */
function cellSide(width: number): number {
  return Math.max(4, 2 * Math.floor((width * 3) / 320));
}

/** The patch: a square in the top right corner, level with the bar. */
/** Where the patch that flashes each second is, in a picture of this width, px. */
export function flashArea(width: number): Area {
  const side = cellSide(width);
  return { x: (width - 5 * side) & ~1, y: side, width: 4 * side, height: 4 * side };
}

/** Whether running time is within the first 80 ms of a second; in whole numbers for whole frame rates. */
function isFlash(frameNumber: number, frameRate: number): boolean {
  return (frameNumber * 1000) % (frameRate * 1000) < flashMs * frameRate;
}

/** Label and clock at the bottom left, frame number at the bottom right. */
function textLines({
  width,
  height,
  label,
}: TestPictureOptions): Record<'label' | 'clock' | 'frame', TextStyle> {
  const scale = Math.max(1, Math.floor(width / 320));
  const margin = cellSide(width);
  const labelScale = Math.floor((width - 2 * margin) / (cellWidth * Math.max(1, label.length)));
  const bright = { luma: 228, shadowLuma: black };
  const y = height - margin - cellHeight * scale;
  const large = Math.max(1, Math.min(labelScale, 3 * scale));
  const frameWidth = cellWidth * scale * 'FRAME 0000000'.length - scale;
  return {
    label: { ...bright, x: margin, y: y - cellHeight * large - scale, scale: large },
    clock: { ...bright, x: margin, y, scale },
    frame: { ...bright, x: width - margin - frameWidth, y, scale, luma: 170 },
  };
}

/** Draws what stands before the landscape but never changes: the label, the patch's rim, grey under bar and patch. */
function drawStills(background: Buffer, layout: PictureLayout, style: TextStyle, label: string): void {
  const plane = { bytes: background, stride: layout.stride };
  const side = cellSide(layout.width);
  const flash = flashArea(layout.width);
  const rim = Math.max(2, (side >> 2) & ~1);
  const outer = {
    x: flash.x - rim,
    y: flash.y - rim,
    width: flash.width + 2 * rim,
    height: flash.height + 2 * rim,
  };
  drawText(plane, style, label);
  fillArea(plane, outer, 96);
  for (const area of [outer, { x: side, y: side, width: barColumns * side, height: barRows * side }]) {
    for (const start of [layout.lumaBytes, layout.lumaBytes + layout.chromaBytes]) {
      const chroma = { bytes: background.subarray(start), stride: layout.chromaStride };
      fillArea(chroma, { x: area.x / 2, y: area.y / 2, width: area.width / 2, height: area.height / 2 }, 128);
    }
  }
}

/** Copies a part of the background back. */
function restore(plane: LumaPlane, background: Buffer, area: Area): void {
  for (let y = area.y; y < area.y + area.height; y++) {
    const start = y * plane.stride + area.x;
    background.copy(plane.bytes, start, start, start + area.width);
  }
}

/** Replaces the characters of a line that changed. */
function redrawText(
  plane: LumaPlane,
  background: Buffer,
  style: TextStyle,
  { from, to }: { from: string; to: string },
): void {
  for (let place = 0; place < Math.max(from.length, to.length); place++) {
    if (from[place] === to[place]) continue;
    restore(plane, background, characterArea(style, place));
    if (place < to.length) drawCharacter(plane, style, place, to.charAt(place));
  }
}

const dayMs = 86_400_000;

/** `2026-11-22 12:34:56.789Z`; the civil date from days since 1970, with years that begin in March. */
function utcText(utcMs: number): string {
  const time = Math.floor(utcMs);
  const days = Math.floor(time / dayMs) + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - 365 * yearOfEra - Math.floor(yearOfEra / 4) + Math.floor(yearOfEra / 100);
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const ms = ((time % dayMs) + dayMs) % dayMs;
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60].map(
    two,
  );
  return `${year}-${two(month)}-${two(day)} ${clock.join(':')}.${String(ms % 1000).padStart(3, '0')}Z`;
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
function drawBar(plane: LumaPlane, width: number, frameNumber: number, utcMs: number): void {
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
