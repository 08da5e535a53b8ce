/**
 * Keeps the tables of neighbors equal (ss-exchange): says what this server is, learns what others are, and every
 * `digestMs` compares digests; where these differ it compares versions and sends what is newer. An idle link costs the
 * same however large the network is.
 *
 * Invariants: what this server says of itself never has one (incarnation, version) for two different contents; a row is
 * believed from a neighbor, from its own origin, or as a reminder of this server's own past; nobody can use up this
 * server's numbers.
 */
import { digestMs } from './constants.ts';
import { counterMax, mayRise } from './counters.ts';
import type { LinkId } from './effects.ts';
import { hashOf, isDead, isNewer, rowBytes } from './origin-table.ts';
import {
  type Address,
  type Card,
  type DocumentRow,
  linksPerServerMax,
  type OriginRow,
  type PacketBody,
  toldNeighborsMax,
  type UnitRow,
  type VersionList,
} from './packets.ts';
import type { ServerContext } from './server-context.ts';
import { exchangeBody, Spread } from './spread.ts';

/** A row that is longer fits no packet. */
const rowBytesMax = 48_000;
/** A server answers rows of its own past, or its burial, this often at most. */
const outliveMs = 200;

export interface ExchangeHooks {
  /** the units this server manages, or managed last */
  units(): UnitRow[];
  /** per mille of the capacity in use */
  load(): number;
  /** another server's row is news */
  rowChanged(row: OriginRow, before: OriginRow | undefined, from: string): void;
  documentChanged(rows: readonly DocumentRow[]): void;
  /** a neighbor has room that it had not */
  relieved(): void;
}

export class Exchange {
  private readonly context: ServerContext;
  private readonly hooks: ExchangeHooks;
  private readonly spread: Spread;
  private version: number;
  private cardVersion = 0;
  private ownDirty = true;
  private cardDirty = true;
  private costsDirty = false;
  private outlivedAt = Number.NEGATIVE_INFINITY;
  /** it has said its last word */
  private gone = false;

  constructor(context: ServerContext, hooks: ExchangeHooks) {
    this.context = context;
    this.hooks = hooks;
    this.spread = new Spread(context, () => this.card());
    // Not always the same: an earlier life that the disk forgot may have had this incarnation.
    this.version = 2 * Math.floor(context.random.unit() * 0x2_0000);
  }

  ownVersion(): number {
    return this.version;
  }

  /** What this server says of itself has changed. */
  touchRow(): void {
    this.ownDirty = true;
  }

  touchCard(): void {
    this.cardDirty = true;
  }

  /** This server is reached at another address than before. */
  movedTo(address: Address): void {
    this.context.reachableAt = address;
    this.ownDirty = true;
  }

  /** The costs of links have changed: that goes with the next digest. */
  touchCosts(): void {
    this.costsDirty = true;
  }

  /** Tells every neighbor the header, which has changed. */
  announceHeader(): void {
    this.spread.headerChanged();
  }

  /** At the end of each step: restates what has changed. */
  settle(): void {
    if (this.gone) return;
    if (this.ownDirty) this.restate();
    if (!this.cardDirty) return;
    this.cardDirty = false;
    this.cardVersion += 1;
    this.spread.cardChanged();
  }

  private restate(): void {
    this.ownDirty = false;
    this.cardDirty = true;
    this.version += this.version % 2 === 0 ? 2 : 1;
    this.context.rows.merge(this.ownRow());
    this.spread.row(this.context.self, undefined);
  }

  private ownRow(): OriginRow {
    const { self, incarnation, neighbors, options, reachableAt } = this.context;
    const hashes = neighbors.ids().map(hashOf);
    return {
      origin: self,
      incarnation,
      version: this.version,
      standing: 'alive',
      link: reachableAt,
      pageUrl: options.pageUrl,
      neighbors: hashes.sort((a, b) => a - b),
      units: this.hooks.units(),
    };
  }

  /** The last word of a server that leaves: the odd version of its own row. */
  sayGone(): void {
    this.gone = true;
    this.version += this.version % 2 === 0 ? 1 : 2;
    this.context.rows.merge({ ...this.ownRow(), standing: 'left', neighbors: [] });
    this.spread.row(this.context.self, undefined);
    this.spread.flush();
  }

  /** This server has buried another: the odd version of its row. */
  bury(server: string): void {
    const row = this.context.rows.get(server);
    if (row === undefined || isDead(row)) return;
    this.context.rows.merge({ ...row, version: row.version + 1, standing: 'dead', neighbors: [] });
    this.spread.row(server, undefined);
  }

  private card(): Card {
    const { neighbors, reachableAt, joinTime, clock } = this.context;
    const toldMax = Math.floor(toldNeighborsMax / Math.max(1, neighbors.size));
    return {
      version: this.cardVersion,
      link: reachableAt,
      joinTime: joinTime ?? clock.now(),
      load: this.hooks.load(),
      neighbors: neighbors.all().map(({ server, incarnation, address, joinTime: joined, costUs, card }) => {
        const told = (card?.neighbors ?? [])
          .slice(0, Math.min(toldMax, linksPerServerMax))
          .map((one) => one.server);
        return { server, incarnation, link: address, joinTime: joined, costUs, neighbors: told };
      }),
    };
  }

  /** A new neighbor: tables are exchanged [0055]; `fresh` when there was no path to it before. */
  introduce(link: LinkId, fresh: boolean): void {
    this.settle();
    this.spread.introduce(link, fresh);
  }

  /** Nothing more goes over this link. */
  forget(link: LinkId): void {
    this.spread.forget(link);
  }

