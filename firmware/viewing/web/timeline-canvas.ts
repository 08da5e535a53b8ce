/**
 * Draws a timeline on a canvas: ruler, a lane per camera with recordings in the colour and pattern of the server that
 * holds them, gaps by kind, hand-overs, what is kept, the room for events, a chosen range, now, and the head. Colours
 * come from the style sheet. Sizes in CSS pixels.
 */

import type { TimeRange } from './time-range.ts';
import { type Tick, ticks } from './time-scale.ts';
import { type GapKind, gapKind, holderIndex, type Lane } from './timeline-lanes.ts';

export const rulerHeight = 24;
const keptHeight = 6;
const eventsHeight = 8;
const laneGap = 4;
/** Colours and patterns of servers, after which they begin anew. */
const holders = 5;
const tileSize = 8;

export interface TimelineScene {
  readonly window: TimeRange;
  readonly lanes: readonly Lane[];
  /** all servers of the site in order, for their colours */
  readonly servers: readonly string[];
  readonly headMs: number | undefined;
  readonly live: boolean;
  readonly nowMs: number;
  readonly hoverMs: number | undefined;
  readonly chosen: TimeRange | undefined;
  /** times of single pictures, where they are known */
  readonly frames: readonly { readonly ms: number; readonly keyframe: boolean }[];
}

/** Height of a lane: one camera has room, nine share it. */
function laneHeight(lanes: number): number {
  return lanes <= 1 ? 34 : lanes <= 4 ? 20 : 14;
}

/** Height of the whole timeline. */
export function timelineHeight(lanes: number): number {
  const events = lanes <= 1 ? eventsHeight : 0;
  return rulerHeight + Math.max(1, lanes) * (laneHeight(lanes) + keptHeight + laneGap) + events + 4;
}

/** Reads the style sheet's colours; once per theme, because that is slow. */
export class TimelineColours {
  readonly holders: readonly string[];
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly ground: string;
  readonly raised: string;
  readonly accent: string;
  readonly bad: string;
  readonly kept: string;
  private readonly patterns = new Map<string, CanvasPattern | string>();

  constructor(element: Element) {
    const style = getComputedStyle(element);
    const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
    this.holders = Array.from({ length: holders }, (_, i) => read(`holder-${i}`));
    [this.text, this.quiet, this.line] = [read('text'), read('quiet'), read('line')];
    [this.ground, this.raised] = [read('ground'), read('raised')];
    [this.accent, this.bad, this.kept] = [read('accent'), read('bad'), read('warn')];
  }

  /** A server's colour with its pattern. */
  holder(context: CanvasRenderingContext2D, index: number): CanvasPattern | string {
    const colour = this.holders[index % holders] ?? this.accent;
    return this.pattern(context, `holder ${index % holders}`, (tile) => {
      tile.fillStyle = colour;
      tile.fillRect(0, 0, tileSize, tileSize);
      tile.strokeStyle = tile.fillStyle = this.ground;
      tile.globalAlpha = 0.42;
      holderPatterns[index % holders]?.(tile);
    });
  }

  gap(context: CanvasRenderingContext2D, kind: GapKind): CanvasPattern | string {
    return this.pattern(context, `gap ${kind}`, (tile) => {
      tile.strokeStyle = tile.fillStyle = kind === 'lost' ? this.bad : this.quiet;
      tile.lineWidth = kind === 'lost' ? 2 : 1;
      if (kind === 'deleted') dots(tile);
      else diagonal(tile, kind === 'lost' ? 1 : -1);
    });
  }

  private pattern(
    context: CanvasRenderingContext2D,
    name: string,
    draw: (tile: CanvasRenderingContext2D) => void,
  ): CanvasPattern | string {
    const known = this.patterns.get(name);
    if (known !== undefined) return known;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [tileSize, tileSize];
    const drawn = canvas.getContext('2d');
    if (drawn === null) return this.accent;
    draw(drawn);
    const pattern = context.createPattern(canvas, 'repeat') ?? this.accent;
    this.patterns.set(name, pattern);
    return pattern;
  }
}

