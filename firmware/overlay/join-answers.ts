/**
 * Answers the joins of servers and cameras [0052][0062]. A join reaches one server (anycast) or all (multicast); the
 * one it reached, the *entry*, forwards it over its links as a ring, so that all consider their own conditions. A
 * willing server dials the joiner after base + load × α + jitter, so that the earliest responder [0053] is naturally
 * the best placed.
 *
 * Invariants: a join is forwarded and answered once per (nonce, ring); pending answers and what was seen are bounded;
 * a joiner that is a neighbor already, and can be heard, is not answered; a server offers no more links than it wants,
 * so that one whom all find at once does not become the neighbor of all.
 */
import {
  answerDelayMs,
  answersWanted,
  callersMax,
  callersMs,
  callingMs,
  joinsSeenMax,
  pendingAnswersMax,
  rings,
} from './constants.ts';
import type { Contacts } from './contacts.ts';
import type { LinkId } from './effects.ts';
import type { Neighborhood } from './neighborhood.ts';
import { sameNetwork } from './network-id.ts';
import { encodePacketBody, packetNumber } from './packet-codec.ts';
import type { Address, PacketOf } from './packets.ts';
import { reachableAddress } from './reachable-address.ts';
import type { ServerContext } from './server-context.ts';

type Join = PacketOf<'ss-join'> | PacketOf<'cam-join'>;

const ringMax = rings[2];

export interface JoinAnswersParts {
  readonly contacts: Contacts;
  readonly neighborhood: Neighborhood;
  /** whether a camera unit is welcome: the share of the capacity it would leave in use; undefined when full */
  readonly loadWith: (join: PacketOf<'cam-join'>) => number | undefined;
  /** a probe of this network came by the anycast address */
  readonly stepAside: () => void;
  /** a sign of another network */
  readonly foreign: () => void;
  /** the camera has been dialled: make the offer */
  readonly offer: (link: LinkId, join: PacketOf<'cam-join'>, address: Address) => void;
}

/** A server that this one offers a link; without a link it is being dialled. */
interface Offer {
  readonly since: number;
  link: LinkId | undefined;
}

export class JoinAnswers {
  private readonly context: ServerContext;
  private readonly parts: JoinAnswersParts;
  /** the first 40 bits of the nonce, and the ring, of joins that were seen; the oldest first */
  private readonly seen = new Set<number>();
  private readonly pending = new Set<string>();
  /** by server: offers that may still be taken */
  private readonly offers = new Map<string, Offer>();
  /** servers that were heard to join on this segment, and when; the latest last */
  private readonly callers = new Map<string, number>();
  private startedAt = 0;

  constructor(context: ServerContext, parts: JoinAnswersParts) {
    this.context = context;
    this.parts = parts;
  }

  start(): void {
    this.startedAt = this.context.now;
  }

  /** A datagram with a join; `multicast` says that all servers on the segment have heard it. */
  heard(join: Join, from: string, multicast: boolean): void {
    const { context } = this;
    if (join.header.sender === context.self || !this.isNew(join)) return;
    if (multicast && join.name === 'ss-join') this.noteCaller(join.header.sender);
    const alone = context.neighbors.size === 0;
    if (!multicast && this.isOwnProbe(join)) return this.parts.stepAside();
    if (this.isForeignCamera(join)) this.parts.foreign();
    if (multicast && !this.isSampled(join)) return;
    // All on the segment have heard it already; those beyond are asked when nobody there was willing.
    const forward = !alone && (!multicast || join.body.attempt > 0 || join.body.ring > rings[0]);
    if (forward) this.forward(join, from, Math.min(join.body.ring, ringMax), undefined);
    this.consider(join, from, multicast);
  }

  private noteCaller(server: string): void {
    this.callers.delete(server);
    this.callers.set(server, this.context.now);
    if (this.callers.size <= callersMax) return;
    for (const oldest of this.callers.keys()) {
      this.callers.delete(oldest);
      return;
    }
  }

  /**
   * Servers that hear what this one hears. After a power cut of all, those that call are not known yet: they are
   * counted, and whoever has just begun to listen while many call reckons that they go on so for `callingMs`.
   */
  private crowd(): number {
    const { now, rows } = this.context;
    for (const [server, heardAt] of this.callers) {
      if (now - heardAt < callersMs) break;
      this.callers.delete(server);
    }
    const listenedMs = Math.max(1, now - this.startedAt);
    const many = this.callers.size >= answersWanted && listenedMs < callingMs;
    const callers = many ? (this.callers.size * callingMs) / listenedMs : this.callers.size;
    return Math.max(1, rows.size, callers);
  }

  /** A server of this network looks for others. */
  private isOwnProbe({ name, header, body }: Join): boolean {
    const { context } = this;
    const same = header.network !== undefined && sameNetwork(header.network, context.network);
    return name === 'ss-join' && same && body.degree > 0 && context.isReachable(header.sender);
  }

  /** A camera that was in another network: there is, or was, one. */
  private isForeignCamera({ name, header }: Join): boolean {
    return (
      name === 'cam-join' &&
      header.network !== undefined &&
      !sameNetwork(header.network, this.context.network)
    );
  }

