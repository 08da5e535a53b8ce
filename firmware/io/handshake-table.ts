/**
 * The connections of a unit's TLS port: so many at most, and of those that have not finished their handshake so many
 * from one address. When there is one more, an unfinished one goes, so that sockets that are opened and left open keep
 * out nobody, not even who shares their address: behind a NAT, or in a demo on one machine.
 *
 * Invariants: one that has finished its handshake never goes. Of an address the oldest goes, but one that has said
 * nothing goes before one that has; those that came last are spared, for a real peer's first bytes may be on their way.
 * When there are too many in all, the address with the most unfinished ones pays.
 */
import type { Socket } from 'node:net';

/** Why a connection was closed here, and whose it was: a socket that is closed does not know its peer any more. */
export class TooManyConnections extends Error {
  readonly address: string;

  constructor(reason: string, address: string) {
    super(reason);
    this.address = address;
  }
}

export interface HandshakeBounds {
  /** connections in all, finished or not */
  readonly connectionsMax: number;
  /** unfinished ones from one address */
  readonly unfinishedMax: number;
}

export class HandshakeTable {
  private readonly bounds: HandshakeBounds;
  private readonly sockets = new Set<Socket>();
  /** by the other end's address; the oldest first */
  private readonly unfinished = new Map<string, Set<Socket>>();

  constructor(bounds: HandshakeBounds) {
    this.bounds = bounds;
  }

  /** Connections in all, finished or not. */
  get size(): number {
    return this.sockets.size;
  }

  /**
   * Takes a connection just accepted, from below TLS. Where that is one too many, a connection is destroyed with
   * `TooManyConnections`, at worst this one; TLS above it reports that error.
   */
  add(socket: Socket): void {
    const address = addressOf(socket);
    const crowd = this.unfinished.get(address) ?? new Set<Socket>();
    this.unfinished.set(address, crowd.add(socket));
    this.sockets.add(socket);
    socket.once('close', () => this.forget(socket, address));
    if (crowd.size > this.bounds.unfinishedMax) {
      this.drop(address, 'too many connections without a handshake from one address');
    } else if (this.sockets.size > this.bounds.connectionsMax) {
      this.drop(this.mostCrowded(), 'too many connections');
    }
  }

  /** A handshake is finished: `secure` is the TLS socket above one that was added. */
  finish(secure: Socket): void {
    const address = addressOf(secure);
    for (const socket of this.unfinished.get(address) ?? []) {
      if (socket.remotePort !== secure.remotePort || socket.localAddress !== secure.localAddress) continue;
      this.leaveCrowd(socket, address);
      return;
    }
  }

  /** Closes every connection now. */
  destroyAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** The address with the most unfinished connections; of equal ones that which has had some for the longest. */
  private mostCrowded(): string {
    let found = '';
    let most = 0;
    for (const [address, { size }] of this.unfinished) {
      if (size <= most) continue;
      found = address;
      most = size;
    }
    return found;
  }

  private drop(address: string, reason: string): void {
    const socket = victimOf(this.unfinished.get(address) ?? []);
    if (socket === undefined) return;
    this.forget(socket, address);
    socket.destroy(new TooManyConnections(reason, address));
  }

  private forget(socket: Socket, address: string): void {
    this.sockets.delete(socket);
    this.leaveCrowd(socket, address);
  }

  private leaveCrowd(socket: Socket, address: string): void {
    const crowd = this.unfinished.get(address);
    if (crowd?.delete(socket) && crowd.size === 0) this.unfinished.delete(address);
  }
}

/** Of the older half, which comes first, the first that has said nothing; else the oldest. */
function victimOf(crowd: Iterable<Socket>): Socket | undefined {
  const sockets = [...crowd];
  const older = sockets.slice(0, Math.ceil(sockets.length / 2));
  return older.find(({ bytesRead }) => bytesRead === 0) ?? older[0];
}

function addressOf({ remoteAddress }: Socket): string {
  return remoteAddress ?? '?';
}
