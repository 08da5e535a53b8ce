/** Lets so many through at a time; the others wait in order, and when too many wait, the next is refused. */
import { Failure } from '../base/failure.ts';

export class Gate {
  private readonly atOnce: number;
  private readonly waitingMax: number;
  private readonly what: string;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** `what` is done, for the refusal. */
  constructor(what: string, { atOnce, waitingMax }: { atOnce: number; waitingMax: number }) {
    this.what = what;
    this.atOnce = atOnce;
    this.waitingMax = waitingMax;
  }

  /** Rejects with what the task rejects with, or with Failure BUSY at once. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnce) {
      if (this.waiting.length >= this.waitingMax) {
        throw new Failure('BUSY', `too many ask for ${this.what} at a time`, {
          advice: 'Try again in a moment.',
        });
      }
      // Whoever is done hands the place on.
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }
}
