/**
 * The camera unit's side of the overlay [0060]–[0071]: it joins by anycast, listens, takes the earliest willing server,
 * and joins again unprompted when its lease lapses or the link breaks. It is the point at which its own management is
 * decided: it raises the epoch with each connection that it accepts.
 *
 * Invariants: the epoch rises by one or more on each acceptance and is persisted before the acceptance is sent, so
 * there are never two managers with one epoch; an offer whose nonce is not outstanding is refused; at most one manager
 * at a time; while it changes managers on request it streams to the old one until the new one has confirmed.
 */
import { CameraContext, type CameraNodeOptions } from './camera-context.ts';
import { commandIn, tellManager } from './camera-dialogue.ts';
import { CameraJoin } from './camera-join.ts';
import { lateMs, leaseBoundsMs, offerMs, pendingOffersMax } from './constants.ts';
import { counterMax } from './counters.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode, Peer } from './effects.ts';
import type { NetworkId, Packet, PacketBody, PacketOf } from './packets.ts';
import { type ServerChoice, serverChoice } from './server-choice.ts';
import { ServerClock } from './server-clock.ts';

export type { CameraNodeOptions };

interface Offer {
  readonly link: LinkId;
  readonly server: string;
  readonly epoch: number;
}

/** Accepted, and not confirmed yet. */
interface Connecting extends Offer {
  readonly askedAt: number;
}

interface Manager {
  readonly link: LinkId;
  readonly server: string;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly clock: ServerClock;
  heardAt: number;
}

/** The old manager closes its link when it sees the new epoch; after this time the camera does. */
const oldLinkMs = 1_000;

export class CameraNode implements OverlayNode {
  private readonly context: CameraContext;
  private readonly joins: CameraJoin;
  private readonly peers = new Map<LinkId, string>();
  private present: Manager | undefined;
  /** asked, and waiting for the confirmation */
  private connecting: Connecting | undefined;
  /** offers to fall back on, the earliest first */
  private offers: Offer[] = [];
  /** looks for a manager, or another one */
  private seeking = false;
  /** who may dial this unit next, by the word of its manager */
  private transfer: { readonly server: string; readonly nonce: Buffer; readonly until: number } | undefined;
  /** units of the present manager, or the last one */
  private herd = 1;

  /** why the present manager, or the last one */
  choice: ServerChoice | undefined;

  constructor(options: CameraNodeOptions) {
    this.context = new CameraContext(options);
    const isWaiting = (): boolean => this.seeking && this.connecting === undefined;
    this.joins = new CameraJoin(this.context, isWaiting, () => this.offers.length > 0);
  }

  wakeAt(): number {
    return this.context.alarms.wakeAt();
  }

  /** For status displays: the manager's id, or undefined while there is none. */
  manager(): string | undefined {
    return this.present?.server;
  }

  /** The highest epoch accepted. */
  epoch(): number {
    return this.context.epoch;
  }

  timers(): string[] {
    return this.context.alarms.names();
  }

  step(now: number, event: OverlayEvent): Effect[] {
    const lateBy = now - Math.max(this.context.alarms.wakeAt(), this.context.now);
    this.context.now = now;
    const { present } = this;
    // This unit did not run: what its manager sent meanwhile is still to be read, in the time that is left anyway.
    if (lateBy > lateMs && present !== undefined) {
      const heardAt = Math.max(present.heardAt + lateBy, now - present.leaseMs / 2);
      present.heardAt = Math.min(now, heardAt);
    }
    this.handle(event);
    if (this.context.known.takeChanged())
      this.context.emit({ type: 'remember', record: { kind: 'known', servers: this.context.known.list(8) } });
    return this.context.takeEffects();
  }

  private handle(event: OverlayEvent): void {
    switch (event.type) {
      case 'start':
        this.seeking = true;
        return this.joins.begin();
      case 'accepted':
        return this.accepted(event.link, event.peer);
      case 'packet':
        return this.packet(event.link, event.packet);
      case 'closed':
        return this.closed(event.link, event.reason);
      case 'heard':
        return this.renewLease(event.link);
      case 'tick':
        return this.context.alarms.run(this.context.now);
      case 'leave':
        return this.context.emit({ type: 'left' });
      default:
        if (this.present !== undefined) tellManager(this.context, this.present.link, event);
    }
  }

  private accepted(link: LinkId, peer: Peer): void {
    if (peer.role === 'server') {
      this.peers.set(link, peer.unit);
      // Who dials and says nothing does not keep a place.
      this.context.alarms.set(`silent:${link}`, this.context.now + offerMs, () => this.closeIdle(link));
      return;
    }
    this.context.emit({
      type: 'refused',
      reason: 'a camera certificate in a server’s role',
      peer: peer.unit,
    });
    this.context.emit({ type: 'close', link, reason: 'only servers may dial a camera' });
  }

  private closeIdle(link: LinkId): void {
    const used = [this.present, this.connecting, ...this.offers].some((one) => one?.link === link);
    if (!used && this.peers.has(link)) this.close(link, 'idle');
  }

