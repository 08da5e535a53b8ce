/**
 * Whether neighbors live [0074]. The dialler of a link echoes, the other end replies; any byte counts. Silence leads to
 * suspicion; up to three other neighbors of the suspect are asked to echo it (indirect echoes, as SWIM); it is dead
 * when two of them (or all that answer) hear nothing either, or after `buryMs` if nobody can be asked. A broken link is
 * evidence, never proof. A server that runs late suspects later (Lifeguard's local health), and one that did not run
 * at all does not count that time as silence of the others.
 *
 * Invariants: every suspicion ends, in refutation, in burial, or with the link given up while the server lives; only
 * bytes from the suspect itself or a third server's word refute it.
 */
import { indirectEchoes } from './constants.ts';
import type { Contacts } from './contacts.ts';
import type { LinkId } from './effects.ts';
import type { Exchange } from './exchange.ts';
import type { Neighbor } from './neighbor-table.ts';
import type { Neighborhood } from './neighborhood.ts';
import type { Card, PacketBody } from './packets.ts';
import { Requests } from './requests.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerLink } from './server-links.ts';

type Verdict = 'waiting' | 'alive' | 'silent' | 'failed';

interface Suspicion {
  /** who was asked, and what they said */
  readonly asked: Map<string, Verdict>;
  /** somebody hears it: it lives, whatever is the matter with the link */
  alive: boolean;
}

/** Periodic echoes have numbers of their own, so that no reply is taken for another's. */
const echoRequests = 0x8000_0000;

/** Costs are told again, with the next digest, when they have changed by this share and this much. */
const costChange = { share: 0.5, us: 2_000 } as const;

export interface LivenessParts {
  readonly contacts: Contacts;
  readonly exchange: Exchange;
  readonly neighborhood: Neighborhood;
  /** a neighbor is dead; `card` is what it said last */
  readonly died: (server: string, card: Card | undefined) => void;
  /** the link to a neighbor that lives was given up */
  readonly linkLost: (server: string, card: Card | undefined) => void;
}

export class Liveness {
  private readonly context: ServerContext;
  private readonly parts: LivenessParts;
  /** suspects that were dialled lately, and when */
  private readonly triedAt = new Map<string, number>();
  private readonly suspicions = new Map<string, Suspicion>();
  private readonly indirect: Requests<'alive' | 'silent'>;
  private readonly direct: Requests<true>;
  /** third servers that somebody has asked about: whom to tell */
  private readonly probes = new Map<string, { link: LinkId; request: number }[]>();
  /** by server: the cost that neighbors were told */
  private readonly toldCosts = new Map<string, number>();
  private lastEcho = 0;

  constructor(context: ServerContext, parts: LivenessParts) {
    this.context = context;
    this.parts = parts;
    this.indirect = new Requests(context, 'indirect');
    this.direct = new Requests(context, 'direct');
  }

  start(): void {
    const { timers, now, profile } = this.context;
    timers.set('echo', now + profile.echoMs * this.context.random.unit(), () => this.echo());
  }

  private echo(): void {
    const { context } = this;
    for (const { link, costUs } of context.neighbors.all()) {
      const known = link === undefined ? undefined : context.links.get(link);
      if (link === undefined || known?.dialler !== context.self) continue;
      this.lastEcho = (this.lastEcho % 0x4000_0000) + 1;
      const request = echoRequests + this.lastEcho;
      known.echo = { request, at: context.now };
      context.send(link, 'ss-echo', echoBody({ request, costUs }));
    }
    context.timers.set('echo', context.now + context.profile.echoMs, () => this.echo());
  }

  /** Something came over a link. */
  heard(link: ServerLink): void {
    link.heardAt = this.context.now;
    if (!link.neighbor) return;
    const neighbor = this.context.neighbors.get(link.peer);
    if (neighbor?.link === link.id && neighbor.suspectedAt !== undefined)
      this.refute(neighbor, 'heard again');
    if (this.probes.has(link.peer)) this.tell(link.peer, 'alive');
  }

  /** This server itself did not run for so long: nobody else was silent meanwhile. */
  wasAway(ms: number): void {
    const { links, health, now } = this.context;
    health.worse(now);
    for (const link of links.all()) link.heardAt = Math.min(now, link.heardAt + ms);
    // What they have sent meanwhile is still to be read.
    for (const server of this.suspicions.keys()) this.context.timers.delay(`bury:${server}`, ms);
  }

