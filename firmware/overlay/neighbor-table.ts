/**
 * The neighbor table [0033]–[0036]: the configuration of the 1-hop neighbors, and what their cards tell of the 2-hop
 * ones. Nothing is kept of servers further away.
 *
 * Invariants: a neighbor has at most one link; one without a link is suspected; costs are µs of round trip.
 */

import type { LinkId } from './effects.ts';
import { compareHlc, zeroHlc } from './hlc.ts';
import type { Address, Card, CardNeighbor, HlcTime } from './packets.ts';

export interface Neighbor {
  readonly server: string;
  /** undefined while the link is broken and nothing is decided yet */
  link: LinkId | undefined;
  incarnation: number;
  address: Address;
  joinTime: HlcTime;
  /** smoothed; 0 until it was measured */
  costUs: number;
  /** its own word; undefined until it came */
  card: Card | undefined;
  /** since when it is suspected */
  suspectedAt: number | undefined;
}

/** A 2-hop neighbor, through every 1-hop neighbor that names it, the cheapest first. */
export interface FarNeighbor {
  readonly server: string;
  readonly from: readonly string[];
  readonly costUs: number;
  readonly told: CardNeighbor;
}

export class NeighborTable {
  private readonly self: string;
  private readonly neighbors = new Map<string, Neighbor>();

  constructor(self: string) {
    this.self = self;
  }

  get(server: string): Neighbor | undefined {
    return this.neighbors.get(server);
  }

  add(neighbor: Neighbor): void {
    this.neighbors.set(neighbor.server, neighbor);
  }

  remove(server: string): void {
    this.neighbors.delete(server);
  }

  get size(): number {
    return this.neighbors.size;
  }

  /** By id. */
  all(): Neighbor[] {
    return [...this.neighbors.values()].sort((a, b) => (a.server < b.server ? -1 : 1));
  }

  ids(): string[] {
    return [...this.neighbors.keys()].sort();
  }

  /** Those with a link on which they were heard lately. */
  live(): Neighbor[] {
    return this.all().filter(({ link, suspectedAt }) => link !== undefined && suspectedAt === undefined);
  }

  /** Neighbors of neighbors, by id. */
  far(): FarNeighbor[] {
    const found = new Map<string, { costUs: number; server: string; told: CardNeighbor }[]>();
    for (const near of this.all()) {
      for (const told of near.card?.neighbors ?? []) {
        if (told.server === this.self || this.neighbors.has(told.server)) continue;
        const ways = found.get(told.server) ?? [];
        ways.push({ costUs: near.costUs + told.costUs, server: near.server, told });
        found.set(told.server, ways);
      }
    }
    return [...found]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([server, ways]) => {
        ways.sort((a, b) => a.costUs - b.costUs || (a.server < b.server ? -1 : 1));
        const best = ways[0] as (typeof ways)[number];
        return { server, from: ways.map((way) => way.server), costUs: best.costUs, told: best.told };
      });
  }

  /** The card of a neighbor's neighbor as that neighbor tells it. */
  told(near: string, far: string): CardNeighbor | undefined {
    return this.neighbors.get(near)?.card?.neighbors.find(({ server }) => server === far);
  }

  /** Whether `a` joined before `b`: the earliest-joined is a total order even with wrong clocks. */
  static earlier(
    a: { readonly server: string; readonly joinTime: HlcTime },
    b: { readonly server: string; readonly joinTime: HlcTime },
  ): boolean {
    const order = compareHlc(a.joinTime ?? zeroHlc, b.joinTime ?? zeroHlc);
    return order < 0 || (order === 0 && a.server < b.server);
  }
}