  private refuse(link: LinkId, reason: string, close: string): void {
    this.context.emit({ type: 'refused', reason, peer: this.peers.get(link) ?? '?' });
    this.close(link, close);
  }

  private close(link: LinkId, reason: string): void {
    this.peers.delete(link);
    this.context.emit({ type: 'close', link, reason });
  }

  private packet(link: LinkId, packet: Packet): void {
    const server = this.peers.get(link);
    if (server === undefined) return;
    if (packet.header.sender !== server) {
      this.refuse(link, 'a packet in another unit’s name', 'sender is not the certificate’s unit');
      return this.closed(link, 'a packet in another unit’s name');
    }
    this.renewLease(link);
    switch (packet.name) {
      case 'cam-response':
        return this.offered({ link, server, epoch: packet.body.epoch }, packet.body.nonce);
      case 'cam-connection':
        if (packet.body.stage === 'confirm') this.confirmed(link, packet);
        return;
      case 'cam-echo':
        return this.echo(link, packet.body);
      case 'cam-rejoin':
        return this.toldToRejoin(link, server, packet.body);
      case 'cam-transfer':
        return this.toldToMove(link, packet.body);
      case 'cam-control':
      case 'cam-steer':
      case 'cam-event':
        if (link !== this.present?.link)
          return this.refuse(link, 'a command from a server that is not the manager', 'not the manager');
        return this.context.emit(commandIn(packet));
      default:
        return undefined;
    }
  }

  private echo(link: LinkId, body: PacketBody<'cam-echo'>): void {
    const present = link === this.present?.link ? this.present : undefined;
    if (body.reply) return present?.clock.answered();
    if (present !== undefined) {
      this.herd = body.herd;
      present.clock.read(body.utcUs);
    }
    this.context.send(link, 'cam-echo', { ...body, reply: true });
  }

  /** Any authenticated byte of the manager renews the lease. */
  private renewLease(link: LinkId): void {
    if (this.present?.link === link) this.present.heardAt = this.context.now;
  }

  private watchLease(): void {
    const { present } = this;
    if (present === undefined) return this.context.alarms.clear('lease');
    this.context.alarms.set('lease', present.heardAt + present.leaseMs, () => {
      if (this.present !== present) return;
      // Times are compared, not differences: those are rounded, and the alarm would be due again at once.
      if (this.context.now < present.heardAt + present.leaseMs) return this.watchLease();
      const reason = `silent for ${Math.round(this.context.now - present.heardAt)} ms`;
      this.close(present.link, reason);
      this.lost(reason);
    });
  }

  private isOutstanding(server: string, nonce: Buffer): boolean {
    const { transfer } = this;
    if (transfer?.server === server && this.context.now < transfer.until && transfer.nonce.equals(nonce))
      return true;
    return this.seeking && this.joins.isOutstanding(nonce);
  }

  private offered(offer: Offer, nonce: Buffer): void {
    const { link, server } = offer;
    if (link === this.present?.link || link === this.connecting?.link) return;
    if (!this.isOutstanding(server, nonce)) {
      if (this.present !== undefined || this.connecting !== undefined)
        return this.close(link, 'another server answered earlier');
      return this.refuse(link, 'an offer for a join that is not outstanding', 'stale offer');
    }
    if (offer.epoch >= counterMax)
      return this.refuse(link, 'an epoch that cannot be', 'an epoch that cannot be');
    if (this.offers.some((one) => one.link === link)) return;
    if (this.offers.length >= pendingOffersMax) return this.close(link, 'enough servers have answered');
    this.offers.push(offer);
    if (this.connecting !== undefined) return;
    const wait =
      this.context.lastManager !== undefined &&
      this.context.lastManager !== server &&
      this.transfer?.server !== server;
    if (!wait) {
      this.offers = [offer, ...this.offers.filter((one) => one !== offer)];
      return this.takeOffer();
    }
    if (!this.context.alarms.has('hold'))
      this.context.alarms.set('hold', this.context.now + this.context.profile.lastManagerMs, () =>
        this.takeOffer(),
      );
  }

  /** Accepts the best offer there is, else goes on asking. */
  private takeOffer(): void {
    this.context.alarms.clear('hold');
    if (this.connecting !== undefined) return;
    const offer = this.offers.shift();
    if (offer === undefined) {
      if (this.seeking && !this.joins.isPending()) this.joins.begin();
      return;
    }
    this.connecting = { ...offer, askedAt: this.context.now };
    this.context.epoch = Math.max(this.context.epoch, offer.epoch) + 1;
    this.context.emit({ type: 'persist', state: { epoch: this.context.epoch } });
    this.context.send(offer.link, 'cam-connection', {
      stage: 'accept',
      epoch: this.context.epoch,
      leaseMs: 0,
      utcUs: 0,
      herd: 0,
      known: [],
    });
    this.context.alarms.set('confirm', this.context.now + this.context.profile.replyMs, () => {
      this.close(offer.link, 'no confirmation in time');
      this.connecting = undefined;
      this.takeOffer();
    });
  }

