/**
 * What must hold at every moment, whatever goes wrong. Each rule is one small class that watches the world and says
 * what it saw against the rule; a rule never changes anything. Rules about cameras are in camera-rules.ts.
 */
import { lockLeaseMs, reconfigurationMs } from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import { linksPerServerMax, type Packet } from '../../firmware/overlay/packets.ts';
import type { SimUnit } from './sim-unit.ts';
import type { SimWorld } from './world.ts';
import type { Watcher } from './world-options.ts';

export type Say = (rule: string, detail: string) => void;

/** A rule, and what it looks at between events, now and then. */
export interface Rule extends Watcher {
  readonly name: string;
  sample?(): void;
}

/** Packets among effects, with the unit at the other end of their link. */
export class LinkEnds {
  private readonly peers = new Map<SimUnit, Map<number, string>>();

  started(unit: SimUnit): void {
    this.peers.set(unit, new Map());
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type === 'accepted' || event.type === 'dialed')
      this.peers.get(unit)?.set(event.link, event.peer.unit);
  }

  peer(unit: SimUnit, link: number): string | undefined {
    return this.peers.get(unit)?.get(link);
  }
}

/** Only the owner raises an incarnation: nobody speaks of one that never was. */
export class IncarnationsAreTheOwners implements Rule {
  readonly name = 'an incarnation is raised only by its owner';
  private readonly world: SimWorld;
  private readonly say: Say;

  constructor(world: SimWorld, say: Say) {
    this.world = world;
    this.say = say;
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'send') continue;
      const { packet } = effect;
      if (packet.header.incarnation > unit.incarnationMax)
        this.tell(unit, packet, unit.id, packet.header.incarnation);
      if (packet.name !== 'ss-exchange') continue;
      for (const { origin, incarnation } of packet.body.rows) {
        if (incarnation > this.world.unit(origin).incarnationMax)
          this.tell(unit, packet, origin, incarnation);
      }
    }
  }

  private tell(unit: SimUnit, packet: Packet, owner: string, incarnation: number): void {
    const { incarnationMax } = this.world.unit(owner);
    this.say(
      this.name,
      `${unit.id} says in ${packet.name}: ${owner} is at ${incarnation}; it never was above ${incarnationMax}`,
    );
  }
}

interface Hold {
  readonly holder: string;
  readonly fence: number;
  readonly until: number;
}

/** Claims 8, 20: one holder of a server's lock, a higher fence each time, and every lease ends. */
export class OneLockHolder implements Rule {
  readonly name = 'a server’s exchange lock has one holder and expires';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly ends: LinkEnds;
  private readonly holds = new Map<SimUnit, Hold>();
  private readonly fences = new Map<SimUnit, number>();
  /** who held the lock, by its server's own account, when the present request came */
  private before: { readonly holder: string; readonly until: number } | undefined;

  constructor(world: SimWorld, say: Say, ends: LinkEnds) {
    this.world = world;
    this.say = say;
    this.ends = ends;
  }

  started(unit: SimUnit): void {
    this.holds.delete(unit);
    this.fences.delete(unit);
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type !== 'packet' || event.packet.name !== 'ss-disconnection') return;
    const { stage, fence } = event.packet.body;
    this.before = stage === 'lock' ? this.world.serverNode(unit.id).inspect().lock : undefined;
    const peer = this.ends.peer(unit, event.link);
    const hold = this.holds.get(unit);
    if ((stage === 'release' || stage === 'commit') && hold?.holder === peer && hold?.fence === fence)
      this.holds.delete(unit);
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (
        effect.type !== 'send' ||
        effect.packet.name !== 'ss-disconnection' ||
        effect.packet.body.stage !== 'locked'
      )
        continue;
      const { fence } = effect.packet.body;
      const holder = this.ends.peer(unit, effect.link) ?? '?';
      const now = unit.life?.monotonicMs() ?? 0;
      const hold = this.holds.get(unit) ?? this.before;
      if (hold !== undefined && now < hold.until) {
        this.say(this.name, `${unit.id} locks for ${holder} (fence ${fence}) while ${hold.holder} holds it`);
      }
      const last = this.fences.get(unit) ?? 0;
      if (fence <= last) this.say(this.name, `${unit.id} grants fence ${fence} after ${last}`);
      this.fences.set(unit, fence);
      this.holds.set(unit, { holder, fence, until: now + lockLeaseMs });
    }
  }

  sample(): void {
    for (const unit of this.world.liveServers) {
      const lock = this.world.serverNode(unit.id).inspect().lock;
      const now = unit.life?.monotonicMs() ?? 0;
      if (lock !== undefined && lock.until > now + lockLeaseMs) {
        this.say(
          this.name,
          `${unit.id} is locked by ${lock.holder} for ${Math.round(lock.until - now)} ms more`,
        );
      }
    }
  }
}

