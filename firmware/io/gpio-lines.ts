/**
 * Lines of the board's GPIO chip, by `onoff` over sysfs. The number that sysfs gives a line is the chip's base, which
 * differs from kernel to kernel, and the line.
 *
 * Traps: a line stays exported when a program is killed, with the direction and sense it had, so all is set anew; onoff
 * tells edges that are long over when it begins to watch, so levels are read, not believed; chips without interrupts
 * (expanders, the emulated bcm2835) have no edges to wait for and are read from time to time instead.
 */
import type { Gpio } from 'onoff';
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import type { GpioLines, LineWiring, OutputLine } from '../gpio/lines.ts';

type GpioClass = typeof Gpio;

/** How often an input without interrupts is read. */
const pollMs = 20;

/** The add-on is loaded when it is needed: a unit without anything on its lines does not even have to have it. */
export async function openGpioLines(base: number, clock: Clock): Promise<GpioLines> {
  const { Gpio: gpioClass } = await import('onoff');
  return new OnoffLines(gpioClass, base, clock);
}

class OnoffLines implements GpioLines {
  private readonly gpioClass: GpioClass;
  private readonly base: number;
  private readonly clock: Clock;

  constructor(gpioClass: GpioClass, base: number, clock: Clock) {
    this.gpioClass = gpioClass;
    this.base = base;
    this.clock = clock;
  }

  input({ line, activeLow }: LineWiring, onLevel: (active: boolean) => void): Disposable {
    const gpio = this.take(line, () => new this.gpioClass(this.base + line, 'in', 'both', { activeLow }));
    let told: boolean | undefined = undefined;
    let cancelPoll = (): void => undefined;
    const look = (): void => {
      const level = gpio.readSync() === 1;
      if (level === told) return;
      told = level;
      onLevel(level);
    };
    const poll = (): void => {
      look();
      cancelPoll = this.clock.after(pollMs, poll);
    };
    if (hasEdges(gpio)) {
      gpio.watch(look);
      look();
    } else poll();
    return {
      [Symbol.dispose]: () => {
        cancelPoll();
        gpio.unexport();
      },
    };
  }

  output({ line, activeLow }: LineWiring): OutputLine {
    // `low` and `high` are levels of the line, whatever active_low says.
    const inactive = activeLow ? 'high' : 'low';
    const gpio = this.take(line, () => new this.gpioClass(this.base + line, inactive, 'none', { activeLow }));
    return {
      set: (active) => gpio.writeSync(active ? 1 : 0),
      [Symbol.dispose]: () => {
        gpio.writeSync(0);
        gpio.unexport();
      },
    };
  }

  private take(line: number, open: () => Gpio): Gpio {
    try {
      return open();
    } catch (error) {
      const isBusy = (error as NodeJS.ErrnoException).code === 'EBUSY';
      throw new Failure('FILE_IO', `GPIO line ${line} (number ${this.base + line}): ${messageOf(error)}`, {
        advice: isBusy
          ? 'Another program or a driver of the kernel has this line: see /sys/kernel/debug/gpio.'
          : 'Run the unit as root, or let it write to /sys/class/gpio.',
        cause: error,
      });
    }
  }
}

/** The kernel has no file `edge` for a line without interrupts. */
function hasEdges(gpio: Gpio): boolean {
  try {
    return gpio.edge() === 'both';
  } catch {
    return false;
  }
}
