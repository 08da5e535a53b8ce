/**
 * News of a newcomer (ss-arriving) [0056]: the server that it connected to tells its 1-hop neighbors, and they theirs.
 * Whoever has too many cameras may hand some over to it.
 */
import type { PacketBody } from './packets.ts';
import type { ServerContext } from './server-context.ts';
import type { Transfer } from './transfer.ts';

type Body = PacketBody<'ss-arriving'>;

export class Arrivals {
  private readonly context: ServerContext;
  private readonly transfer: Transfer;

  constructor(context: ServerContext, transfer: Transfer) {
    this.context = context;
    this.transfer = transfer;
  }

  /** Tells the neighbors, but for the newcomer and `except`. */
  tell(body: Body, except: string): void {
    for (const { server, link } of this.context.neighbors.live()) {
      if (link !== undefined && server !== except && server !== body.server)
        this.context.send(link, 'ss-arriving', body);
    }
  }

  /** The neighbor `from` tells of a newcomer. */
  received(body: Body, from: string): void {
    const { self, neighbors } = this.context;
    if (body.server === self || neighbors.get(body.server) !== undefined) return;
    this.transfer.consider({ server: body.server, address: body.link });
    if (body.hops > 1) this.tell({ ...body, hops: 1 }, from);
  }
}
