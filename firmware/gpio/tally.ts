/**
 * The tally light: on while what the camera sees is recorded, blinking while it looks for a server, dark when there is
 * nothing to record.
 */
import type { Clock } from '../base/clock.ts';
import type { OutputLine } from './lines.ts';

export type TallyState = 'recorded' | 'seeking' | 'dark';

/** On for so long, off for so long. */
const blinkMs = 500;

export class Tally implements Disposable {
  private readonly line: OutputLine;
  private readonly clock: Clock;
  private state: TallyState = 'dark';
  private cancel = (): void => undefined;

  constructor(line: OutputLine, clock: Clock) {
    this.line = line;
    this.clock = clock;
  }

  show(state: TallyState): void {
    if (state === this.state) return;
    this.state = state;
    this.cancel();
    if (state === 'seeking') this.blink(true);
    else this.line.set(state === 'recorded');
  }

  [Symbol.dispose](): void {
    this.cancel();
    this.line[Symbol.dispose]();
  }

  private blink(lit: boolean): void {
    this.line.set(lit);
    this.cancel = this.clock.after(blinkMs, () => this.blink(!lit));
  }
}
