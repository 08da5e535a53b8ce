/**
 * What a camera shows that zooms by cutting: a part of its picture, as large as the zoom leaves, around where it looks.
 * Pure. Pixels; degrees as in ptz/position.ts.
 */
import type { Position } from '../ptz/position.ts';

/** A picture that is cut. */
export interface DigitalView {
  readonly width: number;
  readonly height: number;
  /** degrees from left to right without zoom */
  readonly fieldOfView: number;
  /** what moves the part that is shown: the zoom alone where motors do the rest, or all of the position */
  readonly follows: 'zoom' | 'all';
}

/** Pixels that are left out at each side: even numbers, as 4:2:0 video has one colour sample for two pixels. */
export interface Crop {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** The part that is shown never reaches beyond the picture: at its edge, it stays there. */
export function cropOf({ width, height, fieldOfView, follows }: DigitalView, position: Position): Crop {
  const { pan, tilt, zoom } = position;
  const perDegree = follows === 'all' ? width / fieldOfView : 0;
  const across = span(width, zoom, width / 2 + pan * perDegree);
  const down = span(height, zoom, height / 2 - tilt * perDegree);
  return { left: across.before, right: across.after, top: down.before, bottom: down.after };
}

/** How far it can look about at its largest zoom, degrees either way: less upwards, where the picture ends sooner. */
export function digitalReach(fieldOfView: number, zoomMax: number): number {
  return (fieldOfView / 2) * (1 - 1 / zoomMax);
}

/**
 * The order in which to go over from one crop to another, one side at a time, so that never more is cut off than one of
 * them does: a picture of no pixels would end the pipeline.
 */
export function cropSteps(from: Crop, to: Crop): [side: keyof Crop, pixels: number][] {
  const sides = ['left', 'right', 'top', 'bottom'] as const;
  const steps = sides
    .filter((side) => to[side] !== from[side])
    .map((side): [keyof Crop, number] => [side, to[side]]);
  const growth = ([side, pixels]: [keyof Crop, number]): number => pixels - from[side];
  return steps.sort((a, b) => growth(a) - growth(b));
}

/** What is left out before and after a part of 1/`zoom` of `size` around `middle`. */
function span(size: number, zoom: number, middle: number): { before: number; after: number } {
  const shown = Math.min(size, Math.max(16, even(size / Math.max(1, zoom))));
  const before = Math.min(size - shown, Math.max(0, even(middle - shown / 2)));
  return { before, after: size - shown - before };
}

function even(value: number): number {
  return Math.round(value / 2) * 2;
}