function diagonal(context: CanvasRenderingContext2D, direction: number): void {
  context.beginPath();
  for (const shift of [-tileSize, 0, tileSize]) {
    context.moveTo(shift, direction > 0 ? tileSize : 0);
    context.lineTo(shift + tileSize, direction > 0 ? 0 : tileSize);
  }
  context.stroke();
}

function dots(context: CanvasRenderingContext2D): void {
  context.fillRect(1, 1, 2, 2);
  context.fillRect(5, 5, 2, 2);
}

/** Servers can be told apart without colours, too. */
const holderPatterns: readonly ((context: CanvasRenderingContext2D) => void)[] = [
  () => {},
  (context) => {
    context.lineWidth = 1.5;
    diagonal(context, 1);
  },
  dots,
  (context) => context.fillRect(0, 3, tileSize, 2),
  (context) => context.fillRect(3, 0, 2, tileSize),
];

/** Draws everything; the canvas has `width` × `height` CSS pixels. */
export function drawTimeline(
  context: CanvasRenderingContext2D,
  size: { width: number; height: number },
  scene: TimelineScene,
  colours: TimelineColours,
): void {
  const { width, height } = size;
  const { window, lanes, nowMs } = scene;
  const x = (ms: number) => ((ms - window.fromMs) / (window.toMs - window.fromMs)) * width;
  const pen: Pen = { context, colours, scene, width, height, x };
  context.clearRect(0, 0, width, height);
  drawRuler(pen, ticks(window, width, 84));
  const high = laneHeight(lanes.length);
  lanes.forEach((lane, place) => {
    drawLane(pen, lane, rulerHeight + keptHeight + place * (high + keptHeight + laneGap), high);
  });
  if (lanes.length === 1) {
    context.fillStyle = colours.line;
    context.globalAlpha = 0.55;
    context.fillRect(0, height - eventsHeight - 2, width, 1);
    context.globalAlpha = 1;
  }
  drawFuture(pen, x(nowMs));
  drawChosen(pen);
  drawHead(pen);
}

interface Pen {
  readonly context: CanvasRenderingContext2D;
  readonly colours: TimelineColours;
  readonly scene: TimelineScene;
  readonly width: number;
  readonly height: number;
  readonly x: (ms: number) => number;
}

function drawRuler({ context, colours, x, height }: Pen, marks: readonly Tick[]): void {
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  for (const { ms, label, day } of marks) {
    const at = Math.round(x(ms));
    context.fillStyle = colours.line;
    context.fillRect(at, day ? 0 : rulerHeight - 7, 1, height);
    context.font = `${day ? '600 ' : ''}11px system-ui, sans-serif`;
    context.fillStyle = day ? colours.text : colours.quiet;
    context.fillText(label, at + 4, 9);
  }
}

function drawLane(pen: Pen, lane: Lane, top: number, high: number): void {
  const { context, colours, scene, width, x } = pen;
  const bar = (fromMs: number, toMs: number, y: number, h: number) => {
    const [left, right] = [Math.max(-1, x(fromMs)), Math.min(width + 1, x(toMs))];
    if (right >= 0 && left <= width) context.fillRect(left, y, Math.max(1.5, right - left), h);
  };
  context.fillStyle = colours.ground;
  context.fillRect(0, top, width, high);
  for (const { fromMs, toMs, share } of lane.days) {
    context.fillStyle = colours.accent;
    const tall = share === 0 ? 0 : Math.max(3, high * share);
    bar(fromMs, toMs, top + high - tall, tall);
  }
  for (const row of lane.rows) {
    if (row.kind === 'hand-over') continue;
    context.fillStyle =
      row.kind === 'gap'
        ? colours.gap(context, gapKind(row.cause))
        : colours.holder(context, holderIndex(row.server, scene.servers));
    bar(
      row.fromMs,
      row.kind === 'stretch' && row.open ? Math.max(row.toMs, scene.nowMs - 3_000) : row.toMs,
      top,
      high,
    );
  }
  for (const { ms, keyframe } of scene.frames) {
    context.fillStyle = colours.text;
    context.globalAlpha = keyframe ? 0.9 : 0.4;
    context.fillRect(Math.round(x(ms)), top + high - (keyframe ? 12 : 6), 1, keyframe ? 12 : 6);
    context.globalAlpha = 1;
  }
  for (const row of lane.rows) if (row.kind === 'hand-over') drawHandOver(pen, x(row.atMs), top, high);
  context.fillStyle = colours.kept;
  for (const { from, to } of lane.kept) bar(Date.parse(from), Date.parse(to), top - keptHeight + 1, 4);
  if (scene.lanes.length > 1) drawName(pen, lane.name, top, high);
}

