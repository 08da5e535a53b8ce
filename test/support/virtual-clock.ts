/** A clock that stands still until it is told to advance; the contract suite in test/contract/clock.test.ts holds it to
 * what the real one does. */
import assert from 'node:assert/strict';
import type { Clock } from '../../firmware/base/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly task: () => void;
}

export class VirtualClock implements Clock {
  private nowMs = 0;
  private readonly startUtcMs: number;
  private order = 0;
  private readonly timers = new Set<Timer>();

  constructor(startUtcMs = Date.parse('2026-11-22T12:00:00Z')) {
    this.startUtcMs = startUtcMs;
  }

  utcMs(): number {
    return this.startUtcMs + this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  after(delayMs: number, task: () => void): () => void {
    this.order += 1;
    const timer: Timer = { dueMs: this.nowMs + Math.max(0, delayMs), order: this.order, task };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.timers.size;
  }

  /** Lets time pass and runs what falls due, in order. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let ran = 0; ; ran++) {
      assert(ran < 1_000_000, 'timers that never end');
      const next = this.earliest();
      if (next === undefined || next.dueMs > endMs) break;
      this.timers.delete(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.task();
    }
    this.nowMs = endMs;
  }

  private earliest(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      const earlier =
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order);
      if (earlier) first = timer;
    }
    return first;
  }
}
