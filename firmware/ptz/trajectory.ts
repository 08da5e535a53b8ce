/**
 * How one axis gets from where it is to where it shall be: it speeds up, goes at its speed and slows down, so that gears
 * and pictures are spared. Worked out once for a move, then asked for any time. Any unit of place; seconds.
 *
 * Invariants: the speed is never exceeded (one that is too fast at first slows down to it), neither is the acceleration;
 * the end is reached exactly and at rest; a move passes its target only if it is too fast at first to stop in time.
 */

export interface MoveLimits {
  /** per second, above 0 */
  readonly speed: number;
  /** per second and second, above 0 */
  readonly acceleration: number;
}

export interface MotionState {
  readonly place: number;
  /** per second, signed */
  readonly velocity: number;
}

/** Of steady acceleration. */
interface Phase {
  readonly fromS: number;
  readonly start: MotionState;
  readonly acceleration: number;
}

export interface Trajectory {
  readonly target: number;
  /** from its beginning to its end */
  readonly seconds: number;
  readonly phases: readonly Phase[];
}

/** Stays there. */
export function standing(place: number): Trajectory {
  return { target: place, seconds: 0, phases: [] };
}

/** The move from `start` to `target`. */
export function trajectoryTo(start: MotionState, target: number, limits: MoveLimits): Trajectory {
  const { speed, acceleration: a } = limits;
  // From where it would come to rest by itself, it has to go on or to come back.
  const rest = start.place + (start.velocity * Math.abs(start.velocity)) / (2 * a);
  const direction = Math.sign(target - rest) || Math.sign(start.velocity);
  const v0 = start.velocity * direction;
  const distance = (target - start.place) * direction;
  const peak = Math.min(speed, Math.sqrt(Math.max(0, a * distance + (v0 * v0) / 2)));
  const change = Math.abs(peak - v0) / a;
  const changeDistance = ((v0 + peak) / 2) * change;
  const slow = peak / a;
  const cruiseDistance = distance - changeDistance - (peak * slow) / 2;
  const cruise = peak > 0 ? Math.max(0, cruiseDistance / peak) : 0;
  const phases: Phase[] = [];
  let at: MotionState = start;
  let fromS = 0;
  const add = (seconds: number, along: number): void => {
    if (!(seconds > 0)) return;
    const acceleration = along * direction;
    phases.push({ fromS, start: at, acceleration });
    at = after(at, acceleration, seconds);
    fromS += seconds;
  };
  add(change, Math.sign(peak - v0) * a);
  add(cruise, 0);
  add(slow, -a);
  return { target, seconds: fromS, phases };
}

/** Where it is so long after it began. */
export function stateAt({ target, seconds, phases }: Trajectory, elapsedS: number): MotionState {
  const phase = phases.findLast(({ fromS }) => fromS <= elapsedS);
  if (phase === undefined || elapsedS >= seconds) return { place: target, velocity: 0 };
  return after(phase.start, phase.acceleration, elapsedS - phase.fromS);
}

function after({ place, velocity }: MotionState, acceleration: number, seconds: number): MotionState {
  return {
    place: place + velocity * seconds + (acceleration * seconds * seconds) / 2,
    velocity: velocity + acceleration * seconds,
  };
}
