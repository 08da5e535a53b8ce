/**
 * Packets on their way to somebody else (ss-relay): a join on its ring, or tenures for a 2-hop neighbor.
 *
 * Invariants: a packet is passed on at most as often as its hops say; what is inside must be in the name of the server
 * that it comes from, and nothing but joins and tenures is taken from inside.
 */
import type { HistoryHandover } from './history-handover.ts';
import type { JoinAnswers } from './join-answers.ts';
import { decodePacketBody } from './packet-codec.ts';
import type { PacketBody } from './packets.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerLink } from './server-links.ts';

export class Relay {
  private readonly context: ServerContext;
  private readonly answers: JoinAnswers;
  private readonly handover: HistoryHandover;

  constructor(context: ServerContext, answers: JoinAnswers, handover: HistoryHandover) {
    this.context = context;
    this.answers = answers;
    this.handover = handover;
  }

  received(server: ServerLink, body: PacketBody<'ss-relay'>): void {
    const { context } = this;
    if (body.target !== undefined && body.target !== context.self) return this.passOn(body);
    const inner = decodePacketBody(body.number, body.packet);
    if (!inner.ok) return context.emit({ type: 'refused', reason: inner.reason, peer: server.peer });
    const packet = inner.value;
    if (packet?.header.sender !== body.from || packet.header.site !== context.options.site) return;
    if (packet.name === 'ss-join' || packet.name === 'cam-join')
      return this.answers.relayed(packet, body.host, body.hops, server.id);
    if (packet.name === 'ss-exchange') this.handover.received(server.id, body.from, packet.body);
  }

  private passOn(body: PacketBody<'ss-relay'>): void {
    const link = this.context.neighbors.get(body.target ?? '')?.link;
    if (body.hops > 1 && link !== undefined)
      this.context.send(link, 'ss-relay', { ...body, hops: body.hops - 1 });
  }
}
