/**
 * The birds of the test picture: a flock that glides across the sky.
 *
 * Invariants: where they are is a function of size, running time and view; they touch luma only, above a given row.
 */
import type { Area, LumaPlane } from './bitmap-font.ts';
import type { PictureLayout } from './test-scene.ts';
import type { View } from './test-world.ts';

/** Wing positions of one beat. */
const beatSteps = 16;

/** Birds of the flock: place behind and beside the first (in its wing spans), size, beat. */
const birds = [
  { behind: 0, beside: 0, size: 1, beat: 0 },
  { behind: 1.05, beside: -0.42, size: 0.72, beat: 0.31 },
  { behind: 1.2, beside: 0.5, size: 0.66, beat: 0.62 },
  { behind: 2.05, beside: -0.66, size: 0.52, beat: 0.17 },
  { behind: 2.35, beside: 0.16, size: 0.46, beat: 0.83 },
  { behind: 2.6, beside: 0.86, size: 0.42, beat: 0.48 },
];

/** Draws the flock over the luma of a picture. */
export interface Flock {
  /** Where the birds are at a running time (s), as far as they are inside the picture. */
  areas(seconds: number, view: View): Area[];
  draw(plane: LumaPlane, seconds: number, view: View): void;
}

/** Birds of all sizes and wing positions are drawn once, here; rows from `bottom` on are left alone. */
export function createFlock(layout: PictureLayout, bottom: number): Flock {
  const { width, height } = layout;
  const span = width * 0.15;
  const shapes = birds.map(({ size }) => {
    return Array.from({ length: beatSteps }, (_, step) => birdShape(span * size, step / beatSteps));
  });

  /** Each bird as it flies now. */
  function flying(seconds: number, view: View): Bird[] {
    // one crossing takes 24 s, and begins and ends outside the picture
    const ahead = ((seconds / 24 + 0.35) % 1) * 1.7 - 0.15;
    return birds.flatMap(({ behind, beside, beat }, index) => {
      const step = Math.floor((seconds * 0.9 + beat) * beatSteps) % beatSteps;
      const shape = shapes[index]?.[step];
      if (shape === undefined) return [];
      const sway = 0.06 * Math.sin(seconds * 0.42) + 0.012 * Math.sin(seconds * 1.3 + beat * 9);
      const x = ahead * width - behind * span - shape.width / 2;
      const y = (0.4 + sway) * height + beside * span * 0.62 - shape.height / 2;
      const { left, top, zoom } = view;
      return [{ shape, x: Math.round((x - left) * zoom), y: Math.round((y - top) * zoom), zoom }];
    });
  }

  function visible({ shape, x, y, zoom }: Bird): Area {
    const left = Math.max(0, x);
    const top = Math.max(0, y);
    const right = Math.max(left, Math.min(width, x + Math.floor(shape.width * zoom)));
    return {
      x: left,
      y: top,
      width: right - left,
      height: Math.max(0, Math.min(bottom, y + Math.floor(shape.height * zoom)) - top),
    };
  }

  return {
    areas: (seconds, view) => flying(seconds, view).map(visible),
    draw(plane, seconds, view) {
      for (const bird of flying(seconds, view)) darken(plane, visible(bird), bird);
    },
  };
}

/** A bird in the picture: its shape, enlarged by the zoom, and its top left, which may be outside. */
interface Bird {
  readonly shape: Shape;
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

/** How much of each pixel a shape covers, 0 to 255. */
interface Shape {
  readonly width: number;
  readonly height: number;
  readonly shade: Uint8Array;
}

/** A bird seen from the front: two tapering wings bent at the wrist, a slim body. `beat` is 0 to 1. */
function birdShape(span: number, beat: number): Shape {
  const width = Math.max(4, Math.round(span));
  const height = Math.max(4, Math.round(span * 0.62));
  const lift = 0.2 + 0.32 * Math.sin(beat * 2 * Math.PI);
  const shade = new Uint8Array(width * height);
  const cover = new Float64Array(height);
  // in half wing spans from the body, which is a little below the middle
  const row = (y: number) => (y / 1.24 + 0.55) * height;
  for (let x = 0; x < width; x++) {
    cover.fill(0);
    for (let part = 0.125; part < 1; part += 0.25) {
      const across = Math.abs(((x + part) / width) * 2 - 1);
      const wrist = Math.min(across, 0.45);
      const middle = -lift * 1.5 * wrist - (lift * 0.25 - 0.2) * (across - wrist);
      const thickness = 0.115 * (1 - across) ** 0.75;
      const body = across < 0.1 ? 0.17 * Math.sqrt(1 - (across / 0.1) ** 2) : -1;
      const top = Math.min(middle - thickness * 0.6, 0.02 - body);
      const bottom = Math.max(middle + thickness, 0.02 + body);
      coverColumn(cover, row(top), row(bottom));
    }
    for (let y = 0; y < height; y++) shade[y * width + x] = Math.round((cover[y] as number) * 63.75);
  }
  return { width, height, shade };
}

/** Adds to each pixel of a column how much of it lies in [from, to). */
function coverColumn(cover: Float64Array, from: number, to: number): void {
  for (let y = Math.max(0, Math.floor(from)); y < Math.min(cover.length, to); y++) {
    cover[y] = (cover[y] as number) + Math.min(to, y + 1) - Math.max(from, y);
  }
}

/** Darkens what a shape at (x, y) covers of an area, most of the way to black. */
function darken(plane: LumaPlane, area: Area, { shape, x, y, zoom }: Bird): void {
  const { bytes, stride } = plane;
  for (let row = area.y; row < area.y + area.height; row++) {
    const shade = Math.floor((row - y) / zoom) * shape.width;
    for (let column = area.x; column < area.x + area.width; column++) {
      const covered = shape.shade[shade + Math.floor((column - x) / zoom)] as number;
      if (covered === 0) continue;
      const at = row * stride + column;
      bytes[at] = 16 + ((((bytes[at] as number) - 16) * (283 - covered)) >> 8);
    }
  }
}