  /** A neighborship began, or its link was replaced: it lives. */
  gained(neighbor: Neighbor): void {
    const suspicion = this.suspicions.get(neighbor.server);
    if (suspicion !== undefined) {
      this.suspicions.delete(neighbor.server);
      this.context.timers.clear(`bury:${neighbor.server}`);
      this.context.story(`${neighbor.server} suspected → refuted: it answers on a new link`);
    }
    this.watch(neighbor.server);
  }

  private watch(server: string): void {
    const { context } = this;
    const { timers, profile, health } = context;
    const link = context.neighbors.get(server)?.link;
    const known = link === undefined ? undefined : context.links.get(link);
    if (known === undefined) return;
    const at = known.heardAt + profile.suspectMs * health.factor(context.now);
    timers.set(`silent:${server}`, Math.max(at, context.now + 1), () => this.check(server));
  }

  private check(server: string): void {
    const { context } = this;
    const neighbor = context.neighbors.get(server);
    const link = neighbor?.link === undefined ? undefined : context.links.get(neighbor.link);
    if (neighbor === undefined || link === undefined || neighbor.suspectedAt !== undefined) return;
    const silentMs = context.now - link.heardAt;
    if (silentMs < context.profile.suspectMs * context.health.factor(context.now)) return this.watch(server);
    this.suspect(neighbor, `silent for ${Math.round(silentMs)} ms`);
  }

  /** A connection is gone. */
  closed(link: ServerLink, reason: string): void {
    const { context } = this;
    const neighbor = context.neighbors.get(link.peer);
    if (!link.neighbor || neighbor?.link !== link.id) return;
    neighbor.link = undefined;
    this.parts.exchange.forget(link.id);
    if (neighbor.suspectedAt === undefined) return this.suspect(neighbor, `link broken (${reason})`);
  }

  private suspect(neighbor: Neighbor, reason: string): void {
    const { context } = this;
    const { server } = neighbor;
    neighbor.suspectedAt = context.now;
    const suspicion: Suspicion = { asked: new Map(), alive: false };
    this.suspicions.set(server, suspicion);
    const asked = this.witnesses(neighbor);
    context.story(
      `${server} ${reason} → suspected${asked.length === 0 ? '' : `, asking ${asked.map(({ id }) => id).join(', ')}`}`,
      'suspicion',
    );
    const buryAt = context.now + context.profile.buryMs * context.health.factor(context.now);
    context.timers.set(`bury:${server}`, buryAt, () => this.timeout(server));
    for (const { id } of asked) suspicion.asked.set(id, 'waiting');
    for (const { id, address } of asked) this.askThird(server, id, address);
    // At once, but not again and again where the other end closes every new link.
    const againAt = (this.triedAt.get(server) ?? Number.NEGATIVE_INFINITY) + context.profile.echoMs / 2;
    if (againAt <= context.now) return this.tryDirectly(neighbor);
    context.timers.set(`direct:${server}`, againAt, () => this.tryDirectly(neighbor));
  }

  /** Perhaps only the link is dead, or the server has just restarted. */
  private tryDirectly(neighbor: Neighbor): void {
    const { server, address } = neighbor;
    if (this.context.neighbors.get(server) !== neighbor || neighbor.suspectedAt === undefined) return;
    const { now, profile, timers } = this.context;
    for (const [one, at] of this.triedAt) if (now - at > profile.echoMs) this.triedAt.delete(one);
    this.triedAt.set(server, now);
    const wish = { use: (link: LinkId) => this.echoDirectly(server, link), failed: () => undefined };
    this.parts.contacts.reach(server, address, wish, { fresh: true });
    timers.set(`direct:${server}`, now + profile.echoMs, () => this.tryDirectly(neighbor));
  }

  /** Former neighbors of the suspect, else any neighbors of this server. */
  private witnesses(
    neighbor: Neighbor,
  ): { id: string; address: PacketBody<'ss-response'>['link'] | undefined }[] {
    const { context } = this;
    const near = (neighbor.card?.neighbors ?? [])
      .filter(
        ({ server }) => server !== context.self && context.neighbors.get(server)?.suspectedAt === undefined,
      )
      .map(({ server, link }) => ({ id: server, address: context.neighbors.get(server)?.address ?? link }));
    const chosen = context.pick(near, indirectEchoes);
    const others = context.neighbors
      .live()
      .filter(({ server }) => server !== neighbor.server && !near.some(({ id }) => id === server))
      .map(({ server, address }) => ({ id: server, address }));
    return [...chosen, ...context.pick(others, indirectEchoes - chosen.length)];
  }

