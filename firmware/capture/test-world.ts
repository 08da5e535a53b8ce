/**
 * The landscape as a camera sees it that turns and zooms: parts of it are painted when they first come into view, and
 * kept as tiles, so that a picture costs no more than looking up its pixels.
 *
 * Invariants: straight ahead without zoom the picture is that of a camera that cannot turn, pixel for pixel; there are
 * at most `tilesShare` times as many tiles as a picture shows. World coordinates are pixels at zoom 1.
 */
import type { Position } from '../ptz/position.ts';
import { type PaintLandscape, type PictureLayout, type Planes, planesOf } from './test-scene.ts';

/** What a picture shows of the world: its top left there, and how many of its pixels are one of the world's. */
export interface View {
  readonly left: number;
  readonly top: number;
  readonly zoom: number;
}

/** Straight ahead, everything. */
export const straightAhead: View = { left: 0, top: 0, zoom: 1 };

/** What a camera sees at this position; `fieldOfView` is the width of a picture without zoom, in degrees. */
export function viewAt({ pan, tilt, zoom }: Position, layout: PictureLayout, fieldOfView: number): View {
  const { width, height } = layout;
  const pixelsPerDegree = width / fieldOfView;
  return {
    left: width / 2 + pan * pixelsPerDegree - width / 2 / zoom,
    top: height / 2 - tilt * pixelsPerDegree - height / 2 / zoom,
    zoom,
  };
}

const tileBits = 6;
const tileSide = 1 << tileBits;
const tileMask = tileSide - 1;
const tilesShare = 4;

/** Shows the world in a picture; every pixel of it is written. */
export type ShowWorld = (picture: Buffer, view: View) => void;

export function createWorld(layout: PictureLayout, paint: PaintLandscape): ShowWorld {
  const { width, height } = layout;
  const tiles = new Map<string, Planes>();
  const shown = (side: number): number => Math.ceil(side / tileSide) + 1;
  const tilesMax = tilesShare * shown(width) * shown(height);

  function tileAt(column: number, row: number): Planes {
    const key = `${column} ${row}`;
    const known = tiles.get(key);
    if (known !== undefined) return known;
    if (tiles.size >= tilesMax) tiles.clear();
    const tile = emptyTile();
    const [x, y] = [column * tileSide, row * tileSide];
    paint(tile, { x, y, width: tileSide, height: tileSide });
    tiles.set(key, tile);
    return tile;
  }

  return (picture, view) => {
    const planes = planesOf(picture, layout);
    const columns = placesOf(view.left, view.zoom, width);
    const rows = placesOf(view.top, view.zoom, height);
    const spans = spansOf(columns);
    let row = Number.NaN;
    for (let y = 0; y < height; y++) {
      const worldY = rows[y] as number;
      if (worldY >> tileBits !== row) {
        row = worldY >> tileBits;
        for (const span of spans) span.tile = tileAt(span.column, row);
      }
      for (const span of spans) lookUp(planes, span, columns, { y, inTile: worldY & tileMask });
    }
  };
}

function emptyTile(): Planes {
  const [side, half] = [tileSide, tileSide / 2];
  const [luma, blue, red] = [Buffer.alloc(side * side), Buffer.alloc(half * half), Buffer.alloc(half * half)];
  return { luma, blue, red, stride: side, chromaStride: half };
}

/** The world's pixel for each pixel of a picture, along one side. */
function placesOf(from: number, zoom: number, length: number): Int32Array {
  return Int32Array.from({ length }, (_, place) => Math.floor(from + place / zoom));
}

/** Pixels of a row that one tile shows: from `from` up to, not including, `to`. */
interface Span {
  readonly column: number;
  readonly from: number;
  to: number;
  tile: Planes | undefined;
}

function spansOf(columns: Int32Array): Span[] {
  const spans: Span[] = [];
  for (const [x, worldX] of columns.entries()) {
    const column = worldX >> tileBits;
    const last = spans.at(-1);
    if (last?.column === column) last.to = x + 1;
    else spans.push({ column, from: x, to: x + 1, tile: undefined });
  }
  return spans;
}

/** What one tile shows of a row of luma, and with every second one of chroma. */
function lookUp(
  { luma, blue, red, stride, chromaStride }: Planes,
  { tile, from, to }: Span,
  columns: Int32Array,
  { y, inTile }: { y: number; inTile: number },
): void {
  if (tile === undefined) return;
  const [at, tileAt, tileLuma] = [y * stride, inTile * tileSide, tile.luma];
  for (let x = from; x < to; x++) {
    luma[at + x] = tileLuma[tileAt + ((columns[x] as number) & tileMask)] as number;
  }
  if ((y & 1) === 1) return;
  const [chromaAt, chromaTileAt] = [(y >> 1) * chromaStride, (inTile >> 1) * (tileSide / 2)];
  const [tileBlue, tileRed] = [tile.blue, tile.red];
  for (let x = from + (from & 1); x < to; x += 2) {
    const place = chromaTileAt + (((columns[x] as number) & tileMask) >> 1);
    blue[chromaAt + (x >> 1)] = tileBlue[place] as number;
    red[chromaAt + (x >> 1)] = tileRed[place] as number;
  }
}
