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
  spreadMs,
} from './constants.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode, Peer, Random } from './effects.ts';
import { type CameraClaim, OriginRows } from './origin-rows.ts';
import {
  type Address,
  nonceBytes,
  type OriginRow,
  type Packet,
  type PacketHeader,
  protocolVersion,
  rowsPerExchangeMax,
} from './packets.ts';
import { ServedCameras } from './served-cameras.ts';

export interface ServerNodeOptions {
  readonly network: string;
  readonly unit: string;
  /** where others dial this server */
  readonly link: Address;
  readonly pageUrl: string;
  readonly incarnation: number;
  readonly camerasMax: number;
  readonly random: Random;
  /** this server's clock, µs UTC */
  readonly utcUs: () => number;
}

interface ServerLink {
  readonly peer: string;
  /** the unit that dialled: of two crossed links the lower dialler's survives */
  readonly dialler: string;
  /** dialled or accepted; this server sent ss-connection; the handshake is over */
  stage: 'open' | 'asked' | 'neighbor';
  heardAt: number;
}

export class ServerNode implements OverlayNode {
  private readonly options: ServerNodeOptions;
  private readonly rows = new OriginRows();
  private readonly served: ServedCameras;
  private readonly answers: PendingAnswers;
  private readonly servers = new Map<LinkId, ServerLink>();
  private readonly dials = new Map<number, Answer & { readonly cameras: readonly string[] }>();
  private readonly joiningCameras = new Map<string, readonly string[]>();
  private incarnation: number;
  private version = 0;
  private published = '';
  private spreadAt = Number.POSITIVE_INFINITY;
  private lastSpreadAt = Number.NEGATIVE_INFINITY;
  private nextDial = 1;
  /** of the last joins, the newest first */
  private nonces: Buffer[] = [];
  private probeAt = Number.POSITIVE_INFINITY;
  private probeBackoffMs: number = joinBackoffMs.first;
  private echoAt = Number.POSITIVE_INFINITY;

  constructor(options: ServerNodeOptions) {
    this.options = options;
    this.incarnation = options.incarnation;
    this.served = new ServedCameras(options.camerasMax);
    this.answers = new PendingAnswers(options.random);
    this.rows.merge(this.ownRow());
  }

