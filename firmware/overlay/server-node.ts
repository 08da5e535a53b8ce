/**
 * The server's side of the overlay: it takes events to the part they concern and returns the effects. The parts and
 * their rules are listed in README.md beside this file.
 *
 * Invariants: one event at a time; a packet is believed only in its sender's own name; only the owner raises an
 * incarnation. Sans-IO: see effects.ts.
 */
import { Arrivals } from './arrivals.ts';
import { CameraCommands } from './camera-commands.ts';
import { historyDeletion } from './camera-deletion.ts';
import { CameraQuery } from './camera-query.ts';
import { CameraRejoin } from './camera-rejoin.ts';
import { knownServersMax, lateMs } from './constants.ts';
import { Contacts } from './contacts.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode, Peer } from './effects.ts';
import { Exchange } from './exchange.ts';
import { HistoryHandover } from './history-handover.ts';
import { JoinAnswers } from './join-answers.ts';
import { Leaving } from './leaving.ts';
import { Liveness } from './liveness.ts';
import type { Neighbor } from './neighbor-table.ts';
import { Neighborhood } from './neighborhood.ts';
import { compareNetworks } from './network-id.ts';
import { isDead } from './origin-table.ts';
import type { DocumentRow, HlcTime, NetworkId, OriginRow, Packet, PacketBody } from './packets.ts';
import { Pruning } from './pruning.ts';
import { Reconfiguration } from './reconfiguration.ts';
import { Recovery } from './recovery.ts';
import { Relay } from './relay.ts';
import { ServedCameras } from './served-cameras.ts';
import { ServerContext, type ServerNodeOptions } from './server-context.ts';
import { ServerJoins } from './server-joins.ts';
import type { ServerLink } from './server-links.ts';
import { camerasOf, serversOf, tablesOf } from './server-tables.ts';
import { Transfer } from './transfer.ts';
import type { CameraView, ServerView, TablesView } from './views.ts';

export type { ServerNodeOptions };

/** What a test or a status display may want to know of a server's inside. */
export interface ServerInspection {
  readonly incarnation: number;
  readonly version: number;
  readonly network: NetworkId;
  readonly joinTime: HlcTime | undefined;
  readonly neighbors: readonly string[];
  readonly units: readonly { readonly unit: string; readonly epoch: number; readonly online: boolean }[];
  readonly lock: { readonly holder: string; readonly until: number } | undefined;
  readonly timers: readonly string[];
  readonly localHealth: number;
}

export class ServerNode implements OverlayNode {
  private readonly context: ServerContext;
  private readonly contacts: Contacts;
  private readonly exchange: Exchange;
  private readonly neighborhood: Neighborhood;
  private readonly liveness: Liveness;
  private readonly joins: ServerJoins;
  private readonly answers: JoinAnswers;
  private readonly served: ServedCameras;
  private readonly recovery: Recovery;
  private readonly reconfiguration: Reconfiguration;
  private readonly pruning: Pruning;
  private readonly transfer: Transfer;
  private readonly handover: HistoryHandover;
  private readonly query: CameraQuery;
  private readonly commands: CameraCommands;
  private readonly leaving: Leaving;
  private readonly arrivals: Arrivals;
  private readonly relay: Relay;

  constructor(options: ServerNodeOptions) {
    const context = new ServerContext(options);
    this.context = context;
    this.contacts = new Contacts(context);
    const { contacts } = this;
    this.served = new ServedCameras(context, {
      changed: () => this.exchange.touchRow(),
      attached: ({ cameras, epoch }) => {
        this.handover.began(cameras, epoch ?? 0);
        this.transfer.consider();
      },
      detached: ({ cameras }) => {
        this.handover.ended(cameras);
        this.leaving.proceed();
      },
      other: ({ unit }, packet) => this.cameraSays(unit, packet),
    });
    this.exchange = new Exchange(context, {
      units: () => this.served.units(),
      load: () => Math.min(Math.round(this.served.load() * 1000), 0xffff),
      rowChanged: (row, before, from) => this.rowChanged(row, before, from),
      documentChanged: (rows) => this.documentChanged(rows),
      relieved: () => this.transfer.consider(),
    });
    const { exchange } = this;
    this.neighborhood = new Neighborhood(context, {
      contacts,
      exchange,
      gained: (neighbor, accepted) => this.gained(neighbor, accepted),
      lost: (server) => this.lost(server),
      replaced: (link) => this.pruning.replaced(link),
    });
    const { neighborhood } = this;
    this.liveness = new Liveness(context, {
      contacts,
      exchange,
      neighborhood,
      died: (server, card) => this.recovery.died(server, card),
      linkLost: (server, card) => this.recovery.cutOff(server, card),
    });
    this.joins = new ServerJoins(context, contacts, neighborhood);
    this.answers = new JoinAnswers(context, {
      contacts,
      neighborhood,
      stepAside: () => this.joins.stepAside(),
      foreign: () => this.joins.probeSoon(),
      loadWith: ({ header, body }) => this.served.loadTaking(header.sender, body.cameras.length, body.kbps),
      offer: (link, { header, body }, address) =>
        this.served.offer(link, { unit: header.sender, ...body }, address),
    });
    this.reconfiguration = new Reconfiguration(context, (delayMs) => this.joins.rejoin(delayMs));
    const { reconfiguration } = this;
    const cameraRejoin = new CameraRejoin(context, contacts);
    this.recovery = new Recovery(context, {
      contacts,
      exchange,
      neighborhood,
      cameraRejoin,
      reconfiguration,
    });
    this.pruning = new Pruning(context, neighborhood);
    this.transfer = new Transfer(context, contacts, this.served);
    this.handover = new HistoryHandover(context, contacts);
    this.query = new CameraQuery(context, contacts, this.served);
    this.commands = new CameraCommands(context, this.served);
    const { handover, served, joins, transfer } = this;
    this.leaving = new Leaving(context, { exchange, handover, served, joins, transfer });
    this.arrivals = new Arrivals(context, transfer);
    this.relay = new Relay(context, this.answers, handover);
    exchange.settle();
    context.takeEffects();
  }

