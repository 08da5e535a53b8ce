/** A GPIO chip of lines in memory, with the other end of each wire in a test's hand. Kept honest by gpio-lines-contract.ts. */
import { Failure } from '../../firmware/base/failure.ts';
import type { GpioLines, LineWiring, OutputLine } from '../../firmware/gpio/lines.ts';

interface Taken {
  readonly activeLow: boolean;
  readonly onLevel: ((active: boolean) => void) | undefined;
}

export class SimulatedLines implements GpioLines {
  /** electrical levels; a line that nothing drives is low */
  private readonly levels = new Map<number, boolean>();
  private readonly taken = new Map<number, Taken>();

  input({ line, activeLow }: LineWiring, onLevel: (active: boolean) => void): Disposable {
    this.take(line, { activeLow, onLevel });
    onLevel(this.level(line) !== activeLow);
    return { [Symbol.dispose]: () => void this.taken.delete(line) };
  }

  output({ line, activeLow }: LineWiring): OutputLine {
    this.take(line, { activeLow, onLevel: undefined });
    this.levels.set(line, activeLow);
    return {
      set: (active) => void this.levels.set(line, active !== activeLow),
      [Symbol.dispose]: () => {
        this.levels.set(line, activeLow);
        this.taken.delete(line);
      },
    };
  }

  /** What is at the other end of a wire. */
  level(line: number): boolean {
    return this.levels.get(line) ?? false;
  }

  /** Drives a wire from the other end. */
  drive(line: number, high: boolean): void {
    if (this.level(line) === high) return;
    this.levels.set(line, high);
    const taken = this.taken.get(line);
    taken?.onLevel?.(high !== taken.activeLow);
  }

  private take(line: number, taken: Taken): void {
    if (this.taken.has(line))
      throw new Failure('FILE_IO', `GPIO line ${line} is in use`, { advice: 'Use another line.' });
    this.taken.set(line, taken);
  }
}
