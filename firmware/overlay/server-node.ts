/**
 * The server's side of the overlay: it joins by anycast [0051]–[0056], answers the joins of servers and cameras by
 * dialling them, keeps links to a few neighbors, and spreads one row per server over them.
 *
 * What is not here yet, and where it will go: tables by hop, repair after deaths, leases with suspicion, transfer.
 * Until then every server keeps every row, and a dead neighbor's silence is trusted.
 *
 * Invariants: at most one link per neighbor; at most `degree.max` neighbors; only the owner raises its incarnation,
 * above anything its peers still remember. Sans-IO: see effects.ts.
 */
import { type Answer, PendingAnswers } from './answers.ts';
import {
  counterMax,
  degree,
  joinBackoffMs,
  linkSilenceMs,
  outstandingJoinsMax,
  probeMs,
  serverEchoMs,
} from './constants.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode, Peer, Random } from './effects.ts';
import { type CameraClaim, OriginRows } from './origin-rows.ts';
import { OwnRow } from './own-row.ts';
import {
  type Address,
  nonceBytes,
  type OriginRow,
  type Packet,
  type PacketHeader,
  protocolVersion,
  rowsPerExchangeMax,
} from './packets.ts';
import { reachableAddress } from './reachable-address.ts';
import { ServedCameras } from './served-cameras.ts';
import { ServerLinks } from './server-links.ts';

export interface ServerNodeOptions {
  readonly network: string;
  readonly unit: string;
  /** where others dial this server */
  readonly link: Address;
  /** where servers that never saw a join of this one reach it: an address of this machine, never `::` */
  readonly reachableAt: Address;
  readonly pageUrl: string;
  readonly incarnation: number;
  readonly camerasMax: number;
  readonly random: Random;
  /** this server's clock, µs UTC */
  readonly utcUs: () => number;
}

export class ServerNode implements OverlayNode {
  private readonly options: ServerNodeOptions;
  private readonly rows = new OriginRows();
  private readonly served: ServedCameras;
  private readonly answers: PendingAnswers;
  private readonly links = new ServerLinks();
  private readonly own: OwnRow;
  private readonly dials = new Map<number, Answer & { readonly cameras: readonly string[] }>();
  private readonly joiningCameras = new Map<string, readonly string[]>();
  private nextDial = 1;
  /** of the last joins, the newest first */
  private nonces: Buffer[] = [];
  private probeAt = Number.POSITIVE_INFINITY;
  private probeBackoffMs: number = joinBackoffMs.first;
  private echoAt = Number.POSITIVE_INFINITY;

  constructor(options: ServerNodeOptions) {
    this.options = options;
    this.own = new OwnRow(options.incarnation);
    this.served = new ServedCameras(options.camerasMax);
    this.answers = new PendingAnswers(options.random);
    this.rows.merge(this.ownRow());
  }

  wakeAt(): number {
    return Math.min(
      this.probeAt,
      this.echoAt,
      this.own.wakeAt(),
      this.answers.wakeAt(),
      this.served.wakeAt(),
    );
  }

  /** Every known server's row, its own included. */
  origins(): OriginRow[] {
    return this.rows.all();
  }

  /** Links between this server and each server it can reach. */
  hops(): Map<string, number> {
    return this.rows.hopsFrom(this.options.unit);
  }

  cameras(): CameraClaim[] {
    return this.rows.cameras();
  }

  step(now: number, event: OverlayEvent): Effect[] {
    const effects = this.handle(now, event);
    const row = this.own.revise(now, this.content());
    if (row !== undefined) this.rows.merge(row);
    return this.own.takeDue(now) ? [...effects, ...this.spread([this.ownRow()], undefined)] : effects;
  }

  private handle(now: number, event: OverlayEvent): Effect[] {
    switch (event.type) {
      case 'start':
        this.echoAt = now + serverEchoMs;
        return this.probe(now);
      case 'datagram':
        return this.joinHeard(now, event.packet, event.from);
      case 'dialed':
        return this.dialed(now, event.dial, event.link, event.peer);
      case 'dial-failed':
        this.dials.delete(event.dial);
        return [];
      case 'accepted':
        return this.accepted(now, event.link, event.peer);
      case 'packet':
        return this.packet(now, event.link, event.packet);
      case 'heard':
        this.served.heard(now, event.link);
        return [];
      case 'closed':
        return this.closed(event.link, event.reason);
      case 'tick':
        return this.tick(now);
    }
  }

  private header(): PacketHeader {
    const { network, unit } = this.options;
    return { version: protocolVersion, network, sender: unit, incarnation: this.own.incarnation };
  }

  private content(): Omit<OriginRow, 'incarnation' | 'version'> {
    return {
      origin: this.options.unit,
      link: this.options.reachableAt,
      pageUrl: this.options.pageUrl,
      neighbors: this.links.neighborIds(),
      cameras: this.served.rows(),
    };
  }

  private ownRow(): OriginRow {
    return this.own.of(this.content());
  }

