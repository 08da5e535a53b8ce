/**
 * Where a camera looks. Pan and tilt in degrees (to the right and upwards are positive, 0 is straight ahead); zoom as a
 * factor, 1 shows everything.
 */

export const axes = ['pan', 'tilt', 'zoom'] as const;
export type Axis = (typeof axes)[number];

export type Position = { readonly [A in Axis]: number };
/** Some axes; the others stay out of it. */
export type PartialPosition = { readonly [A in Axis]?: number | undefined };

/** How far each axis goes, both included; undefined for one that does not move. */
export type MountLimits = { readonly [A in Axis]: readonly [min: number, max: number] | undefined };

/** Largest pan or tilt of any mount, degrees either way. */
const degreesMax = 360;
/** Largest zoom of any mount. */
const zoomMax = 64;

/** Where an axis is that does not move. */
const unmoved: Position = { pan: 0, tilt: 0, zoom: 1 };

/** One position for each axis. */
export function eachAxis<T>(value: (axis: Axis) => T): { [A in Axis]: T } {
  return { pan: value('pan'), tilt: value('tilt'), zoom: value('zoom') };
}

/** The nearest value within the limits. */
export function withinLimit(limits: MountLimits, axis: Axis, value: number): number {
  const [min, max] = limits[axis] ?? [unmoved[axis], unmoved[axis]];
  return Math.min(max, Math.max(min, value));
}

/** The nearest position within the limits. */
export function withinLimits(limits: MountLimits, position: Position): Position {
  return eachAxis((axis) => withinLimit(limits, axis, position[axis]));
}

/** Whether every part of it is a number that some mount could have. */
export function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false;
  const { pan, tilt, zoom } = value as Record<string, unknown>;
  const isDegrees = (degrees: unknown): boolean =>
    typeof degrees === 'number' && Math.abs(degrees) <= degreesMax;
  return isDegrees(pan) && isDegrees(tilt) && typeof zoom === 'number' && zoom >= 1 && zoom <= zoomMax;
}