  wakeAt(): number {
    return this.context.timers.wakeAt();
  }

  tables(): TablesView {
    return tablesOf(this.context);
  }

  servers(): ServerView[] {
    return serversOf(this.context);
  }

  cameras(): CameraView[] {
    return camerasOf(this.context);
  }

  document(): DocumentRow[] {
    return this.context.document.rows();
  }

  inspect(): ServerInspection {
    const { incarnation, network, joinTime, neighbors, timers, health, now } = this.context;
    return {
      incarnation,
      version: this.exchange.ownVersion(),
      network,
      joinTime,
      neighbors: neighbors.ids(),
      units: this.served.units(),
      lock: this.pruning.holder(),
      timers: timers.names(),
      localHealth: health.factor(now) - 1,
    };
  }

  step(now: number, event: OverlayEvent): Effect[] {
    const { context } = this;
    const lateBy = now - Math.max(context.timers.wakeAt(), context.now);
    context.now = now;
    if (lateBy > lateMs && event.type !== 'start') this.wasAway(lateBy);
    this.handle(event);
    this.exchange.settle();
    this.query.settle();
    this.rememberChanges();
    return context.takeEffects();
  }

  private wasAway(ms: number): void {
    this.liveness.wasAway(ms);
    this.served.wasAway(ms);
  }

  private rememberChanges(): void {
    const { history, known } = this.context;
    for (const camera of history.takeChanged())
      this.context.remember({ kind: 'tenures', camera, tenures: history.of(camera) });
    if (known.takeChanged()) this.context.remember({ kind: 'known', servers: known.list(knownServersMax) });
  }

  private handle(event: OverlayEvent): void {
    const { context } = this;
    switch (event.type) {
      case 'start':
        this.handover.start();
        this.liveness.start();
        this.exchange.sendDigests();
        this.answers.start();
        return this.joins.start();
      case 'datagram':
        return this.datagram(event.packet, event.from, event.multicast);
      case 'dialed':
        return this.contacts.dialed(event.dial, event.link, event.peer);
      case 'dial-failed':
        return this.contacts.dialFailed(event.dial, event.reason);
      case 'accepted':
        return this.accepted(event.link, event.peer);
      case 'packet':
        return this.packet(event.link, event.packet);
      case 'heard':
        return this.heard(event.link);
      case 'closed':
        return this.closed(event.link, event.reason);
      case 'query':
        return this.query.ask(event.query, event.camera);
      case 'write':
        return this.exchange.write(event.kind, event.id, event.value);
      case 'capacity':
        return this.served.setUsable(event.usable);
      case 'moved':
        return this.exchange.movedTo(event.reachableAt);
      case 'leave':
        return this.leaving.begin();
      case 'tick':
        return context.timers.run(context.now);
      default:
        return this.commands.command(event);
    }
  }

  private datagram(packet: Packet, from: string, multicast: boolean): void {
    if (packet.name === 'ss-join' || packet.name === 'cam-join') this.answers.heard(packet, from, multicast);
  }

  private accepted(link: LinkId, peer: Peer): void {
    const { context } = this;
    if (peer.role === 'server') return this.contacts.opened(link, peer.unit, peer.unit);
    context.emit({ type: 'refused', reason: 'a camera certificate in a server’s role', peer: peer.unit });
    context.emit({ type: 'close', link, reason: 'cameras listen, they do not dial' });
  }

  private heard(link: LinkId): void {
    this.served.heard(link);
    const server = this.context.links.get(link);
    if (server !== undefined) this.liveness.heard(server);
  }

  private closed(link: LinkId, reason: string): void {
    const { context } = this;
    if (this.served.has(link)) return this.served.closed(link, reason);
    const server = context.links.remove(link);
    if (server === undefined) return;
    this.neighborhood.forgetAsked(link);
    if (this.pruning.closed(link)) return this.neighborhood.lose(server.peer, 'redundant');
    if (context.leaving) return this.leaving.released(server.peer);
    this.liveness.closed(server, reason);
  }

