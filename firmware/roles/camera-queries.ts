/**
 * Questions to the overlay of who manages a camera [0088], as promises.
 *
 * Invariant: each is answered in bounded time: with what the network said, else with what was known last and the word
 * `unreachable`.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { QueryAnswer } from '../overlay/effects.ts';

const waitingMax = 256;

export interface CameraQueriesOptions {
  readonly clock: Clock;
  /** the node has answered by then, or never will */
  readonly timeoutMs: number;
  readonly ask: (query: number, camera: string) => void;
  /** what this server knows without asking */
  readonly lastKnown: (camera: string) => { manager: string; epoch: number } | undefined;
}

export class CameraQueries {
  private readonly options: CameraQueriesOptions;
  private readonly waiting = new Map<number, (answer: QueryAnswer) => void>();
  private next = 1;

  constructor(options: CameraQueriesOptions) {
    this.options = options;
  }

  /** Rejects with Failure SERVER_FAILED when too many wait already. */
  where(camera: string): Promise<QueryAnswer> {
    if (this.waiting.size >= waitingMax) {
      const advice = 'Ask again in a moment.';
      return Promise.reject(
        new Failure('SERVER_FAILED', 'too many questions wait for an answer', { advice }),
      );
    }
    const query = this.next++;
    return new Promise((resolve) => {
      const cancel = this.options.clock.after(this.options.timeoutMs, () =>
        this.answered(query, this.unanswered(camera)),
      );
      this.waiting.set(query, (answer) => {
        cancel();
        resolve(answer);
      });
      this.options.ask(query, camera);
    });
  }

  /** The node's answer to a question; one that comes too late changes nothing. */
  answered(query: number, answer: QueryAnswer): void {
    this.waiting.get(query)?.(answer);
    this.waiting.delete(query);
  }

  private unanswered(camera: string): QueryAnswer {
    const known = this.options.lastKnown(camera);
    const { manager, epoch = 0 } = known ?? {};
    return { camera, manager, link: undefined, epoch, state: 'unreachable', tenures: [] };
  }
}
