/**
 * How often each principal may ask for what costs much: a token bucket for each name and kind of request.
 *
 * Invariants: at most `bucketsMax` buckets; the one that was used longest ago goes first, so that a crowd of names
 * costs its own members, not memory. Another server that asks for itself is not limited: it asks for what people
 * there were allowed.
 */
import type { Principal } from '../access/principal.ts';
import type { Clock } from '../base/clock.ts';

const bucketsMax = 4_096;

/** `burst` at once, refilled with `perMinute`. */
export interface RateLimit {
  readonly burst: number;
  readonly perMinute: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

export class RateLimits {
  private readonly clock: Clock;
  private readonly buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** 0 when it may be done now, otherwise whole seconds to wait. */
  take(what: string, asking: Principal | undefined, { burst, perMinute }: RateLimit): number {
    if (asking?.name.startsWith('server:') === true) return 0;
    const key = `${what} ${asking?.name ?? ''}`;
    const nowMs = this.clock.monotonicMs();
    const before = this.buckets.get(key) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, before.left + ((nowMs - before.atMs) / 60_000) * perMinute);
    const taken = left >= 1;
    this.buckets.delete(key);
    this.buckets.set(key, { left: taken ? left - 1 : left, atMs: nowMs });
    const oldest = this.buckets.size > bucketsMax ? this.buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.buckets.delete(oldest);
    return taken ? 0 : Math.ceil(((1 - left) / perMinute) * 60);
  }
}
