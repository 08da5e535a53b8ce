/** What a gesture on a picture means for the camera that takes it. Pure. Degrees; zoom is a factor. */
import type { PtzAnswer } from '../api.ts';
import type { Point } from './picture-zoom.ts';

type Position = NonNullable<PtzAnswer['position']>;

/** Of a camera that does not say how much it sees. */
const fieldOfViewDegrees = 60;
const heightOfWidth = 9 / 16;

/** Where to look so that the point is in the middle of the picture. */
export function centredOn(ptz: PtzAnswer, from: Position, point: Point): { pan?: number; tilt?: number } {
  const across = (ptz.fieldOfView ?? fieldOfViewDegrees) / from.zoom;
  return {
    ...within(ptz, 'pan', from.pan + point.x * across),
    ...within(ptz, 'tilt', from.tilt - point.y * across * heightOfWidth),
  };
}

/** Where to look so that what was grabbed has moved so far over the picture. */
export function draggedBy(ptz: PtzAnswer, from: Position, by: Point): { pan?: number; tilt?: number } {
  return centredOn(ptz, from, { x: -by.x, y: -by.y });
}

/** The zoom that is larger by a factor. */
export function zoomedTo(ptz: PtzAnswer, from: number, factor: number): { zoom?: number } {
  return within(ptz, 'zoom', from * factor);
}

/** The nearest value that the camera can take; nothing for an axis that it does not have. */
function within(
  { limits }: PtzAnswer,
  axis: 'pan' | 'tilt' | 'zoom',
  value: number,
): { pan?: number; tilt?: number; zoom?: number } {
  const limit = limits[axis];
  if (limit === null) return {};
  return { [axis]: Math.round(Math.max(limit[0], Math.min(limit[1], value)) * 100) / 100 };
}