const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

/** What servers believe to be links, without those that are being dropped, keeps both ends of a dropped one together. */
export class PruningKeepsTogether implements Rule {
  readonly name = 'pruning never disconnects';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly ends: LinkEnds;
  /** links whose one end has agreed to drop them: pair → who agreed */
  private readonly dropped = new Map<string, string>();

  constructor(world: SimWorld, say: Say, ends: LinkEnds) {
    this.world = world;
    this.say = say;
    this.ends = ends;
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (
        effect.type !== 'send' ||
        effect.packet.name !== 'ss-disconnection' ||
        effect.packet.body.stage !== 'done'
      )
        continue;
      const peer = this.ends.peer(unit, effect.link);
      if (peer === undefined) continue;
      this.dropped.set(pairOf(unit.id, peer), unit.id);
      if (!this.connects(unit.id, peer)) {
        this.say(this.name, `${unit.id} dropped ${peer}; no other path is left between them`);
      }
    }
  }

  /** A path in what servers believe: an edge is there while either end believes it, for the other may be dead. */
  private connects(from: string, to: string): boolean {
    const edges = this.beliefs();
    const seen = new Set([from]);
    const open = [from];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const neighbor of edges.get(next) ?? []) {
        if (neighbor === to) return true;
        if (seen.has(neighbor)) continue;
        seen.add(neighbor);
        open.push(neighbor);
      }
    }
    return false;
  }

  private beliefs(): Map<string, Set<string>> {
    const edges = new Map<string, Set<string>>();
    const add = (a: string, b: string): void => void (edges.get(a) ?? edges.set(a, new Set()).get(a))?.add(b);
    const believed = new Map(
      this.world.servers
        .filter(({ node }) => node !== undefined)
        .map(({ id }) => [id, this.world.serverNode(id).inspect().neighbors]),
    );
    for (const [a, neighbors] of believed) {
      for (const b of neighbors) {
        const dropper = this.dropped.get(pairOf(a, b));
        if (dropper === a) this.dropped.delete(pairOf(a, b));
        if (dropper !== undefined && dropper !== a) continue;
        add(a, b);
        add(b, a);
      }
    }
    return edges;
  }
}

/** Degree: at most the bound, and what repairs have added. */
export class DegreeIsBounded implements Rule {
  readonly name = 'degree is at most the bound and the repair allowance';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly degreeMax: number;
  private readonly repairs = new Map<SimUnit, number>();

  constructor(world: SimWorld, say: Say, degreeMax: number) {
    this.world = world;
    this.say = say;
    this.degreeMax = degreeMax;
  }

  started(unit: SimUnit): void {
    this.repairs.set(unit, 0);
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type === 'packet' && event.packet.name === 'ss-reconnection') this.count(unit);
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.type === 'send' && effect.packet.name === 'ss-reconnection') this.count(unit);
  }

  private count(unit: SimUnit): void {
    this.repairs.set(unit, (this.repairs.get(unit) ?? 0) + 1);
  }

  sample(): void {
    for (const unit of this.world.liveServers) {
      const { neighbors } = this.world.serverNode(unit.id).inspect();
      // Two places above the bound are for servers of another part or network.
      const most = Math.min(linksPerServerMax, this.degreeMax + 2 + (this.repairs.get(unit) ?? 0));
      if (neighbors.length > most)
        this.say(this.name, `${unit.id} has ${neighbors.length} neighbors, at most ${most}`);
    }
  }
}

