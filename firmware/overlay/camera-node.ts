/**
 * The camera unit's side of the overlay [0060]–[0071]: it joins by anycast, listens, takes the earliest willing
 * server, and joins again unprompted when its manager falls silent or the link breaks.
 *
 * Invariants: the epoch rises by one or more on each connection it accepts and is persisted before the acceptance is
 * sent, so there are never two managers with one epoch; an offer whose nonce is not of an outstanding join is refused;
 * at most one manager at a time. Sans-IO: see effects.ts.
 */
import {
  confirmMs,
  counterMax,
  fallbackOffersMax,
  joinBackoffMs,
  leaseBoundsMs,
  outstandingJoinsMax,
} from './constants.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode, Random } from './effects.ts';
import { type Address, nonceBytes, type Packet, type PacketHeader, protocolVersion } from './packets.ts';

export interface CameraNodeOptions {
  readonly network: string;
  readonly unit: string;
  readonly cameras: readonly string[];
  /** where servers dial this unit */
  readonly link: Address;
  readonly incarnation: number;
  /** highest epoch accepted before, from the disk */
  readonly epoch: number;
  readonly random: Random;
}

interface Offer {
  readonly link: LinkId;
  readonly server: string;
  readonly epoch: number;
}

type Phase =
  | { name: 'joining'; retryAt: number; backoffMs: number }
  | { name: 'connecting'; offer: Offer; fallbacks: Offer[]; giveUpAt: number }
  | { name: 'managed'; link: LinkId; server: string; leaseMs: number; leaseUntil: number };

export class CameraNode implements OverlayNode {
  private readonly options: CameraNodeOptions;
  private readonly peers = new Map<LinkId, string>();
  private epoch: number;
  /** of the joins since a manager was last lost, the newest first */
  private nonces: Buffer[] = [];
  private phase: Phase;

  constructor(options: CameraNodeOptions) {
    this.options = options;
    this.epoch = options.epoch;
    this.phase = { name: 'joining', retryAt: Number.POSITIVE_INFINITY, backoffMs: 0 };
  }

  wakeAt(): number {
    if (this.phase.name === 'joining') return this.phase.retryAt;
    return this.phase.name === 'connecting' ? this.phase.giveUpAt : this.phase.leaseUntil;
  }

  /** For status displays: the manager's id, or undefined while there is none. */
  manager(): string | undefined {
    return this.phase.name === 'managed' ? this.phase.server : undefined;
  }

  step(now: number, event: OverlayEvent): Effect[] {
    switch (event.type) {
      case 'start':
        return this.join(now, joinBackoffMs.first);
      case 'accepted':
        return this.accepted(event.link, event.peer);
      case 'packet':
        return this.packet(now, event.link, event.packet);
      case 'closed':
        return this.closed(now, event.link, event.reason);
      case 'heard':
        this.renewLease(now, event.link);
        return [];
      case 'tick':
        return now >= this.wakeAt() ? this.due(now) : [];
      default:
        return [];
    }
  }

  private header(): PacketHeader {
    const { network, unit, incarnation } = this.options;
    return { version: protocolVersion, network, sender: unit, incarnation };
  }

  /** Asks the network for a manager, with a fresh nonce. */
  private join(now: number, backoffMs: number): Effect[] {
    const nonce = this.options.random.bytes(nonceBytes);
    this.nonces = [nonce, ...this.nonces].slice(0, outstandingJoinsMax);
    const retryAt = now + backoffMs * (0.75 + 0.5 * this.options.random.unit());
    this.phase = { name: 'joining', retryAt, backoffMs };
    const { cameras, link } = this.options;
    const body = { nonce, link, cameras: [...cameras], epoch: this.epoch };
    return [{ type: 'anycast', packet: { name: 'cam-join', header: this.header(), body } }];
  }

  private accepted(link: LinkId, peer: { unit: string; role: string }): Effect[] {
    if (peer.role !== 'server') {
      return [
        { type: 'refused', reason: 'a camera certificate in a server’s role', peer: peer.unit },
        { type: 'close', link, reason: 'only servers may dial a camera' },
      ];
    }
    this.peers.set(link, peer.unit);
    return [];
  }

  private packet(now: number, link: LinkId, packet: Packet): Effect[] {
    const server = this.peers.get(link);
    if (server === undefined) return [];
    if (packet.header.sender !== server) {
      return [
        { type: 'refused', reason: 'a packet in another unit’s name', peer: server },
        { type: 'close', link, reason: 'sender is not the certificate’s unit' },
      ];
    }
    this.renewLease(now, link);
    switch (packet.name) {
      case 'cam-response':
        return this.offered(now, { link, server, epoch: packet.body.epoch }, packet.body.nonce);
      case 'cam-connection':
        return packet.body.stage === 'confirm' ? this.confirmed(now, link, server, packet.body) : [];
      case 'cam-echo':
        return packet.body.reply
          ? []
          : [
              {
                type: 'send',
                link,
                packet: { ...packet, header: this.header(), body: { ...packet.body, reply: true } },
              },
            ];
      default:
        return [];
    }
  }

