/** The GPIO and PWM chips that this kernel shows, however it numbers them. */
import type { GpioChip, PwmChip } from '../gpio/chip-lookup.ts';
import type { Sysfs } from './sysfs.ts';

const gpioFolder = 'class/gpio';
const pwmFolder = 'class/pwm';

/** Undefined when the kernel has no GPIO in sysfs at all. A chip that cannot be read is left out. */
export function readGpioChips(sysfs: Sysfs): GpioChip[] | undefined {
  const names = sysfs.list(gpioFolder);
  if (names.length === 0) return undefined;
  // Kernels since 6.17 show each chip a second time, as `chipN`.
  return names
    .filter((name) => /^gpiochip\d+$/.test(name))
    .flatMap((name) => {
      try {
        const folder = `${gpioFolder}/${name}`;
        const label = sysfs.read(`${folder}/label`);
        const base = Number(sysfs.read(`${folder}/base`));
        const lineCount = Number(sysfs.read(`${folder}/ngpio`));
        const isSound = Number.isSafeInteger(base) && base >= 0 && lineCount > 0;
        return isSound ? [{ name, label, base, lineCount }] : [];
      } catch {
        return [];
      }
    });
}

/** None when the kernel has no PWM. */
export function readPwmChips(sysfs: Sysfs): PwmChip[] {
  return sysfs
    .list(pwmFolder)
    .filter((name) => /^pwmchip\d+$/.test(name))
    .flatMap((name) => {
      try {
        const channelCount = Number(sysfs.read(`${pwmFolder}/${name}/npwm`));
        const device = sysfs.target(`${pwmFolder}/${name}/device`);
        return channelCount > 0 ? [{ name, device, channelCount }] : [];
      } catch {
        return [];
      }
    });
}
