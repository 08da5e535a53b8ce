/**
 * When adjacent servers died together and nobody beyond them answers, the whole part leaves and joins again [0082]–
 * [0087] (ss-reconfiguration). It leaves *logically*: cameras, recording and old links stay; what is new is that all
 * but the earliest-joined ask by anycast, in the order of their joining, as if they had no links.
 *
 * Invariant: at most one per `reconfigurationMs`, whoever begins it.
 */
import { reconfigurationMs, reconfigurationSlotMs } from './constants.ts';
import { NeighborTable } from './neighbor-table.ts';
import { type HlcTime, incidentBytes, type PacketBody } from './packets.ts';
import type { ServerContext } from './server-context.ts';
import { textHash } from './text-hash.ts';

export class Reconfiguration {
  private readonly context: ServerContext;
  private readonly rejoin: (delayMs: number) => void;
  private lastAt = Number.NEGATIVE_INFINITY;

  /** `rejoin` joins anew after so many ms. */
  constructor(context: ServerContext, rejoin: (delayMs: number) => void) {
    this.context = context;
    this.rejoin = rejoin;
  }

  /** This server has found adjacent servers dead, and nobody beyond. */
  begin(dead: readonly string[]): void {
    const sorted = [...dead].sort().slice(0, 16);
    const incident = textHash(sorted.join(' ')).subarray(0, incidentBytes);
    this.received({ incident, dead: sorted }, undefined);
  }

  /** Everybody in the part hears of it once; `from` is the neighbor that told. */
  received(body: PacketBody<'ss-reconfiguration'>, from: string | undefined): void {
    const { context } = this;
    if (context.now - this.lastAt < reconfigurationMs) return;
    this.lastAt = context.now;
    context.story(`${body.dead.join(', ')} dead together → the part is reconfigured`);
    for (const { server, link } of context.neighbors.live()) {
      if (link !== undefined && server !== from) context.send(link, 'ss-reconfiguration', body);
    }
    const rank = this.rank();
    if (rank > 0) this.rejoin(rank * reconfigurationSlotMs);
  }

  /** How many of the servers around joined earlier: all it knows of is its neighbors. */
  private rank(): number {
    const { context } = this;
    const self = { server: context.self, joinTime: context.joinTime ?? context.clock.now() };
    const around: { server: string; joinTime: HlcTime }[] = [
      ...context.neighbors.all(),
      ...context.neighbors.far().map(({ server, told }) => ({ server, joinTime: told.joinTime })),
    ];
    return around.filter((one) => NeighborTable.earlier(one, self)).length;
  }
}
