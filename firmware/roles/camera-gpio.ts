/**
 * What hangs on the lines of a camera unit: servos, end stops, sensors, the tally light. Whatever is wrong with them is one
 * line in the log, and the unit goes on without them: pictures matter more.
 */
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import { accept, type Result, reject } from '../base/result.ts';
import type { Board } from '../boards/board-schema.ts';
import type { GpioConfig } from '../config/gpio-section.ts';
import { findGpioChip, findPwmChip, type GpioChip } from '../gpio/chip-lookup.ts';
import { EventOutbox } from '../gpio/event-outbox.ts';
import type { GpioLines } from '../gpio/lines.ts';
import { kindsOf, openSensors } from '../gpio/sensors.ts';
import type { ServoDriver } from '../gpio/servo-driver.ts';
import { ServoRig } from '../gpio/servo-rig.ts';
import { Tally } from '../gpio/tally.ts';
import { type Wiring, wiringOf } from '../gpio/wiring.ts';
import { openBurstServos } from '../io/burst-servos.ts';
import { readGpioChips, readPwmChips } from '../io/gpio-chips.ts';
import { openGpioLines } from '../io/gpio-lines.ts';
import { openPwmServos } from '../io/pwm-servos.ts';
import { type Sysfs, sysfsAt } from '../io/sysfs.ts';
import type { CameraEvent } from '../overlay/event-packet.ts';
import type { PacketBody } from '../overlay/packets.ts';
import type { EndSide, TurnAxis } from '../ptz/servo-mount.ts';
import type { Log } from '../runtime/log.ts';

export interface CameraGpioOptions {
  readonly config: GpioConfig;
  /** the camera that the sensors belong to */
  readonly camera: string;
  readonly board: Board | undefined;
  /** the bundle, to start the servo process from */
  readonly program: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly sysfs?: Sysfs;
  readonly openLines?: (base: number, clock: Clock) => Promise<GpioLines>;
  /** What UTC a monotonic time was, whole µs; undefined while nobody knows the date. */
  readonly utcUs: (monotonicMs: number) => number | undefined;
  /** to the manager; called only while there is one */
  readonly send: (body: PacketBody<'cam-event'>) => void;
  /** events of the run before this one, all ended */
  readonly kept?: readonly CameraEvent[];
  readonly keep?: (events: readonly CameraEvent[]) => void;
}

type EndStopListener = (axis: TurnAxis, side: EndSide, hit: boolean) => void;

/** What a technician asks of the lines. */
export interface GpioReport {
  /** why there are none; undefined when all is well or nothing is connected */
  readonly fault: string | undefined;
  readonly chip: GpioChip | undefined;
  /** `line` is the chip's, `number` that of sysfs */
  readonly lines: readonly { readonly part: string; readonly line: number; readonly number: number }[];
  readonly servoDriver: string | undefined;
  /** events that no server has confirmed yet */
  readonly eventsWaiting: number;
}

/** Opens what is connected. Never fails: what does not work is logged and left out. */
export async function openCameraGpio(options: CameraGpioOptions): Promise<CameraGpio> {
  const gpio = new CameraGpio(options);
  await gpio.open();
  return gpio;
}

export class CameraGpio implements Disposable {
  private readonly options: CameraGpioOptions;
  private readonly sysfs: Sysfs;
  private readonly opened: Disposable[] = [];
  private outbox: EventOutbox | undefined;
  private tally: Tally | undefined;
  private wiring: Wiring | undefined;
  private chip: GpioChip | undefined;
  private fault: string | undefined;
  private isManaged = false;
  private flows = false;
  private dropped = 0;
  /** end stops that are hit now */
  private readonly hits = new Map<string, readonly [TurnAxis, EndSide]>();
  private listener: EndStopListener = () => undefined;
  private servos: ServoRig | undefined;

  constructor(options: CameraGpioOptions) {
    this.options = options;
    this.sysfs = options.sysfs ?? sysfsAt();
  }

