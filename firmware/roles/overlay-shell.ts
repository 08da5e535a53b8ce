/**
 * Drives an overlay node: packets from links and datagrams go in as events, the effects that come out are performed in
 * order. Media frames of a link pass by the node to whoever streams on that link. The world is behind `Surroundings`:
 * sockets and files, or a simulation in virtual time.
 *
 * Invariants: one event at a time, its effects performed before the next; a persisted state is on the medium before
 * the effects after it, unless the medium fails; one timer, never later than the node's `wakeAt`, and no tick before it.
 */
import type { Clock } from '../base/clock.ts';
import { type FrameParts, joinParts } from '../base/frames.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode, StoryAbout } from '../overlay/effects.ts';
import { decodePacketBody, encodePacketBody, packetNumber } from '../overlay/packet-codec.ts';
import type { Address, Packet, PacketBody } from '../overlay/packets.ts';
import type { FrameLink, Surroundings } from '../overlay/surroundings.ts';
import type { Log, Refusals } from '../runtime/log.ts';

/** Frame kinds from here on are media. */
const mediaKindMin = 256;
/** Longest overlay packet on a link. */
const packetBytesMax = 64 * 1024;
/** Links of one unit; beyond it new ones are refused. */
const linksMax = 512;

/** Media renews a link's life this often at most; far more often than silence is noticed. */
const heardMs = 500;

/** A timer may be early by so much, for sums of times are rounded. */
const earlyMs = 0.001;

/** A link, and when the node last heard that its other end is alive. */
interface OpenLink {
  readonly link: FrameLink;
  heardAt: number;
  user: LinkUser | undefined;
}

/** Who streams on a link. */
export interface LinkUser {
  /** Returns why the link must be closed, if it must. */
  frame(kind: number, parts: FrameParts): string | undefined;
  drained(): void;
}

/** What only the shell performs. */
type OwnEffect =
  | 'anycast'
  | 'anycast-address'
  | 'dial'
  | 'send'
  | 'close'
  | 'persist'
  | 'remember'
  | 'refused'
  | 'story';

/** Effects that the role performs. */
export type RoleEffect = Exclude<Effect, { type: OwnEffect }>;

export interface OverlayShellOptions {
  readonly node: OverlayNode;
  /** packets of another site are refused */
  readonly site: string;
  readonly surroundings: Surroundings;
  readonly clock: Clock;
  readonly log: Log;
  readonly refusals: Refusals;
  /** something happened that is counted */
  readonly onStory?: ((about: StoryAbout) => void) | undefined;
  /** called in the middle of a step: what it asks of the shell happens after the effects of that step */
  readonly onEffect: (effect: RoleEffect) => void;
}

export class OverlayShell implements AsyncDisposable {
  private readonly options: OverlayShellOptions;
  private readonly links = new Map<LinkId, OpenLink>();
  /** not read from, until this unit can take more */
  private readonly held = new Set<LinkId>();
  private nextLink = 1;
  private readonly queue: OverlayEvent[] = [];
  private busy = false;
  private armedAt = Number.POSITIVE_INFINITY;
  private cancelTimer = (): void => undefined;
  /** the node's time does not go back */
  private notBefore = Number.NEGATIVE_INFINITY;
  private stopped = false;

  constructor(options: OverlayShellOptions) {
    this.options = options;
  }

  start(): void {
    this.handle({ type: 'start' });
  }

  /** A join arrived, its seal held and it is fresh; `multicast` when other servers heard it too. */
  datagram(packet: Packet, from: string, multicast: boolean): void {
    if (packet.header.site !== this.options.site) {
      this.options.refusals.refuse('a packet of another site', from);
      return;
    }
    this.handle({ type: 'datagram', packet, from, multicast });
  }

  /** Somebody has dialled this unit. */
  accept(link: FrameLink): void {
    this.adopt(link, (id) => ({ type: 'accepted', link: id, peer: link.peer }));
  }

  /** Asks who manages a camera; the effect `answered` carries the same number. */
  query(query: number, camera: string): void {
    this.handle({ type: 'query', query, camera });
  }

  /** Writes a row of the site document; without a value it is deleted. */
  write(kind: string, id: string, value: Buffer | undefined): void {
    this.handle({ type: 'write', kind, id, value });
  }

  /** Server: sends a camera of its own a command. Camera: answers one (`reply`). */
  control(body: PacketBody<'cam-control'>): void {
    this.handle({ type: 'control', body });
  }

  /** Server: sends a camera of its own a wish. Camera: tells the manager where one looks. */
  steer(body: PacketBody<'cam-steer'>): void {
    this.handle({ type: 'steer', body });
  }

  /** Camera: tells the manager what its sensors saw. Server: answers that this is kept. */
  events(body: PacketBody<'cam-event'>): void {
    this.handle({ type: 'events', body });
  }

  /** Server: whether it can record at all. */
  capacity(usable: boolean): void {
    this.handle({ type: 'capacity', usable });
  }

  /** Server: this machine has got another address. */
  movedTo(reachableAt: Address): void {
    this.handle({ type: 'moved', reachableAt });
  }

  /** Leaves the network in good order; the effect `left` follows. */
  leave(): void {
    this.handle({ type: 'leave' });
  }

  /** Names who gets a link's media frames, or nobody; undefined when the link is gone already. */
  use(id: LinkId, user: LinkUser | undefined): FrameLink | undefined {
    const open = this.links.get(id);
    if (open !== undefined) open.user = user;
    return open?.link;
  }

