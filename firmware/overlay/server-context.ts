/**
 * What the parts of one server share: its identity, its tables, its links, its clock, and the list of effects of the
 * step that is under way. The parts know each other only through here and through what server-node.ts gives them.
 */
import { degreeDefault, type Profile } from './constants.ts';
import type { Effect, LinkId, Memory, MemoryRecord, Random, StoryAbout } from './effects.ts';
import { HistoryTable } from './history-table.ts';
import { HybridClock } from './hlc.ts';
import { KnownServers } from './known-servers.ts';
import { LocalHealth } from './local-health.ts';
import { NeighborTable } from './neighbor-table.ts';
import { compareNetworks, foundNetwork, sameNetwork } from './network-id.ts';
import { OriginTable } from './origin-table.ts';
import {
  type Address,
  type HlcTime,
  type NetworkId,
  type PacketBody,
  type PacketHeader,
  type PacketName,
  type PacketOf,
  protocolVersion,
} from './packets.ts';
import { ServerLinks } from './server-links.ts';
import { SiteDocument } from './site-document.ts';
import { Timers } from './timers.ts';

export interface ServerNodeOptions {
  readonly site: string;
  readonly unit: string;
  /** where others dial this server */
  readonly link: Address;
  /** where servers that never saw a join of this one reach it at first: an address of this machine, never `::` */
  readonly reachableAt: Address;
  readonly pageUrl: string;
  readonly incarnation: number;
  /** capacity: cameras, and kbit/s of all of them */
  readonly camerasMax: number;
  readonly kbpsMax: number;
  /** links wanted, and the most taken; the patent's figures need 1 */
  readonly degree?: { readonly target: number; readonly max: number };
  readonly profile: Profile;
  readonly memory: Memory;
  readonly random: Random;
  /** this server's clock, µs UTC */
  readonly utcUs: () => number;
  /** whether that clock was set */
  readonly clockTrusted: () => boolean;
}

export class ServerContext {
  readonly self: string;
  readonly options: ServerNodeOptions;
  readonly profile: Profile;
  readonly degree: { readonly target: number; readonly max: number };
  readonly random: Random;
  readonly timers = new Timers();
  readonly links = new ServerLinks();
  readonly neighbors: NeighborTable;
  readonly rows: OriginTable;
  readonly history: HistoryTable;
  readonly document: SiteDocument;
  readonly known: KnownServers;
  readonly clock: HybridClock;
  readonly health: LocalHealth;
  /** monotonic ms of the step under way */
  now = 0;
  incarnation: number;
  network: NetworkId;
  /** given by whoever accepted this server's join; undefined until it has joined or founded */
  joinTime: HlcTime | undefined;
  leaving = false;
  /** as in the options, until this machine gets another address */
  reachableAt: Address;
  /** whether this server can record at all */
  usable = true;
  private effects: Effect[] = [];
  private cachedHeader: PacketHeader | undefined;

  constructor(options: ServerNodeOptions) {
    const { unit, memory } = options;
    this.self = unit;
    this.options = options;
    this.profile = options.profile;
    this.degree = options.degree ?? degreeDefault;
    this.reachableAt = options.reachableAt;
    this.random = options.random;
    this.incarnation = options.incarnation;
    this.neighbors = new NeighborTable(unit);
    this.rows = new OriginTable(unit);
    this.history = new HistoryTable(unit, memory.tenures);
    this.document = new SiteDocument(memory.document);
    this.known = new KnownServers(memory.known);
    this.clock = new HybridClock(options.utcUs, options.clockTrusted);
    this.health = new LocalHealth(options.profile.echoMs);
    for (const { time } of memory.document) this.clock.observe(time);
    this.joinTime = memory.joinTime;
    this.network =
      memory.network ??
      foundNetwork({ founder: unit, time: this.clock.now(), trusted: options.clockTrusted() });
  }

  /** Takes the effects of this step. */
  takeEffects(): Effect[] {
    const effects = this.effects;
    this.effects = [];
    return effects;
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  story(text: string, about?: StoryAbout): void {
    this.effects.push(about === undefined ? { type: 'story', text } : { type: 'story', text, about });
  }

  remember(record: MemoryRecord): void {
    this.effects.push({ type: 'remember', record });
  }

  header(): PacketHeader {
    this.cachedHeader ??= {
      version: protocolVersion,
      site: this.options.site,
      sender: this.self,
      incarnation: this.incarnation,
      network: this.network,
    };
    return this.cachedHeader;
  }

  /** A packet of this server. */
  packet<K extends PacketName>(name: K, body: PacketBody<K>): PacketOf<K> {
    return { name, header: this.header(), body } as unknown as PacketOf<K>;
  }

  send<K extends PacketName>(link: LinkId, name: K, body: PacketBody<K>): void {
    const known = this.links.get(link);
    if (known !== undefined) known.usedAt = this.now;
    this.effects.push({ type: 'send', link, packet: this.packet(name, body) });
  }

  /** Raises the incarnation: only the owner does, and the disk knows before anybody else. */
  raiseIncarnation(above: number): void {
    this.incarnation = above + 1;
    this.cachedHeader = undefined;
    this.emit({ type: 'persist', state: { incarnation: this.incarnation } });
  }

  /** Two networks have met: the one that yields takes the other's name. True when this server's changed. */
  meet(other: NetworkId): boolean {
    if (compareNetworks(other, this.network) >= 0) return false;
    // An untrusted clock of the founder must not keep a site apart for ever, nor may one reading drag it ahead.
    this.clock.observe(other.founded);
    const same = sameNetwork(other, this.network);
    this.setNetwork(other);
    if (!same) this.story(`joins the network of ${other.founder}`);
    return true;
  }

  setNetwork(network: NetworkId): void {
    this.network = network;
    this.cachedHeader = undefined;
    this.rememberNetwork();
  }

  setJoinTime(time: HlcTime): void {
    this.clock.observe(time);
    this.joinTime = time;
    this.rememberNetwork();
  }

  private rememberNetwork(): void {
    if (this.network.standing === 'established')
      this.remember({ kind: 'network', network: this.network, joinTime: this.joinTime });
  }

  /** The way to a server: a neighbor's address, a 2-hop neighbor's, or its row's. */
  addressOf(server: string): Address | undefined {
    return this.neighbors.get(server)?.address ?? this.rows.get(server)?.link;
  }

  /** Ids of servers there is a path to now, without this one. */
  reachable(): string[] {
    return [...this.rows.hopsFrom(this.self).keys()].filter((id) => id !== this.self).sort();
  }

  isReachable(server: string): boolean {
    return this.rows.hopsFrom(this.self).has(server);
  }

  /** `ms`, give or take a quarter. */
  jitter(ms: number): number {
    return ms * (0.75 + 0.5 * this.random.unit());
  }

  /** Up to `count` of the items, at random. */
  pick<T>(items: readonly T[], count: number): T[] {
    const rest = [...items];
    const picked: T[] = [];
    while (picked.length < count && rest.length > 0) {
      picked.push(...rest.splice(Math.floor(this.random.unit() * rest.length), 1));
    }
    return picked;
  }
}
