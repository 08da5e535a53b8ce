/**
 * How a server finds others [0050]–[0053], and networks find each other. It joins by anycast; alone it is a network of
 * its own, provisionally, and goes on probing; with links it looks for more until it has enough; and now and then it
 * probes for other networks and for parts that were cut off.
 *
 * A probe from a server whose own anycast address is up would only reach itself: a lone server lowers it while it
 * probes, at random times, and so does now and then one of a network.
 *
 * Invariants: an offer whose nonce is not outstanding is refused; a network probes about once per `mergeProbeMs`
 * altogether, so that the cost per server does not grow with it.
 */
import {
  deadRetryMs,
  joinBackoffMs,
  mergeProbeMs,
  moreLinksMs,
  outstandingJoinsMax,
  pendingOffersMax,
  rings,
} from './constants.ts';
import type { Contacts } from './contacts.ts';
import type { LinkId } from './effects.ts';
import type { Neighborhood } from './neighborhood.ts';
import { isDead } from './origin-table.ts';
import { type Address, type NetworkId, nonceBytes, type PacketBody } from './packets.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerLink } from './server-links.ts';

/** How long a lowered anycast address needs to be gone from the routes. */
const loweredMs = 1_500;
/** How many of a network try a dead server in `deadRetryMs`. */
const retriers = 8;
/** How soon a server follows a sign of another network. */
const soonMs = 1_000;
/** For so many times `suspectMs` after its start, a minute in `lan`, a server probes more often. */
const youngSilences = 40;
/** Probes with the address down before it is put up again. */
const probesLowered = 4;

export class ServerJoins {
  private readonly context: ServerContext;
  private readonly contacts: Contacts;
  private readonly neighborhood: Neighborhood;
  /** of the last joins, the newest first */
  private nonces: Buffer[] = [];
  private backoffMs: number;
  private attempt = 0;
  private addressUp = false;
  private startedAt = 0;
  private soonAt = Number.NEGATIVE_INFINITY;
  /** later responders to its joins, which wait until the first has told what there is */
  private fallbacks: { readonly link: LinkId; readonly network: NetworkId | undefined }[] = [];
  /** the `join` alarm is for a search, not for a probe */
  private searching = false;
  /** in a reconfiguration: it asks as if it had no links */
  private rejoining = false;
  /** servers that were dialled in vain lately, and when */
  private readonly failedAt = new Map<string, number>();

  constructor(context: ServerContext, contacts: Contacts, neighborhood: Neighborhood) {
    this.context = context;
    this.contacts = contacts;
    this.neighborhood = neighborhood;
    this.backoffMs = this.firstBackoffMs();
  }

  start(): void {
    this.startedAt = this.context.now;
    this.search();
    this.tryKnown();
    this.scheduleMergeProbe();
    this.scheduleRetry();
  }

  private isAlone(): boolean {
    return this.context.neighbors.size === 0;
  }

  /** Asks by anycast, with wider and wider rings while nobody answers. */
  private search(): void {
    const { timers, now, profile } = this.context;
    this.searching = true;
    this.ask(0);
    timers.set('join', now + (rings.length + 1) * profile.ringMs, () => this.searched());
  }

  private ask(step: number): void {
    const nonce = this.context.random.bytes(nonceBytes);
    this.nonces = [nonce, ...this.nonces].slice(0, outstandingJoinsMax);
    this.askRing(nonce, step);
  }

  private askRing(nonce: Buffer, step: number): void {
    const { context } = this;
    const ring = rings[step];
    if (ring === undefined || !this.nonces.includes(nonce)) return;
    const degree = this.rejoining ? 0 : context.neighbors.size;
    const body = { nonce, link: context.options.link, ring, attempt: this.attempt, degree };
    context.emit({ type: 'anycast', packet: context.packet('ss-join', body), also: [] });
    context.timers.set('ring', context.now + context.profile.ringMs, () => {
      if (this.isAlone() || this.rejoining) this.askRing(nonce, step + 1);
    });
  }

  /** If nobody has answered it is alone, provisionally: it serves cameras, and goes on asking. */
  private searched(): void {
    const { context } = this;
    this.rejoining = false;
    if (!this.isAlone()) return this.joined();
    if (context.joinTime === undefined) {
      context.setJoinTime(context.clock.now());
      context.story('nobody answers: alone for now, goes on asking');
    }
    this.attempt = Math.min(this.attempt + 1, 255);
    this.setAddress(true);
    context.timers.set('join', context.now + context.jitter(this.backoffMs), () => this.searchAgain());
    this.backoffMs = Math.min(this.backoffMs * 2, joinBackoffMs.max);
  }

