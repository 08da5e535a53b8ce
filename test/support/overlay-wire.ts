/**
 * A tiny network in memory for overlay nodes: joins reach every server, links keep order and take a random, seeded
 * time, every packet is encoded and decoded on its way. Virtual time in ms; nothing runs but in `run`.
 */
import assert from 'node:assert/strict';
import { CameraNode } from '../../firmware/overlay/camera-node.ts';
import type {
  Effect,
  LinkId,
  OverlayEvent,
  OverlayNode,
  Peer,
  Random,
} from '../../firmware/overlay/effects.ts';
import {
  decodeDatagram,
  decodePacketBody,
  encodeDatagram,
  encodePacketBody,
  type Packet,
  packetNumber,
} from '../../firmware/overlay/packets.ts';
import { ServerNode } from '../../firmware/overlay/server-node.ts';

/** Mulberry32: small, fast, and the same everywhere. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  return {
    unit,
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(unit() * 256))),
  };
}

/** Keeps a packet honest: what is not encodable or not decodable fails the test. */
function carried(packet: Packet, datagram: boolean): Packet {
  const decoded = datagram
    ? decodeDatagram(encodeDatagram(packet))
    : decodePacketBody(packetNumber(packet), encodePacketBody(packet));
  assert(decoded.ok && decoded.value !== undefined, `${packet.name} does not make the journey`);
  return decoded.value;
}

interface End {
  readonly unit: string;
  readonly link: LinkId;
  readonly peer: Unit;
  other: End | undefined;
  /** no packet arrives before this, as links keep order */
  readyAt: number;
  open: boolean;
}

interface Unit<N extends OverlayNode = OverlayNode> {
  readonly id: string;
  readonly role: Peer['role'];
  node: N;
  up: boolean;
  /** counts lives: what was on its way to an earlier one is lost */
  life: number;
  readonly ends: Map<LinkId, End>;
  /** effects by name, since the start */
  readonly effects: Effect[];
  /** what survives a power cut */
  state: Record<string, number>;
}

/** What its certificate proves. */
function peerOf({ id, role }: Unit): Peer {
  return { unit: id, role };
}

export interface WireOptions {
  readonly seed: number;
  /** one way, ms */
  readonly latencyMs?: { readonly min: number; readonly max: number };
}

export class OverlayWire {
  now = 0;
  private readonly random: Random;
  private readonly latencyMs: { readonly min: number; readonly max: number };
  private readonly queue: { at: number; order: number; run: () => void }[] = [];
  private readonly units = new Map<string, Unit>();
  private order = 0;
  private nextLink = 1;
  /** packets that travelled, by name */
  readonly packets = new Map<string, number>();
  /** joins do not arrive while this is false */
  anycast = true;
  /** whether joins of one unit arrive at another */
  reaches: (from: string, to: string) => boolean = () => true;

  constructor({ seed, latencyMs = { min: 0.2, max: 5 } }: WireOptions) {
    this.random = seededRandom(seed);
    this.latencyMs = latencyMs;
  }

  addServer(
    id: string,
    options: { camerasMax?: number; state?: Record<string, number> } = {},
  ): Unit<ServerNode> {
    const incarnation = (options.state?.['incarnation'] ?? 0) + 1;
    const node = new ServerNode({
      network: 'home',
      unit: id,
      link: { host: id, port: 1 },
      reachableAt: { host: id, port: 1 },
      pageUrl: `http://${id}`,
      incarnation,
      camerasMax: options.camerasMax ?? 64,
      random: this.random,
      utcUs: () => Math.round(this.now * 1000),
    });
    return this.add(id, 'server', node, { ...options.state, incarnation });
  }

  addCamera(
    id: string,
    options: { cameras?: string[]; state?: Record<string, number> } = {},
  ): Unit<CameraNode> {
    const incarnation = (options.state?.['incarnation'] ?? 0) + 1;
    const node = new CameraNode({
      network: 'home',
      unit: id,
      cameras: options.cameras ?? [id],
      link: { host: id, port: 1 },
      incarnation,
      epoch: options.state?.['epoch'] ?? 0,
      random: this.random,
    });
    return this.add(id, 'camera', node, { ...options.state, incarnation });
  }

  private add<N extends OverlayNode>(
    id: string,
    role: Peer['role'],
    node: N,
    state: Record<string, number>,
  ): Unit<N> {
    const life = (this.units.get(id)?.life ?? 0) + 1;
    const unit: Unit<N> = { id, role, node, up: true, life, ends: new Map(), effects: [], state };
    this.units.set(id, unit);
    this.at(0, () => this.step(unit, { type: 'start' }));
    return unit;
  }

  /** The unit stops without a word. Its peers see broken links, or, when `silent`, nothing at all. */
  crash(unit: Unit, { silent = false } = {}): void {
    unit.up = false;
    for (const end of unit.ends.values()) {
      end.open = false;
      if (!silent) this.closeLater(end.other, 'connection reset');
    }
    unit.ends.clear();
  }

