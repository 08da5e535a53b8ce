/**
 * One run of a unit's program, from its start to its end: nothing reaches a program that has ended, and what comes
 * while it is paused waits and then comes all at once. Also its clock, which may be wrong in every way a clock can.
 */
import type { Clock } from '../../firmware/base/clock.ts';
import type { EventHeap } from './event-heap.ts';

/** Virtual time, and what will happen in it. */
export interface Timeline {
  readonly now: number;
  readonly heap: EventHeap;
}

/** How a machine's clocks differ from the truth. It outlives the program. */
export interface ClockFault {
  /** monotonic time counts from somewhere */
  monotonicStartMs: number;
  /** 1 is right; both clocks drift together */
  rate: number;
  /** how far UTC is off; a clock without a battery begins in 1970 */
  utcOffMs: number;
  trusted: boolean;
}

/** Virtual time 0 in UTC: 2031-01-01. */
export const epochUtcMs = 1_924_992_000_000;

export class Life implements Clock {
  readonly number: number;
  alive = true;
  private paused = false;
  private timersFirst = false;
  private waiting: { readonly timer: boolean; readonly task: () => void }[] = [];
  private readonly timeline: Timeline;
  private readonly fault: ClockFault;

  constructor(timeline: Timeline, fault: ClockFault, number: number) {
    this.timeline = timeline;
    this.fault = fault;
    this.number = number;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  /** Something reaches the program. */
  run(task: () => void, timer = false): void {
    if (!this.alive) return;
    if (this.paused) this.waiting.push({ timer, task });
    else task();
  }

  /** The program gets nothing more until it resumes; then either what was sent to it comes first, or its timers. */
  pause(timersFirst: boolean): void {
    this.paused = true;
    this.timersFirst = timersFirst;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    const waiting = this.waiting;
    this.waiting = [];
    const sooner = waiting.filter(({ timer }) => timer === this.timersFirst);
    const later = waiting.filter(({ timer }) => timer !== this.timersFirst);
    for (const { task } of [...sooner, ...later]) if (this.alive) task();
  }

  end(): void {
    this.alive = false;
    this.waiting = [];
  }

  monotonicMs(): number {
    return this.fault.monotonicStartMs + this.timeline.now * this.fault.rate;
  }

  utcMs(): number {
    return epochUtcMs + this.fault.utcOffMs + this.timeline.now * this.fault.rate;
  }

  after(delayMs: number, task: () => void): () => void {
    const target = this.monotonicMs() + delayMs;
    let at = this.timeline.now + Math.max(0, delayMs) / this.fault.rate;
    // Rounding must not let it fire too early: whoever waits for a time would wait for the same time again, for ever.
    while (this.fault.monotonicStartMs + at * this.fault.rate < target) at += 0.001;
    let cancelled = false;
    const planned = this.timeline.heap.plan(at, () =>
      this.run(() => {
        if (!cancelled) task();
      }, true),
    );
    return () => {
      cancelled = true;
      planned.task = undefined;
    };
  }
}
