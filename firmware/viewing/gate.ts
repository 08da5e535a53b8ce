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

  /** Rejects with what the task rejects with, with Failure BUSY at once, or when `signal` is aborted before its turn. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.running >= this.atOnce) {
      if (this.waiting.length >= this.waitingMax) {
        throw new Failure('BUSY', `too many ask for ${this.what} at a time`, {
          advice: 'Try again in a moment.',
        });
      }
      // Whoever is done hands the place on.
      await this.turn(signal);
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

  private turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const come = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.waiting.splice(this.waiting.indexOf(come), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(come);
    });
  }
}
