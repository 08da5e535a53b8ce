/** What the viewing side asks of the cameras of this server that can be turned. The server role implements it. */
import type { MountLimits, Position } from '../ptz/position.ts';
import type { Preset, SteerCommand } from '../ptz/steering.ts';

/** Where a camera looks, as it said last. */
export interface Pointing {
  readonly position: Position;
  readonly moving: boolean;
}

/** A camera that can be turned. */
export interface PtzState extends Pointing {
  readonly limits: MountLimits;
  /** degrees from the left to the right edge of the picture at zoom 1 */
  readonly fieldOfView: number;
  readonly presets: readonly Preset[];
}

export interface PtzAccess {
  /** What is known of a camera of this server, without asking it; undefined when it cannot be turned. */
  of(camera: string): PtzState | undefined;
  /**
   * Has it done. Resolves with why not, or undefined; a command that a newer one replaced before the camera got it
   * resolves with that one. Rejects with Failure UNREACHABLE when the camera does not answer in time.
   */
  command(camera: string, command: SteerCommand): Promise<string | undefined>;
  /** Frames per second of a camera of this server; undefined while it has not said. */
  frameRate(camera: string): number | undefined;
}
