/**
 * The mounts of a camera unit, as its manager sees them: wishes come in as packets, and packets say where each camera
 * looks, as the answer and by themselves while it moves.
 *
 * Invariants: a moving camera is told of every `toldMs` at most, and once more when it rests, so that whoever watches
 * sees where it went, whoever steered it; a new manager is told everything before it asks.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { Aim } from '../capture/pipeline-plan.ts';
import type { CameraConfig, MountConfig } from '../config/unit-config.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { MountDescription, SteerWish } from '../overlay/steer-packet.ts';
import type { Mount } from '../ptz/mount.ts';
import type { MountLimits, Position } from '../ptz/position.ts';
import { SimulatedMount } from '../ptz/simulated-mount.ts';
import { type KeptSteering, type SteerCommand, Steering } from '../ptz/steering.ts';

type Steer = PacketBody<'cam-steer'>;
type Control = PacketBody<'cam-control'>;

/** How often a manager hears where a moving camera looks. */
const toldMs = 200;

export interface UnitSteeringOptions {
  readonly cameras: readonly Pick<CameraConfig, 'id' | 'mount'>[];
  readonly clock: Clock;
  readonly kept: ReadonlyMap<string, KeptSteering>;
  /** Makes it survive a power cut. Throws Failure FILE_IO. */
  readonly keep: (kept: ReadonlyMap<string, KeptSteering>) => void;
  /** the picture follows */
  readonly aim: (camera: string, position: Position) => void;
  /** to the manager, if there is one */
  readonly tell: (body: Steer) => void;
}

/** A camera that can be turned. */
interface Steered {
  readonly steering: Steering;
  readonly fieldOfView: number;
  toldAtMs: number;
  toldMoving: boolean;
}

export class UnitSteering implements Disposable {
  private readonly options: UnitSteeringOptions;
  private readonly steered = new Map<string, Steered>();
  private readonly kept: Map<string, KeptSteering>;

  constructor(options: UnitSteeringOptions) {
    this.options = options;
    this.kept = new Map(options.kept);
    for (const { id, mount } of options.cameras) {
      const made = mountOf(mount, options.clock, this.kept.get(id)?.position);
      if (made !== undefined) this.steered.set(id, this.steer(id, made, mount));
    }
  }

  /** Does what the manager wants; the reply to it. */
  wish(body: Steer): Steer {
    const steered = this.steered.get(body.camera);
    const reply = { ...body, wish: undefined };
    if (steered === undefined) {
      const nowhere = { position: undefined, moving: false, mount: undefined };
      return { ...reply, ...nowhere, refusal: 'this camera has no pan-tilt mount' };
    }
    const command = body.wish === undefined ? 'nothing is wanted' : commandOf(body.wish);
    const refusal = typeof command === 'string' ? command : (steered.steering.command(command) ?? '');
    return { ...reply, ...stateOf(steered), refusal: refusal.slice(0, 100) };
  }

  /** The plain command of the patent [0023]: absolute pan, tilt and zoom. Undefined when it is about something else. */
  control(body: Control): Control | undefined {
    const { request, camera, panMilli, tiltMilli, zoom } = body;
    if (panMilli === undefined && tiltMilli === undefined && zoom === undefined) return undefined;
    const whole = (value: number | undefined, unit: number): number | undefined =>
      value === undefined ? undefined : value / unit;
    const place = { pan: whole(panMilli, 1000), tilt: whole(tiltMilli, 1000), zoom: whole(zoom, 100) };
    const wish = { verb: 'to' as const, ...place, velocity: undefined, preset: undefined };
    const nothing = { refusal: '', position: undefined, moving: false, mount: undefined };
    return { ...body, refusal: this.wish({ request, camera, wish, ...nothing }).refusal };
  }

  /** Tells a new manager of every camera that can be turned. */
  announce(): void {
    for (const [camera, steered] of this.steered)
      this.options.tell({ request: 0, camera, wish: undefined, refusal: '', ...stateOf(steered) });
  }

  /** Where a camera looks; undefined for one that cannot be turned. */
  aim(camera: string): Aim | undefined {
    const steered = this.steered.get(camera);
    if (steered === undefined) return undefined;
    return { position: steered.steering.position(), fieldOfView: steered.fieldOfView };
  }

  [Symbol.dispose](): void {
    for (const { steering } of this.steered.values()) steering[Symbol.dispose]();
  }

  private steer(camera: string, mount: Mount, { home, fieldOfView }: MountConfig): Steered {
    const steering = new Steering({
      mount,
      clock: this.options.clock,
      home,
      presets: this.kept.get(camera)?.presets ?? [],
      keep: (kept) => this.keep(camera, kept),
      onMoved: (position, moving) => this.moved(camera, position, moving),
    });
    return { steering, fieldOfView, toldAtMs: Number.NEGATIVE_INFINITY, toldMoving: false };
  }

  private keep(camera: string, kept: KeptSteering): boolean {
    this.kept.set(camera, kept);
    try {
      this.options.keep(this.kept);
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return false;
    }
  }

  private moved(camera: string, position: Position, moving: boolean): void {
    const { aim, clock, tell } = this.options;
    aim(camera, position);
    const steered = this.steered.get(camera);
    if (steered === undefined) return;
    const nowMs = clock.monotonicMs();
    if (moving === steered.toldMoving && nowMs - steered.toldAtMs < toldMs) return;
    steered.toldAtMs = nowMs;
    steered.toldMoving = moving;
    tell({ request: 0, camera, wish: undefined, refusal: '', position, moving, mount: undefined });
  }
}

/** What `unit.yaml` describes; undefined when the camera stands still. */
function mountOf(config: MountConfig, clock: Clock, left: Position | undefined): Mount | undefined {
  if (config.kind === 'none') return undefined;
  const { degreesPerSecond, home } = config;
  return new SimulatedMount({ clock, limits: limitsOf(config), degreesPerSecond, start: left ?? home });
}

function limitsOf({ pan, tilt, zoomMax }: MountConfig): MountLimits {
  const range = ([min, max]: readonly [number, number]): readonly [number, number] | undefined =>
    min < max ? [min, max] : undefined;
  return { pan: range(pan), tilt: range(tilt), zoom: range([1, zoomMax]) };
}

/** What a wish means, or why it means nothing. */
function commandOf({ verb, pan, tilt, zoom, velocity, preset }: SteerWish): SteerCommand | string {
  switch (verb) {
    case 'ask':
    case 'stop':
      return { verb };
    case 'to':
    case 'by':
      return { verb, place: { pan, tilt, zoom } };
    case 'run':
      return velocity === undefined ? 'no velocity is given' : { verb, velocity };
    case 'recall':
    case 'save':
    case 'drop':
      return preset === undefined ? 'no preset is named' : { verb, name: preset };
  }
}

function stateOf({ steering, fieldOfView }: Steered): Pick<Steer, 'position' | 'moving' | 'mount'> {
  const { limits } = steering;
  const range = (ends: readonly [number, number] | undefined): MountDescription['pan'] =>
    ends === undefined ? undefined : { min: ends[0], max: ends[1] };
  const presets = steering.list().map(({ name, ...place }) => ({ name, place }));
  const zoomMax = limits.zoom?.[1] ?? 1;
  const mount = { pan: range(limits.pan), tilt: range(limits.tilt), zoomMax, fieldOfView, presets };
  return { position: steering.position(), moving: steering.moving(), mount };
}
