/**
 * Sealed datagrams in the simulator: joins go to every anycast endpoint of the site. The seal is played: a datagram is
 * genuine or it is not, and each receiver's nonce cache is the production one, so that a replay is told by it.
 */
import { accept, type Result } from '../../firmware/base/result.ts';
import { decodeDatagram, encodeDatagram } from '../../firmware/overlay/packet-codec.ts';
import type { Address, Packet } from '../../firmware/overlay/packets.ts';
import type { Timeline } from './life.ts';
import type { Paths } from './paths.ts';
import { draw, keyOf } from './randomness.ts';
import type { SimUnit } from './sim-unit.ts';

/** One entry of `AnycastEndpoints`. */
export type Endpoint =
  /** every server on the segment hears it */
  | { readonly kind: 'multicast' }
  /** the nearest server whose address is announced hears it */
  | { readonly kind: 'anycast' }
  /** this server hears it */
  | { readonly kind: 'seed'; readonly server: string };

/** A datagram as it is on the wire; kept for replays. */
export interface SealedDatagram {
  readonly from: string;
  readonly genuine: boolean;
  readonly nonce: Buffer;
  readonly bytes: Buffer;
  readonly content: Result<Packet | undefined>;
}

export interface AnycastOptions {
  readonly seed: number;
  readonly timeline: Timeline;
  readonly paths: Paths;
  /** all servers, by id */
  readonly servers: () => readonly SimUnit[];
  readonly unit: (id: string) => SimUnit | undefined;
  readonly onDropped: (reason: string) => void;
}

/** The last datagrams, for an attacker to replay. */
const overheardMax = 256;

export class AnycastCarrier {
  endpoints: readonly Endpoint[] = [{ kind: 'multicast' }];
  /** whose joins reach which servers, by any endpoint; not named: all */
  readonly reaches = new Map<string, ReadonlySet<string>>();
  readonly overheard: SealedDatagram[] = [];
  /** very large networks: a multicast reaches all servers at one moment, whatever the weather */
  isSimple = false;
  /** raised when routing changes: other servers are the nearest then */
  routing = 0;
  private readonly options: AnycastOptions;
  private sealed = 0;

  constructor(options: AnycastOptions) {
    this.options = options;
  }

  send(from: SimUnit, packet: Packet, also: readonly Address[]): SealedDatagram {
    const bytes = encodeDatagram(packet);
    const nonce = Buffer.alloc(8);
    nonce.writeUInt32BE(++this.sealed);
    const datagram = { from: from.id, genuine: true, nonce, bytes, content: decodeDatagram(bytes) };
    this.overheard.push(datagram);
    if (this.overheard.length > overheardMax) this.overheard.shift();
    for (const endpoint of this.endpoints) this.sendTo(endpoint, datagram);
    for (const { host } of also) this.carry(datagram, host, false);
    return datagram;
  }

  /** What an attacker sends: to everybody who can hear it. */
  replay(datagram: SealedDatagram): void {
    for (const endpoint of this.endpoints) this.sendTo(endpoint, datagram);
  }

  /** A datagram with a seal that does not hold. */
  forge(packet: Packet): void {
    const bytes = encodeDatagram(packet);
    const forged = {
      from: packet.header.sender,
      genuine: false,
      nonce: Buffer.alloc(8),
      bytes,
      content: accept(packet),
    };
    for (const endpoint of this.endpoints) this.sendTo(endpoint, forged);
  }

  private sendTo(endpoint: Endpoint, datagram: SealedDatagram): void {
    if (endpoint.kind === 'seed') return this.carry(datagram, endpoint.server, false);
    if (endpoint.kind === 'multicast' && this.isSimple) return this.carryToAll(datagram);
    if (endpoint.kind === 'multicast') {
      for (const server of this.options.servers()) this.carry(datagram, server.id, true);
      return;
    }
    const nearest = this.nearest(datagram.from);
    if (nearest !== undefined) this.carry(datagram, nearest, false);
  }

  private carryToAll(datagram: SealedDatagram): void {
    const { timeline, servers } = this.options;
    timeline.heap.plan(timeline.now + 1, () => {
      for (const server of servers()) server.life?.run(() => this.receive(server, datagram, true));
    });
  }

  /** Routing knows nothing of programs: an address that stays up on a machine whose program died still attracts. */
  private nearest(from: string): string | undefined {
    const { seed, paths, servers } = this.options;
    let best: { id: string; metric: number } | undefined;
    for (const { id, routed, isOn } of servers()) {
      if (!routed || !isOn || !this.isReached(from, id) || paths.between(from, id).cuts > 0) continue;
      const metric = id === from ? -1 : draw(keyOf(seed, 'metric', from, id), this.routing);
      if (best === undefined || metric < best.metric) best = { id, metric };
    }
    return best?.id;
  }

  private isReached(from: string, to: string): boolean {
    return this.reaches.get(from)?.has(to) ?? true;
  }

  private carry(datagram: SealedDatagram, to: string, multicast: boolean): void {
    const { paths, timeline, unit } = this.options;
    const target = unit(to);
    if (target === undefined || target.role !== 'server' || !this.isReached(datagram.from, to)) return;
    for (const delayMs of paths.datagramDelaysMs(paths.between(datagram.from, to))) {
      timeline.heap.plan(timeline.now + delayMs, () => {
        target.life?.run(() => this.receive(target, datagram, multicast));
      });
    }
  }

  /** As io/anycast.ts does it. */
  private receive(target: SimUnit, datagram: SealedDatagram, multicast: boolean): void {
    if (!datagram.genuine) return this.options.onDropped('seal is broken');
    // What has been seen is kept for minutes: too much memory for thousands of servers, and nothing is repeated there.
    if (!this.isSimple && target.nonces.seen(datagram.nonce, target.life?.monotonicMs() ?? 0)) {
      return this.options.onDropped('nonce was seen');
    }
    const { content } = datagram;
    if (!content.ok) return this.options.onDropped(content.reason);
    if (content.value !== undefined) target.shell?.datagram(content.value, datagram.from, multicast);
  }
}