  /** Neighbors compare digests, and hear of new link costs; called every `digestMs`. */
  sendDigests(): void {
    this.cardDirty ||= this.costsDirty;
    this.costsDirty = false;
    for (const { link } of this.context.neighbors.live())
      if (link !== undefined) this.spread.sendDigest(link);
    const { timers, now } = this.context;
    timers.set('digest', now + this.context.jitter(digestMs), () => this.sendDigests());
  }

  /** Whatever a server has sent, but for tenures, which are handed over and not spread. */
  received(link: LinkId, peer: string, body: PacketBody<'ss-exchange'>): void {
    const current = this.context.neighbors.get(peer)?.link === link;
    // Cards come in order, and only over the link that counts.
    if (body.card !== undefined && current) this.learnCard(peer, body.card);
    for (const row of body.rows) {
      if (row.origin === this.context.self) this.outlive(row, peer);
      else if (current || row.origin === peer) this.learn(row, link, peer);
    }
    if (!current) return;
    if (body.document.length > 0) this.learnDocument(body.document, link);
    if (body.digest !== undefined) this.spread.compareDigest(link, body.digest);
    if (body.versions !== undefined) this.compare(link, body.versions);
  }

  private learnCard(peer: string, card: Card): void {
    const neighbor = this.context.neighbors.get(peer);
    if (neighbor === undefined) return;
    const before = neighbor.card?.neighbors.map(({ server }) => server).join();
    const relieved = neighbor.card !== undefined && card.load < neighbor.card.load;
    neighbor.card = card;
    neighbor.address = card.link;
    neighbor.joinTime = card.joinTime;
    this.context.clock.observe(card.joinTime);
    if (relieved) this.hooks.relieved();
    // My own card tells my neighbors who my neighbors' neighbors are.
    if (before !== card.neighbors.map(({ server }) => server).join()) this.touchCard();
  }

  private refuse(reason: string, peer: string): void {
    this.context.emit({ type: 'refused', reason, peer });
  }

  private learn(row: OriginRow, from: LinkId, peer: string): void {
    const { rows } = this.context;
    const before = rows.get(row.origin);
    // Most of what comes is known: of each row, one copy from every neighbor.
    if (before !== undefined && !isNewer(row, before)) return;
    if (rowBytes(row) > rowBytesMax) return this.refuse('a row that fits no packet', peer);
    if (!this.isPossible(row)) return this.refuse('a row whose numbers cannot be', peer);
    if (!rows.merge(row)) return;
    this.spread.row(row.origin, from);
    this.hooks.rowChanged(row, before, peer);
  }

  /**
   * Numbers travel in 32 bits. Whoever passes a row on does not judge how far they jump, or honest rows would get stuck
   * behind a false one; those whom they concern do (`outlive` here, offers and claims in served-cameras.ts).
   */
  private isPossible({ incarnation, version, units }: OriginRow): boolean {
    return (
      incarnation <= counterMax && version <= counterMax && units.every(({ epoch }) => epoch <= counterMax)
    );
  }

  /**
   * Others have a newer row of this server than it has itself: they remember a later life, or they have buried it.
   * It continues above what they know.
   */
  private outlive(row: OriginRow, peer: string): void {
    const { context } = this;
    if (!isNewer(row, { incarnation: context.incarnation, version: this.version })) return;
    if (context.leaving && isDead(row)) return;
    if (!mayRise(context.incarnation, row.incarnation))
      return this.refuse('a row whose numbers cannot be', peer);
    // Each time costs a write; two machines with one identity would go on for ever.
    if (context.now < this.outlivedAt + outliveMs) return;
    this.outlivedAt = context.now;
    if (row.incarnation > context.incarnation) context.raiseIncarnation(row.incarnation);
    else if (row.version > counterMax / 2) context.raiseIncarnation(context.incarnation);
    else this.version = row.version;
    if (isDead(row)) context.story(`${context.self} was believed dead: says that it lives`);
    this.touchRow();
  }

  private learnDocument(rows: readonly DocumentRow[], from: LinkId): void {
    const news = this.context.document.merge(rows);
    if (news.length > 0) this.spreadDocument(news, from);
  }

  private spreadDocument(news: readonly DocumentRow[], from: LinkId | undefined): void {
    for (const row of news) {
      this.context.clock.observe(row.time);
      this.context.remember({ kind: 'document', row });
    }
    for (const { link } of this.context.neighbors.all()) {
      if (link !== undefined && link !== from) this.spread.sendDocument(link, news);
    }
    this.hooks.documentChanged(news);
  }

  /** A row of the site document is written here. */
  write(kind: string, id: string, value: Buffer | undefined): void {
    const { clock, self, document } = this.context;
    const time = document.timeToWrite(kind, id, clock.now());
    const row = { kind, id, time, author: self, value };
    if (document.write(row)) this.spreadDocument([row], undefined);
    else this.context.story(`the site document is full: ${kind} ${id} is not written`);
  }

  /** Sends what the other lacks; tells it once what this one lacks. */
  private compare(link: LinkId, { after, more, rows }: VersionList): void {
    const theirs = new Map(rows.map((one) => [one.origin, one]));
    const last = more ? rows.at(-1)?.origin : undefined;
    for (const row of this.context.rows.all()) {
      if (row.origin <= after || (last !== undefined && row.origin > last)) continue;
      const known = theirs.get(row.origin);
      if (known === undefined || isNewer(row, known)) this.spread.rowTo(link, row.origin);
    }
    const ahead = rows.some((one) => {
      const known = this.context.rows.get(one.origin);
      return known === undefined || isNewer(one, known);
    });
    if (ahead) this.spread.sendVersions(link);
  }

  /** A server's connection has told of an incarnation that is too low: it hears what is known of it. */
  remind(link: LinkId, peer: string): void {
    const row = this.context.rows.get(peer);
    if (row !== undefined) this.context.send(link, 'ss-exchange', exchangeBody({ rows: [row] }));
  }
}
