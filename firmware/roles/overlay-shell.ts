/**
 * Drives an overlay node with the real world: packets from links and datagrams go in as events, the effects that come
 * out are performed in order. Media frames of a link pass by the node to whoever streams on that link.
 *
 * Invariants: one event at a time, its effects performed before the next; a persisted state is on the medium before
 * the effects after it, unless the medium fails; one timer, at the node's `wakeAt`.
 */
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import { type FrameParts, joinParts } from '../base/frames.ts';
import type { AnycastEndpoint } from '../config/unit-config.ts';
import { sendAnycast } from '../io/anycast.ts';
import { readState, writeState } from '../io/state-file.ts';
import type { UnitIdentity } from '../io/tls-identity.ts';
import { dialLink, type TlsLink } from '../io/tls-link.ts';
import type { Effect, LinkId, OverlayEvent, OverlayNode } from '../overlay/effects.ts';
import { decodePacketBody, encodePacketBody, type Packet, packetNumber } from '../overlay/packets.ts';
import type { Log, Refusals } from '../runtime/log.ts';

/** Frame kinds from here on are media. */
const mediaKindMin = 256;
/** Longest overlay packet on a link. */
const packetBytesMax = 64 * 1024;
/** Links of one unit; beyond it new ones are refused. */
const linksMax = 512;

/** Media renews a link's life this often at most; far more often than silence is noticed. */
const heardMs = 500;

/** A link, and when the node last heard that its other end is alive. */
interface OpenLink {
  readonly link: TlsLink;
  heardAt: number;
  /** not read from, until this unit can take more */
  held: boolean;
}

/** Who streams on a link. */
export interface LinkUser {
  /** Returns why the link must be closed, if it must. */
  frame(kind: number, parts: FrameParts): string | undefined;
  drained(): void;
}

/** Effects that the role performs, not the shell. */
export type RoleEffect = Extract<Effect, { type: 'attached' | 'detached' | 'managed' | 'unmanaged' }>;

export interface OverlayShellOptions {
  readonly node: OverlayNode;
  readonly identity: UnitIdentity;
  readonly endpoints: readonly AnycastEndpoint[];
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly refusals: Refusals;
  readonly onEffect: (effect: RoleEffect) => void;
}

export class OverlayShell implements AsyncDisposable {
  private readonly options: OverlayShellOptions;
  private readonly links = new Map<LinkId, OpenLink>();
  private readonly users = new Map<LinkId, LinkUser>();
  private readonly dialling = new AbortController();
  private readonly failedEndpoints = new Set<string>();
  private nextLink = 1;
  private queue: OverlayEvent[] = [];
  private busy = false;
  private cancelTick = (): void => undefined;
  private diskRefused = false;
  private stopped = false;

  constructor(options: OverlayShellOptions) {
    this.options = options;
  }

  start(): void {
    this.handle({ type: 'start' });
  }

  /** A join arrived. */
  datagram(packet: Packet, from: string): void {
    this.handle({ type: 'datagram', packet, from });
  }

  /** Somebody has dialled this unit. */
  accept(link: TlsLink): void {
    const id = this.adopt(link);
    if (id !== undefined) this.handle({ type: 'accepted', link: id, peer: link.peer });
  }

  /** Names who gets a link's media frames; undefined when the link is gone already. */
  use(id: LinkId, user: LinkUser): TlsLink | undefined {
    const open = this.links.get(id);
    if (open !== undefined) this.users.set(id, user);
    return open?.link;
  }

