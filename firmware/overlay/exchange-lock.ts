/**
 * The lock of the message exchange [0077] (claims 8, 20): while a server prunes a link together with one neighbor, a
 * third one is told BUSY, so that two prunings that are harmless alone cannot isolate a server together.
 *
 * Invariants: at most one holder at any time; every lease ends after `lockLeaseMs`; each grant has a higher fencing
 * number than those before, so that a holder whose lease has ended cannot act on it. Times are monotonic ms.
 */
import { lockLeaseMs } from './constants.ts';

interface Lease {
  readonly holder: string;
  readonly fence: number;
  readonly until: number;
}

export class ExchangeLock {
  private lease: Lease | undefined;
  private lastFence = 0;

  /** A lease and its fencing number (a u32, never 0); undefined = BUSY, also to the one that holds it already. */
  tryHold(now: number, holder: string): number | undefined {
    if (this.current(now) !== undefined) return undefined;
    // 2^32 grants are 270 years of one per 2 s; after that it begins anew rather than ending the program.
    this.lastFence = this.lastFence === 0xffff_ffff ? 1 : this.lastFence + 1;
    this.lease = { holder, fence: this.lastFence, until: now + lockLeaseMs };
    return this.lastFence;
  }

  /** Gives the lease back; false when it was not, or is no longer, this one. */
  release(holder: string, fence: number): boolean {
    if (this.lease?.holder !== holder || this.lease.fence !== fence) return false;
    this.lease = undefined;
    return true;
  }

  /** Whether this very lease is still held: ask before acting on it. */
  holds(now: number, holder: string, fence: number): boolean {
    const lease = this.current(now);
    return lease !== undefined && lease.holder === holder && lease.fence === fence;
  }

  /** Who holds it and until when; forgets a lease that has ended, so that `wakeAt` is not in the past. */
  current(now: number): Lease | undefined {
    if (this.lease !== undefined && now >= this.lease.until) this.lease = undefined;
    return this.lease;
  }

  /** When the lease ends. */
  wakeAt(): number {
    return this.lease?.until ?? Number.POSITIVE_INFINITY;
  }
}