  async open(): Promise<void> {
    const { config, board, log } = this.options;
    const wiring = wiringOf(config, board);
    if (!wiring.ok) return this.off(wiring.reason);
    if (wiring.value === undefined) return;
    const { value } = wiring;
    this.wiring = value;
    const chip = this.findChip(value);
    if (!chip.ok) return this.off(chip.reason);
    this.chip = chip.value;
    try {
      await this.openOn(chip.value, value);
      const { name, label, base } = chip.value;
      const servos = this.servos === undefined ? '' : `, servos by ${this.servos.driverName}`;
      log('info', `GPIO: ${label} is ${name}, line 0 has number ${base}${servos}`);
    } catch (error) {
      this.close();
      this.off(error instanceof Failure ? `${error.message}. ${error.advice}` : messageOf(error));
    }
  }

  /** Tells of end stops from now on, first of those that are hit already. */
  followEndStops(listener: EndStopListener): void {
    this.listener = listener;
    for (const [axis, side] of this.hits.values()) listener(axis, side, true);
  }

  /** A manager was found. */
  managed(): void {
    this.isManaged = true;
    this.outbox?.managed();
    this.show();
  }

  /** There is none any more. */
  lost(): void {
    this.isManaged = false;
    this.outbox?.lost();
    this.show();
  }

  /** Pictures come, or no longer. */
  flowing(camera: string, flows: boolean): void {
    if (camera !== this.options.camera) return;
    this.flows = flows;
    this.show();
  }

  /** The manager has kept events. */
  confirmed(body: PacketBody<'cam-event'>): void {
    if (body.camera === this.options.camera) this.outbox?.confirmed(body);
  }

  /** What turns the mount of kind servo of the camera that has it. */
  get turns(): { readonly camera: string; readonly drive: ServoRig } | undefined {
    return this.servos === undefined ? undefined : { camera: this.options.camera, drive: this.servos };
  }

  /** Such as `pan-max`. */
  endsHit(): string[] {
    return [...this.hits.keys()];
  }

  get camera(): string {
    return this.options.camera;
  }

