/**
 * Pulses by busy waiting: what the servo process does 50 times a second for each line that is to be moved. A timer is
 * useless for this (Node's come 0 to 1 ms late, as long as a whole pulse), a busy wait is late by 35 to 60 µs one time in
 * a hundred, about 5 degrees of a common servo; so a burst lasts only as long as a move, and then the line stays low.
 *
 * Invariants: no pulse is made for a line of which nothing was said for `burstMs`; every line is low between pulses, and
 * when the train ends.
 */

/** A burst ends so long after the last word, whoever forgot it: a move says where to go 50 times a second. */
export const burstMs = 600;
/** Longest pulse that is waited for; a clock that jumps must not hold a line high. */
const waitUsMax = 3_000;

export interface PulseOutput {
  set(high: boolean): void;
}

export interface PulseClock {
  /** monotonic, with fractions */
  nowUs(): number;
}

interface Burst {
  pulseUs: number;
  untilUs: number;
}

export class PulseTrain {
  private readonly outputs: ReadonlyMap<string, PulseOutput>;
  private readonly clock: PulseClock;
  private readonly bursts = new Map<string, Burst>();

  constructor(outputs: ReadonlyMap<string, PulseOutput>, clock: PulseClock) {
    this.outputs = outputs;
    this.clock = clock;
  }

  aim(name: string, pulseUs: number): void {
    this.bursts.set(name, { pulseUs, untilUs: this.clock.nowUs() + burstMs * 1_000 });
  }

  /** Whether anything is still to be pulsed. */
  get active(): boolean {
    return this.bursts.size > 0;
  }

  /** One pulse for each line, one after another. */
  frame(): void {
    const nowUs = this.clock.nowUs();
    for (const [name, { pulseUs, untilUs }] of this.bursts) {
      const output = this.outputs.get(name);
      if (output === undefined || nowUs >= untilUs) this.bursts.delete(name);
      else this.pulse(output, Math.min(pulseUs, waitUsMax));
    }
  }

  private pulse(output: PulseOutput, pulseUs: number): void {
    output.set(true);
    try {
      // After the edge: a process that is held up before it would cut the pulse short, to a length that means nothing.
      const startUs = this.clock.nowUs();
      while (this.clock.nowUs() - startUs < pulseUs);
    } finally {
      output.set(false);
    }
  }
}