  private confirmed(link: LinkId, { header, body }: PacketOf<'cam-connection'>): void {
    const offer = this.connecting;
    if (offer?.link !== link || body.epoch !== this.context.epoch) return;
    const { server } = offer;
    const old = this.present;
    const leaseMs = Math.min(Math.max(body.leaseMs, leaseBoundsMs.min), leaseBoundsMs.max);
    const heardAt = this.context.now;
    const clock = new ServerClock(this.context, { link, server, roundTripMs: heardAt - offer.askedAt });
    this.present = { link, server, epoch: body.epoch, leaseMs, clock, heardAt };
    const moved = this.transfer?.server === server;
    this.choice = serverChoice(this.present, {
      offers: this.offers,
      before: this.context.lastManager,
      moved,
    });
    this.settle();
    this.herd = body.herd;
    this.remember(server, header.network, body);
    if (old !== undefined) {
      this.context.emit({ type: 'unmanaged', server: old.server, reason: `handed over to ${server}` });
      this.context.alarms.set(`old:${old.link}`, this.context.now + oldLinkMs, () =>
        this.close(old.link, 'handed over'),
      );
    }
    clock.read(body.utcUs);
    this.context.emit({ type: 'managed', link, server, epoch: body.epoch });
    this.context.story(`managed by ${server}, epoch ${body.epoch}`);
    clock.ask();
    this.watchLease();
  }

  /** It has what it sought: nothing is outstanding any more. */
  private settle(): void {
    this.connecting = undefined;
    this.transfer = undefined;
    this.seeking = false;
    this.joins.end();
    for (const name of ['hold', 'confirm', 'check']) this.context.alarms.clear(name);
    for (const other of this.offers) this.close(other.link, 'another server answered earlier');
    this.offers = [];
  }

  private remember(
    server: string,
    network: NetworkId | undefined,
    { known }: PacketBody<'cam-connection'>,
  ): void {
    for (const one of [...known].reverse()) this.context.known.saw(one.server, one.link);
    if (this.context.lastManager !== server)
      this.context.emit({ type: 'remember', record: { kind: 'manager', server } });
    this.context.lastManager = server;
    if (network === undefined) return;
    this.context.network = network;
    this.context.emit({ type: 'remember', record: { kind: 'network', network, joinTime: undefined } });
  }

  private closed(link: LinkId, reason: string): void {
    this.peers.delete(link);
    this.context.alarms.clear(`old:${link}`);
    this.context.alarms.clear(`silent:${link}`);
    this.offers = this.offers.filter((offer) => offer.link !== link);
    if (this.connecting?.link === link) {
      this.connecting = undefined;
      this.context.alarms.clear('confirm');
      this.takeOffer();
    }
    if (this.present?.link === link) this.lost(reason);
  }

  /** Without a manager: it joins again, in its place among all those that lost the same one. */
  private lost(reason: string): void {
    const { present } = this;
    if (present === undefined) return;
    this.present = undefined;
    this.context.alarms.clear('lease');
    this.context.emit({ type: 'unmanaged', server: present.server, reason });
    this.context.story(`lost ${present.server} (${reason}), joining again`);
    if (this.connecting !== undefined || this.seeking) {
      this.seeking = true;
      return;
    }
    this.seeking = true;
    this.joins.beginInSlot(this.herd);
  }

  /** A server says that the manager is dead; or the manager itself that it leaves. */
  private toldToRejoin(link: LinkId, server: string, body: PacketBody<'cam-rejoin'>): void {
    const { present } = this;
    if (present?.link === link && body.server === server) {
      this.context.lastManager = undefined;
      if (this.seeking) return;
      this.seeking = true;
      this.context.story(`${server} leaves, joining again`);
      return this.joins.begin();
    }
    this.close(link, 'thank you');
    if (present === undefined) {
      if (body.server !== this.context.lastManager) return;
      this.context.lastManager = undefined;
      if (this.connecting === undefined) this.joins.hurry(this.herd);
      return;
    }
    if (body.server !== present.server || body.epoch !== present.epoch || this.context.alarms.has('check'))
      return;
    // One immediate echo: whoever says so may be wrong.
    const askedAt = this.context.now;
    present.clock.ask();
    this.context.alarms.set('check', this.context.now + this.context.profile.replyMs / 2, () => {
      if (this.present !== present || present.heardAt > askedAt) return;
      this.context.lastManager = undefined;
      this.close(present.link, `${server} says that it is dead`);
      this.lost(`${server} says that it is dead`);
    });
  }

  /** The manager hands this camera over: another server will dial it with this nonce. */
  private toldToMove(link: LinkId, body: PacketBody<'cam-transfer'>): void {
    if (link !== this.present?.link || body.stage !== 'tell') return;
    if (body.server === undefined || body.nonce === undefined || body.unit !== this.context.options.unit)
      return;
    this.transfer = { server: body.server, nonce: body.nonce, until: this.context.now + offerMs };
    this.context.send(link, 'cam-transfer', { ...body, stage: 'told' });
  }
}
