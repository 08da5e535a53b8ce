/**
 * The connections of browsers: so many at most, and when one more comes, the one goes that has done nothing for the
 * longest. So sockets that are opened and left open, or that send their request a byte at a time, keep out nobody who
 * asks something.
 *
 * Invariants: a connection with a request that is being answered, or a WebSocket, is never the one that goes; when there
 * are only such, the new one does.
 */
import type { Socket } from 'node:net';

interface Entry {
  readonly socket: Socket;
  /** requests being answered */
  busy: number;
}

export class ConnectionTable {
  private readonly connectionsMax: number;
  /** by the other end's address and port; the longest idle first */
  private readonly entries = new Map<string, Entry>();

  constructor(connectionsMax: number) {
    this.connectionsMax = connectionsMax;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Takes a connection just accepted; below TLS, where there is TLS. */
  add(socket: Socket): void {
    const key = keyOf(socket);
    if (this.entries.size >= this.connectionsMax && !this.dropIdle()) {
      socket.destroy();
      return;
    }
    const entry: Entry = { socket, busy: 0 };
    this.entries.set(key, entry);
    socket.once('close', () => {
      if (this.entries.get(key) === entry) this.entries.delete(key);
    });
  }

  /** A request has arrived; `socket` may be the TLS one above that which was added. Call the result when it is answered. */
  begin(socket: Socket): () => void {
    const key = keyOf(socket);
    const entry = this.entries.get(key);
    if (entry === undefined) return () => undefined;
    entry.busy += 1;
    return () => {
      entry.busy -= 1;
      if (this.entries.get(key) !== entry) return;
      this.entries.delete(key);
      this.entries.set(key, entry);
    };
  }

  private dropIdle(): boolean {
    for (const [key, { socket, busy }] of this.entries) {
      if (busy > 0) continue;
      this.entries.delete(key);
      socket.destroy();
      return true;
    }
    return false;
  }
}

function keyOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