  private packet(link: LinkId, packet: Packet): void {
    const { context } = this;
    if (this.served.has(link)) return this.served.packet(link, packet);
    const server = context.links.get(link);
    if (server === undefined) return;
    if (packet.header.sender !== server.peer) {
      context.emit({ type: 'refused', reason: 'a packet in another unit’s name', peer: server.peer });
      this.contacts.close(link, 'sender is not the certificate’s unit');
      return this.liveness.closed(server, 'sender is not the certificate’s unit');
    }
    server.incarnation = Math.max(server.incarnation, packet.header.incarnation);
    const neighbor = context.neighbors.get(server.peer);
    if (neighbor?.link === link) neighbor.incarnation = server.incarnation;
    this.liveness.heard(server);
    this.remind(server);
    const { network } = packet.header;
    if (server.neighbor && network !== undefined && compareNetworks(network, context.network) !== 0)
      this.neighborhood.meetNetwork(network);
    this.serverSays(server, packet);
  }

  /** A server that has lost its disk is told the incarnation it had, and goes on above it. */
  private remind(server: ServerLink): void {
    const known = this.context.rows.get(server.peer)?.incarnation ?? 0;
    if (server.incarnation >= known || server.told) return;
    server.told = true;
    this.exchange.remind(server.id, server.peer);
  }

  private serverSays(server: ServerLink, packet: Packet): void {
    const { id, peer } = server;
    const { network } = packet.header;
    switch (packet.name) {
      case 'ss-response':
        if (packet.body.nonce === undefined) return this.neighborhood.granted(server, packet.body, network);
        return this.joins.offered(server, packet.body, network);
      case 'ss-connection':
      case 'ss-reconnection':
        return this.neighborhood.asks(server, packet, network);
      case 'ss-arriving':
        return this.arrivals.received(packet.body, peer);
      case 'ss-echo':
        return this.liveness.echoed(server, packet.body);
      case 'ss-exchange':
        this.exchange.received(id, peer, packet.body);
        return this.handover.received(id, peer, packet.body);
      case 'ss-disconnection':
        return this.disconnection(server, packet.body, network);
      case 'ss-reconfiguration':
        return this.reconfiguration.received(packet.body, peer);
      case 'ss-relay':
        return this.relay.received(server, packet.body);
      case 'cam-query':
        return this.query.received(id, peer, packet.body);
      case 'cam-transfer':
        return this.transfer.received(id, peer, packet.body);
      default:
        return undefined;
    }
  }

  /** What a camera says besides its connection and its echoes. */
  private cameraSays(unit: string, packet: Packet): void {
    if (packet.name === 'cam-transfer' && packet.body.stage === 'told')
      this.transfer.toldCamera(unit, packet.body);
    this.commands.said(packet);
  }

  private gained(neighbor: Neighbor, accepted: boolean): void {
    this.liveness.gained(neighbor);
    this.pruning.consider();
    this.joins.wantMore();
    if (!accepted) return;
    // The server that the newcomer connected to tells its 1-hop neighbors, and they theirs [0056].
    const { server, address, joinTime } = neighbor;
    this.arrivals.tell({ server, link: address, joinTime, hops: 2 }, server);
    this.transfer.consider({ server, address });
  }

  private lost(server: string): void {
    this.liveness.left(server);
    this.pruning.lost(server);
    this.joins.lost();
  }

  private disconnection(
    server: ServerLink,
    body: PacketBody<'ss-disconnection'>,
    network: NetworkId | undefined,
  ): void {
    if (body.stage === 'refused') return this.neighborhood.refused(server, network);
    if (body.stage === 'left') return this.leaving.released(server.peer);
    if (body.stage === 'leave') return this.neighborLeaves(server);
    this.pruning.received(server.id, server.peer, body);
  }

  private neighborLeaves({ id, peer }: ServerLink): void {
    const { context } = this;
    const card = context.neighbors.get(peer)?.card;
    this.neighborhood.demote(peer);
    const body = { stage: 'left' as const, fence: 0, witness: undefined, neighbors: [], reason: '' };
    context.send(id, 'ss-disconnection', body);
    this.recovery.died(peer, card);
  }

  private rowChanged(row: OriginRow, before: OriginRow | undefined, from: string): void {
    const { context } = this;
    this.served.yieldTo(row);
    this.handover.seen(row);
    this.leaving.proceed();
    const wasDead = before !== undefined && isDead(before);
    if (isDead(row) && !wasDead) {
      context.story(
        row.standing === 'left' ? `${row.origin} leaves` : `${row.origin} is dead (told by ${from})`,
      );
      this.liveness.confirmedByRow(row.origin);
    } else if (wasDead && !isDead(row)) context.story(`${row.origin} is back`);
  }

  private documentChanged(rows: readonly DocumentRow[]): void {
    for (const { id } of rows.filter(({ kind }) => kind === historyDeletion)) {
      this.handover.deleted(id);
      this.served.removed(id);
    }
    this.context.emit({ type: 'document', rows });
  }
}
