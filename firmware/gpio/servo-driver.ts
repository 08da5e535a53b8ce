/**
 * What makes the pulses of hobby servos: 50 a second, each as long as the servo is to be turned. Every driver keeps the
 * same contract (test/support/servo-driver-contract.ts).
 *
 * Invariants: a pulse is never shorter or longer than any servo bears; the last word counts; after `rest` a driver may
 * hold the servo or let it go, but does not move it; once disposed of it makes no pulses.
 */

export type ServoAxis = 'pan' | 'tilt';

/** 50 a second. */
export const pulsePeriodMs = 20;
/** What any servo bears; beyond, gears break. */
const pulseUsMin = 400;
const pulseUsMax = 2_600;

export interface ServoDriver extends Disposable {
  /** for people: `kernel PWM` or `onoff burst` */
  readonly name: string;
  /** Whether pulses go on while the servo rests, so that it holds against wind and weight. */
  readonly holds: boolean;
  /** From the next pulse on; said again and again while it moves. */
  aim(axis: ServoAxis, pulseUs: number): void;
  /** It is where it should be. */
  rest(axis: ServoAxis): void;
}

/** The nearest pulse that a servo bears, whole µs. */
export function pulseWithin(pulseUs: number): number {
  return Math.round(Math.min(pulseUsMax, Math.max(pulseUsMin, pulseUs)));
}

/** How a servo is turned by pulses. */
export interface ServoRange {
  readonly minUs: number;
  readonly maxUs: number;
  /** from the one end to the other; 0 degrees is in the middle */
  readonly degrees: number;
  /** longer pulses turn it to the left, or down */
  readonly reversed: boolean;
}

/** The pulse that turns a servo there. */
export function pulseOf({ minUs, maxUs, degrees, reversed }: ServoRange, angle: number): number {
  const share = Math.min(1, Math.max(0, angle / degrees + 0.5));
  return minUs + (reversed ? 1 - share : share) * (maxUs - minUs);
}
