/**
 * The connections to other servers, from the first byte of a handshake on. Most serve a neighborship; the rest are
 * *contacts*: opened to ask something, closed when idle.
 *
 * Invariants: at most one connection per neighbor; of two crossed ones the lower dialler's survives, at both ends.
 */
import type { LinkId } from './effects.ts';

export interface ServerLink {
  readonly id: LinkId;
  readonly peer: string;
  /** the unit that dialled */
  readonly dialler: string;
  readonly openedAt: number;
  neighbor: boolean;
  heardAt: number;
  usedAt: number;
  /** what the peer's packets say; 0 before the first */
  incarnation: number;
  /** the last echo sent over it */
  echo: { readonly request: number; readonly at: number } | undefined;
  /** it has been told that its incarnation is too low */
  told: boolean;
}

export class ServerLinks {
  private readonly links = new Map<LinkId, ServerLink>();

  open(now: number, id: LinkId, ends: { readonly peer: string; readonly dialler: string }): ServerLink {
    const times = { openedAt: now, heardAt: now, usedAt: now };
    const link: ServerLink = {
      id,
      ...ends,
      ...times,
      neighbor: false,
      incarnation: 0,
      told: false,
      echo: undefined,
    };
    this.links.set(id, link);
    return link;
  }

  get(link: LinkId): ServerLink | undefined {
    return this.links.get(link);
  }

  /** Forgets a link; what it was. */
  remove(link: LinkId): ServerLink | undefined {
    const known = this.links.get(link);
    this.links.delete(link);
    return known;
  }

  all(): IterableIterator<ServerLink> {
    return this.links.values();
  }

  get size(): number {
    return this.links.size;
  }

  /** Connections to one server, the oldest first. */
  to(peer: string): ServerLink[] {
    return [...this.links.values()].filter((link) => link.peer === peer);
  }

  /** Of two connections between the same two servers, the one that stays. Both ends come to the same answer. */
  static survivor(
    a: ServerLink,
    b: ServerLink,
    now: number,
    { deafMs, crossMs }: { deafMs: number; crossMs: number },
  ): ServerLink {
    const newer = a.id > b.id ? a : b;
    const older = newer === a ? b : a;
    // The older one belongs to an earlier life of the peer, or has gone silent, here or at the other end: dials that
    // cross are not so far apart.
    if (newer.incarnation !== older.incarnation || now - older.heardAt > deafMs) return newer;
    if (a.dialler === b.dialler || newer.openedAt - older.openedAt > crossMs) return newer;
    return a.dialler < b.dialler ? a : b;
  }
}
