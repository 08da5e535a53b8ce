/**
 * How many rows of the index each camera may fill by what it tells: a token bucket for each.
 *
 * Invariant: at most `bucketsMax` buckets; the one that was used longest ago goes first.
 */
import type { Clock } from '../base/clock.ts';

const bucketsMax = 16_384;

export interface Rate {
  /** rows at once */
  readonly burst: number;
  readonly perSecond: number;
}

export class Allowance {
  private readonly rate: Rate;
  private readonly clock: Clock;
  private readonly buckets = new Map<string, { readonly left: number; readonly atMs: number }>();

  constructor(rate: Rate, clock: Clock) {
    this.rate = rate;
    this.clock = clock;
  }

  /** Whether a camera may fill so many rows now; then they are taken. */
  take(camera: string, rows: number): boolean {
    const { burst, perSecond } = this.rate;
    const nowMs = this.clock.monotonicMs();
    const known = this.buckets.get(camera) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, known.left + ((nowMs - known.atMs) / 1_000) * perSecond);
    const allowed = left >= rows;
    this.buckets.delete(camera);
    this.buckets.set(camera, { left: allowed ? left - rows : left, atMs: nowMs });
    const oldest = this.buckets.size > bucketsMax ? this.buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.buckets.delete(oldest);
    return allowed;
  }
}
