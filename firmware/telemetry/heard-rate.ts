/**
 * How fast messages of a broker are taken: a burst at once, then so many a second; whoever floods a topic waits, and
 * neither this server's time nor its memory goes to it. Pure; monotonic ms.
 */

const perSecond = 50;
const burst = 200;

export class HeardRate {
  private left = burst;
  private atMs: number | undefined;

  /** A message came; returns how many ms the next one has to wait. */
  take(nowMs: number): number {
    const passedMs = nowMs - (this.atMs ?? nowMs);
    this.atMs = nowMs;
    this.left = Math.min(burst, this.left + (passedMs / 1000) * perSecond) - 1;
    return this.left >= 0 ? 0 : (-this.left / perSecond) * 1000;
  }
}
