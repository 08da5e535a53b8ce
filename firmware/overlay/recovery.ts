/**
 * What the former neighbors of a dead server do [0072]–[0082], and of one that has left.
 *
 * Each asks ceil(n/2) of the others, chosen at random, to be its neighbor (ss-reconnection): if all succeed they are
 * connected again, since two parts would need one of at most n/2 servers, and each server has at least n/2 links. Until
 * every live former neighbor can be reached it tries again. Former neighbors that are silent, too, died together with
 * it: then those beyond them are tried, and some that are further away; and if nobody answers the part is reconfigured.
 *
 * Invariants: a repair ends when everybody it looks for can be reached or is given up, and after `repairGiveUpMs`; a
 * server next to the dead one that does not answer `failuresMax` times, and that nobody here has a path to, is buried,
 * which it takes back if it lives.
 */

import type { CameraRejoin } from './camera-rejoin.ts';
import { batchMs, repairGiveUpMs, repairMs } from './constants.ts';
import type { Contacts } from './contacts.ts';
import type { Exchange } from './exchange.ts';
import type { Neighborhood } from './neighborhood.ts';
import { isDead } from './origin-table.ts';
import type { Address, Card, CardNeighbor } from './packets.ts';
import type { Reconfiguration } from './reconfiguration.ts';
import type { ServerContext } from './server-context.ts';
import { noAnswer } from './surroundings.ts';

interface Repair {
  readonly dead: string;
  /** for stories: it is dead, or has left */
  readonly gone: string;
  readonly since: number;
  /** the dead server's other neighbors, as its last card told */
  readonly former: ReadonlyMap<string, CardNeighbor>;
  /** who was asked in vain, and how often */
  readonly failed: Map<string, number>;
  ended: boolean;
}

export interface RecoveryParts {
  readonly contacts: Contacts;
  readonly exchange: Exchange;
  readonly neighborhood: Neighborhood;
  readonly cameraRejoin: CameraRejoin;
  readonly reconfiguration: Reconfiguration;
}

/** In vain so often is dead, as far as this repair is concerned. */
const failuresMax = 2;
/** When both ends of a lost link have restated their rows. */
const cutOffMs = 4 * batchMs;
/** Servers further away that are tried in one round. */
const farTries = 3;

export class Recovery {
  private readonly context: ServerContext;
  private readonly parts: RecoveryParts;

  constructor(context: ServerContext, parts: RecoveryParts) {
    this.context = context;
    this.parts = parts;
  }

  /** This server has buried a neighbor, or a neighbor has left; `card` is what it said last. */
  died(dead: string, card: Card | undefined): void {
    const { context } = this;
    const left = context.rows.get(dead)?.standing === 'left';
    const repair = this.repairOf(dead, left ? 'left' : 'dead', card);
    const former = [...repair.former.values()];
    const half = Math.ceil((former.length + 1) / 2);
    for (const { server, link } of context.pick(former, half)) this.reconnect(repair, server, link);
    this.tellCameras(repair);
    this.checkLater(repair, context.jitter(repairMs));
  }

  /** The link to a neighbor that lives was given up: if it was a bridge, the two parts come together again. */
  cutOff(server: string, card: Card | undefined): void {
    this.checkLater(this.repairOf(server, 'cut off', card), cutOffMs);
  }

  private repairOf(dead: string, how: string, card: Card | undefined): Repair {
    const { self, now } = this.context;
    const former = (card?.neighbors ?? []).filter(({ server }) => server !== self && server !== dead);
    return {
      dead,
      gone: `${dead} ${how}`,
      since: now,
      former: new Map(former.map((one) => [one.server, one])),
      failed: new Map(),
      ended: false,
    };
  }

  private checkLater(repair: Repair, delayMs: number): void {
    const { timers, now } = this.context;
    timers.set(`repair:${repair.dead}`, now + delayMs, () => this.check(repair));
  }

  private tellCameras({ dead, gone, former, failed }: Repair): void {
    const row = this.context.rows.get(dead);
    if (row === undefined || !isDead(row)) return;
    this.parts.cameraRejoin.consider({ dead, gone, former: [...former.values()], silent: failed });
  }

