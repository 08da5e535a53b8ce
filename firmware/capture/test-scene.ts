/**
 * The landscape behind the test picture: a still dusk of sky, sun and hills in a hue of its own for each camera, and
 * a flock of birds that glides across the sky.
 *
 * Invariants: everything is a function of size, hue and running time, so that a frame can be drawn again; the still
 * part is drawn once; birds touch luma only, above a given row. Luma and chroma are in limited range
 * (16–235), BT.709 from 720 rows on and BT.601 below, as decoders assume when nothing is said.
 */
import type { Area, LumaPlane } from './bitmap-font.ts';

/** How a picture lies in memory: I420 as GStreamer has it, rows padded to four bytes. */
export interface PictureLayout {
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly chromaStride: number;
  readonly lumaBytes: number;
  readonly chromaBytes: number;
  readonly bytes: number;
}

/** Layout of a picture with even sides. */
export function layoutOf(width: number, height: number): PictureLayout {
  const stride = (width + 3) & ~3;
  const chromaStride = (width / 2 + 3) & ~3;
  const lumaBytes = stride * height;
  const chromaBytes = chromaStride * (height / 2);
  return { width, height, stride, chromaStride, lumaBytes, chromaBytes, bytes: lumaBytes + 2 * chromaBytes };
}

type Rgb = [red: number, green: number, blue: number];

/** Hue in degrees, saturation and value 0 to 1. */
function hsv(hue: number, saturation: number, value: number): Rgb {
  const channel = (n: number) => {
    const k = (n + hue / 60 + 600) % 6;
    return value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return [channel(5), channel(3), channel(1)];
}

function share(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

function mix(a: Rgb, b: Rgb, shareOfB: number): Rgb {
  const s = share(shareOfB);
  return [a[0] + (b[0] - a[0]) * s, a[1] + (b[1] - a[1]) * s, a[2] + (b[2] - a[2]) * s];
}

/** Ordered dither, 4 × 4, −0.5 to 0.5: no bands in dark gradients, and nothing that moves. */
const dither = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5].map(
  (value) => (value + 0.5) / 16 - 0.5,
);

/** The still landscape as a whole picture. */
export function drawLandscape(layout: PictureLayout, hue: number): Buffer {
  const { width, height, stride, chromaStride, lumaBytes, chromaBytes } = layout;
  const picture = Buffer.alloc(layout.bytes, 128);
  const [redShare, blueShare] = height >= 720 ? [0.2126, 0.0722] : [0.299, 0.114];
  // one row of each colour difference, gathered over two rows of luma
  const blueRow = new Float64Array(width / 2);
  const redRow = new Float64Array(width / 2);
  const paintRow = landscape(layout, hue);
  for (let y = 0; y < height; y++) {
    paintRow(y, (x, red, green, blue) => {
      const luma = redShare * red + (1 - redShare - blueShare) * green + blueShare * blue;
      const noise = dither[(y & 3) * 4 + (x & 3)] as number;
      picture[y * stride + x] = Math.round(16 + 219 * Math.min(1, luma) + noise);
      blueRow[x >> 1] = (blueRow[x >> 1] as number) + (blue - luma) / (1 - blueShare);
      redRow[x >> 1] = (redRow[x >> 1] as number) + (red - luma) / (1 - redShare);
    });
    if ((y & 1) === 0) continue;
    const at = lumaBytes + (y >> 1) * chromaStride;
    for (let x = 0; x < blueRow.length; x++) {
      picture[at + x] = Math.round(128 + 28 * (blueRow[x] as number));
      picture[at + chromaBytes + x] = Math.round(128 + 28 * (redRow[x] as number));
    }
    blueRow.fill(0);
    redRow.fill(0);
  }
  return picture;
}

type Plot = (x: number, red: number, green: number, blue: number) => void;

/** Paints a row of the landscape, pixel by pixel; what depends on the column alone is worked out once. */
function landscape({ width, height }: PictureLayout, hue: number): (y: number, plot: Plot) => void {
  const zenith = hsv(hue, 0.72, 0.11);
  const horizon = hsv(hue + 18, 0.55, 0.5);
  const glow = hsv(hue + 40, 0.35, 0.95);
  // the sun stands elsewhere for every camera
  const sunX = width * (0.58 + 0.24 * Math.sin(hue));
  const sunY = height * 0.53;
  const hills = [
    { base: 0.6, rise: 0.06, waves: 1.3, colour: hsv(hue + 8, 0.5, 0.3) },
    { base: 0.68, rise: 0.07, waves: 2.1, colour: hsv(hue, 0.58, 0.19) },
    { base: 0.79, rise: 0.06, waves: 1.7, colour: hsv(hue - 8, 0.65, 0.1) },
  ].map(({ base, rise, waves, colour }, place) => {
    const phase = hue * 0.07 + place * 2.3;
    const ridge = Float64Array.from({ length: width }, (_, x) => {
      const turn = (x / width) * waves;
      const wave = Math.sin(turn * 4 + phase) + 0.45 * Math.sin(turn * 9.7 + phase * 1.9);
      return height * (base - rise * (0.5 * wave + 0.12 * Math.sin(turn * 31 + phase)));
    });
    // the further away, the more of the sky's light
    return { ridge, colour: mix(colour, horizon, 0.04 * (2 - place)) };
  });

  return (y, plot) => {
    const sky = mix(zenith, horizon, (y / height / 0.62) ** 1.5);
    for (let x = 0; x < width; x++) {
      const distance = Math.hypot(x - sunX, y - sunY) / height;
      const light = 0.62 * Math.exp(-distance * 5.2);
      const sun = light + (1 - light) * share((0.06 - distance) * 180);
      let red = sky[0] + (glow[0] - sky[0]) * sun;
      let green = sky[1] + (glow[1] - sky[1]) * sun;
      let blue = sky[2] + (glow[2] - sky[2]) * sun;
      for (const { ridge, colour } of hills) {
        const depth = y - (ridge[x] as number);
        if (depth <= -0.5) continue;
        // the ridge is a soft edge one pixel wide, the foot fades into the dark
        const edge = share(depth + 0.5);
        const dark = share((depth / height) * 2.2);
        red += (colour[0] + (zenith[0] - colour[0]) * dark - red) * edge;
        green += (colour[1] + (zenith[1] - colour[1]) * dark - green) * edge;
        blue += (colour[2] + (zenith[2] - colour[2]) * dark - blue) * edge;
      }
      plot(x, red, green, blue);
    }
  };
}

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
  areas(seconds: number): Area[];
  draw(plane: LumaPlane, seconds: number): void;
}

