/**
 * Lines of one GPIO chip, numbered as the chip numbers them. Fake and real ones keep the same contract
 * (test/support/gpio-lines-contract.ts).
 *
 * Invariants: levels are logical: `true` is what the line is there for, whichever way it is wired; an input tells its level
 * once at first, and then each change; a line that was closed tells nothing and is nobody's.
 */

export interface LineWiring {
  readonly line: number;
  /** whether it means yes when it is low */
  readonly activeLow: boolean;
}

export interface OutputLine extends Disposable {
  set(active: boolean): void;
}

export interface GpioLines {
  /** Listens to a line. Throws Failure FILE_IO. */
  input(wiring: LineWiring, onLevel: (active: boolean) => void): Disposable;
  /** Takes a line, at first inactive; it is inactive again when it is closed. Throws Failure FILE_IO. */
  output(wiring: LineWiring): OutputLine;
}
