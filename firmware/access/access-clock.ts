/**
 * What time it is, for whatever expires. A board without a battery begins in 1970. Until its clock is set, it goes by
 * the latest time that the site has shown it: rows of the site document, and whatever another server has signed.
 *
 * So nothing that is not yet known to be over is refused, and what was over before the board's last news is. What the
 * board itself signs meanwhile ends when its clock is set, if it had no news at all: whoever was signed in signs in
 * again.
 */
import type { Clock } from '../base/clock.ts';

export class AccessClock {
  private readonly clock: Clock;
  private readonly trusted: () => boolean;
  /** it was at least `atMs` when the monotonic clock showed `monotonicMs` */
  private floor = { atMs: 0, monotonicMs: 0 };

  constructor(clock: Clock, trusted: () => boolean) {
    this.clock = clock;
    this.trusted = trusted;
  }

  /** ms UTC */
  nowMs(): number {
    const utcMs = this.clock.utcMs();
    return this.trusted() ? utcMs : Math.max(utcMs, this.floorMs());
  }

  /** Whether `nowMs` is a date that this machine stands for. */
  isSet(): boolean {
    return this.trusted();
  }

  /** A time that somebody in the site has read from a clock. */
  observe(atMs: number): void {
    if (atMs > this.floorMs()) this.floor = { atMs, monotonicMs: this.clock.monotonicMs() };
  }

  private floorMs(): number {
    return this.floor.atMs + (this.clock.monotonicMs() - this.floor.monotonicMs);
  }
}