  private askThird(
    suspect: string,
    witness: string,
    address: PacketBody<'ss-response'>['link'] | undefined,
  ): void {
    const { context } = this;
    const { profile } = context;
    this.parts.contacts.reach(witness, address, {
      use: (link) => {
        const until = context.now + 2 * profile.indirectMs * context.health.factor(context.now);
        const request = this.indirect.open(until, witness, (verdict) =>
          this.judged(suspect, witness, verdict ?? 'failed'),
        );
        context.send(link, 'ss-echo', echoBody({ request, subject: suspect }));
      },
      failed: () => this.judged(suspect, witness, 'failed'),
    });
  }

  private echoDirectly(server: string, link: LinkId): void {
    const { context } = this;
    const until = context.now + context.profile.replyMs;
    const request = this.direct.open(until, server, (answer) => {
      const neighbor = context.neighbors.get(server);
      if (answer === undefined || neighbor?.suspectedAt === undefined) return;
      if (context.links.get(link)?.neighbor !== false) return;
      // It lives and the link does not: a new one takes its place.
      this.parts.neighborhood.ask(link);
    });
    context.send(link, 'ss-echo', echoBody({ request }));
  }

  private judged(suspect: string, witness: string, verdict: Verdict): void {
    const { context } = this;
    const suspicion = this.suspicions.get(suspect);
    const neighbor = context.neighbors.get(suspect);
    if (suspicion === undefined || neighbor === undefined || !suspicion.asked.has(witness)) return;
    suspicion.asked.set(witness, verdict);
    if (verdict === 'alive' && !suspicion.alive) {
      suspicion.alive = true;
      context.health.worse(context.now);
      context.story(`${suspect} suspected → ${witness} hears it`);
      // The link may still be replaced by a new one: it is being dialled.
      const patience = neighbor.link === undefined ? context.profile.replyMs : context.profile.suspectMs;
      context.timers.set(`bury:${suspect}`, context.now + patience, () => this.giveUpLink(neighbor));
    }
    if (!suspicion.alive) this.decide(neighbor, suspicion);
  }

  /** Two confirmations are enough, and so is one when nobody else answers. */
  private decide(neighbor: Neighbor, { asked }: Suspicion): void {
    const silent = [...asked].filter(([, verdict]) => verdict === 'silent').map(([id]) => id);
    const open = [...asked.values()].some((verdict) => verdict === 'waiting');
    if (silent.length >= 2 || (silent.length >= 1 && !open))
      this.bury(neighbor, `confirmed by ${silent.join(', ')}`);
  }

  /** Others have buried a server that is suspected here, too. */
  confirmedByRow(server: string): void {
    const neighbor = this.context.neighbors.get(server);
    const suspicion = this.suspicions.get(server);
    if (neighbor === undefined || suspicion === undefined || suspicion.alive) return;
    this.bury(neighbor, 'confirmed by its row');
  }

  private timeout(server: string): void {
    const neighbor = this.context.neighbors.get(server);
    if (neighbor === undefined) return;
    const failed = [...(this.suspicions.get(server)?.asked.values() ?? [])].filter((one) => one !== 'silent');
    // Nobody answers: perhaps it is this server that is cut off.
    if (failed.length > 0) this.context.health.worse(this.context.now);
    this.bury(neighbor, 'nobody hears it');
  }

  private refute(neighbor: Neighbor, how: string): void {
    const { context } = this;
    neighbor.suspectedAt = undefined;
    this.suspicions.delete(neighbor.server);
    context.timers.clear(`bury:${neighbor.server}`);
    context.health.worse(context.now);
    context.story(`${neighbor.server} suspected → refuted: ${how}`);
    this.watch(neighbor.server);
  }

  private end(server: string): void {
    this.suspicions.delete(server);
    this.toldCosts.delete(server);
    this.context.timers.clear(`bury:${server}`);
    this.context.timers.clear(`silent:${server}`);
  }

  /** It lives, but the link does not: no death, one link less. */
  private giveUpLink(neighbor: Neighbor): void {
    if (this.context.neighbors.get(neighbor.server) !== neighbor || neighbor.suspectedAt === undefined)
      return;
    this.context.story(`${neighbor.server} lives, but its link is lost`);
    this.end(neighbor.server);
    const { server, card } = neighbor;
    this.parts.neighborhood.lose(server, 'the link is silent');
    this.parts.linkLost(server, card);
  }

