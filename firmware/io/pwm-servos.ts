/**
 * Servos on channels of the kernel's PWM chip (Documentation/ABI/testing/sysfs-class-pwm): pulses without jitter and
 * without the processor, so they go on while a servo rests and hold it.
 */
import { Failure, messageOf } from '../base/failure.ts';
import { pulsePeriodMs, pulseWithin, type ServoAxis, type ServoDriver } from '../gpio/servo-driver.ts';
import type { Sysfs } from './sysfs.ts';

const periodNs = pulsePeriodMs * 1_000_000;

export interface PwmServosOptions {
  readonly sysfs: Sysfs;
  /** such as `pwmchip0` */
  readonly chip: string;
  readonly channels: { readonly [A in ServoAxis]?: number | undefined };
  /** the kernel refuses; told once */
  readonly onFailed: (failure: Failure) => void;
}

/** Takes the channels; no pulse is made before a servo is aimed. Throws Failure FILE_IO. */
export function openPwmServos(options: PwmServosOptions): ServoDriver {
  const { sysfs, chip, channels } = options;
  const taken = new Map<ServoAxis, PwmChannel>();
  try {
    for (const axis of ['pan', 'tilt'] as const) {
      const channel = channels[axis];
      if (channel !== undefined) taken.set(axis, openChannel(sysfs, chip, channel));
    }
  } catch (error) {
    for (const channel of taken.values()) channel.close();
    throw error;
  }
  let failed = false;
  const attempt = (task: () => void): void => {
    try {
      task();
    } catch (error) {
      if (!failed) options.onFailed(refused(chip, error));
      failed = true;
    }
  };
  return {
    name: 'kernel PWM',
    holds: true,
    aim: (axis, pulseUs) => attempt(() => taken.get(axis)?.pulse(pulseUs)),
    rest: () => undefined,
    [Symbol.dispose]: () => {
      for (const channel of taken.values()) attempt(() => channel.close());
    },
  };
}

interface PwmChannel {
  pulse(pulseUs: number): void;
  close(): void;
}

function openChannel(sysfs: Sysfs, chip: string, number: number): PwmChannel {
  const folder = `class/pwm/${chip}`;
  const channel = `${folder}/pwm${number}`;
  let enabled = false;
  try {
    if (!sysfs.list(folder).includes(`pwm${number}`)) sysfs.write(`${folder}/export`, String(number));
    // What a program that was killed has left: a period is refused while it is shorter than the pulse.
    sysfs.write(`${channel}/enable`, '0');
    if (Number(sysfs.read(`${channel}/duty_cycle`)) > 0) sysfs.write(`${channel}/duty_cycle`, '0');
    sysfs.write(`${channel}/period`, String(periodNs));
  } catch (error) {
    throw refused(`${chip} channel ${number}`, error);
  }
  return {
    pulse: (pulseUs) => {
      sysfs.write(`${channel}/duty_cycle`, String(pulseWithin(pulseUs) * 1_000));
      if (!enabled) sysfs.write(`${channel}/enable`, '1');
      enabled = true;
    },
    close: () => {
      sysfs.write(`${channel}/enable`, '0');
      sysfs.write(`${folder}/unexport`, String(number));
    },
  };
}

function refused(what: string, error: unknown): Failure {
  return new Failure('FILE_IO', `PWM ${what}: ${messageOf(error)}`, {
    advice:
      'Another program may have the channel, or the kernel no driver for its pin: see /sys/kernel/debug/pwm.',
    cause: error,
  });
}