  report(): GpioReport {
    const { chip, wiring, fault, outbox, servos } = this;
    const lines = wiring === undefined ? [] : linesOf(wiring);
    return {
      fault,
      chip,
      lines: lines.map(({ part, line }) => ({ part, line, number: (chip?.base ?? Number.NaN) + line })),
      servoDriver: servos?.driverName,
      eventsWaiting: outbox?.length ?? 0,
    };
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private findChip({ chip }: Wiring): Result<GpioChip> {
    const chips = readGpioChips(this.sysfs);
    if (chips === undefined)
      return reject('this kernel shows no GPIO in /sys/class/gpio (CONFIG_GPIO_SYSFS)');
    return findGpioChip(chips, chip);
  }

  private async openOn(chip: GpioChip, wiring: Wiring): Promise<void> {
    const { clock, camera, openLines = openGpioLines, utcUs, send, kept = [], keep } = this.options;
    const lines = await openLines(chip.base, clock);
    const outbox = new EventOutbox({
      camera,
      kinds: kindsOf(wiring),
      clock,
      utcUs,
      send,
      onDropped: () => this.tellDropped(),
      kept,
      ...(keep === undefined ? {} : { keep }),
    });
    this.outbox = outbox;
    this.opened.push(outbox);
    const onSensed = outbox.sensed.bind(outbox);
    const onEndStop: EndStopListener = (axis, side, hit) => {
      if (hit) this.hits.set(`${axis}-${side}`, [axis, side]);
      else this.hits.delete(`${axis}-${side}`);
      this.listener(axis, side, hit);
    };
    this.opened.push(openSensors({ wiring, lines, clock, onSensed, onEndStop }));
    if (wiring.tallyLed !== undefined) {
      this.tally = new Tally(lines.output(wiring.tallyLed), clock);
      this.opened.push(this.tally);
      this.show();
    }
    this.openServos(chip, wiring, lines);
  }

  private openServos(chip: GpioChip, wiring: Wiring, lines: GpioLines): void {
    const { servos, servoPower } = wiring;
    if (servos.pan === undefined && servos.tilt === undefined) return;
    const driver = this.servoDriver(chip, wiring);
    // Given back also when the next line is taken already.
    this.opened.push(driver);
    const power = servoPower === undefined ? undefined : lines.output(servoPower);
    this.servos = new ServoRig({ clock: this.options.clock, driver, servos, power });
    this.opened.push(this.servos);
  }

  /** Kernel PWM where there is a chip and its channels are free, else bursts. */
  private servoDriver(chip: GpioChip, wiring: Wiring): ServoDriver {
    const { config, log, program, clock } = this.options;
    const wanted = config.servoDriver;
    const pwm = wanted === 'burst' ? reject<ServoDriver>('') : this.pwmServos(wiring);
    if (pwm.ok) return pwm.value;
    if (wanted === 'pwm') throw new Failure('FILE_IO', pwm.reason, { advice: 'Or set servoDriver: auto.' });
    const { pan, tilt } = wiring.servos;
    if (wanted === 'auto' && wiring.pwm !== undefined)
      log('warn', `servos: ${pwm.reason}; their pulses are made on GPIO lines, less steadily`);
    return openBurstServos({
      program,
      clock,
      base: chip.base,
      lines: { pan: pan?.line, tilt: tilt?.line },
      onFailed: (how) => {
        this.fault = `the servo process ended (${how})`;
        log('error', `${this.fault}; it is started again by the next move`);
      },
    });
  }

  private pwmServos({ pwm, servos }: Wiring): Result<ServoDriver> {
    const { log } = this.options;
    if (pwm === undefined) return reject('this board has no PWM chip');
    const { pan, tilt } = servos;
    const wanted = [pan, tilt].filter((servo) => servo !== undefined);
    if (wanted.some(({ channel }) => channel === undefined)) return reject('a servo has no PWM channel');
    const chip = findPwmChip(readPwmChips(this.sysfs), pwm);
    if (!chip.ok) return chip;
    try {
      const driver = openPwmServos({
        sysfs: this.sysfs,
        chip: chip.value.name,
        channels: { pan: pan?.channel, tilt: tilt?.channel },
        onFailed: (failure) => log('error', `servos: ${failure.message}. ${failure.advice}`),
      });
      return accept(driver);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return reject(error.message);
    }
  }

  private show(): void {
    if (!this.isManaged) this.tally?.show('seeking');
    else this.tally?.show(this.flows ? 'recorded' : 'dark');
  }

  private tellDropped(): void {
    this.dropped += 1;
    if (this.dropped === 1)
      this.options.log('warn', 'events are lost: too many wait for a server; not logged again');
  }

  private off(reason: string): void {
    this.fault = reason;
    this.options.log('warn', `GPIO is off: ${reason}; pictures go on without servos, sensors and light`);
  }

  private close(): void {
    for (const one of this.opened.splice(0).reverse()) {
      try {
        one[Symbol.dispose]();
      } catch (error) {
        this.options.log('warn', `GPIO: ${messageOf(error)}; a line may be left as it was`);
      }
    }
    this.outbox = undefined;
    this.tally = undefined;
    this.servos = undefined;
  }
}

function linesOf(wiring: Wiring): { part: string; line: number }[] {
  const { servos, servoPower, endStops, pir, button, tallyLed } = wiring;
  const named = { 'servo pan': servos.pan, 'servo tilt': servos.tilt, 'servo power': servoPower };
  const others = { pir, button, 'tally LED': tallyLed };
  return [
    ...Object.entries(named),
    ...endStops.map((stop) => [`end stop ${stop.axis}-${stop.side}`, stop] as const),
    ...Object.entries(others),
  ].flatMap(([part, wired]) => (wired === undefined ? [] : [{ part, line: wired.line }]));
}
