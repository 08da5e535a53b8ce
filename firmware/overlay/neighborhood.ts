/**
 * Becoming neighbors and ceasing to be: the only place where the neighbor table gains and loses entries.
 *
 * Invariants: never more than `degree.max` neighbors but for repair, which is allowed n − 1 more per death, and never
 * more than a row can name; of two crossed connections the lower dialler's survives.
 */
import type { Contacts } from './contacts.ts';
import type { LinkId } from './effects.ts';
import type { Exchange } from './exchange.ts';
import { zeroHlc } from './hlc.ts';
import type { Neighbor } from './neighbor-table.ts';
import { compareNetworks, establish, sameNetwork } from './network-id.ts';
import { type Address, type HlcTime, linksPerServerMax, type NetworkId, type PacketBody } from './packets.ts';
import type { ServerContext } from './server-context.ts';
import { type ServerLink, ServerLinks } from './server-links.ts';

/** A row names at most `linksPerServerMax`; several may be asked at one time. */
const repairDegreeMax = linksPerServerMax - 8;

/** After this time without a new neighbor the tables have settled. */
const settledMs = 2_000;

/** Why a server asks to be a neighbor. */
type Request =
  | { readonly name: 'ss-connection'; readonly body: PacketBody<'ss-connection'> }
  | { readonly name: 'ss-reconnection'; readonly body: PacketBody<'ss-reconnection'> };

export interface NeighborhoodParts {
  readonly contacts: Contacts;
  readonly exchange: Exchange;
  /** a server that was no neighbor is one now; `accepted` when it has asked for it */
  readonly gained: (neighbor: Neighbor, accepted: boolean) => void;
  /** a neighbor's connection was replaced by another */
  readonly replaced: (link: LinkId) => void;
  /** a neighbor is one no longer */
  readonly lost: (server: string) => void;
}

export class Neighborhood {
  private readonly context: ServerContext;
  private readonly parts: NeighborhoodParts;
  /** connections on which this server has asked, and how */
  private readonly asked = new Map<LinkId, Request['name']>();
  private changedAt = 0;

  constructor(context: ServerContext, parts: NeighborhoodParts) {
    this.context = context;
    this.parts = parts;
  }

  /** Neighbors, and those that this server has asked. */
  degree(): number {
    const ids = new Set(this.context.neighbors.ids());
    for (const link of this.asked.keys()) ids.add(this.context.links.get(link)?.peer ?? '');
    return ids.size;
  }

  /** Whether a handshake with this server is under way. */
  hasAsked(server: string): boolean {
    for (const link of this.asked.keys()) if (this.context.links.get(link)?.peer === server) return true;
    return false;
  }

  /** Asks over an open connection: be my neighbor. */
  ask(link: LinkId): void {
    const { joinTime, reachableAt } = this.context;
    this.expect(link, 'ss-connection');
    this.context.send(link, 'ss-connection', { link: reachableAt, joinTime });
  }

  /** Asks in a dead server's place, or to bring two parts together: that is not refused for having enough links. */
  reconnect(link: LinkId, dead: string | undefined): void {
    if (this.degree() >= repairDegreeMax) return;
    const { joinTime, reachableAt, clock } = this.context;
    this.expect(link, 'ss-reconnection');
    const body = { link: reachableAt, joinTime: joinTime ?? clock.now(), dead };
    this.context.send(link, 'ss-reconnection', body);
  }

  /** An answer is expected on this connection. */
  private expect(link: LinkId, name: Request['name']): void {
    const { timers, now, profile } = this.context;
    this.asked.set(link, name);
    timers.set(`asked:${link}`, now + 2 * profile.replyMs, () => {
      this.asked.delete(link);
      if (this.context.links.get(link)?.neighbor === false)
        this.parts.contacts.close(link, 'no answer in time');
    });
  }

  /** Another server asks. */
  asks(link: ServerLink, { name, body }: Request, network: NetworkId | undefined): void {
    const { context } = this;
    const { neighbors, degree, clock } = context;
    const repair = name === 'ss-reconnection';
    const most = repair ? repairDegreeMax : degree.max;
    const full = neighbors.get(link.peer) === undefined && !this.hasAsked(link.peer) && this.degree() >= most;
    if (full || context.leaving) return this.refuse(link.id, full ? 'it has enough links' : 'it leaves');
    if (context.joinTime === undefined) context.setJoinTime(clock.now());
    const given = body.joinTime ?? clock.now();
    context.send(link.id, 'ss-response', {
      nonce: undefined,
      link: context.reachableAt,
      joinTime: given,
    });
    this.become(link, { address: body.link, joinTime: given, network, accepted: true });
  }

