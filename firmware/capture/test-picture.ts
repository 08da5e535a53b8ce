/**
 * The `test` source: a camera without a camera. Every frame says which camera, which frame and when, for people (text)
 * and for tests (a bar of cells), and flashes at each whole second of running time so that sound can be compared.
 *
 * Invariants: a frame is a function of its arguments; running time is frame number / frame rate; per frame only what
 * changed is drawn, in luma. Pictures are I420 as GStreamer lays it out (rows padded to 4 bytes), sides even.
 */
import assert from 'node:assert';
import type { Position } from '../ptz/position.ts';
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
import {
  barColumns,
  barRows,
  cellSide,
  drawBar,
  testPictureHeightMin,
  testPictureWidthMin,
} from './test-bar.ts';
import { createFlock } from './test-flock.ts';
import { drawLandscape, landscapePainter, layoutOf, type PictureLayout } from './test-scene.ts';
import { createWorld, type ShowWorld, straightAhead, type View, viewAt } from './test-world.ts';

const black = 16;
const white = 235;
/** How long the patch is white at each whole second. */
const flashMs = 80;

/** What the picture shows. `hue` is 0 to 360 degrees, `label` the camera's id. */
export interface TestPictureOptions {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly label: string;
  readonly hue: number;
  /** what a picture shows from left to right without zoom, degrees; for cameras that turn */
  readonly fieldOfView?: number;
}

/** Draws frames of `bytes` bytes. */
export interface TestPicture {
  readonly bytes: number;
  /**
   * Draws one frame. The first time a buffer is given it is drawn whole, afterwards only the changes, so leave its
   * content alone in between. The bar holds the frame number modulo 2^24. A camera that turns says where it looks, and
   * then shows what is there.
   */
  draw(target: Buffer, frameNumber: number, utcMs: number, position?: Position): void;
}

/** The nearest size that can be drawn: sides even and not too small. */
export function nearestTestSize(width: number, height: number): { width: number; height: number } {
  return {
    width: Math.max(testPictureWidthMin, 2 * Math.round(width / 2)),
    height: Math.max(testPictureHeightMin, 2 * Math.round(height / 2)),
  };
}

/** Prepares everything that does not move, from where the camera looks at first; sides as from `nearestTestSize`. */
export function createTestPicture(options: TestPictureOptions, first?: Position): TestPicture {
  const { width, height, frameRate } = options;
  const nearest = nearestTestSize(width, height);
  assert(nearest.width === width && nearest.height === height, `no test picture of ${width} × ${height}`);
  const layout = layoutOf(width, height);
  const { stride } = layout;
  const lines = textLines(options);
  const scenery = createScenery(options, layout, lines);
  scenery(first);
  const flash = flashArea(width);
  const flock = createFlock(layout, lines.label.y);
  /** what was drawn into a buffer before, over which background */
  const drawn = new WeakMap<Buffer, { birds: Area[]; clock: string; frame: string; turned: number }>();

  return {
    bytes: layout.bytes,
    draw(target, frameNumber, utcMs, position) {
      assert(target.length >= layout.bytes, `buffer of ${target.length} bytes for ${layout.bytes}`);
      const { background, view, turned } = scenery(position);
      const plane = { bytes: target, stride };
      const seconds = frameNumber / frameRate;
      const birds = flock.areas(seconds, view);
      const clock = utcText(utcMs);
      const frame = `FRAME ${String(frameNumber % 10_000_000).padStart(7, '0')}`;
      const last = drawn.get(target);
      const before = last?.turned === turned ? last : undefined;
      if (before === undefined) background.copy(target);
      else for (const area of before.birds) restore(plane, background, area);
      flock.draw(plane, seconds, view);
      drawBar(plane, width, frameNumber, utcMs);
      fillArea(plane, flash, isFlash(frameNumber, frameRate) ? white : black);
      redrawText(plane, background, lines.clock, { from: before?.clock ?? '', to: clock });
      redrawText(plane, background, lines.frame, { from: before?.frame ?? '', to: frame });
      drawn.set(target, { birds, clock, frame, turned });
    },
  };
}

/** Everything that only moves with the camera, and how often that has moved. */
interface Scenery {
  readonly background: Buffer;
  readonly view: View;
  readonly turned: number;
}

/** Draws it once, and again whenever the camera looks elsewhere. */
function createScenery(
  { hue, label, fieldOfView = 60 }: TestPictureOptions,
  layout: PictureLayout,
  lines: Lines,
): (position?: Position) => Scenery {
  let scenery: Scenery | undefined;
  let text = '';
  let show: ShowWorld | undefined;
  return (position) => {
    const wanted = position === undefined ? '' : positionText(position);
    if (scenery !== undefined && wanted === text) return scenery;
    text = wanted;
    show ??= position === undefined ? undefined : createWorld(layout, landscapePainter(layout, hue));
    const view = position === undefined ? straightAhead : viewAt(position, layout, fieldOfView);
    const blank = (): Buffer =>
      show === undefined ? drawLandscape(layout, hue) : Buffer.alloc(layout.bytes);
    const background = scenery?.background ?? blank();
    show?.(background, view);
    drawStills(background, layout, lines.label, label);
    drawText({ bytes: background, stride: layout.stride }, lines.view, text);
    scenery = { background, view, turned: (scenery?.turned ?? 0) + 1 };
    return scenery;
  };
}

/** Such as `PAN +12.34 TILT -4.00 ZOOM 1.50`: as fine as the picture can show. */
function positionText({ pan, tilt, zoom }: Position): string {
  const signed = (degrees: number): string => `${degrees < 0 ? '-' : '+'}${Math.abs(degrees).toFixed(2)}`;
  return `PAN ${signed(pan)} TILT ${signed(tilt)} ZOOM ${zoom.toFixed(2)}`;
}

/** Where the patch that flashes each second is, in a picture of this width, px. */
export function flashArea(width: number): Area {
  const side = cellSide(width);
  return { x: (width - 5 * side) & ~1, y: side, width: 4 * side, height: 4 * side };
}

/** Whether running time is within the first 80 ms of a second; in whole numbers for whole frame rates. */
function isFlash(frameNumber: number, frameRate: number): boolean {
  return (frameNumber * 1000) % (frameRate * 1000) < flashMs * frameRate;
}

type Lines = Record<'label' | 'clock' | 'frame' | 'view', TextStyle>;

/** Label and clock at the bottom left, and above them where it looks; frame number at the bottom right. */
function textLines({ width, height, label }: TestPictureOptions): Lines {
  const scale = Math.max(1, Math.floor(width / 320));
  const margin = cellSide(width);
  const labelScale = Math.floor((width - 2 * margin) / (cellWidth * Math.max(1, label.length)));
  const bright = { luma: 228, shadowLuma: black };
  const y = height - margin - cellHeight * scale;
  const large = Math.max(1, Math.min(labelScale, 3 * scale));
  const frameWidth = cellWidth * scale * 'FRAME 0000000'.length - scale;
  const labelY = y - cellHeight * large - scale;
  return {
    label: { ...bright, x: margin, y: labelY, scale: large },
    view: { ...bright, x: margin, y: labelY - cellHeight * scale - scale, scale, luma: 170 },
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