  private searchAgain(): void {
    const { context } = this;
    if (!this.isAlone()) return this.joined();
    this.tryKnown();
    // By multicast it is heard at once; by anycast only when its own address is gone from the routes.
    this.ask(0);
    this.setAddress(false);
    context.timers.set('join', context.now + context.jitter(loweredMs), () => this.search());
  }

  /** Its address is up for so long at first, and down while it searches: all who start together must not only search. */
  private firstBackoffMs(): number {
    return this.context.profile.replyMs / 2;
  }

  private joined(): void {
    if (this.isAlone()) return this.search();
    this.searching = false;
    this.backoffMs = this.firstBackoffMs();
    this.attempt = 0;
    this.setAddress(true);
    this.wantMore();
  }

  private setAddress(up: boolean): void {
    if (this.addressUp === up || (up && this.context.leaving)) return;
    this.addressUp = up;
    this.context.emit({ type: 'anycast-address', up });
  }

  /** Asks no more, and takes the address down before the server leaves. */
  leave(): void {
    for (const name of ['join', 'ring', 'more', 'merge', 'retry', 'fallback'])
      this.context.timers.clear(name);
    this.nonces = [];
    this.setAddress(false);
  }

  /** A neighbor was lost. */
  lost(): void {
    if (this.context.leaving) return;
    if (this.isAlone() && !(this.searching && this.context.timers.has('join'))) this.search();
    this.wantMore();
  }

  /** Joins as if it had no links; those it has stay until there are new ones [0082]. */
  rejoin(delayMs: number): void {
    const { timers, now } = this.context;
    timers.set('join', now + delayMs, () => {
      this.rejoining = true;
      this.search();
    });
  }

  /** A neighbor was gained, or the last one lost: has it as many links as it wants? */
  wantMore(): void {
    const { timers, now, degree } = this.context;
    if (this.isAlone() || this.context.neighbors.size >= degree.target || timers.has('more')) return;
    // Wide apart, so that not all that lack one add one to each other at the same time.
    const wait = moreLinksMs * (0.25 + 1.5 * this.context.random.unit());
    timers.set('more', now + wait, () => this.more());
  }

  /** Fewer links than wanted: asks one at random, so that the network has no thin places, and first those that lack, too. */
  private more(): void {
    const { context } = this;
    if (this.isAlone() || context.neighbors.size >= context.degree.target || context.leaving) return;
    const candidates = context.reachable().filter((server) => this.mayAsk(server));
    const lacking = candidates.filter((server) => this.degreeOf(server) < context.degree.target);
    const free = candidates.filter((server) => this.degreeOf(server) < context.degree.max);
    for (const server of context.pick(lacking.length > 0 ? lacking : free, 1)) this.connect(server);
    this.wantMore();
  }

  private degreeOf(server: string): number {
    return this.context.rows.get(server)?.neighbors.length ?? 0;
  }

  private mayAsk(server: string): boolean {
    const { context } = this;
    const failed = this.failedAt.get(server);
    if (failed !== undefined && context.now - failed < deadRetryMs) return false;
    return context.neighbors.get(server) === undefined && !this.neighborhood.hasAsked(server);
  }

  private connect(server: string, address?: Address): void {
    const { context } = this;
    this.contacts.reach(server, context.addressOf(server) ?? address, {
      use: (link) => {
        this.failedAt.delete(server);
        if (this.mayAsk(server)) this.neighborhood.ask(link);
      },
      failed: () => {
        this.failedAt.set(server, context.now);
        if (this.failedAt.size > 1_024) this.failedAt.clear();
      },
    });
  }

  /** What it remembers of an earlier life. */
  private tryKnown(): void {
    const { context } = this;
    const known = context.known
      .list(16)
      .filter(({ server }) => server !== context.self && this.mayAsk(server));
    for (const { server, link } of context.pick(known, 2)) this.connect(server, link);
  }

  /** When many start together, networks are many and small, and should soon be one. */
  private isYoung(): boolean {
    return this.context.now - this.startedAt < youngSilences * this.context.profile.suspectMs;
  }

  private scheduleMergeProbe(): void {
    const { timers, now } = this.context;
    timers.set('merge', now + this.context.jitter(mergeProbeMs), () => this.mergeProbe());
  }

