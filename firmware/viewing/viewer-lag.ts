/**
 * How far behind a live viewer is, told by pings among what it is sent: what the kernels of the machines on the way hold
 * is seen by nobody else. One ping at a time is under way; a WebSocket answers it when all before it has been read
 * (RFC 6455 §5.5.2), also through another server (live-relay.ts).
 *
 * Times are ms on a clock that never steps.
 */

/** A viewer is pinged this often at most. */
const pingEveryMs = 500;

export class ViewerLag {
  private last = 0;
  private lastAtMs = Number.NEGATIVE_INFINITY;
  private isAnswered = true;

  /** What the next ping bears, to be sent at once; undefined while none is due. */
  ping(nowMs: number): Buffer | undefined {
    if (!this.isAnswered || nowMs - this.lastAtMs < pingEveryMs) return undefined;
    this.last = (this.last + 1) >>> 0;
    this.lastAtMs = nowMs;
    this.isAnswered = false;
    return bytesOf(this.last);
  }

  /** A pong has come, perhaps one that nobody asked for. */
  pong(data: Buffer): void {
    if (data.equals(bytesOf(this.last))) this.isAnswered = true;
  }

  /** How long the ping under way has not been answered; 0 when none is. */
  waitedMs(nowMs: number): number {
    return this.isAnswered ? 0 : nowMs - this.lastAtMs;
  }
}

function bytesOf(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}
