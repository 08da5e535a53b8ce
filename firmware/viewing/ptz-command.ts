/** A request to steer as the command that a camera gets, and what is known of a camera as an answer. */
import type { SteerCommand } from '../ptz/steering.ts';
import type { PtzAnswer } from './api.ts';
import type { PtzState } from './ptz-access.ts';

/** A checked request: one of these ways, as `ptzCommand` makes sure. */
export interface PtzWish {
  readonly pan?: number | undefined;
  readonly tilt?: number | undefined;
  readonly zoom?: number | undefined;
  readonly relative?: boolean | undefined;
  readonly velocity?:
    | {
        readonly pan?: number | undefined;
        readonly tilt?: number | undefined;
        readonly zoom?: number | undefined;
      }
    | undefined;
  readonly preset?: string | undefined;
  readonly stop?: boolean | undefined;
}

export function steerCommandOf(wish: PtzWish): SteerCommand {
  if (wish.stop === true) return { verb: 'stop' };
  if (wish.preset !== undefined) return { verb: 'recall', name: wish.preset };
  if (wish.velocity !== undefined) return { verb: 'run', velocity: wish.velocity };
  const { pan, tilt, zoom } = wish;
  return { verb: wish.relative === true ? 'by' : 'to', place: { pan, tilt, zoom } };
}

/** `state` is undefined for a camera that cannot be turned. */
export function ptzAnswerOf(camera: string, state: PtzState | undefined): PtzAnswer {
  if (state === undefined) {
    const limits = { pan: null, tilt: null, zoom: null };
    return { camera, position: null, moving: false, limits, fieldOfView: null, presets: [] };
  }
  const { position, moving, fieldOfView, presets } = state;
  const range = (ends: readonly [number, number] | undefined): [number, number] | null =>
    ends === undefined ? null : [...ends];
  const { pan, tilt, zoom } = state.limits;
  const limits = { pan: range(pan), tilt: range(tilt), zoom: range(zoom) };
  return { camera, position, moving, limits, fieldOfView, presets: [...presets] };
}
