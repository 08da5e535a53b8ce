/**
 * The cameras of this server that can be turned: where they look, as they say themselves, and commands to them.
 *
 * Invariants: of each camera one command is under way and at most one waits, the sum of those that came meanwhile; each
 * is answered in bounded time; what is known of a camera goes when its unit does.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { MountDescription, SteerWish } from '../overlay/steer-packet.ts';
import { coalesced, isReplaceable } from '../ptz/coalesce.ts';
import type { MountLimits } from '../ptz/position.ts';
import type { SteerCommand } from '../ptz/steering.ts';
import type { Pointing, PtzAccess, PtzState } from '../viewing/ptz-access.ts';

type Steer = PacketBody<'cam-steer'>;

const answerMs = 4_000;
const waitingMax = 64;

export interface CameraSteeringOptions {
  readonly clock: Clock;
  readonly send: (body: Steer) => void;
  /** a camera looks elsewhere; undefined: its unit is gone */
  readonly onPointing: (camera: string, pointing: Pointing | undefined) => void;
  readonly frameRate: (camera: string) => number | undefined;
}

type Outcome = Promise<string | undefined>;

/** What waits for the command under way. */
interface Next {
  command: SteerCommand;
  readonly outcome: Outcome;
  readonly settle: (outcome: Outcome) => void;
}

export class CameraSteering implements PtzAccess {
  private readonly options: CameraSteeringOptions;
  private readonly states = new Map<string, PtzState>();
  /** cameras with a command under way, and what comes after it */
  private readonly busy = new Map<string, Next | undefined>();
  private readonly waiting = new Map<number, (reply: Steer) => void>();
  private nextRequest = 1;

  constructor(options: CameraSteeringOptions) {
    this.options = options;
  }

  of(camera: string): PtzState | undefined {
    return this.states.get(camera);
  }

  frameRate(camera: string): number | undefined {
    return this.options.frameRate(camera);
  }

  command(camera: string, command: SteerCommand): Outcome {
    if (!isReplaceable(command)) return this.ask(camera, command);
    if (!this.busy.has(camera)) return this.begin(camera, command);
    const next = this.busy.get(camera);
    if (next === undefined) {
      const first = nextOf(command);
      this.busy.set(camera, first);
      return first.outcome;
    }
    next.command = coalesced(next.command, command);
    return next.outcome;
  }

  /** A camera of this server says where it looks, asked or not; or this server itself that it is elsewhere. */
  steered(body: Steer): void {
    const { camera, request, position, moving, mount } = body;
    const known = this.states.get(camera);
    const described = mount === undefined ? known : descriptionOf(mount);
    if (position !== undefined && described !== undefined) {
      const { limits, fieldOfView, presets } = described;
      this.states.set(camera, { position, moving, limits, fieldOfView, presets });
      this.options.onPointing(camera, { position, moving });
    }
    this.waiting.get(request)?.(body);
    this.waiting.delete(request);
  }

  /** The cameras of a unit that is managed here no longer. */
  gone(cameras: readonly string[]): void {
    for (const camera of cameras) if (this.states.delete(camera)) this.options.onPointing(camera, undefined);
  }

  private begin(camera: string, command: SteerCommand): Outcome {
    this.busy.set(camera, undefined);
    const outcome = this.ask(camera, command);
    const after = (): void => {
      const next = this.busy.get(camera);
      this.busy.delete(camera);
      if (next !== undefined) next.settle(this.begin(camera, next.command));
    };
    void outcome.then(after, after);
    return outcome;
  }

  private ask(camera: string, command: SteerCommand): Outcome {
    const request = this.nextRequest;
    this.nextRequest = (this.nextRequest % 0xffff_ffff) + 1;
    return new Promise((resolve, reject) => {
      const fail = (reason: string): void =>
        reject(new Failure('UNREACHABLE', reason, { advice: 'Ask again in a moment.' }));
      if (this.waiting.size >= waitingMax) return fail('too many commands wait for an answer');
      const cancel = this.options.clock.after(answerMs, () => {
        this.waiting.delete(request);
        fail(`${camera} does not answer`);
      });
      this.waiting.set(request, ({ refusal }) => {
        cancel();
        resolve(refusal === '' ? undefined : refusal);
      });
      const nowhere = { position: undefined, moving: false, mount: undefined };
      this.options.send({ request, camera, wish: wishOf(command), refusal: '', ...nowhere });
    });
  }
}

function nextOf(command: SteerCommand): Next {
  let settle: Next['settle'] = () => undefined;
  const outcome = new Promise<string | undefined>((resolve) => {
    settle = resolve;
  });
  return { command, outcome, settle };
}

function wishOf(command: SteerCommand): SteerWish {
  const nothing = {
    pan: undefined,
    tilt: undefined,
    zoom: undefined,
    velocity: undefined,
    preset: undefined,
  };
  const { verb } = command;
  if ('name' in command) return { ...nothing, verb, preset: command.name };
  if ('place' in command) return { ...nothing, verb, ...command.place };
  if (!('velocity' in command)) return { ...nothing, verb };
  const { pan = 0, tilt = 0, zoom = 0 } = command.velocity;
  return { ...nothing, verb, velocity: { pan, tilt, zoom } };
}

function descriptionOf(mount: MountDescription): Pick<PtzState, 'limits' | 'fieldOfView' | 'presets'> {
  const { zoomMax, fieldOfView } = mount;
  const range = (ends: MountDescription['pan']): MountLimits['pan'] =>
    ends === undefined ? undefined : [ends.min, ends.max];
  const zoom = zoomMax > 1 ? ([1, zoomMax] as const) : undefined;
  const limits = { pan: range(mount.pan), tilt: range(mount.tilt), zoom };
  return { limits, fieldOfView, presets: mount.presets.map(({ name, place }) => ({ name, ...place })) };
}