  private spread(rows: OriginRow[], except: LinkId | undefined): Effect[] {
    const targets = this.links.neighborLinks().filter((link) => link !== except);
    return targets.flatMap((link) => this.exchange(link, rows));
  }

  private exchange(link: LinkId, rows: OriginRow[]): Effect[] {
    const effects: Effect[] = [];
    for (let at = 0; at < rows.length; at += rowsPerExchangeMax) {
      const body = { rows: rows.slice(at, at + rowsPerExchangeMax) };
      effects.push({ type: 'send', link, packet: { name: 'ss-exchange', header: this.header(), body } });
    }
    return effects;
  }

  /** Asks the network for neighbors; alone it asks again and again, with enough links now and then. */
  private probe(now: number): Effect[] {
    const links = this.links.neighborIds().length;
    const wait =
      links === 0 ? this.probeBackoffMs : links < degree.target ? probeMs.belowTarget : probeMs.atTarget;
    this.probeBackoffMs =
      links === 0 ? Math.min(this.probeBackoffMs * 2, joinBackoffMs.max) : joinBackoffMs.first;
    this.probeAt = now + wait * (0.75 + 0.5 * this.options.random.unit());
    const nonce = this.options.random.bytes(nonceBytes);
    this.nonces = [nonce, ...this.nonces].slice(0, outstandingJoinsMax);
    const body = { nonce, link: this.options.link };
    return [{ type: 'anycast', packet: { name: 'ss-join', header: this.header(), body } }];
  }

  private joinHeard(now: number, packet: Packet, from: string): Effect[] {
    const unit = packet.header.sender;
    if (unit === this.options.unit) return [];
    if (packet.name === 'ss-join') {
      const neighbors = this.links.neighborIds();
      if (this.isDialling(unit) || neighbors.includes(unit) || neighbors.length >= degree.max) return [];
      const joiner: Peer = { unit, role: 'server' };
      const address = reachableAddress(packet.body.link, from);
      this.answers.add(now, { joiner, address, nonce: packet.body.nonce }, neighbors.length / degree.max);
    }
    if (packet.name === 'cam-join') {
      const load = this.served.loadWithout(unit);
      if (load >= 1) return [];
      const joiner: Peer = { unit, role: 'camera' };
      const address = reachableAddress(packet.body.link, from);
      if (this.answers.add(now, { joiner, address, nonce: packet.body.nonce }, load)) {
        this.joiningCameras.set(unit, packet.body.cameras);
      }
    }
    return [];
  }

  /** A second link to a server that is being dialled would only be closed again. */
  private isDialling(unit: string): boolean {
    for (const { joiner } of this.dials.values()) if (joiner.unit === unit) return true;
    return this.links.has({ peer: unit, dialler: this.options.unit });
  }

  /** Dials the joiners whose time has come. */
  private answerJoins(now: number): Effect[] {
    return this.answers.due(now).map((answer): Effect => {
      const dial = this.nextDial++;
      const cameras = this.joiningCameras.get(answer.joiner.unit) ?? [];
      this.joiningCameras.delete(answer.joiner.unit);
      this.dials.set(dial, { ...answer, cameras });
      return { type: 'dial', dial, address: answer.address };
    });
  }

  private dialed(now: number, dial: number, link: LinkId, peer: Peer): Effect[] {
    const answer = this.dials.get(dial);
    this.dials.delete(dial);
    if (answer === undefined) return [{ type: 'close', link, reason: 'the join is no longer wanted' }];
    if (peer.unit !== answer.joiner.unit || peer.role !== answer.joiner.role) {
      const reason = `dialled ${answer.joiner.role} ${answer.joiner.unit}, found ${peer.role} ${peer.unit}`;
      return [
        { type: 'refused', reason: 'a certificate that is not the joiner’s', peer: peer.unit },
        { type: 'close', link, reason },
      ];
    }
    if (peer.role === 'camera') {
      const epoch = this.rows.highestEpoch(peer.unit);
      const offer = {
        unit: peer.unit,
        cameras: answer.cameras,
        header: this.header(),
        nonce: answer.nonce,
        epoch,
      };
      return this.served.offer(now, link, offer);
    }
    this.links.open(now, link, { peer: peer.unit, dialler: this.options.unit });
    const body = { nonce: answer.nonce, link: this.options.link };
    return [{ type: 'send', link, packet: { name: 'ss-response', header: this.header(), body } }];
  }

  private accepted(now: number, link: LinkId, peer: Peer): Effect[] {
    if (peer.role !== 'server') {
      return [
        { type: 'refused', reason: 'a camera certificate in a server’s role', peer: peer.unit },
        { type: 'close', link, reason: 'cameras listen, they do not dial' },
      ];
    }
    this.links.open(now, link, { peer: peer.unit, dialler: peer.unit });
    return [];
  }

