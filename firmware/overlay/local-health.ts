/**
 * How well this server itself is doing, after Lifeguard (Dadgar, Phillips, Currey, 2018; memberlist `awareness.go`):
 * a server that runs late or gets no answers lengthens its own times before it suspects others.
 *
 * Invariants: the score is between 0 and `healthMax`, and without news it falls to 0. Times are monotonic ms.
 */
import { healthMax } from './constants.ts';

/** Echo periods without a mark after which one point is forgiven. */
const forgivingEchoes = 4;

export class LocalHealth {
  private readonly forgivingMs: number;
  private score = 0;
  /** since when there was no mark, or the last point was forgiven */
  private since = 0;

  /** `echoMs` is the period of the echoes. */
  constructor(echoMs: number) {
    this.forgivingMs = forgivingEchoes * echoMs;
  }

  /** A sign that this server is slow: it woke late, or an echo went unanswered that others had answered. */
  worse(now: number): void {
    this.forgive(now);
    this.score = Math.min(healthMax, this.score + 1);
    this.since = now;
  }

  /** A sign that it is well. */
  better(now: number): void {
    this.forgive(now);
    this.score = Math.max(0, this.score - 1);
  }

  /** By how much to multiply own times: 1 when well, at most 1 + `healthMax`. */
  factor(now: number): number {
    this.forgive(now);
    return 1 + this.score;
  }

  private forgive(now: number): void {
    if (this.score === 0) return;
    const points = Math.floor((now - this.since) / this.forgivingMs);
    if (points <= 0) return;
    this.score = Math.max(0, this.score - points);
    this.since += points * this.forgivingMs;
  }
}
