/**
 * The nonces seen lately, so that a replayed datagram changes nothing. Bounded twice: a nonce is forgotten after
 * `lifetimeMs`, and the oldest makes room when there are `capacity` of them. Times are ms of any clock that does not
 * go back.
 */
import assert from 'node:assert';

export class NonceCache {
  /** Nonce in hexadecimal → when it was first seen; a Map keeps the order of arrival, so the oldest is first. */
  private readonly seenAtMs = new Map<string, number>();
  private readonly capacity: number;
  private readonly lifetimeMs: number;

  constructor(capacity: number, lifetimeMs = 600_000) {
    assert(capacity >= 1 && lifetimeMs > 0, 'a nonce cache needs room and time');
    this.capacity = capacity;
    this.lifetimeMs = lifetimeMs;
  }

  get size(): number {
    return this.seenAtMs.size;
  }

  /** Whether `nonce` was seen before; if not, it is remembered as seen at `nowMs`. Only ask after the seal held. */
  seen(nonce: Buffer, nowMs: number): boolean {
    this.forgetBefore(nowMs - this.lifetimeMs);
    const key = nonce.toString('hex');
    if (this.seenAtMs.has(key)) return true;
    if (this.seenAtMs.size >= this.capacity) this.forgetOldest();
    this.seenAtMs.set(key, nowMs);
    return false;
  }

  private forgetBefore(timeMs: number): void {
    for (const [key, seenAtMs] of this.seenAtMs) {
      if (seenAtMs > timeMs) return;
      this.seenAtMs.delete(key);
    }
  }

  private forgetOldest(): void {
    for (const key of this.seenAtMs.keys()) {
      this.seenAtMs.delete(key);
      return;
    }
  }
}