  wakeAt(): number {
    return Math.min(this.probeAt, this.echoAt, this.spreadAt, this.answers.wakeAt(), this.served.wakeAt());
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
    this.publish(now);
    return now >= this.spreadAt ? [...effects, ...this.spreadOwnRow(now)] : effects;
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
      case 'closed':
        return this.closed(event.link, event.reason);
      case 'tick':
        return this.tick(now);
    }
  }

  private header(): PacketHeader {
    const { network, unit } = this.options;
    return { version: protocolVersion, network, sender: unit, incarnation: this.incarnation };
  }

  private neighborIds(): string[] {
    const ids = new Set<string>();
    for (const link of this.servers.values()) if (link.stage === 'neighbor') ids.add(link.peer);
    return [...ids].sort();
  }

  private ownRow(): OriginRow {
    return {
      origin: this.options.unit,
      incarnation: this.incarnation,
      version: this.version,
      link: this.options.link,
      pageUrl: this.options.pageUrl,
      neighbors: this.neighborIds(),
      cameras: this.served.rows(),
    };
  }

  /** Raises the own row's version when what it says has changed; it is spread at once, or soon after the last time. */
  private publish(now: number): void {
    const row = this.ownRow();
    const content = contentOf(row);
    if (content === this.published) return;
    this.published = content;
    this.version += 1;
    row.version = this.version;
    this.rows.merge(row);
    this.spreadAt = Math.min(this.spreadAt, Math.max(now, this.lastSpreadAt + spreadMs));
  }

  private spreadOwnRow(now: number): Effect[] {
    this.spreadAt = Number.POSITIVE_INFINITY;
    this.lastSpreadAt = now;
    return this.spread([this.ownRow()], undefined);
  }

  private spread(rows: OriginRow[], except: LinkId | undefined): Effect[] {
    const effects: Effect[] = [];
    for (const [link, server] of this.servers) {
      if (server.stage === 'neighbor' && link !== except) effects.push(...this.exchange(link, rows));
    }
    return effects;
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
    const links = this.neighborIds().length;
    const wait =
      links === 0 ? this.probeBackoffMs : links < degree.target ? probeMs.belowTarget : probeMs.atTarget;
    this.probeBackoffMs = links === 0 ? Math.min(this.probeBackoffMs * 2, joinBackoffMs.max) : joinBackoffMs.first;
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
      const neighbors = this.neighborIds();
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
    for (const { peer, dialler } of this.servers.values()) {
      if (peer === unit && dialler === this.options.unit) return true;
    }
    return false;
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
      const offer = { unit: peer.unit, cameras: answer.cameras, header: this.header(), nonce: answer.nonce, epoch };
      return this.served.offer(now, link, offer);
    }
    this.addServer(now, link, peer.unit, this.options.unit);
    const body = { nonce: answer.nonce, link: this.options.link };
    return [{ type: 'send', link, packet: { name: 'ss-response', header: this.header(), body } }];
  }

  private addServer(now: number, link: LinkId, peer: string, dialler: string): void {
    this.servers.set(link, { peer, dialler, stage: 'open', heardAt: now });
  }

  private accepted(now: number, link: LinkId, peer: Peer): Effect[] {
    if (peer.role !== 'server') {
      return [
        { type: 'refused', reason: 'a camera certificate in a server’s role', peer: peer.unit },
        { type: 'close', link, reason: 'cameras listen, they do not dial' },
      ];
    }
    this.addServer(now, link, peer.unit, peer.unit);
    return [];
  }

  private packet(now: number, link: LinkId, packet: Packet): Effect[] {
    if (this.served.has(link)) return this.served.packet(now, link, packet, this.header(), this.options.utcUs());
    const server = this.servers.get(link);
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
        if (packet.body.nonce !== undefined) return this.offered(link, server, packet.body.nonce);
        return server.stage === 'asked' ? this.becomeNeighbors(link, server) : [];
      case 'ss-connection':
        return this.asked(link, server);
      case 'ss-echo':
        return packet.body.reply
          ? []
          : [{ type: 'send', link, packet: { name: 'ss-echo', header: this.header(), body: { reply: true } } }];
      case 'ss-exchange':
        return server.stage === 'neighbor' ? this.learn(link, packet.body.rows) : [];
      default:
        return [];
    }
  }

  /** Neighbors, and servers that may be by the end of a handshake. */
  private degreeWith(peer: string): number {
    const ids = new Set([peer]);
    for (const link of this.servers.values()) if (link.stage !== 'open') ids.add(link.peer);
    return ids.size;
  }

  private closeServer(link: LinkId, reason: string): Effect[] {
    this.servers.delete(link);
    return [{ type: 'close', link, reason }];
  }

  /** The earliest responders become neighbors, up to the target; beyond it only servers not reachable yet. */
  private offered(link: LinkId, server: ServerLink, nonce: Buffer): Effect[] {
    if (server.stage !== 'open') return [];
    if (!this.nonces.some((one) => one.equals(nonce))) {
      const reason = 'an offer for a join that is not outstanding';
      return [{ type: 'refused', reason, peer: server.peer }, ...this.closeServer(link, 'stale offer')];
    }
    const links = this.degreeWith(server.peer);
    const wanted = links <= degree.target || (links <= degree.max && !this.hops().has(server.peer));
    if (!wanted) return this.closeServer(link, 'enough links');
    server.stage = 'asked';
    const body = { link: this.options.link };
    return [{ type: 'send', link, packet: { name: 'ss-connection', header: this.header(), body } }];
  }

  /** A server that this one has dialled and offered to takes the offer. */
  private asked(link: LinkId, server: ServerLink): Effect[] {
    if (server.stage !== 'open' || server.dialler !== this.options.unit) return [];
    if (this.degreeWith(server.peer) > degree.max) return this.closeServer(link, 'enough links');
    const body = { nonce: undefined, link: this.options.link };
    return [
      { type: 'send', link, packet: { name: 'ss-response', header: this.header(), body } },
      ...this.becomeNeighbors(link, server),
    ];
  }

  /** The handshake is over: exchange everything, and settle crossed dials. */
  private becomeNeighbors(link: LinkId, server: ServerLink): Effect[] {
    for (const [other, known] of this.servers) {
      if (other === link || known.peer !== server.peer || known.stage !== 'neighbor') continue;
      const loser = known.dialler < server.dialler ? link : other;
      this.servers.delete(loser);
      if (loser === link) return [{ type: 'close', link, reason: 'crossed dials' }];
      server.stage = 'neighbor';
      return [{ type: 'close', link: other, reason: 'crossed dials' }, ...this.exchange(link, this.rows.all())];
    }
    server.stage = 'neighbor';
    return [
      { type: 'story', text: `neighbor of ${server.peer}` },
      ...this.exchange(link, this.rows.all()),
    ];
  }

  private learn(from: LinkId, rows: readonly OriginRow[]): Effect[] {
    const effects: Effect[] = [];
    const news: OriginRow[] = [];
    for (const row of rows) {
      if (row.incarnation > counterMax || row.cameras.some(({ epoch }) => epoch > counterMax)) {
        const peer = this.servers.get(from)?.peer ?? '?';
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
    const same = row.incarnation === this.incarnation && row.version === this.version;
    const ahead =
      row.incarnation > this.incarnation ||
      (row.incarnation === this.incarnation && row.version > this.version) ||
      (same && contentOf(row) !== this.published);
    if (!ahead) return [];
    this.incarnation = row.incarnation + 1;
    return [{ type: 'persist', state: { incarnation: this.incarnation } }];
  }

  private closed(link: LinkId, reason: string): Effect[] {
    if (this.served.has(link)) return this.served.forget(link, reason);
    const server = this.servers.get(link);
    this.servers.delete(link);
    if (server === undefined || server.stage !== 'neighbor') return [];
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

  private echoServers(now: number): Effect[] {
    const effects: Effect[] = [];
    for (const [link, server] of this.servers) {
      if (now - server.heardAt >= linkSilenceMs) {
        const reason = `silent for ${linkSilenceMs} ms`;
        effects.push({ type: 'close', link, reason }, ...this.closed(link, reason));
      } else if (server.stage === 'neighbor') {
        effects.push({ type: 'send', link, packet: { name: 'ss-echo', header: this.header(), body: { reply: false } } });
      }
    }
    return effects;
  }
}

/** What a row says, without its number. */
function contentOf({ incarnation, link, pageUrl, neighbors, cameras }: OriginRow): string {
  const states = cameras.map(({ camera, unit, epoch, online }) => [camera, unit, epoch, online]);
  return JSON.stringify([incarnation, link.host, link.port, pageUrl, neighbors, states]);
}

/**
 * A joiner that listens everywhere names no host: then it is dialled where its join came from. The zone of a
 * link-local address (RFC 4007 §11) means something only on one machine: ours is the one its join came by.
 */
function reachableAddress(link: Address, from: string): Address {
  const everywhere = link.host === '' || link.host === '::' || link.host === '0.0.0.0';
  if (everywhere) return { host: from, port: link.port };
  if (!/^fe[89ab][0-9a-f]:/i.test(link.host)) return link;
  const [, zone] = from.split('%');
  return zone === undefined ? link : { host: `${link.host.split('%')[0]}%${zone}`, port: link.port };
}
