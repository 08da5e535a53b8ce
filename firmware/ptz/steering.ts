/**
 * Steering one camera: takes commands, remembers presets, and says where the camera looks while it moves.
 *
 * Invariants: the last command wins; a camera that turns by velocity stops `renewMs` after the last such command,
 * whoever forgot it; a preset is kept before it is confirmed; a position is kept once the camera has rested for
 * `restMs`, and every `movingMs` while it does not; `home` is always among the presets; at most `presetsMax` others.
 */
import type { Clock } from '../base/clock.ts';
import { isPresetName } from '../base/given-name.ts';
import type { Mount, Velocity } from './mount.ts';
import { eachAxis, type MountLimits, type PartialPosition, type Position, withinLimits } from './position.ts';

/** A camera that is turning stops when nobody says again that it shall. */
export const renewMs = 1_000;
/** How often a moving camera says where it looks: once a picture. */
const lookMs = 40;
/** When a position is kept: a card does not live for ever. */
const restMs = 1_000;
const movingMs = 5_000;
export const presetsMax = 32;
const home = 'home';

export interface Preset extends Position {
  readonly name: string;
}

/** What is asked of a camera. */
export type SteerCommand =
  | { readonly verb: 'ask' | 'stop' }
  | { readonly verb: 'to' | 'by'; readonly place: PartialPosition }
  | { readonly verb: 'run'; readonly velocity: Velocity }
  | { readonly verb: 'recall' | 'save' | 'drop'; readonly name: string };

/** What survives a restart. */
export interface KeptSteering {
  readonly position?: Position | undefined;
  readonly presets: readonly Preset[];
}

export interface SteeringOptions {
  readonly mount: Mount;
  readonly clock: Clock;
  /** what `home` is unless a preset of that name was saved */
  readonly home: Position;
  readonly presets: readonly Preset[];
  /** Makes it survive a power cut; false when the disk refuses. */
  readonly keep: (kept: KeptSteering) => boolean;
  /** Where the camera looks: `lookMs` apart while it moves, and once more when it rests. */
  readonly onMoved: (position: Position, moving: boolean) => void;
}

export class Steering implements Disposable {
  private readonly options: SteeringOptions;
  private readonly presets: Map<string, Position>;
  private cancelLook: (() => void) | undefined;
  private cancelRun = (): void => undefined;
  private cancelKeep: (() => void) | undefined;

  constructor(options: SteeringOptions) {
    this.options = options;
    this.presets = new Map(options.presets.map(({ name, ...place }) => [name, place]));
  }

  /** Does it; returns why not, if it cannot. */
  command(command: SteerCommand): string | undefined {
    const { mount } = this.options;
    switch (command.verb) {
      case 'ask':
        return undefined;
      case 'stop':
        return this.move(() => mount.stop());
      case 'to':
        return this.move(() => mount.moveTo(command.place));
      case 'by':
        return this.move(() => mount.moveTo(sum(mount.target(), command.place)));
      case 'run':
        return this.run(command.velocity);
      case 'recall':
        return this.recall(command.name);
      case 'save':
        return this.save(command.name);
      case 'drop':
        return this.drop(command.name);
    }
  }

  /** `home` first, the others by name. */
  list(): Preset[] {
    const names = [...this.presets.keys()].filter((name) => name !== home).sort();
    return [home, ...names].map((name) => ({ name, ...(this.placeOf(name) ?? this.options.home) }));
  }

  get limits(): MountLimits {
    return this.options.mount.limits;
  }

  position(): Position {
    return this.options.mount.position();
  }

  moving(): boolean {
    return this.options.mount.moving();
  }

  /** Keeps where it looks; the mount stands still from now on. */
  [Symbol.dispose](): void {
    this.cancelRun();
    this.cancelLook?.();
    this.options.mount.stop();
    if (this.cancelKeep !== undefined) this.keep();
  }

  private move(begin: () => void): undefined {
    this.cancelRun();
    begin();
    this.look();
  }

  /** Zoomed in, a camera turns slower by as much: pictures go by as fast as without. */
  private run(velocity: Velocity): undefined {
    const { mount, clock } = this.options;
    const { zoom } = mount.position();
    const slower = (share: number | undefined): number => (share ?? 0) / zoom;
    this.move(() =>
      mount.run({ pan: slower(velocity.pan), tilt: slower(velocity.tilt), zoom: velocity.zoom }),
    );
    this.cancelRun = clock.after(renewMs, () => {
      mount.stop();
      this.look();
    });
  }

  private recall(name: string): string | undefined {
    const place = this.placeOf(name);
    return place === undefined
      ? `no preset is named ${name}`
      : this.move(() => this.options.mount.moveTo(place));
  }

  private save(name: string): string | undefined {
    if (!isPresetName(name)) return 'a preset cannot be named so';
    const isNew = name !== home && !this.presets.has(name);
    const count = this.presets.size - Number(this.presets.has(home));
    if (isNew && count >= presetsMax) return `there are ${presetsMax} presets already`;
    return this.change(name, this.position());
  }

  private drop(name: string): string | undefined {
    if (this.presets.has(name)) return this.change(name, undefined);
    return name === home ? undefined : `no preset is named ${name}`;
  }

  private change(name: string, place: Position | undefined): string | undefined {
    const before = this.presets.get(name);
    const put = (value: Position | undefined): void => {
      if (value === undefined) this.presets.delete(name);
      else this.presets.set(name, value);
    };
    put(place);
    if (this.keep()) return undefined;
    put(before);
    return 'the unit cannot keep presets: its disk refuses';
  }

  private placeOf(name: string): Position | undefined {
    const place = this.presets.get(name) ?? (name === home ? this.options.home : undefined);
    return place === undefined ? undefined : withinLimits(this.limits, place);
  }

  /** Says where it looks, now and until it rests. */
  private look(): void {
    this.cancelLook?.();
    const { clock, onMoved } = this.options;
    const moving = this.moving();
    onMoved(this.position(), moving);
    this.cancelLook = moving ? clock.after(lookMs, () => this.look()) : undefined;
    if (moving) this.cancelKeep ??= clock.after(movingMs, () => this.keep());
    else this.keepSoon();
  }

  private keepSoon(): void {
    this.cancelKeep?.();
    this.cancelKeep = this.options.clock.after(restMs, () => this.keep());
  }

  private keep(): boolean {
    this.cancelKeep?.();
    this.cancelKeep = undefined;
    const presets = [...this.presets].map(([name, place]) => ({ name, ...place }));
    return this.options.keep({ position: this.position(), presets });
  }
}

function sum(from: Position, step: PartialPosition): Position {
  return eachAxis((axis) => from[axis] + (step[axis] ?? 0));
}
