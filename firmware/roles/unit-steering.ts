/**
 * The mounts of a camera unit, as its manager sees them: wishes come in as packets, and packets say where each camera
 * looks, as the answer and by themselves while it moves.
 *
 * Invariants: a moving camera is told of every `toldMs` at most, and once more when it rests, so that whoever watches
 * sees where it went, whoever steered it; a new manager is told everything before it asks.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { digitalReach } from '../capture/digital-view.ts';
import type { Aim } from '../capture/pipeline-plan.ts';
import type { CameraConfig } from '../config/camera-section.ts';
import type { MountConfig } from '../config/mount-section.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { MountDescription, SteerWish } from '../overlay/steer-packet.ts';
import type { Mount } from '../ptz/mount.ts';
import type { MountLimits, Position } from '../ptz/position.ts';
import { type EndSide, type MountDrive, ServoMount, type TurnAxis } from '../ptz/servo-mount.ts';
import { SimulatedMount } from '../ptz/simulated-mount.ts';
import { type KeptSteering, type SteerCommand, Steering } from '../ptz/steering.ts';

type Steer = PacketBody<'cam-steer'>;
type Control = PacketBody<'cam-control'>;

/** How often a manager hears where a moving camera looks. */
const toldMs = 200;

/** What turns a mount of kind servo. */
interface Servos extends MountDrive {
  /** How far either way from the middle, degrees; undefined for an axis without a servo. */
  reach(axis: TurnAxis): number | undefined;
}

export interface UnitSteeringOptions {
  readonly cameras: readonly Pick<CameraConfig, 'id' | 'mount'>[];
  readonly clock: Clock;
  readonly kept: ReadonlyMap<string, KeptSteering>;
  /** Makes it survive a power cut. Throws Failure FILE_IO. */
  readonly keep: (kept: ReadonlyMap<string, KeptSteering>) => void;
  /** of the camera that has them */
  readonly servos?: { readonly camera: string; readonly drive: Servos } | undefined;
  /** the picture follows */
  readonly aim: (camera: string, position: Position) => void;
  /** to the manager, if there is one */
  readonly tell: (body: Steer) => void;
}

/** A camera that can be turned. */
interface Steered {
  readonly steering: Steering;
  readonly fieldOfView: number;
  /** what of it is done by cutting the picture */
  readonly digital: Aim['digital'];
  toldAtMs: number;
  toldMoving: boolean;
}

/** Where an axis is, and how far it goes; degrees. */
export interface MountAxis {
  readonly at: number;
  /** undefined for one that does not move */
  readonly range: readonly [min: number, max: number] | undefined;
}

export class UnitSteering implements Disposable {
  private readonly options: UnitSteeringOptions;
  private readonly steered = new Map<string, Steered>();
  private readonly kept: Map<string, KeptSteering>;
  private servoMount: ServoMount | undefined;

  constructor(options: UnitSteeringOptions) {
    this.options = options;
    this.kept = new Map(options.kept);
    for (const { id, mount } of options.cameras) {
      const made = this.mountOf(id, mount);
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
    const { steering, fieldOfView, digital } = steered;
    return { position: steering.position(), fieldOfView, digital };
  }

  /** Of the mount of a camera; undefined for one that cannot be turned. */
  axis(camera: string, axis: TurnAxis): MountAxis | undefined {
    const steering = this.steered.get(camera)?.steering;
    return steering && { at: steering.position()[axis], range: steering.limits[axis] };
  }

  /** There is nobody any more who could stop it: whatever moves stands still. */
  unmanaged(): void {
    for (const { steering } of this.steered.values())
      if (steering.moving()) steering.command({ verb: 'stop' });
  }

  /** An axis has come to its end, or is free again. */
  endStop(axis: TurnAxis, side: EndSide, hit: boolean): void {
    this.servoMount?.endStop(axis, side, hit);
  }

  [Symbol.dispose](): void {
    for (const { steering } of this.steered.values()) steering[Symbol.dispose]();
  }

  /** What `unit.yaml` describes; undefined when the camera stands still. Without its servos one zooms, and no more. */
  private mountOf(camera: string, config: MountConfig): Mount | undefined {
    if (config.kind === 'none') return undefined;
    const { clock, servos } = this.options;
    const { degreesPerSecond, home } = config;
    const start = this.kept.get(camera)?.position ?? home;
    const limits = limitsOf(config);
    if (config.kind !== 'servo') return new SimulatedMount({ clock, limits, degreesPerSecond, start });
    const drive = servos?.camera === camera ? servos.drive : undefined;
    const own = { clock, limits: limitsWithin(limits, drive), degreesPerSecond, start };
    if (drive === undefined) return new SimulatedMount(own);
    this.servoMount = new ServoMount({ ...own, drive });
    return this.servoMount;
  }

  private steer(camera: string, mount: Mount, { kind, home, fieldOfView }: MountConfig): Steered {
    const steering = new Steering({
      mount,
      clock: this.options.clock,
      home,
      presets: this.kept.get(camera)?.presets ?? [],
      keep: (kept) => this.keep(camera, kept),
      onMoved: (position, moving) => this.moved(camera, position, moving),
    });
    return {
      steering,
      fieldOfView,
      digital: digitalPart(kind),
      toldAtMs: Number.NEGATIVE_INFINITY,
      toldMoving: false,
    };
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

/** Motors turn the camera, and the picture is cut for the zoom; without motors, for where it looks too. */
function digitalPart(kind: MountConfig['kind']): Aim['digital'] {
  return ({ none: undefined, simulated: undefined, servo: 'zoom', digital: 'all' } as const)[kind];
}

function limitsOf({ kind, pan, tilt, zoomMax, fieldOfView }: MountConfig): MountLimits {
  // What is beyond the edge of the picture cannot be cut out of it.
  const reach = kind === 'digital' ? digitalReach(fieldOfView, zoomMax) : Number.POSITIVE_INFINITY;
  const range = ([from, to]: readonly [number, number]): readonly [number, number] | undefined => {
    const [min, max] = [Math.max(from, -reach), Math.min(to, reach)];
    return min < max ? [min, max] : undefined;
  };
  const zoom = zoomMax > 1 ? ([1, zoomMax] as const) : undefined;
  return { pan: range(pan), tilt: range(tilt), zoom };
}

/** What there is a servo for, as far as it turns. */
function limitsWithin(limits: MountLimits, servos: Pick<Servos, 'reach'> | undefined): MountLimits {
  const reached = (axis: TurnAxis): MountLimits[TurnAxis] => {
    const range = limits[axis];
    const reach = servos?.reach(axis);
    if (range === undefined || reach === undefined) return undefined;
    const [min, max] = [Math.max(range[0], -reach), Math.min(range[1], reach)];
    return min < max ? [min, max] : undefined;
  };
  return { pan: reached('pan'), tilt: reached('tilt'), zoom: limits.zoom };
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