function drawHandOver({ context, colours }: Pen, at: number, top: number, high: number): void {
  context.fillStyle = colours.ground;
  context.fillRect(at - 1.5, top, 3, high);
  context.fillStyle = colours.text;
  context.beginPath();
  context.moveTo(at - 5, top - 1);
  context.lineTo(at + 5, top - 1);
  context.lineTo(at, top + 6);
  context.fill();
  context.fillRect(at - 0.5, top, 1, high);
}

function drawName({ context, colours }: Pen, name: string, top: number, high: number): void {
  context.font = '600 11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const wide = context.measureText(name).width;
  context.globalAlpha = 0.86;
  context.fillStyle = colours.raised;
  context.fillRect(0, top, wide + 12, high);
  context.globalAlpha = 1;
  context.fillStyle = colours.text;
  context.fillText(name, 6, top + high / 2 + 0.5);
}

function drawFuture({ context, colours, width, height }: Pen, now: number): void {
  if (now >= width) return;
  context.fillStyle = colours.raised;
  context.globalAlpha = 0.7;
  context.fillRect(Math.max(0, now), rulerHeight, width, height);
  context.globalAlpha = 1;
  context.fillStyle = colours.bad;
  context.fillRect(Math.round(now), rulerHeight - 6, 2, height);
}

function drawChosen({ context, colours, scene, width, height, x }: Pen): void {
  const { chosen } = scene;
  if (chosen === undefined) return;
  const [left, right] = [x(chosen.fromMs), x(chosen.toMs)];
  context.fillStyle = colours.raised;
  context.globalAlpha = 0.62;
  context.fillRect(0, rulerHeight, Math.max(0, left), height);
  context.fillRect(right, rulerHeight, Math.max(0, width - right), height);
  context.globalAlpha = 1;
  context.strokeStyle = context.fillStyle = colours.accent;
  context.lineWidth = 2;
  context.strokeRect(left, rulerHeight + 1, right - left, height - rulerHeight - 2);
  for (const at of [left, right]) {
    rounded(context, at - 5, rulerHeight + 8, 10, Math.max(16, height - rulerHeight - 16), 4);
    context.fillStyle = colours.ground;
    context.fillRect(at - 1.5, height / 2 + 4, 3, 10);
    context.fillStyle = colours.accent;
  }
}

function drawHead({ context, colours, scene, height, x }: Pen): void {
  if (scene.hoverMs !== undefined) {
    context.fillStyle = colours.quiet;
    context.fillRect(Math.round(x(scene.hoverMs)), rulerHeight - 6, 1, height);
  }
  if (scene.headMs === undefined) return;
  const at = x(scene.headMs);
  context.fillStyle = colours.ground;
  context.fillRect(at - 2, rulerHeight - 6, 4, height);
  context.fillStyle = scene.live ? colours.bad : colours.text;
  context.fillRect(at - 1, rulerHeight - 6, 2, height);
  rounded(context, at - 6, 15, 12, 11, 3);
}

function rounded(
  context: CanvasRenderingContext2D,
  left: number,
  top: number,
  width: number,
  height: number,
  radius: number,
): void {
  context.beginPath();
  context.roundRect(left, top, width, height, radius);
  context.fill();
}
