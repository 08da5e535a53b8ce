/**
 * A mount that is turned by servos: pan and tilt follow a trajectory, the drive is told 50 times a second where they
 * shall be meanwhile, and hears of nothing while they rest. Zoom is in the picture, and keeps the same manners.
 *
 * Invariants: nothing moves before it is told to, whatever the drive remembers; an end stop stops its axis at once and
 * lets it go back only; `stop` stops at once, every other end of a move is a soft one. Zoom is in doublings inside, so
 * that its speed is even. A servo does not say where it is: its place is where it was last sent.
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
import { zoomDoublingsPerSecond } from './simulated-mount.ts';
import { type MoveLimits, standing, stateAt, type Trajectory, trajectoryTo } from './trajectory.ts';

/** One pulse of a servo. */
const drivePeriodMs = 20;
/** Full speed is reached in this time. */
const rampSeconds = 0.25;

export type TurnAxis = 'pan' | 'tilt';
export type EndSide = 'min' | 'max';

/** What turns the axes; degrees. */
export interface MountDrive {
  aim(axis: TurnAxis, degrees: number): void;
  /** The axis is where it should be. */
  rest(axis: TurnAxis): void;
}

export interface ServoMountOptions {
  readonly clock: Clock;
  readonly limits: MountLimits;
  readonly degreesPerSecond: number;
  /** where it was left */
  readonly start: Position;
  readonly drive: MountDrive;
}

interface Motion {
  readonly trajectory: Trajectory;
  readonly sinceMs: number;
  /** on its way to a place, not turning by velocity */
  readonly aimed: boolean;
}

export class ServoMount implements Mount {
  readonly limits: MountLimits;
  private readonly options: ServoMountOptions;
  private motions: { [A in Axis]: Motion };
  /** by `<axis>-<side>`: where an axis was when its end stop was hit */
  private readonly ends = new Map<string, number>();
  /** axes that the drive moves now */
  private readonly driven = new Set<TurnAxis>();
  private cancelDrive: (() => void) | undefined;

  constructor(options: ServoMountOptions) {
    this.options = options;
    this.limits = options.limits;
    this.motions = eachAxis((axis) =>
      this.rest(inner(axis, withinLimit(this.limits, axis, options.start[axis]))),
    );
  }

  position(): Position {
    return eachAxis((axis) => this.outerWithin(axis, this.now(axis)));
  }

  moving(): boolean {
    return axes.some((axis) => this.isMoving(axis));
  }

  target(): Position {
    return eachAxis((axis) => {
      const { aimed, trajectory } = this.motions[axis];
      return this.outerWithin(axis, aimed ? trajectory.target : this.now(axis));
    });
  }

  moveTo(target: PartialPosition): void {
    this.motions = eachAxis((axis) => {
      const to = target[axis];
      if (to !== undefined)
        return this.motion(axis, inner(axis, withinLimit(this.limits, axis, to)), 1, true);
      return this.motions[axis].aimed ? this.motions[axis] : this.rest(this.now(axis));
    });
    this.drive();
  }

  run(velocity: Velocity): void {
    this.motions = eachAxis((axis) => {
      const share = Math.min(1, Math.max(-1, velocity[axis] ?? 0));
      const range = this.limits[axis];
      if (share === 0 || range === undefined) return this.rest(this.now(axis));
      return this.motion(axis, inner(axis, share < 0 ? range[0] : range[1]), Math.abs(share), false);
    });
    this.drive();
  }

  stop(): void {
    this.run({});
  }

  /** An end stop is hit, or free again. */
  endStop(axis: TurnAxis, side: EndSide, hit: boolean): void {
    const end = `${axis}-${side}`;
    if (!hit) {
      this.ends.delete(end);
      return;
    }
    const at = this.now(axis);
    this.ends.set(end, at);
    const { trajectory, sinceMs } = this.motions[axis];
    const { velocity } = stateAt(trajectory, (this.options.clock.monotonicMs() - sinceMs) / 1000);
    const towards = side === 'min' ? -1 : 1;
    // On its way out of the stop it may go on.
    if (Math.sign(velocity || trajectory.target - at) !== towards) return;
    this.motions[axis] = this.rest(at);
    this.drive();
  }

  private motion(axis: Axis, wanted: number, share: number, aimed: boolean): Motion {
    const { trajectory, sinceMs } = this.motions[axis];
    const nowMs = this.options.clock.monotonicMs();
    const state = stateAt(trajectory, (nowMs - sinceMs) / 1000);
    const to = this.withinEnds(axis, wanted);
    return { trajectory: trajectoryTo(state, to, this.moveLimits(axis, share)), sinceMs: nowMs, aimed };
  }

  private moveLimits(axis: Axis, share: number): MoveLimits {
    const full = axis === 'zoom' ? zoomDoublingsPerSecond : this.options.degreesPerSecond;
    return { speed: full * share, acceleration: full / rampSeconds };
  }

  /** Not beyond where an end stop was hit. */
  private withinEnds(axis: Axis, place: number): number {
    const min = this.ends.get(`${axis}-min`) ?? Number.NEGATIVE_INFINITY;
    const max = this.ends.get(`${axis}-max`) ?? Number.POSITIVE_INFINITY;
    return Math.min(max, Math.max(min, place));
  }

  private rest(place: number): Motion {
    return { trajectory: standing(place), sinceMs: this.options.clock.monotonicMs(), aimed: false };
  }

  private now(axis: Axis): number {
    const { trajectory, sinceMs } = this.motions[axis];
    return stateAt(trajectory, (this.options.clock.monotonicMs() - sinceMs) / 1000).place;
  }

  private isMoving(axis: Axis): boolean {
    const { trajectory, sinceMs } = this.motions[axis];
    return (this.options.clock.monotonicMs() - sinceMs) / 1000 < trajectory.seconds;
  }

  private outerWithin(axis: Axis, place: number): number {
    return withinLimit(this.limits, axis, outer(axis, place));
  }

  /** Tells the drive where the axes are, now and until they rest. */
  private drive(): void {
    this.cancelDrive?.();
    this.cancelDrive = undefined;
    const { drive, clock } = this.options;
    for (const axis of ['pan', 'tilt'] as const) {
      if (this.isMoving(axis)) {
        this.driven.add(axis);
        drive.aim(axis, this.outerWithin(axis, this.now(axis)));
      } else if (this.driven.delete(axis)) {
        drive.aim(axis, this.outerWithin(axis, this.now(axis)));
        drive.rest(axis);
      }
    }
    if (this.driven.size > 0) this.cancelDrive = clock.after(drivePeriodMs, () => this.drive());
  }
}

function inner(axis: Axis, value: number): number {
  return axis === 'zoom' ? Math.log2(value) : value;
}

function outer(axis: Axis, value: number): number {
  return axis === 'zoom' ? 2 ** value : value;
}
