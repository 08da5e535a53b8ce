/**
 * Which of the kernel's chips is the board's. Kernels number chips and lines as they please: line 18 of a Raspberry Pi is
 * number 18, 530 or 587 in sysfs, and its PWM chip is pwmchip0 or pwmchip2. What stays is the label of a GPIO chip and
 * the device behind a PWM chip.
 *
 * Invariant: a chip that does not have as many lines or channels as the board says is another chip, and is left alone:
 * whatever hangs on its lines, it is not what the board's wiring says.
 */
import { accept, type Result, reject } from '../base/result.ts';

/** As /sys/class/gpio shows it; `base` is the number of its first line. */
export interface GpioChip {
  /** such as `gpiochip512` */
  readonly name: string;
  readonly label: string;
  readonly base: number;
  readonly lineCount: number;
}

/** As /sys/class/pwm shows it. */
export interface PwmChip {
  /** such as `pwmchip0`; what it is called says nothing */
  readonly name: string;
  /** what its `device` leads to, such as `1f00098000.pwm` */
  readonly device: string;
  readonly channelCount: number;
}

/** The chip of this label and size. */
export function findGpioChip(
  chips: readonly GpioChip[],
  wanted: { readonly chipLabel: string; readonly lineCount: number },
): Result<GpioChip> {
  const { chipLabel, lineCount } = wanted;
  const labelled = chips.filter(({ label }) => label === chipLabel);
  const chip = labelled.find((one) => one.lineCount === lineCount);
  if (chip !== undefined) return accept(chip);
  const [other] = labelled;
  if (other !== undefined)
    return reject(`the GPIO chip ${chipLabel} has ${other.lineCount} lines, the board says ${lineCount}`);
  const there = chips.map(({ label }) => label).join(', ') || 'none';
  return reject(`there is no GPIO chip ${chipLabel} (there are: ${there})`);
}

/** The chip of this device and size. */
export function findPwmChip(
  chips: readonly PwmChip[],
  wanted: { readonly device: string; readonly channelCount: number },
): Result<PwmChip> {
  const { device, channelCount } = wanted;
  const chip = chips.find((one) => one.device === device);
  if (chip === undefined) {
    const there = chips.map((one) => one.device).join(', ') || 'none';
    return reject(`there is no PWM chip ${device} (there are: ${there})`);
  }
  if (chip.channelCount === channelCount) return accept(chip);
  return reject(`the PWM chip ${device} has ${chip.channelCount} channels, the board says ${channelCount}`);
}
