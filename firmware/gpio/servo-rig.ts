/**
 * The servos of a mount: which pulse turns each where, and when they have power. With a driver that does not hold them,
 * power goes off a moment after they rest: a servo without pulses hums and warms for nothing. Whoever still tells them
 * something after the end is not heard: their lines are nobody's then.
 */
import type { Clock } from '../base/clock.ts';
import type { MountDrive, TurnAxis } from '../ptz/servo-mount.ts';
import type { OutputLine } from './lines.ts';
import { pulseOf, type ServoDriver, type ServoRange } from './servo-driver.ts';

/** A burst has ended, and the servo is there. */
const powerOffMs = 1_500;

export interface ServoRigOptions {
  readonly clock: Clock;
  /** whoever opened it closes it, after the rig */
  readonly driver: ServoDriver;
  readonly servos: { readonly [A in TurnAxis]?: ServoRange | undefined };
  /** switches their power */
  readonly power: OutputLine | undefined;
}

export class ServoRig implements MountDrive, Disposable {
  private readonly options: ServoRigOptions;
  private powered = false;
  private ended = false;
  private cancelOff = (): void => undefined;

  constructor(options: ServoRigOptions) {
    this.options = options;
  }

  /** How far a servo turns either way from its middle, degrees; undefined for an axis without one. */
  reach(axis: TurnAxis): number | undefined {
    const servo = this.options.servos[axis];
    return servo === undefined ? undefined : servo.degrees / 2;
  }

  get driverName(): string {
    return this.options.driver.name;
  }

  aim(axis: TurnAxis, degrees: number): void {
    const { servos, power, driver } = this.options;
    const servo = servos[axis];
    if (servo === undefined || this.ended) return;
    this.cancelOff();
    if (!this.powered) power?.set(true);
    this.powered = true;
    driver.aim(axis, pulseOf(servo, degrees));
  }

  rest(axis: TurnAxis): void {
    const { driver, clock } = this.options;
    if (this.ended) return;
    driver.rest(axis);
    if (driver.holds) return;
    this.cancelOff();
    this.cancelOff = clock.after(powerOffMs, () => this.off());
  }

  [Symbol.dispose](): void {
    this.ended = true;
    this.cancelOff();
    this.options.power?.[Symbol.dispose]();
  }

  private off(): void {
    this.powered = false;
    this.options.power?.set(false);
  }
}