  /** Stops or resumes reading from a link. A link that is held back counts as alive, since it cannot show it. */
  hold(id: LinkId, held: boolean): void {
    const open = this.links.get(id);
    if (open === undefined || this.held.has(id) === held) return;
    if (held) {
      this.held.add(id);
      open.link.pause();
    } else {
      this.held.delete(id);
      open.link.resume();
      this.handle({ type: 'heard', link: id });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    this.cancelTimer();
    await Promise.all([...this.links.values()].map(({ link }) => link.end('the unit stops')));
  }

  /** Takes a link in; the node hears of it before anything that came over it. False when there are too many. */
  private adopt(link: FrameLink, event: (id: LinkId) => OverlayEvent): boolean {
    if (this.stopped || this.links.size >= linksMax) {
      link.close('too many links');
      return false;
    }
    const id = this.nextLink++;
    const open: OpenLink = { link, heardAt: Number.NEGATIVE_INFINITY, user: undefined };
    this.links.set(id, open);
    this.handle(event(id));
    link.open({
      frame: (kind, parts) => {
        if (kind >= mediaKindMin) this.media(id, open, kind, parts);
        else this.packet(id, link, kind, parts);
      },
      drained: () => open.user?.drained(),
      refused: (reason) => this.options.refusals.refuse(reason, link.peer.unit),
      closed: (reason) => {
        this.links.delete(id);
        this.held.delete(id);
        this.handle({ type: 'closed', link: id, reason });
      },
    });
    return true;
  }

  private packet(id: LinkId, link: FrameLink, kind: number, parts: FrameParts): void {
    const body = parts.length === 0 ? Buffer.alloc(0) : joinParts(parts);
    if (body.length > packetBytesMax) return this.refuse(link, 'over-long packet');
    const packet = decodePacketBody(kind, body);
    if (!packet.ok) return this.refuse(link, packet.reason);
    if (packet.value === undefined) return;
    if (packet.value.header.site !== this.options.site) return this.refuse(link, 'a packet of another site');
    this.handle({ type: 'packet', link: id, packet: packet.value });
  }

  /** Echoes may wait behind a long burst of media, so media counts as a sign of life as well. */
  private media(id: LinkId, open: OpenLink, kind: number, parts: FrameParts): void {
    const now = this.options.clock.monotonicMs();
    if (now - open.heardAt >= heardMs) {
      open.heardAt = now;
      this.handle({ type: 'heard', link: id });
    }
    const fault = open.user?.frame(kind, parts);
    if (fault !== undefined) this.refuse(open.link, fault);
  }

  private refuse(link: FrameLink, reason: string): void {
    this.options.refusals.refuse(reason, link.peer.unit);
    link.close(reason);
  }

  /** Steps the node; events that effects cause wait their turn. */
  private handle(event: OverlayEvent): void {
    if (this.stopped) return;
    this.queue.push(event);
    if (this.busy) return;
    this.busy = true;
    try {
      const { node, clock } = this.options;
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        const now = Math.max(clock.monotonicMs(), this.notBefore);
        for (const effect of node.step(now, next)) this.perform(effect);
      }
    } finally {
      this.busy = false;
    }
    this.arm();
  }

  /** A node that puts its tick off leaves the timer as it is: it is cheaper to look again then. */
  private arm(): void {
    const at = this.options.node.wakeAt();
    if (this.stopped || at >= this.armedAt) return;
    this.cancelTimer();
    this.armedAt = at;
    const { clock } = this.options;
    this.cancelTimer = clock.after(Math.max(0, at - clock.monotonicMs()), () => this.due());
  }

  private due(): void {
    this.armedAt = Number.POSITIVE_INFINITY;
    const at = this.options.node.wakeAt();
    if (at - this.options.clock.monotonicMs() > earlyMs) return this.arm();
    this.notBefore = Math.max(at, this.notBefore);
    for (const link of this.held) this.handle({ type: 'heard', link });
    this.handle({ type: 'tick' });
  }

  private perform(effect: Effect): void {
    const { surroundings, log, refusals } = this.options;
    switch (effect.type) {
      case 'anycast':
        return surroundings.anycast(effect.packet, effect.also);
      case 'anycast-address':
        return surroundings.anycastAddress(effect.up);
      case 'dial':
        return this.dial(effect.dial, effect.address);
      case 'send':
        return this.send(effect.link, effect.packet);
      case 'close':
        return this.links.get(effect.link)?.link.close(effect.reason);
      case 'persist':
        // A unit whose disk refuses goes on, for recording matters more: its peers remember these numbers too.
        surroundings.persist(effect.state);
        return;
      case 'remember':
        return surroundings.remember(effect.record);
      case 'refused':
        return refusals.refuse(effect.reason, effect.peer);
      case 'story':
        if (effect.about !== undefined) this.options.onStory?.(effect.about);
        return log('info', effect.text);
      default:
        return this.options.onEffect(effect);
    }
  }

  private send(id: LinkId, packet: Packet): void {
    const link = this.links.get(id)?.link;
    if (link === undefined) return;
    const body = encodePacketBody(packet);
    // The other end would refuse it. What it holds came from peers: no reason to end the program.
    if (body.length > packetBytesMax)
      return this.refuse(link, `${packet.name} of ${body.length} bytes is not sent`);
    link.send(packetNumber(packet), [body]);
  }

  private dial(dial: number, address: { host: string; port: number }): void {
    this.options.surroundings.dial(address, (result) => {
      if (typeof result === 'string') {
        this.options.log('debug', `dialling failed: ${result}`);
        return this.handle({ type: 'dial-failed', dial, reason: result });
      }
      const { peer } = result;
      const adopted = this.adopt(result, (id) => ({ type: 'dialed', dial, link: id, peer }));
      if (!adopted) this.handle({ type: 'dial-failed', dial, reason: 'too many links' });
    });
  }
}