  private refuse(link: LinkId, reason: string): void {
    const body = { stage: 'refused' as const, fence: 0, witness: undefined, neighbors: [], reason };
    this.context.send(link, 'ss-disconnection', body);
  }

  /** The answer to what this server has asked. */
  granted(link: ServerLink, body: PacketBody<'ss-response'>, network: NetworkId | undefined): void {
    if (!this.forgetAsked(link.id)) return;
    const { context } = this;
    if (body.joinTime !== undefined && context.joinTime === undefined) context.setJoinTime(body.joinTime);
    this.become(link, { address: body.link, joinTime: zeroHlc, network, accepted: false });
  }

  /** The server asked has enough links; but if there is no other path to it, two parts come together here. */
  refused(link: ServerLink, network: NetworkId | undefined): void {
    const name = this.asked.get(link.id);
    this.forgetAsked(link.id);
    if (name === 'ss-connection' && this.isApart(link.peer, network) && this.isSettled())
      this.reconnect(link.id, undefined);
  }

  /** A server of another network, or of a part that was cut off. */
  isApart(server: string, network: NetworkId | undefined): boolean {
    const { context } = this;
    return (network !== undefined && !sameNetwork(network, context.network)) || !context.isReachable(server);
  }

  /** Nothing has changed lately: what cannot be reached now is not about to be. */
  isSettled(): boolean {
    return this.context.now - this.changedAt > settledMs;
  }

  forgetAsked(link: LinkId): boolean {
    this.context.timers.clear(`asked:${link}`);
    return this.asked.delete(link);
  }

  private become(
    link: ServerLink,
    peer: { address: Address; joinTime: HlcTime; network: NetworkId | undefined; accepted: boolean },
  ): void {
    const { context } = this;
    this.meetNetwork(peer.network);
    const known = context.neighbors.get(link.peer);
    const fresh = !context.isReachable(link.peer);
    const rival = known?.link === undefined ? undefined : context.links.get(known.link);
    if (rival !== undefined && rival !== link) {
      const { echoMs, replyMs } = context.profile;
      const times = { deafMs: echoMs * 2, crossMs: replyMs };
      const stays = ServerLinks.survivor(rival, link, context.now, times);
      const loser = stays === link ? rival : link;
      this.parts.exchange.forget(loser.id);
      if (loser === link) {
        // Its other end decides the same when it hears; until then it may still send over it.
        return this.parts.contacts.close(link.id, 'crossed dials');
      }
      this.parts.contacts.close(loser.id, 'crossed dials');
      this.parts.replaced(loser.id);
    }
    link.neighbor = true;
    const neighbor: Neighbor = {
      server: link.peer,
      link: link.id,
      incarnation: link.incarnation,
      address: peer.address,
      joinTime: known?.joinTime ?? peer.joinTime,
      costUs: known?.costUs ?? 0,
      card: known?.incarnation === link.incarnation ? known.card : undefined,
      suspectedAt: undefined,
    };
    context.neighbors.add(neighbor);
    this.changedAt = context.now;
    context.known.saw(link.peer, peer.address);
    this.parts.exchange.touchRow();
    this.parts.exchange.introduce(link.id, fresh);
    if (known === undefined) context.story(`${link.peer} is a neighbor now`);
    this.parts.gained(neighbor, peer.accepted);
  }

  /** Of two networks the later one yields; two lone servers that meet establish the earlier one's. */
  meetNetwork(other: NetworkId | undefined): void {
    const { context } = this;
    if (other === undefined) return;
    const before = context.network;
    if (compareNetworks(other, context.network) < 0) context.meet(other);
    if (context.network.standing === 'provisional') context.setNetwork(establish(context.network));
    if (before !== context.network) this.parts.exchange.announceHeader();
  }

  /** A neighbor is one no longer, but its connection stays open as a contact until the other end closes it. */
  demote(server: string): void {
    const link = this.context.neighbors.get(server)?.link;
    const known = link === undefined ? undefined : this.context.links.get(link);
    if (known !== undefined) known.neighbor = false;
    this.context.neighbors.remove(server);
    if (link !== undefined) this.parts.exchange.forget(link);
    this.parts.contacts.watch();
    this.parts.exchange.touchRow();
    this.parts.lost(server);
  }

  /** A neighbor is one no longer: it is dead, it left, or the link was redundant. Its connection is closed. */
  lose(server: string, reason: string): void {
    const { context } = this;
    const neighbor = context.neighbors.get(server);
    if (neighbor === undefined) return;
    context.neighbors.remove(server);
    if (neighbor.link !== undefined) {
      this.parts.exchange.forget(neighbor.link);
      this.parts.contacts.close(neighbor.link, reason);
    }
    this.parts.exchange.touchRow();
    this.parts.lost(server);
  }
}