/** [0082]: a part is reconfigured once in a while, not again and again. */
export class ReconfigurationIsRare implements Rule {
  readonly name = 'at most one reconfiguration per part in 60 s';
  private readonly say: Say;
  private readonly last = new Map<SimUnit, { incident: string; at: number }>();

  constructor(say: Say) {
    this.say = say;
  }

  started(unit: SimUnit): void {
    this.last.delete(unit);
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    const now = unit.life?.monotonicMs() ?? 0;
    for (const effect of effects) {
      if (effect.type !== 'send' || effect.packet.name !== 'ss-reconfiguration') continue;
      const incident = effect.packet.body.incident.toString('hex');
      const last = this.last.get(unit);
      // It goes to all neighbors in one step, and then no more.
      if (last !== undefined && now > last.at && now - last.at < reconfigurationMs) {
        const { dead } = effect.packet.body;
        const agoMs = Math.round(now - last.at);
        this.say(
          this.name,
          `${unit.id} reconfigures ${dead.join(', ')} ${agoMs} ms after ${last.incident === incident ? 'it did' : 'another'}`,
        );
      }
      this.last.set(unit, { incident, at: now });
    }
  }
}

/** A person who asks gets an answer, if the server that was asked goes on running. */
export class QueriesAreAnswered implements Rule {
  readonly name = 'every query is answered in time';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly limitMs: number;
  private open: {
    readonly server: SimUnit;
    readonly life: number;
    readonly query: number;
    deadline: number;
  }[] = [];

  constructor(world: SimWorld, say: Say) {
    this.world = world;
    this.say = say;
    // Four hops, each with a dial that may hang for 5 s and a reply; and a second for good measure.
    this.limitMs = 4 * (5_000 + this.world.profile.replyMs) + 1_000;
  }

  asked(server: SimUnit, query: number): void {
    this.open.push({ server, life: server.starts, query, deadline: this.world.now + this.limitMs });
  }

  sample(): void {
    this.open = this.open.filter((one) => {
      const { server, life, query } = one;
      if (!server.isAlive || server.starts !== life || this.world.answerTo(query) !== undefined) return false;
      if (server.life?.isPaused === true) one.deadline = this.world.now + this.limitMs;
      if (this.world.now < one.deadline) return true;
      this.say(this.name, `${server.id} has not answered a query for ${this.limitMs} ms`);
      return false;
    });
  }
}

/** Nobody floods: packets per second of each unit are bounded by the size of the network. */
export class TrafficIsBounded implements Rule {
  readonly name = 'packets per unit and second are bounded';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly before = new Map<SimUnit, number>();
  private since = 0;

  constructor(world: SimWorld, say: Say) {
    this.world = world;
    this.say = say;
  }

  sample(): void {
    const { now } = this.world;
    if (now - this.since < 1_000) return;
    const seconds = (now - this.since) / 1_000;
    this.since = now;
    const perSecond = 300 + 20 * (this.world.servers.length + this.world.cameras.length);
    for (const unit of [...this.world.servers, ...this.world.cameras]) {
      const sent = unit.sent.packets - (this.before.get(unit) ?? 0);
      this.before.set(unit, unit.sent.packets);
      if (sent > perSecond * seconds)
        this.say(
          this.name,
          `${unit.id} sent ${sent} packets in ${seconds.toFixed(1)} s, at most ${perSecond} per s`,
        );
    }
  }
}

/** The rules about servers. */
export function serverRules(world: SimWorld, say: Say, ends: LinkEnds, degreeMax: number): Rule[] {
  return [
    new IncarnationsAreTheOwners(world, say),
    new OneLockHolder(world, say, ends),
    new PruningKeepsTogether(world, say, ends),
    new DegreeIsBounded(world, say, degreeMax),
    new ReconfigurationIsRare(say),
    new TrafficIsBounded(world, say),
  ];
}