  /** Stops or resumes reading from a link. A link that is held back counts as alive, since it cannot show it. */
  hold(id: LinkId, held: boolean): void {
    const open = this.links.get(id);
    if (open === undefined || open.held === held) return;
    open.held = held;
    if (held) {
      open.link.pause();
    } else {
      open.link.resume();
      this.handle({ type: 'heard', link: id });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    this.cancelTick();
    this.dialling.abort();
    await Promise.all([...this.links.values()].map(({ link }) => link.end('the unit stops')));
  }

  private adopt(link: TlsLink): LinkId | undefined {
    if (this.stopped || this.links.size >= linksMax) {
      link.close('too many links');
      return undefined;
    }
    const id = this.nextLink++;
    this.links.set(id, { link, heardAt: Number.NEGATIVE_INFINITY, held: false });
    link.open({
      frame: (kind, parts) => this.frame(id, link, kind, parts),
      drained: () => this.users.get(id)?.drained(),
      refused: (reason) => this.options.refusals.refuse(reason, link.peer.unit),
      closed: (reason) => {
        this.links.delete(id);
        this.users.delete(id);
        this.handle({ type: 'closed', link: id, reason });
      },
    });
    return id;
  }

  private frame(id: LinkId, link: TlsLink, kind: number, parts: FrameParts): void {
    if (kind >= mediaKindMin) {
      this.heardMedia(id);
      const fault = this.users.get(id)?.frame(kind, parts);
      if (fault !== undefined) this.refuse(link, fault);
      return;
    }
    const body = parts.length === 0 ? Buffer.alloc(0) : joinParts(parts);
    if (body.length > packetBytesMax) return this.refuse(link, 'over-long packet');
    const packet = decodePacketBody(kind, body);
    if (!packet.ok) return this.refuse(link, packet.reason);
    if (packet.value === undefined) return;
    if (packet.value.header.network !== this.options.identity.site)
      return this.refuse(link, 'a packet of another site');
    this.handle({ type: 'packet', link: id, packet: packet.value });
  }

  /** Echoes may wait behind a long burst of media, so media counts as well. */
  private heardMedia(id: LinkId): void {
    const open = this.links.get(id);
    const now = this.options.clock.monotonicMs();
    if (open === undefined || now - open.heardAt < heardMs) return;
    open.heardAt = now;
    this.handle({ type: 'heard', link: id });
  }

  private tick(): void {
    for (const [link, { held }] of this.links) if (held) this.handle({ type: 'heard', link });
    this.handle({ type: 'tick' });
  }

  private refuse(link: TlsLink, reason: string): void {
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
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        for (const effect of this.options.node.step(this.options.clock.monotonicMs(), next))
          this.perform(effect);
      }
    } finally {
      this.busy = false;
    }
    this.arm();
  }

  private arm(): void {
    this.cancelTick();
    const at = this.options.node.wakeAt();
    if (this.stopped || at === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, at - this.options.clock.monotonicMs());
    this.cancelTick = this.options.clock.after(delayMs, () => this.tick());
  }

  private perform(effect: Effect): void {
    const { log, refusals } = this.options;
    switch (effect.type) {
      case 'anycast':
        return this.anycast(effect.packet);
      case 'dial':
        return this.dial(effect.dial, effect.address);
      case 'send':
        this.links
          .get(effect.link)
          ?.link.send(packetNumber(effect.packet), [encodePacketBody(effect.packet)]);
        return;
      case 'close':
        return this.links.get(effect.link)?.link.close(effect.reason);
      case 'persist':
        return this.persist(effect.state);
      case 'refused':
        return refusals.refuse(effect.reason, effect.peer);
      case 'story':
        return log('info', effect.text);
      default:
        return this.options.onEffect(effect);
    }
  }

  private anycast(packet: Packet): void {
    const { endpoints, identity, log } = this.options;
    sendAnycast(packet, endpoints, identity.sealKeys, ({ host, port }, reason) => {
      const endpoint = `${host}:${port}`;
      if (this.failedEndpoints.has(endpoint)) return;
      this.failedEndpoints.add(endpoint);
      log('warn', `cannot send joins to ${endpoint} (${reason}); the other endpoints are still used`);
    });
  }

  private dial(dial: number, address: { host: string; port: number }): void {
    dialLink(this.options.identity, address, this.dialling.signal).then(
      (link) => {
        const id = this.adopt(link);
        if (id === undefined) this.handle({ type: 'dial-failed', dial, reason: 'too many links' });
        else this.handle({ type: 'dialed', dial, link: id, peer: link.peer });
      },
      (error: unknown) => {
        this.options.log('debug', `dialling failed: ${messageOf(error)}`);
        this.handle({ type: 'dial-failed', dial, reason: messageOf(error) });
      },
    );
  }

  /** A unit whose disk refuses goes on, for recording matters more: its peers remember these numbers too. */
  private persist(state: Readonly<Record<string, number>>): void {
    const { dataFolder, log } = this.options;
    try {
      writeState(dataFolder, { ...readState(dataFolder), ...state });
      this.diskRefused = false;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!this.diskRefused) log('error', `${error.message}. ${error.advice} The unit goes on without.`);
      this.diskRefused = true;
    }
  }
}

/** Raises and persists the incarnation of a unit that starts; returns its whole state. */
export function beginIncarnation(dataFolder: string): { incarnation: number; epoch: number } {
  const before = readState(dataFolder);
  const incarnation = (before['incarnation'] ?? 0) + 1;
  writeState(dataFolder, { ...before, incarnation });
  return { incarnation, epoch: before['epoch'] ?? 0 };
}
