/**
 * How long what is queued for a viewer has waited, told from the bytes that a socket still holds: without a callback for
 * each message, of which there are thousands a second.
 *
 * Invariant: while everything is sent before the next message comes, nothing is stored; else a mark for each message
 * that waits behind another, at most `marksMax`. Times are ms on a clock that never steps, bytes as the socket counts
 * them.
 */
import { BoundedQueue } from '../base/bounded-queue.ts';

const marksMax = 16_384;

/** A message behind the oldest. */
interface Mark {
  /** bytes queued up to its end */
  readonly end: number;
  readonly atMs: number;
}

export class Unsent {
  private marks = new BoundedQueue<Mark>(marksMax);
  /** bytes queued since the socket was empty the last time, and those of them that were sent */
  private queued = 0;
  private sent = 0;
  /** the oldest message ends here; 0: nothing waits */
  private oldestEnd = 0;
  private oldestAtMs = 0;
  private movedAtMs = 0;

  /** The socket holds so many bytes now. */
  look(buffered: number, nowMs: number): void {
    if (this.oldestEnd === 0) return;
    if (buffered === 0) {
      this.oldestEnd = 0;
      return;
    }
    const sent = this.queued - buffered;
    if (sent <= this.sent) return;
    this.sent = sent;
    this.movedAtMs = nowMs;
    while (this.oldestEnd !== 0 && this.oldestEnd <= sent) this.next();
  }

  /** A message is given to the socket, which held `before` bytes until now. False: too many wait. */
  add(before: number, bytes: number, nowMs: number): boolean {
    this.look(before, nowMs);
    if (this.oldestEnd !== 0) {
      this.queued += bytes;
      return this.marks.push({ end: this.queued, atMs: nowMs });
    }
    if (this.marks.size > 0) this.marks = new BoundedQueue(marksMax);
    // What the socket holds of others, such as its own pings, is sent first.
    this.queued = before + bytes;
    this.sent = 0;
    this.oldestEnd = this.queued;
    this.oldestAtMs = nowMs;
    this.movedAtMs = nowMs;
    return true;
  }

  /** How long the oldest message has waited; 0 when none does. */
  waitedMs(nowMs: number): number {
    return this.oldestEnd === 0 ? 0 : nowMs - this.oldestAtMs;
  }

  /** How long nothing has been sent although something waits. */
  stuckMs(nowMs: number): number {
    return this.oldestEnd === 0 ? 0 : nowMs - this.movedAtMs;
  }

  private next(): void {
    const mark = this.marks.shift();
    this.oldestEnd = mark?.end ?? 0;
    this.oldestAtMs = mark?.atMs ?? 0;
  }
}
