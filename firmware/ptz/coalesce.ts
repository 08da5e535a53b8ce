/**
 * Two commands that no camera has got yet, as one: people and joysticks are faster than networks. The newer one wins,
 * but nothing of what was asked for is lost where both can be had: steps add up, places for different axes are one place.
 */
import { axes, type PartialPosition } from './position.ts';
import type { SteerCommand } from './steering.ts';

/** Largest step, either way: twice around, and any zoom. */
const stepMax = { pan: 720, tilt: 720, zoom: 100 } as const;

/** What remains to be done when `newer` comes before `waiting` was begun. */
export function coalesced(waiting: SteerCommand, newer: SteerCommand): SteerCommand {
  if (waiting.verb === 'by' && newer.verb === 'by')
    return { verb: 'by', place: added(waiting.place, newer.place) };
  if (waiting.verb === 'to' && newer.verb === 'to')
    return { verb: 'to', place: { ...waiting.place, ...given(newer.place) } };
  return newer;
}

/** Whether a newer command may take its place: what changes presets must happen, each of it. */
export function isReplaceable({ verb }: SteerCommand): boolean {
  return verb === 'to' || verb === 'by' || verb === 'run' || verb === 'stop' || verb === 'recall';
}

function given(place: PartialPosition): PartialPosition {
  return Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined));
}

function added(a: PartialPosition, b: PartialPosition): PartialPosition {
  const sum: { -readonly [A in keyof PartialPosition]: PartialPosition[A] } = {};
  for (const axis of axes) {
    if (a[axis] === undefined && b[axis] === undefined) continue;
    const most = stepMax[axis];
    sum[axis] = Math.min(most, Math.max(-most, (a[axis] ?? 0) + (b[axis] ?? 0)));
  }
  return sum;
}
