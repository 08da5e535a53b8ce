/**
 * What carries a camera and turns it: the one interface behind which motors, lenses and simulations are alike.
 *
 * Invariants, kept by every mount (test/support/mount-contract.ts): no axis ever leaves its limits or exceeds its
 * speed; a command takes the place of the one before; a mount begins where it is told that it was left, without moving.
 */
import type { MountLimits, PartialPosition, Position } from './position.ts';

/** How fast each axis turns: a share of its full speed, −1 to 1; absent or 0 for one that stands still. */
export type Velocity = PartialPosition;

export interface Mount {
  readonly limits: MountLimits;
  /** Where it looks now; while it moves, as near as the mount can tell. */
  position(): Position;
  moving(): boolean;
  /**
   * Goes there at full speed; beyond a limit, to the limit. Axes that are not named go on to where they were going, and
   * stop if they were going nowhere in particular.
   */
  moveTo(target: PartialPosition): void;
  /** Where it is going; where it is, as far as it turns by velocity or stands still. */
  target(): Position;
  /** Turns until it is told otherwise, or to the limit. */
  run(velocity: Velocity): void;
  /** Stands still, at once. */
  stop(): void;
}