  /**
   * Are there other networks, or parts that were cut off? One of a network asks now and then, by chance, so that the
   * question costs the same however large the network is.
   */
  private mergeProbe(): void {
    const { context } = this;
    this.scheduleMergeProbe();
    if (this.isAlone() || context.timers.has('join')) return;
    const often = this.isYoung() ? 2 : 1;
    if (context.random.unit() * (context.reachable().length + 1) >= often) return;
    this.ask(0);
    // Not always, since every lowering changes routes.
    if (context.random.unit() < (this.isYoung() ? 0.6 : 0.05)) this.probeLowered(probesLowered);
  }

  /** There is a sign of another network: asks soon, whoever's turn it is. */
  probeSoon(): void {
    const { timers, now } = this.context;
    if (this.isAlone() || now < this.soonAt + mergeProbeMs) return;
    this.soonAt = now;
    timers.set('merge', now + this.context.random.unit() * soonMs, () => {
      this.scheduleMergeProbe();
      this.ask(0);
    });
  }

  /** Probes with the address down, again and again, since those of its own network that it reaches step aside. */
  private probeLowered(left: number): void {
    const { timers, now } = this.context;
    this.setAddress(false);
    timers.set('join', now + loweredMs, () => {
      if (left === 0) return this.joined();
      this.ask(0);
      this.probeLowered(left - 1);
    });
  }

  /** A probe of its own network came by the anycast address: out of the way, so that the next one goes further. */
  stepAside(): void {
    const { timers, now } = this.context;
    if (!this.addressUp || timers.has('join') || this.context.leaving) return;
    this.setAddress(false);
    timers.set('join', now + loweredMs * (probesLowered + 1), () => this.joined());
  }

  private scheduleRetry(): void {
    const { timers, now } = this.context;
    timers.set('retry', now + this.context.jitter(deadRetryMs), () => this.retry());
  }

  /** The dead and the unreachable are tried again: they may be back, and know nobody. A few of a network do so. */
  private retry(): void {
    const { context } = this;
    this.scheduleRetry();
    if (context.leaving || context.random.unit() * (context.reachable().length + 1) >= retriers) return;
    const hops = context.rows.hopsFrom(context.self);
    const away = context.rows
      .all()
      .filter((row) => !hops.has(row.origin) && context.neighbors.get(row.origin) === undefined);
    // Those that left in good order or were buried come back by themselves, mostly; those cut off may not.
    const cut = away.filter((row) => !isDead(row));
    const pool = cut.length > 0 && context.random.unit() < 0.8 ? cut : away;
    for (const { origin } of context.pick(pool, 1)) this.connect(origin);
  }

  /** A server answers a join of this one: the earliest is taken at once, the others are fallback and extra links. */
  offered(link: ServerLink, { nonce }: PacketBody<'ss-response'>, network: NetworkId | undefined): void {
    const { context } = this;
    if (nonce === undefined || !this.nonces.some((one) => one.equals(nonce))) {
      context.emit({
        type: 'refused',
        reason: 'an offer for a join that is not outstanding',
        peer: link.peer,
      });
      return this.contacts.close(link.id, 'stale offer');
    }
    if (this.neighborhood.degree() === 0) return this.neighborhood.ask(link.id);
    if (this.fallbacks.length >= pendingOffersMax)
      return this.contacts.close(link.id, 'enough servers have answered');
    this.fallbacks.push({ link: link.id, network });
    if (context.timers.has('fallback')) return;
    context.timers.set('fallback', context.now + context.profile.ringMs, () => this.takeFallbacks());
  }

  /** By now the tables tell which of them can be reached already: one at a time, as each may reach the others. */
  private takeFallbacks(): void {
    const { context, neighborhood } = this;
    for (let next = this.fallbacks.shift(); next !== undefined; next = this.fallbacks.shift()) {
      const server = context.links.get(next.link);
      if (server === undefined || server.neighbor || neighborhood.hasAsked(server.peer)) continue;
      if (!neighborhood.isApart(server.peer, next.network) || !this.takeApart(next.link)) {
        this.contacts.close(next.link, 'it can be reached already');
        continue;
      }
      context.timers.set('fallback', context.now + context.profile.ringMs, () => this.takeFallbacks());
      return;
    }
  }

  private takeApart(link: LinkId): boolean {
    const { neighborhood } = this;
    const full = neighborhood.degree() >= this.context.degree.max;
    if (full && !neighborhood.isSettled()) return false;
    if (full) neighborhood.reconnect(link, undefined);
    else neighborhood.ask(link);
    return true;
  }
}