  /** Asks a server to be a neighbor in the dead one's place. */
  private reconnect(repair: Repair, server: string, address: Address | undefined): void {
    const { context, parts } = this;
    if (context.neighbors.get(server)?.link !== undefined || parts.neighborhood.hasAsked(server)) return;
    parts.contacts.reach(server, context.addressOf(server) ?? address, {
      use: (link) => {
        if (context.neighbors.get(server)?.link === undefined)
          parts.neighborhood.reconnect(link, repair.dead);
      },
      failed: (reason, busy) => {
        if (!busy) this.failedToReach(repair, server, reason);
      },
    });
  }

  private failedToReach(repair: Repair, server: string, reason: string): void {
    const { context } = this;
    if (repair.ended) return;
    // A dial without an answer has been tried for seconds; one that was refused may find a restarted server next time.
    const tries = reason.endsWith(noAnswer) ? failuresMax : 1;
    const count = (repair.failed.get(server) ?? 0) + tries;
    if (!repair.failed.has(server)) context.story(`${repair.gone} → ${server} does not answer either`);
    repair.failed.set(server, count);
    if (count < failuresMax || !this.isAdjacent(repair, server) || context.isReachable(server)) return;
    // Its own neighbors may all have died with it, and then nobody else buries it.
    this.parts.exchange.bury(server);
    this.tellCameras(repair);
    const told = repair.former.get(server)?.neighbors ?? [];
    this.parts.cameraRejoin.considerOrphans(server, repair.gone, told);
  }

  /** A neighbor of the dead one, the dead one itself, or a neighbor of one that died together with it. */
  private isAdjacent(repair: Repair, server: string): boolean {
    return server === repair.dead || repair.former.has(server) || this.beyond(repair).includes(server);
  }

  private isGone(repair: Repair, server: string): boolean {
    return (repair.failed.get(server) ?? 0) >= failuresMax;
  }

  /** Former neighbors that died together with the dead one. */
  private together(repair: Repair): string[] {
    return [...repair.former.keys()].filter((server) => this.isGone(repair, server));
  }

  private beyond(repair: Repair): string[] {
    return this.together(repair).flatMap((server) => repair.former.get(server)?.neighbors ?? []);
  }

  private check(repair: Repair): void {
    const { context } = this;
    if (repair.ended) return;
    const missing = this.missing(repair);
    const cutOff = this.cutOffServers(repair);
    if (context.leaving || (missing.length === 0 && cutOff.length === 0))
      return this.end(repair, 'everybody can be reached');
    const near = missing.filter((server) => repair.former.has(server) || server === repair.dead);
    const further = near.length > 0 ? near : this.further(repair, missing);
    if (further.length === 0 || context.now - repair.since > repairGiveUpMs) {
      const together = this.together(repair);
      if (together.length > 0 && cutOff.length > 0)
        this.parts.reconfiguration.begin([repair.dead, ...together]);
      return this.end(repair, `out of reach: ${[...missing, ...cutOff].join(', ')}`);
    }
    const half = Math.ceil((further.length + 1) / 2);
    for (const server of context.pick(further, near.length > 0 ? half : farTries))
      this.reconnect(repair, server, repair.former.get(server)?.link);
    this.checkLater(repair, context.jitter(repairMs));
  }

  /** Servers that should live, that there is no path to, and that were not tried in vain. */
  private missing(repair: Repair): string[] {
    const { context } = this;
    const hops = context.rows.hopsFrom(context.self);
    const rows = context.rows.all().filter((row) => !isDead(row) && !hops.has(row.origin));
    return rows.map(({ origin }) => origin).filter((server) => !this.isGone(repair, server));
  }

  /** Servers further away than those that died together, tried in vain: this part is cut off from them. */
  private cutOffServers(repair: Repair): string[] {
    const near = (server: string): boolean => server === repair.dead || repair.former.has(server);
    return [...repair.failed.keys()].filter(
      (server) => this.isGone(repair, server) && !near(server) && !this.context.isReachable(server),
    );
  }

  /** Beyond those that died together: their neighbors first, then any. Who is far from a single death is left alone. */
  private further(repair: Repair, missing: readonly string[]): string[] {
    if (this.together(repair).length === 0) return [];
    const beyond = this.beyond(repair);
    const first = missing.filter((server) => beyond.includes(server));
    return first.length > 0 ? first : [...missing];
  }

  private end(repair: Repair, outcome: string): void {
    repair.ended = true;
    if (repair.former.size > 0) this.context.story(`${repair.gone} → repair ends: ${outcome}`);
  }
}