  /** Any authenticated packet of the manager renews the lease. */
  private renewLease(now: number, link: LinkId): void {
    if (this.phase.name === 'managed' && this.phase.link === link)
      this.phase.leaseUntil = now + this.phase.leaseMs;
  }

  private offered(now: number, offer: Offer, nonce: Buffer): Effect[] {
    const refuse = (reason: string, close: string): Effect[] => [
      { type: 'refused', reason, peer: offer.server },
      { type: 'close', link: offer.link, reason: close },
    ];
    if (!this.nonces.some((one) => one.equals(nonce))) {
      return refuse('an offer for a join that is not outstanding', 'stale offer');
    }
    if (offer.epoch >= counterMax) return refuse('an epoch that cannot be', 'an epoch that cannot be');
    if (this.phase.name === 'joining') return this.accept(now, offer, []);
    if (this.phase.name === 'connecting') {
      const known = [this.phase.offer, ...this.phase.fallbacks];
      if (known.some(({ link }) => link === offer.link)) return [];
      if (known.length <= fallbackOffersMax) {
        this.phase.fallbacks.push(offer);
        return [];
      }
    }
    if (this.phase.name === 'managed' && this.phase.link === offer.link) return [];
    return [{ type: 'close', link: offer.link, reason: 'another server answered earlier' }];
  }

  private accept(now: number, offer: Offer, fallbacks: Offer[]): Effect[] {
    this.epoch = Math.max(this.epoch, offer.epoch) + 1;
    this.phase = { name: 'connecting', offer, fallbacks, giveUpAt: now + confirmMs };
    const body = { stage: 'accept' as const, epoch: this.epoch, leaseMs: 0, utcUs: 0 };
    return [
      { type: 'persist', state: { epoch: this.epoch } },
      { type: 'send', link: offer.link, packet: { name: 'cam-connection', header: this.header(), body } },
    ];
  }

  private confirmed(
    now: number,
    link: LinkId,
    server: string,
    body: { epoch: number; leaseMs: number },
  ): Effect[] {
    if (this.phase.name !== 'connecting' || this.phase.offer.link !== link || body.epoch !== this.epoch)
      return [];
    const others = this.phase.fallbacks;
    const leaseMs = Math.min(Math.max(body.leaseMs, leaseBoundsMs.min), leaseBoundsMs.max);
    this.phase = { name: 'managed', link, server, leaseMs, leaseUntil: now + leaseMs };
    return [
      { type: 'managed', link, server, epoch: this.epoch },
      { type: 'story', text: `managed by ${server}, epoch ${this.epoch}` },
      ...others.map(
        (o): Effect => ({ type: 'close', link: o.link, reason: 'another server answered earlier' }),
      ),
    ];
  }

  private closed(now: number, link: LinkId, reason: string): Effect[] {
    this.peers.delete(link);
    const phase = this.phase;
    if (phase.name === 'managed' && phase.link === link) return this.lost(now, phase.server, reason);
    if (phase.name === 'connecting') {
      if (phase.offer.link === link) return this.nextOffer(now, phase.fallbacks);
      phase.fallbacks = phase.fallbacks.filter((offer) => offer.link !== link);
    }
    return [];
  }

  private lost(now: number, server: string, reason: string): Effect[] {
    this.nonces = [];
    return [
      { type: 'unmanaged', server, reason },
      { type: 'story', text: `lost ${server} (${reason}), joining again` },
      ...this.join(now, joinBackoffMs.first),
    ];
  }

  private nextOffer(now: number, fallbacks: Offer[]): Effect[] {
    const [next, ...rest] = fallbacks;
    return next === undefined ? this.join(now, joinBackoffMs.first) : this.accept(now, next, rest);
  }

  /** The phase's time is up. */
  private due(now: number): Effect[] {
    const phase = this.phase;
    if (phase.name === 'joining') return this.join(now, Math.min(phase.backoffMs * 2, joinBackoffMs.max));
    if (phase.name === 'connecting') {
      const close: Effect = { type: 'close', link: phase.offer.link, reason: 'no confirmation in time' };
      return [close, ...this.nextOffer(now, phase.fallbacks)];
    }
    const reason = `silent for ${phase.leaseMs} ms`;
    return [{ type: 'close', link: phase.link, reason }, ...this.lost(now, phase.server, reason)];
  }
}
