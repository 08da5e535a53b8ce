/**
 * A mount without motors: where it looks is worked out from the time, so it needs no timer. Each axis goes at its
 * speed from the first moment to the last; pan and tilt in degrees per second, zoom in doublings per second.
 */
import type { Clock } from '../base/clock.ts';
import type { Mount, Velocity } from './mount.ts';
import {
  type Axis,
  axes,
  eachAxis,
  type MountLimits,
  type PartialPosition,
  type Position,
  withinLimit,
} from './position.ts';

/** From one to twice as near takes this share of a second. */
export const zoomDoublingsPerSecond = 1;

export interface SimulatedMountOptions {
  readonly clock: Clock;
  readonly limits: MountLimits;
  readonly degreesPerSecond: number;
  /** where it was left */
  readonly start: Position;
}

/** Zoom is in doublings here, so that its speed is even. */
interface Motion {
  readonly from: number;
  readonly to: number;
  readonly sinceMs: number;
  /** per second, above 0 */
  readonly speed: number;
  /** on its way to a place, not turning by velocity */
  readonly aimed: boolean;
}

export class SimulatedMount implements Mount {
  readonly limits: MountLimits;
  private readonly clock: Clock;
  private readonly degreesPerSecond: number;
  private motions: { readonly [A in Axis]: Motion };

  constructor({ clock, limits, degreesPerSecond, start }: SimulatedMountOptions) {
    this.clock = clock;
    this.limits = limits;
    this.degreesPerSecond = degreesPerSecond;
    this.motions = eachAxis((axis) => this.standing(inner(axis, withinLimit(limits, axis, start[axis]))));
  }

  position(): Position {
    return eachAxis((axis) => withinLimit(this.limits, axis, outer(axis, this.now(axis))));
  }

  moving(): boolean {
    return axes.some((axis) => this.now(axis) !== this.motions[axis].to);
  }

  target(): Position {
    return eachAxis((axis) => {
      const { aimed, to } = this.motions[axis];
      return withinLimit(this.limits, axis, outer(axis, aimed ? to : this.now(axis)));
    });
  }

  moveTo(target: PartialPosition): void {
    const going = this.target();
    this.motions = eachAxis((axis) => this.motion(axis, target[axis] ?? going[axis], 1, true));
  }

  run(velocity: Velocity): void {
    this.motions = eachAxis((axis) => {
      const share = Math.min(1, Math.max(-1, velocity[axis] ?? 0));
      if (share === 0) return this.standing(this.now(axis));
      const [min, max] = this.limits[axis] ?? [0, 0];
      return this.motion(axis, share < 0 ? min : max, Math.abs(share), false);
    });
  }

  stop(): void {
    this.run({});
  }

  private motion(axis: Axis, to: number, share: number, aimed: boolean): Motion {
    const full = axis === 'zoom' ? zoomDoublingsPerSecond : this.degreesPerSecond;
    return {
      from: this.now(axis),
      to: inner(axis, withinLimit(this.limits, axis, to)),
      sinceMs: this.clock.monotonicMs(),
      speed: full * share,
      aimed,
    };
  }

  private standing(at: number): Motion {
    return { from: at, to: at, sinceMs: this.clock.monotonicMs(), speed: 1, aimed: false };
  }

  private now(axis: Axis): number {
    const { from, to, sinceMs, speed } = this.motions[axis];
    const gone = ((this.clock.monotonicMs() - sinceMs) / 1000) * speed;
    return gone >= Math.abs(to - from) ? to : from + Math.sign(to - from) * gone;
  }
}

function inner(axis: Axis, value: number): number {
  return axis === 'zoom' ? Math.log2(value) : value;
}

function outer(axis: Axis, value: number): number {
  return axis === 'zoom' ? 2 ** value : value;
}