  /** Delivers everything up to `ms` from now. */
  run(ms: number): void {
    const end = this.now + ms;
    for (let turns = 0; ; turns++) {
      assert(turns < 500_000, `time does not pass at ${this.now} ms`);
      const next = this.queue[0];
      const waking = [...this.units.values()].filter(({ up }) => up);
      const wakeAt = Math.min(...waking.map(({ node }) => node.wakeAt()));
      const at = Math.max(this.now, Math.min(next?.at ?? Number.POSITIVE_INFINITY, wakeAt));
      if (at > end) break;
      this.now = at;
      if (next !== undefined && next.at <= at) {
        this.queue.shift();
        next.run();
      } else {
        for (const unit of waking) if (unit.node.wakeAt() <= at) this.step(unit, { type: 'tick' });
      }
    }
    this.now = end;
  }

  /** Runs until the condition holds; fails after `ms`. */
  until(what: string, holds: () => boolean, ms = 30_000): void {
    const end = this.now + ms;
    while (!holds()) {
      assert(this.now < end, `not within ${ms} ms: ${what}`);
      this.run(10);
    }
  }

  /** Open links between two units. */
  linksBetween(a: Unit, b: Unit): number {
    return [...a.ends.values()].filter(({ peer, other }) => peer === b && other?.open === true).length;
  }

  private at(delayMs: number, run: () => void): void {
    this.order += 1;
    const entry = { at: this.now + delayMs, order: this.order, run };
    const place = this.queue.findLastIndex(({ at }) => at <= entry.at);
    this.queue.splice(place + 1, 0, entry);
  }

  private latency(): number {
    const { min, max } = this.latencyMs;
    return min + (max - min) * this.random.unit();
  }

  /** Steps a node and performs its effects, as the shell does: events they cause come after. */
  private step(unit: Unit, event: OverlayEvent): void {
    if (!unit.up || this.units.get(unit.id) !== unit) return;
    const caused: OverlayEvent[] = [];
    for (const effect of unit.node.step(this.now, event)) {
      unit.effects.push(effect);
      this.perform(unit, effect, caused);
    }
    for (const next of caused) this.step(unit, next);
  }

  private perform(unit: Unit, effect: Effect, caused: OverlayEvent[]): void {
    if (effect.type === 'anycast') this.sendJoin(unit, effect.packet);
    else if (effect.type === 'dial') this.dial(unit, effect.dial, effect.address.host);
    else if (effect.type === 'send') this.send(unit, effect.link, effect.packet);
    else if (effect.type === 'persist') unit.state = { ...unit.state, ...effect.state };
    else if (effect.type === 'close') {
      const end = unit.ends.get(effect.link);
      if (end === undefined) return;
      unit.ends.delete(effect.link);
      end.open = false;
      this.closeLater(end.other, 'closed by the peer');
      caused.push({ type: 'closed', link: effect.link, reason: effect.reason });
    }
  }

  private count(packet: Packet): void {
    this.packets.set(packet.name, (this.packets.get(packet.name) ?? 0) + 1);
  }

  private sendJoin(from: Unit, packet: Packet): void {
    if (!this.anycast) return;
    for (const unit of this.units.values()) {
      if (unit.role !== 'server' || !this.reaches(from.id, unit.id)) continue;
      this.count(packet);
      const event = { type: 'datagram', packet: carried(packet, true), from: from.id } as const;
      this.at(this.latency(), () => this.step(unit, event));
    }
  }

  private dial(from: Unit, dial: number, host: string): void {
    const target = this.units.get(host);
    this.at(3 * this.latency(), () => {
      if (!from.up) return;
      if (target === undefined || !target.up || this.units.get(host) !== target) {
        return this.step(from, { type: 'dial-failed', dial, reason: 'refused' });
      }
      const a: End = {
        unit: from.id,
        link: this.nextLink++,
        peer: target,
        readyAt: 0,
        open: true,
        other: undefined,
      };
      const b: End = { unit: target.id, link: this.nextLink++, peer: from, readyAt: 0, open: true, other: a };
      a.other = b;
      from.ends.set(a.link, a);
      target.ends.set(b.link, b);
      this.step(target, { type: 'accepted', link: b.link, peer: peerOf(from) });
      this.step(from, { type: 'dialed', dial, link: a.link, peer: peerOf(target) });
    });
  }

  /** Puts a packet on the way; `end` is the receiver's. */
  private deliver(end: End, run: (unit: Unit) => void): void {
    end.readyAt = Math.max(end.readyAt, this.now + this.latency());
    const unit = this.units.get(end.unit);
    this.at(end.readyAt - this.now, () => {
      if (unit?.up === true && unit.ends.get(end.link) === end) run(unit);
    });
  }

  private send(unit: Unit, link: LinkId, packet: Packet): void {
    const end = unit.ends.get(link);
    const other = end?.other;
    if (other === undefined) return;
    this.count(packet);
    const arriving = carried(packet, false);
    this.deliver(other, (receiver) =>
      this.step(receiver, { type: 'packet', link: other.link, packet: arriving }),
    );
  }

  private closeLater(end: End | undefined, reason: string): void {
    if (end === undefined || !end.open) return;
    this.deliver(end, (unit) => {
      unit.ends.delete(end.link);
      end.open = false;
      this.step(unit, { type: 'closed', link: end.link, reason });
    });
  }
}
