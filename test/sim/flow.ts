/**
 * One direction of a simulated TCP connection: in order and reliable, as long as the path is open. Into a path that is
 * cut (or a machine that is off) it is sent again and again as TCP does, 0.2, 0.6, 1.4 … s later; it arrives at the
 * first try after the path has healed, and after 15 s in vain the sender's end is reset. What does arrive but cannot
 * be acknowledged, because the way back is cut, resets the sender's end too.
 */
import type { Timeline } from './life.ts';
import type { Path, Paths } from './paths.ts';

/** A frame, or the end of the stream. */
export type Item =
  | { readonly kind: number; readonly body: Buffer }
  | { readonly end: 'closed by the peer' | 'read ECONNRESET' };

/** The receiving end. */
export interface Sink {
  /** false: nobody is there who could acknowledge */
  readonly answers: boolean;
  arrive(item: Item): void;
}

const firstRetryMs = 200;
const giveUpMs = 15_000;

export class Flow {
  private readonly timeline: Timeline;
  private readonly paths: Paths;
  private readonly there: Path;
  private readonly back: Path;
  private readonly sink: Sink;
  private readonly onTimeout: () => void;
  private waiting: Item[] = [];
  private stalledAt: number | undefined;
  private tries = 0;
  private lastArrival = 0;
  private over = false;
  /** the path forgot this connection, and nobody is told */
  silent = false;

  constructor(options: {
    timeline: Timeline;
    paths: Paths;
    ends: readonly [from: string, to: string];
    sink: Sink;
    onTimeout: () => void;
  }) {
    const { timeline, paths, ends, sink, onTimeout } = options;
    this.timeline = timeline;
    this.paths = paths;
    this.there = paths.between(ends[0], ends[1]);
    this.back = paths.between(ends[1], ends[0]);
    this.sink = sink;
    this.onTimeout = onTimeout;
  }

  push(item: Item): void {
    if (this.over) return;
    if (this.waiting.length > 0 || !this.isOpen()) {
      this.waiting.push(item);
      this.stall();
      return;
    }
    this.transmit(item);
    if (this.back.cuts > 0) this.stall();
  }

  /** Nothing that was sent arrives any more. */
  drop(): void {
    this.over = true;
    this.waiting = [];
  }

  /** What was sent found nobody: it will be sent again. */
  stall(): void {
    if (this.stalledAt !== undefined || this.over) return;
    this.stalledAt = this.timeline.now;
    this.tries = 0;
    this.planRetry();
  }

  private isOpen(): boolean {
    return this.there.cuts === 0 && !this.silent && this.sink.answers;
  }

  private planRetry(): void {
    const delayMs = firstRetryMs * 2 ** this.tries++;
    this.timeline.heap.plan(this.timeline.now + delayMs, () => this.retry());
  }

  private retry(): void {
    if (this.over || this.stalledAt === undefined) return;
    if (this.isOpen()) {
      const waiting = this.waiting;
      this.waiting = [];
      for (const item of waiting) this.transmit(item);
      if (this.back.cuts === 0) {
        this.stalledAt = undefined;
        return;
      }
    }
    if (this.timeline.now - this.stalledAt < giveUpMs) return this.planRetry();
    this.drop();
    this.onTimeout();
  }

  private transmit(item: Item): void {
    const at = Math.max(this.timeline.now + this.paths.delayMs(this.there), this.lastArrival);
    this.lastArrival = at;
    this.timeline.heap.plan(at, () => {
      if (!this.over) this.sink.arrive(item);
    });
  }
}
