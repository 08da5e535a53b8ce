/**
 * The landscape behind the test picture: a still dusk of sky, sun and hills in a hue of its own for each camera. It
 * has no end: a camera that looks straight ahead shows the part whose top left is (0, 0).
 *
 * Invariants: every pixel is a function of its place, the picture's size and the hue. Luma and chroma are in limited
 * range (16–235), BT.709 from 720 rows on and BT.601 below, as decoders assume when nothing is said.
 */
import type { Area } from './bitmap-font.ts';

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

/** I420 planes that a part of the landscape is painted into; `stride` and `chromaStride` are of these. */
export interface Planes {
  readonly luma: Buffer;
  readonly blue: Buffer;
  readonly red: Buffer;
  readonly stride: number;
  readonly chromaStride: number;
}

/** Paints a part of the landscape, which has no end, into planes whose top left is that of the part; even numbers only. */
export type PaintLandscape = (planes: Planes, area: Area) => void;

/** The still landscape as a whole picture. */
export function drawLandscape(layout: PictureLayout, hue: number): Buffer {
  const picture = Buffer.alloc(layout.bytes, 128);
  const { width, height } = layout;
  landscapePainter(layout, hue)(planesOf(picture, layout), { x: 0, y: 0, width, height });
  return picture;
}

/** The planes of a whole picture. */
export function planesOf(picture: Buffer, layout: PictureLayout): Planes {
  const { stride, chromaStride, lumaBytes, chromaBytes } = layout;
  const blue = picture.subarray(lumaBytes, lumaBytes + chromaBytes);
  return { luma: picture, blue, red: picture.subarray(lumaBytes + chromaBytes), stride, chromaStride };
}

/** Makes the painter of a landscape as pictures of this size show it. */
export function landscapePainter(layout: PictureLayout, hue: number): PaintLandscape {
  const [redShare, blueShare] = layout.height >= 720 ? [0.2126, 0.0722] : [0.299, 0.114];
  const colours = landscape(layout, hue);
  return ({ luma: plane, blue: bluePlane, red: redPlane, stride, chromaStride }, area) => {
    // one row of each colour difference, gathered over two rows of luma
    const blueRow = new Float64Array(area.width / 2);
    const redRow = new Float64Array(area.width / 2);
    const paintRow = colours(area);
    for (let row = 0; row < area.height; row++) {
      const y = area.y + row;
      paintRow(y, (column, red, green, blue) => {
        const luma = redShare * red + (1 - redShare - blueShare) * green + blueShare * blue;
        const noise = dither[(y & 3) * 4 + ((area.x + column) & 3)] as number;
        plane[row * stride + column] = Math.round(16 + 219 * Math.min(1, luma) + noise);
        blueRow[column >> 1] = (blueRow[column >> 1] as number) + (blue - luma) / (1 - blueShare);
        redRow[column >> 1] = (redRow[column >> 1] as number) + (red - luma) / (1 - redShare);
      });
      if ((row & 1) === 0) continue;
      const at = (row >> 1) * chromaStride;
      for (let column = 0; column < blueRow.length; column++) {
        bluePlane[at + column] = Math.round(128 + 28 * (blueRow[column] as number));
        redPlane[at + column] = Math.round(128 + 28 * (redRow[column] as number));
      }
      blueRow.fill(0);
      redRow.fill(0);
    }
  };
}

/** Stars stand above what a camera sees that looks straight ahead: one in each field of so many pixels. */
const starField = 56;

/** How bright a star is at a place, 0 to 1; nothing nearly everywhere. */
function starlight(x: number, y: number): number {
  const [column, row] = [Math.floor(x / starField), Math.floor(y / starField)];
  let seed = Math.imul(column, 0x27d4eb2d) ^ Math.imul(row, 0x165667b1);
  seed = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d);
  seed ^= seed >>> 13;
  const starX = column * starField + 4 + ((seed & 0xff) % (starField - 8));
  const starY = row * starField + 4 + (((seed >> 8) & 0xff) % (starField - 8));
  const size = 1.2 + ((seed >> 16) & 7) / 4;
  return share(1 - Math.hypot(x - starX, y - starY) / size) * 0.7;
}

type Plot = (column: number, red: number, green: number, blue: number) => void;
type PaintRow = (y: number, plot: Plot) => void;

/** The landscape pixel by pixel, in the columns of an area; what depends on the column alone is worked out once. */
function landscape({ width, height }: PictureLayout, hue: number): (area: Area) => PaintRow {
  const zenith = hsv(hue, 0.72, 0.11);
  const horizon = hsv(hue + 18, 0.55, 0.5);
  const glow = hsv(hue + 40, 0.35, 0.95);
  // the sun stands elsewhere for every camera
  const sunX = width * (0.58 + 0.24 * Math.sin(hue));
  const sunY = height * 0.53;
  const ranges = [
    { base: 0.6, rise: 0.06, waves: 1.3, colour: hsv(hue + 8, 0.5, 0.3) },
    { base: 0.68, rise: 0.07, waves: 2.1, colour: hsv(hue, 0.58, 0.19) },
    { base: 0.79, rise: 0.06, waves: 1.7, colour: hsv(hue - 8, 0.65, 0.1) },
  ];

  const hillsOf = (area: Area): { ridge: Float64Array; colour: Rgb }[] =>
    ranges.map(({ base, rise, waves, colour }, place) => {
      const phase = hue * 0.07 + place * 2.3;
      const ridge = Float64Array.from({ length: area.width }, (_, column) => {
        const turn = ((area.x + column) / width) * waves;
        const wave = Math.sin(turn * 4 + phase) + 0.45 * Math.sin(turn * 9.7 + phase * 1.9);
        return height * (base - rise * (0.5 * wave + 0.12 * Math.sin(turn * 31 + phase)));
      });
      // the further away, the more of the sky's light
      return { ridge, colour: mix(colour, horizon, 0.04 * (2 - place)) };
    });

  return (area) => {
    const hills = hillsOf(area);
    return (y, plot) => {
      const sky = mix(zenith, horizon, Math.max(0, y / height / 0.62) ** 1.5);
      for (let column = 0; column < area.width; column++) {
        const distance = Math.hypot(area.x + column - sunX, y - sunY) / height;
        const light = 0.62 * Math.exp(-distance * 5.2);
        const sun = light + (1 - light) * share((0.06 - distance) * 180);
        let red = sky[0] + (glow[0] - sky[0]) * sun;
        let green = sky[1] + (glow[1] - sky[1]) * sun;
        let blue = sky[2] + (glow[2] - sky[2]) * sun;
        if (y < -starField) {
          const star = starlight(area.x + column, y);
          [red, green, blue] = [red + star, green + star, blue + star];
        }
        for (const { ridge, colour } of hills) {
          const depth = y - (ridge[column] as number);
          if (depth <= -0.5) continue;
          // the ridge is a soft edge one pixel wide, the foot fades into the dark
          const edge = share(depth + 0.5);
          const dark = share((depth / height) * 2.2);
          red += (colour[0] + (zenith[0] - colour[0]) * dark - red) * edge;
          green += (colour[1] + (zenith[1] - colour[1]) * dark - green) * edge;
          blue += (colour[2] + (zenith[2] - colour[2]) * dark - blue) * edge;
        }
        plot(column, red, green, blue);
      }
    };
  };
}