  private bury(neighbor: Neighbor, why: string): void {
    const { server, card } = neighbor;
    this.context.story(`${server} suspected → ${why} → dead`, 'death');
    this.end(server);
    this.parts.neighborhood.lose(server, 'it is dead');
    this.parts.exchange.bury(server);
    this.parts.died(server, card);
  }

  /** A neighbor went in good order. */
  left(server: string): void {
    this.end(server);
  }

  echoed(link: ServerLink, body: PacketBody<'ss-echo'>): void {
    const { context } = this;
    if (body.subject !== undefined) {
      if (!body.reply) return this.probe(body.subject, link.id, body.request);
      this.indirect.settle(body.request, link.peer, body.verdict === 'alive' ? 'alive' : 'silent');
      return;
    }
    const neighbor = context.neighbors.get(link.peer);
    const mine = neighbor?.link === link.id ? neighbor : undefined;
    if (!body.reply) {
      if (mine !== undefined && body.costUs > 0) this.setCost(mine, body.costUs);
      return context.send(link.id, 'ss-echo', echoBody({ request: body.request, reply: true }));
    }
    if (this.direct.settle(body.request, link.peer, true)) return;
    const sent = link.echo;
    if (mine === undefined || sent?.request !== body.request) return;
    const roundTripUs = Math.round((context.now - sent.at) * 1000);
    this.setCost(mine, mine.costUs === 0 ? roundTripUs : Math.round(0.8 * mine.costUs + 0.2 * roundTripUs));
  }

  private setCost(neighbor: Neighbor, costUs: number): void {
    const told = this.toldCosts.get(neighbor.server) ?? 0;
    neighbor.costUs = Math.min(costUs, 0xffff_ffff);
    const change = Math.abs(costUs - told);
    if (told !== 0 && (change < costChange.us || change < told * costChange.share)) return;
    this.toldCosts.set(neighbor.server, costUs);
    // Round trips through a busy machine change with every echo: what they cost to tell must not.
    if (told === 0) this.parts.exchange.touchCard();
    else this.parts.exchange.touchCosts();
  }

  /** Somebody asks whether a third server lives: echo it, by the link or by dialling it. */
  private probe(subject: string, link: LinkId, request: number): void {
    const { context } = this;
    if (subject === context.self) return this.answer(link, request, subject, 'alive');
    const neighbor = context.neighbors.get(subject);
    const own = neighbor?.link === undefined ? undefined : context.links.get(neighbor.link);
    if (own !== undefined && context.now - own.heardAt < context.profile.echoMs / 4)
      return this.answer(link, request, subject, 'alive');
    const waiting = this.probes.get(subject);
    if (waiting !== undefined) {
      if (waiting.length < 16) waiting.push({ link, request });
      return;
    }
    this.probes.set(subject, [{ link, request }]);
    context.timers.set(`probe:${subject}`, context.now + context.profile.indirectMs, () =>
      this.tell(subject, 'silent'),
    );
    if (own !== undefined) return context.send(own.id, 'ss-echo', echoBody({ request: 0 }));
    this.parts.contacts.reach(
      subject,
      context.addressOf(subject),
      {
        use: (contact) => {
          const reply = (answer: true | undefined): void => this.tell(subject, answer ? 'alive' : 'silent');
          const open = this.direct.open(context.now + context.profile.indirectMs, subject, reply);
          context.send(contact, 'ss-echo', echoBody({ request: open }));
        },
        failed: () => this.tell(subject, 'silent'),
      },
      { fresh: true },
    );
  }

  private tell(subject: string, verdict: 'alive' | 'silent'): void {
    const waiting = this.probes.get(subject) ?? [];
    this.probes.delete(subject);
    this.context.timers.clear(`probe:${subject}`);
    for (const { link, request } of waiting) this.answer(link, request, subject, verdict);
  }

  private answer(link: LinkId, request: number, subject: string, verdict: 'alive' | 'silent'): void {
    if (this.context.links.get(link) === undefined) return;
    this.context.send(link, 'ss-echo', echoBody({ request, reply: true, subject, verdict }));
  }
}

function echoBody(parts: Partial<PacketBody<'ss-echo'>>): PacketBody<'ss-echo'> {
  return { request: 0, reply: false, costUs: 0, subject: undefined, verdict: 'none', ...parts };
}
