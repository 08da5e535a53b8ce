/**
 * The links to other servers, from the first byte of a handshake on: which of them are neighbors, and which of two
 * links to the same server survives when both ends have dialled at once.
 *
 * Invariants: at most one link per neighbor; of two crossed links the lower dialler's survives, at both ends.
 */
import { linkSilenceMs } from './constants.ts';
import type { LinkId } from './effects.ts';

interface ServerLink {
  readonly peer: string;
  /** the unit that dialled */
  readonly dialler: string;
  /** dialled or accepted; this server sent ss-connection; the handshake is over */
  stage: 'open' | 'asked' | 'neighbor';
  heardAt: number;
}

export class ServerLinks {
  private readonly links = new Map<LinkId, ServerLink>();

  open(now: number, link: LinkId, ends: { readonly peer: string; readonly dialler: string }): void {
    this.links.set(link, { ...ends, stage: 'open', heardAt: now });
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

  /** Ids of the neighbors, sorted. */
  neighborIds(): string[] {
    const ids = new Set<string>();
    for (const { peer, stage } of this.links.values()) if (stage === 'neighbor') ids.add(peer);
    return [...ids].sort();
  }

  /** The link of each neighbor. */
  neighborLinks(): LinkId[] {
    return [...this.links].filter(([, { stage }]) => stage === 'neighbor').map(([link]) => link);
  }

  /** How many servers are neighbors, or may be by the end of a handshake, with `peer` among them. */
  degreeWith(peer: string): number {
    const ids = new Set([peer]);
    for (const link of this.links.values()) if (link.stage !== 'open') ids.add(link.peer);
    return ids.size;
  }

  /** Whether there is a link to `peer` that `dialler` has made. */
  has(ends: { readonly peer: string; readonly dialler: string }): boolean {
    for (const { peer, dialler } of this.links.values()) {
      if (peer === ends.peer && dialler === ends.dialler) return true;
    }
    return false;
  }

  /** The handshake on a link is over. Returns the link that must be closed, if dials have crossed: perhaps this one. */
  settle(link: LinkId): LinkId | undefined {
    const server = this.links.get(link);
    if (server === undefined) return undefined;
    let loser: LinkId | undefined;
    for (const [other, known] of this.links) {
      if (other === link || known.peer !== server.peer || known.stage !== 'neighbor') continue;
      loser = known.dialler < server.dialler ? link : other;
    }
    if (loser !== undefined) this.links.delete(loser);
    if (loser !== link) server.stage = 'neighbor';
    return loser;
  }

  /** Links over which nothing came for `linkSilenceMs`. */
  silent(now: number): LinkId[] {
    return [...this.links].filter(([, { heardAt }]) => now - heardAt >= linkSilenceMs).map(([link]) => link);
  }
}