  /** A join on its ring, from the neighbor at `link`. */
  relayed(join: Join, from: string, hops: number, link: LinkId): void {
    if (join.header.sender === this.context.self || !this.isNew(join)) return;
    if (hops > 1) this.forward(join, from, Math.min(hops, ringMax) - 1, link);
    if (join.body.ring <= rings[0] || this.isSampled(join)) this.consider(join, from, false);
  }

  private isNew(join: Join): boolean {
    // A number is made and found faster than a text: thousands of joins are heard at a cold start.
    const key = join.body.nonce.readUIntBE(0, 5) * 256 + join.body.ring;
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    if (this.seen.size > joinsSeenMax) for (const oldest of this.seen) return this.seen.delete(oldest);
    return true;
  }

  private forward(join: Join, from: string, hops: number, except: LinkId | undefined): void {
    const { context } = this;
    const body = {
      hops,
      target: undefined,
      from: join.header.sender,
      host: from,
      number: packetNumber(join),
      packet: encodePacketBody(join),
    };
    for (const { link } of context.neighbors.live()) {
      if (link !== undefined && link !== except) context.send(link, 'ss-relay', body);
    }
  }

  /** Where thousands hear a join, a few answer; each time it is asked again, more. */
  private isSampled(join: Join): boolean {
    const { context } = this;
    if (join.name === 'cam-join' && join.body.lastManager === context.self) return true;
    const again = Math.min(join.body.attempt, 8) + (join.body.ring > rings[1] ? 1 : 0);
    const share = (answersWanted * 4 ** again) / this.crowd();
    return share >= 1 || context.random.unit() < share;
  }

  private consider(join: Join, from: string, multicast: boolean): void {
    const load = join.name === 'ss-join' ? this.loadWithServer(join) : this.parts.loadWith(join);
    if (load === undefined || this.context.leaving) return;
    const unit = join.header.sender;
    const mine = join.name === 'cam-join' && join.body.lastManager === this.context.self;
    const crowd = multicast ? Math.min(100, this.crowd() / 4) : 1;
    const random = this.context.random.unit() * answerDelayMs.jitter * Math.max(1, crowd);
    const delay = mine ? 0 : answerDelayMs.base + load * answerDelayMs.load + random;
    if (this.pending.has(unit) || this.parts.contacts.isDialling(unit)) return;
    if (this.pending.size >= pendingAnswersMax) return;
    this.pending.add(unit);
    this.context.timers.set(`answer:${unit}`, this.context.now + delay, () => this.answer(join, from));
  }

  /** The share of links in use; undefined when this server does not answer. */
  private loadWithServer({ header, body }: PacketOf<'ss-join'>): number | undefined {
    const { context, parts } = this;
    const neighbor = context.neighbors.get(header.sender);
    const link = neighbor?.link === undefined ? undefined : context.links.get(neighbor.link);
    const restarted = neighbor !== undefined && header.incarnation > neighbor.incarnation;
    if (link !== undefined && !restarted && context.now - link.heardAt < 2 * context.profile.echoMs)
      return undefined;
    if (parts.neighborhood.hasAsked(header.sender)) return undefined;
    const degree = parts.neighborhood.degree();
    const offered = this.offeredLinks();
    const apart = parts.neighborhood.isApart(header.sender, header.network);
    // Two parts come together even where all have enough links, one at a time; whoever has fewer answers earlier.
    const willing =
      degree + offered < context.degree.max || (apart && offered === 0 && parts.neighborhood.isSettled());
    if (!willing || (!apart && body.degree >= context.degree.target)) return undefined;
    return degree / context.degree.max;
  }

  /** Offers that their servers may still take; those of neighbors are links by now. */
  private offeredLinks(): number {
    const { now, links, neighbors, profile } = this.context;
    for (const [server, { since, link }] of this.offers) {
      const open = link === undefined || links.get(link) !== undefined;
      if (!open || neighbors.get(server) !== undefined || now - since >= profile.replyMs)
        this.offers.delete(server);
    }
    return this.offers.size;
  }

  private answer(join: Join, from: string): void {
    const { context, parts } = this;
    const unit = join.header.sender;
    this.pending.delete(unit);
    const address = reachableAddress(join.body.link, from);
    if (join.name === 'cam-join') {
      parts.contacts.dial(
        { unit, role: 'camera' },
        address,
        (link) => parts.offer(link, join, address),
        () => undefined,
      );
      return;
    }
    // Others may have taken what was free when it was heard.
    if (this.loadWithServer(join) === undefined) return;
    const offer: Offer = { since: context.now, link: undefined };
    this.offers.set(unit, offer);
    parts.contacts.dial(
      { unit, role: 'server' },
      address,
      (link) => {
        offer.link = link;
        const body = { nonce: join.body.nonce, link: context.reachableAt, joinTime: undefined };
        context.send(link, 'ss-response', body);
      },
      () => {
        if (this.offers.get(unit) === offer) this.offers.delete(unit);
      },
    );
  }
}
