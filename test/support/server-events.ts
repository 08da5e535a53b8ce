/**
 * One server node on a bench: events go in at virtual times (ms), effects come out. Nothing is random: the randomness
 * is a constant that a test may change, 0.5 unless told, so that every time is exact.
 */
import assert from 'node:assert/strict';
import { profiles } from '../../firmware/overlay/constants.ts';
import type { Effect, Memory, OverlayEvent, Peer, Random } from '../../firmware/overlay/effects.ts';
import { hashOf } from '../../firmware/overlay/origin-table.ts';
import { encodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import {
  type Address,
  type Card,
  type CardNeighbor,
  digestBytes,
  type NetworkId,
  nonceBytes,
  type OriginRow,
  type Packet,
  type PacketBody,
  type PacketHeader,
  type PacketName,
  type PacketOf,
  protocolVersion,
  type UnitRow,
} from '../../firmware/overlay/packets.ts';
import { ServerContext, type ServerNodeOptions } from '../../firmware/overlay/server-context.ts';
import { ServerNode } from '../../firmware/overlay/server-node.ts';
import { exchangeBody } from '../../firmware/overlay/spread.ts';

export const lan = profiles.lan;

/** The network that everybody is in, unless told otherwise: older than all others. */
export const home: NetworkId = {
  standing: 'established',
  trusted: true,
  founded: { ms: 1_000, count: 0 },
  founder: 'ss-0',
};

export const noMemory: Memory = { known: [], tenures: [], document: [] };

/** 2026, so that times are neither 0 nor in 1970. */
export const epochUs = Date.parse('2026-11-22T12:00:00Z') * 1_000;

/** Draws are always `value`; bytes are different each time. */
export class SteadyRandom implements Random {
  value = 0.5;
  private count = 0;

  unit(): number {
    return this.value;
  }

  bytes(count: number): Buffer {
    this.count += 1;
    const bytes = Buffer.alloc(count);
    bytes.writeUInt32BE(this.count);
    return bytes;
  }
}

export const addressOf = (unit: string): Address => ({ host: unit, port: 7400 });

export function headerOf(sender: string, fields: Partial<PacketHeader> = {}): PacketHeader {
  return { version: protocolVersion, site: 'home', sender, incarnation: 1, network: home, ...fields };
}

export function packetOf<K extends PacketName>(
  header: PacketHeader,
  name: K,
  body: PacketBody<K>,
): PacketOf<K> {
  return { name, header, body } as unknown as PacketOf<K>;
}

export function rowOf(origin: string, fields: Partial<OriginRow> = {}): OriginRow {
  const link = addressOf(origin);
  const alive = { incarnation: 1, version: 2, standing: 'alive' as const };
  return { origin, ...alive, link, pageUrl: '', neighbors: [], units: [], ...fields };
}

export function unitOf(unit: string, fields: Partial<UnitRow> = {}): UnitRow {
  return { unit, epoch: 1, online: true, link: addressOf(unit), cameras: [unit], ...fields };
}

export function cardOf(
  server: string,
  neighbors: readonly (string | CardNeighbor)[],
  fields: Partial<Card> = {},
): Card {
  const told = neighbors.map((one) => (typeof one === 'string' ? cardNeighborOf(one) : one));
  const joinTime = { ms: 2_000, count: 0 };
  return { version: 1, link: addressOf(server), joinTime, load: 0, neighbors: told, ...fields };
}

export function cardNeighborOf(server: string, fields: Partial<CardNeighbor> = {}): CardNeighbor {
  const joinTime = { ms: 3_000, count: 0 };
  return {
    server,
    incarnation: 1,
    link: addressOf(server),
    joinTime,
    costUs: 1_000,
    neighbors: [],
    ...fields,
  };
}

function contextOptions(options: Partial<ServerNodeOptions> = {}): ServerNodeOptions {
  return {
    site: 'home',
    unit: 'ss-1',
    link: { host: '::', port: 7400 },
    reachableAt: addressOf('ss-1'),
    pageUrl: 'http://ss-1:8080',
    incarnation: 1,
    camerasMax: 64,
    kbpsMax: 600_000,
    profile: lan,
    memory: noMemory,
    random: new SteadyRandom(),
    utcUs: () => epochUs,
    clockTrusted: () => true,
    ...options,
  };
}

/** A context without a node around it, for testing one part. */
export function contextOf(options: Partial<ServerNodeOptions> = {}): ServerContext {
  return new ServerContext(contextOptions(options));
}

export function named<T extends Effect['type']>(
  effects: readonly Effect[],
  type: T,
): Extract<Effect, { type: T }>[] {
  return effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

export const kinds = (effects: readonly Effect[]): string[] => effects.map(({ type }) => type);

export const storiesIn = (effects: readonly Effect[]): string[] =>
  named(effects, 'story').map(({ text }) => text);

/** What was sent with one name, over one link or any. */
export function sent<K extends PacketName>(
  effects: readonly Effect[],
  name: K,
  link?: number,
): { link: number; header: PacketHeader; body: PacketBody<K> }[] {
  return named(effects, 'send')
    .filter((effect) => effect.packet.name === name && (link === undefined || effect.link === link))
    .map((effect) => ({
      link: effect.link,
      header: effect.packet.header,
      body: effect.packet.body as unknown as PacketBody<K>,
    }));
}

/** Bytes of every packet that was sent. */
export const sizesOf = (effects: readonly Effect[]): number[] =>
  named(effects, 'send').map(({ packet }) => encodePacketBody(packet).length);

export const echoOf = (parts: Partial<PacketBody<'ss-echo'>>): PacketBody<'ss-echo'> => ({
  request: 1,
  reply: false,
  costUs: 0,
  subject: undefined,
  verdict: 'none',
  ...parts,
});

export const disconnectionOf = (
  stage: PacketBody<'ss-disconnection'>['stage'],
): PacketBody<'ss-disconnection'> => ({ stage, fence: 0, witness: undefined, neighbors: [], reason: '' });

export const nonceOf = (number: number): Buffer => Buffer.alloc(nonceBytes, number);
export const digestOf = (number: number): Buffer => Buffer.alloc(digestBytes, number);

export function ssJoinOf(fields: Partial<PacketBody<'ss-join'>> = {}): PacketBody<'ss-join'> {
  return { nonce: nonceOf(1), link: { host: '::', port: 7400 }, ring: 2, attempt: 0, degree: 0, ...fields };
}

export function camJoinOf(
  unit: string,
  fields: Partial<PacketBody<'cam-join'>> = {},
): PacketBody<'cam-join'> {
  const about = { cameras: [unit], epoch: 0, kbps: 2_000, lastManager: undefined };
  return { nonce: nonceOf(1), link: addressOf(unit), ring: 2, attempt: 0, ...about, ...fields };
}

export interface DialSeen {
  readonly dial: number;
  readonly address: Address;
  readonly at: number;
}

export class TestServer {
  readonly node: ServerNode;
  readonly random: SteadyRandom;
  now = 0;
  /** dials that were not answered yet, the oldest first */
  readonly dials: DialSeen[] = [];
  /** links over which something comes all the time */
  readonly alive = new Set<number>();

  constructor(options: Partial<ServerNodeOptions> & { start?: boolean } = {}) {
    const { start = true, ...rest } = options;
    this.random = new SteadyRandom();
    const utcUs = (): number => epochUs + this.now * 1_000;
    this.node = new ServerNode(contextOptions({ random: this.random, utcUs, ...rest }));
    if (start) this.step({ type: 'start' });
  }

  step(event: OverlayEvent): Effect[] {
    const effects = this.node.step(this.now, event);
    for (const { dial, address } of named(effects, 'dial')) this.dials.push({ dial, address, at: this.now });
    return effects;
  }

  /** Lets time pass, with a tick exactly whenever one is due; returns all effects. */
  run(ms: number): Effect[] {
    const end = this.now + ms;
    const effects: Effect[] = [];
    for (let ticks = 0; this.now < end; ticks++) {
      assert(ticks < 100_000, 'time does not pass');
      const beat = this.alive.size === 0 ? end : Math.floor(this.now / 100) * 100 + 100;
      this.now = Math.max(this.now, Math.min(end, beat, this.node.wakeAt()));
      if (this.now === beat)
        for (const link of this.alive) effects.push(...this.step({ type: 'heard', link }));
      if (this.node.wakeAt() <= this.now) effects.push(...this.step({ type: 'tick' }));
    }
    return effects;
  }

  packet<K extends PacketName>(
    link: number,
    sender: string,
    name: K,
    body: PacketBody<K>,
    fields: Partial<PacketHeader> = {},
  ): Effect[] {
    return this.step({
      type: 'packet',
      link,
      packet: packetOf(headerOf(sender, fields), name, body) as Packet,
    });
  }

  datagram<K extends 'ss-join' | 'cam-join'>(
    sender: string,
    name: K,
    body: PacketBody<K>,
    options: { from?: string; multicast?: boolean; incarnation?: number; network?: NetworkId } = {},
  ): Effect[] {
    const { from = sender, multicast = true, incarnation = 1, network = home } = options;
    const packet = packetOf(headerOf(sender, { incarnation, network }), name, body) as Packet;
    return this.step({ type: 'datagram', packet, from, multicast });
  }

  /** A server dials this one. */
  accepted(link: number, server: string): Effect[] {
    return this.step({ type: 'accepted', link, peer: { unit: server, role: 'server' } });
  }

  /** The oldest open dial to this unit is answered, by itself unless told. */
  dialed(host: string, link: number, peer: Peer): Effect[] {
    const at = this.dials.findIndex(({ address }) => address.host === host);
    const [dial] = at < 0 ? [] : this.dials.splice(at, 1);
    assert(dial !== undefined, `nobody dials ${host}`);
    return this.step({ type: 'dialed', dial: dial.dial, link, peer });
  }

  dialFailed(host: string, reason = 'connection refused'): Effect[] {
    const at = this.dials.findIndex(({ address }) => address.host === host);
    const [dial] = at < 0 ? [] : this.dials.splice(at, 1);
    assert(dial !== undefined, `nobody dials ${host}`);
    return this.step({ type: 'dial-failed', dial: dial.dial, reason });
  }

  isDialling(host: string): boolean {
    return this.dials.some(({ address }) => address.host === host);
  }

  exchange(
    link: number,
    sender: string,
    parts: Partial<PacketBody<'ss-exchange'>>,
    fields: Partial<PacketHeader> = {},
  ): Effect[] {
    return this.packet(link, sender, 'ss-exchange', exchangeBody(parts), fields);
  }

  /** A server dials and becomes a neighbor, with its row and its card. What follows is taken out of the way. */
  neighbor(
    link: number,
    server: string,
    options: { others?: readonly (string | CardNeighbor)[]; row?: OriginRow; card?: Partial<Card> } = {},
  ): void {
    const { others = [], row = rowOf(server, { neighbors: [hashOf('ss-1')] }), card = {} } = options;
    this.accepted(link, server);
    this.packet(link, server, 'ss-connection', {
      link: addressOf(server),
      joinTime: { ms: 2_000, count: 0 },
    });
    const self = cardNeighborOf('ss-1');
    this.exchange(link, server, { rows: [row], card: cardOf(server, [self, ...others], card) });
    assert(this.node.inspect().neighbors.includes(server), `${server} is a neighbor`);
    this.alive.add(link);
    this.run(100);
  }

  /** A camera unit joins and is managed, with this epoch. */
  manage(link: number, unit: string, options: { epoch?: number; cameras?: string[]; kbps?: number } = {}) {
    const { epoch = 1, cameras = [unit], kbps = 2_000 } = options;
    this.offerTo(link, unit, { cameras, kbps });
    const effects = this.acceptOffer(link, unit, epoch);
    assert.equal(named(effects, 'attached').length, 1, `${unit} is managed`);
    this.alive.add(link);
    return effects;
  }

  /** A camera unit joins, is dialled and gets its offer. */
  offerTo(link: number, unit: string, fields: Partial<PacketBody<'cam-join'>> = {}): Effect[] {
    const nonce = Buffer.alloc(nonceBytes);
    nonce.writeUInt32BE(link);
    this.datagram(unit, 'cam-join', camJoinOf(unit, { nonce, lastManager: 'ss-1', ...fields }));
    this.run(1);
    return this.dialed(unit, link, { unit, role: 'camera' });
  }

  acceptOffer(link: number, unit: string, epoch: number): Effect[] {
    const body = { stage: 'accept' as const, epoch, leaseMs: 0, utcUs: 0, herd: 0, known: [] };
    return this.packet(link, unit, 'cam-connection', body);
  }

  /** This server's own row, as it would be told. */
  ownVersion(): number {
    return this.node.inspect().version;
  }
}