  private packet(now: number, link: LinkId, packet: Packet): Effect[] {
    if (this.served.has(link))
      return this.served.packet(now, link, packet, this.header(), this.options.utcUs());
    const server = this.links.get(link);
    if (server === undefined) return [];
    if (packet.header.sender !== server.peer) {
      return [
        { type: 'refused', reason: 'a packet in another unit’s name', peer: server.peer },
        { type: 'close', link, reason: 'sender is not the certificate’s unit' },
      ];
    }
    server.heardAt = now;
    switch (packet.name) {
      case 'ss-response':
        if (packet.body.nonce !== undefined) return this.offered(link, packet.body.nonce);
        return server.stage === 'asked' ? this.becomeNeighbors(link, server.peer) : [];
      case 'ss-connection':
        return this.asked(link);
      case 'ss-echo':
        return packet.body.reply ? [] : [this.echo(link, true)];
      case 'ss-exchange':
        return server.stage === 'neighbor' ? this.learn(link, packet.body.rows) : [];
      default:
        return [];
    }
  }

  private closeServer(link: LinkId, reason: string): Effect[] {
    this.links.remove(link);
    return [{ type: 'close', link, reason }];
  }

  /** The earliest responders become neighbors, up to the target; beyond it only servers not reachable yet. */
  private offered(link: LinkId, nonce: Buffer): Effect[] {
    const server = this.links.get(link);
    if (server?.stage !== 'open') return [];
    if (!this.nonces.some((one) => one.equals(nonce))) {
      const reason = 'an offer for a join that is not outstanding';
      return [{ type: 'refused', reason, peer: server.peer }, ...this.closeServer(link, 'stale offer')];
    }
    const count = this.links.degreeWith(server.peer);
    const wanted = count <= degree.target || (count <= degree.max && !this.hops().has(server.peer));
    if (!wanted) return this.closeServer(link, 'enough links');
    server.stage = 'asked';
    const body = { link: this.options.link };
    return [{ type: 'send', link, packet: { name: 'ss-connection', header: this.header(), body } }];
  }

  /** A server that this one has dialled and offered to takes the offer. */
  private asked(link: LinkId): Effect[] {
    const server = this.links.get(link);
    if (server?.stage !== 'open' || server.dialler !== this.options.unit) return [];
    if (this.links.degreeWith(server.peer) > degree.max) return this.closeServer(link, 'enough links');
    const body = { nonce: undefined, link: this.options.link };
    return [
      { type: 'send', link, packet: { name: 'ss-response', header: this.header(), body } },
      ...this.becomeNeighbors(link, server.peer),
    ];
  }

  /** The handshake is over: exchange everything, and settle crossed dials. */
  private becomeNeighbors(link: LinkId, peer: string): Effect[] {
    const loser = this.links.settle(link);
    const first: Effect =
      loser === undefined
        ? { type: 'story', text: `neighbor of ${peer}` }
        : { type: 'close', link: loser, reason: 'crossed dials' };
    return loser === link ? [first] : [first, ...this.exchange(link, this.rows.all())];
  }

  private learn(from: LinkId, rows: readonly OriginRow[]): Effect[] {
    const effects: Effect[] = [];
    const news: OriginRow[] = [];
    for (const row of rows) {
      if (row.incarnation > counterMax || row.cameras.some(({ epoch }) => epoch > counterMax)) {
        const peer = this.links.get(from)?.peer ?? '?';
        effects.push({ type: 'refused', reason: 'a row whose numbers cannot be', peer });
      } else if (row.origin === this.options.unit) {
        effects.push(...this.outliveOwnRow(row));
      } else if (this.rows.merge(row)) {
        news.push(row);
        effects.push(...this.served.yieldTo(row.cameras));
      }
    }
    return news.length === 0 ? effects : [...effects, ...this.spread(news, from)];
  }

  /** Peers remember a later life of this server than its disk does: continue above it. */
  private outliveOwnRow(row: OriginRow): Effect[] {
    if (!this.own.outlive(row)) return [];
    return [{ type: 'persist', state: { incarnation: this.own.incarnation } }];
  }

  private closed(link: LinkId, reason: string): Effect[] {
    if (this.served.has(link)) return this.served.forget(link, reason);
    const server = this.links.remove(link);
    if (server?.stage !== 'neighbor') return [];
    this.probeAt = Math.min(this.probeAt, 0);
    return [{ type: 'story', text: `lost neighbor ${server.peer} (${reason})` }];
  }

  private tick(now: number): Effect[] {
    const effects = [...this.answerJoins(now), ...this.served.tick(now, this.header(), this.options.utcUs())];
    if (now >= this.echoAt) {
      this.echoAt = now + serverEchoMs;
      effects.push(...this.echoServers(now));
    }
    if (now >= this.probeAt) effects.push(...this.probe(now));
    return effects;
  }

  private echo(link: LinkId, reply: boolean): Effect {
    return { type: 'send', link, packet: { name: 'ss-echo', header: this.header(), body: { reply } } };
  }

  private echoServers(now: number): Effect[] {
    const reason = `silent for ${linkSilenceMs} ms`;
    const gone = this.links
      .silent(now)
      .flatMap((link): Effect[] => [{ type: 'close', link, reason }, ...this.closed(link, reason)]);
    return [...gone, ...this.links.neighborLinks().map((link) => this.echo(link, false))];
  }
}