/** Birds of all sizes and wing positions are drawn once, here; rows from `bottom` on are left alone. */
export function createFlock(layout: PictureLayout, bottom: number): Flock {
  const { width, height } = layout;
  const span = width * 0.15;
  const shapes = birds.map(({ size }) => {
    return Array.from({ length: beatSteps }, (_, step) => birdShape(span * size, step / beatSteps));
  });

  /** Each bird's shape now and its top left, which may be outside. */
  function flying(seconds: number): { shape: Shape; x: number; y: number }[] {
    // one crossing takes 24 s, and begins and ends outside the picture
    const ahead = ((seconds / 24 + 0.35) % 1) * 1.7 - 0.15;
    return birds.flatMap(({ behind, beside, beat }, index) => {
      const step = Math.floor((seconds * 0.9 + beat) * beatSteps) % beatSteps;
      const shape = shapes[index]?.[step];
      if (shape === undefined) return [];
      const sway = 0.06 * Math.sin(seconds * 0.42) + 0.012 * Math.sin(seconds * 1.3 + beat * 9);
      const x = Math.round(ahead * width - behind * span - shape.width / 2);
      const y = Math.round((0.4 + sway) * height + beside * span * 0.62 - shape.height / 2);
      return [{ shape, x, y }];
    });
  }

  function visible({ shape, x, y }: { shape: Shape; x: number; y: number }): Area {
    const left = Math.max(0, x);
    const top = Math.max(0, y);
    const right = Math.max(left, Math.min(width, x + shape.width));
    return {
      x: left,
      y: top,
      width: right - left,
      height: Math.max(0, Math.min(bottom, y + shape.height) - top),
    };
  }

  return {
    areas: (seconds) => flying(seconds).map(visible),
    draw(plane, seconds) {
      for (const bird of flying(seconds)) darken(plane, visible(bird), bird);
    },
  };
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
function darken(plane: LumaPlane, area: Area, { shape, x, y }: { shape: Shape; x: number; y: number }): void {
  const { bytes, stride } = plane;
  for (let row = area.y; row < area.y + area.height; row++) {
    const shade = (row - y) * shape.width - x;
    for (let column = area.x; column < area.x + area.width; column++) {
      const covered = shape.shade[shade + column] as number;
      if (covered === 0) continue;
      const at = row * stride + column;
      bytes[at] = 16 + ((((bytes[at] as number) - 16) * (283 - covered)) >> 8);
    }
  }
}
