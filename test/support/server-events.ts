/** One server node, and the events that make it meet servers and cameras; times are virtual ms. */
import assert from 'node:assert/strict';
import { answerDelayMs } from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import { nonceBytes, type OriginRow, type Packet, protocolVersion } from '../../firmware/overlay/packets.ts';
import { ServerNode } from '../../firmware/overlay/server-node.ts';
import { seededRandom } from './overlay-wire.ts';

export function serverOf(
  options: { camerasMax?: number; incarnation?: number; seed?: number } = {},
): ServerNode {
  return new ServerNode({
    network: 'home',
    unit: 'ss-1',
    link: { host: '::', port: 8383 },
    reachableAt: { host: '10.0.0.1', port: 8383 },
    pageUrl: 'http://10.0.0.1',
    incarnation: options.incarnation ?? 1,
    camerasMax: options.camerasMax ?? 64,
    random: seededRandom(options.seed ?? 1),
    utcUs: () => 7,
  });
}

export function headerOf(sender: string): Packet['header'] {
  return { version: protocolVersion, network: 'home', sender, incarnation: 1 };
}

/** Every join is answered by then. */
export const answeredMs = answerDelayMs.base + answerDelayMs.load + answerDelayMs.jitter;

export const nonce = Buffer.alloc(nonceBytes, 9);

export function camJoin(unit: string, cameras = [unit], host = '::'): OverlayEvent {
  const body = { nonce, link: { host, port: 7000 }, cameras, epoch: 0 };
  return { type: 'datagram', packet: { name: 'cam-join', header: headerOf(unit), body }, from: '10.0.0.9' };
}

export function ssJoin(unit: string, host = '10.0.0.2', from = '10.0.0.2'): OverlayEvent {
  const body = { nonce, link: { host, port: 7000 } };
  return { type: 'datagram', packet: { name: 'ss-join', header: headerOf(unit), body }, from };
}

export function named<T extends Effect['type']>(
  effects: readonly Effect[],
  type: T,
): Extract<Effect, { type: T }>[] {
  return effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);
}

export function sent(effects: readonly Effect[]): Packet[] {
  return named(effects, 'send').map(({ packet }) => packet);
}

/** Lets the server answer a join and be connected to the joiner; returns the effects of the connection. */
export function meet(node: ServerNode, now: number, join: OverlayEvent, link: number): Effect[] {
  node.step(now, join);
  const [dial] = named(node.step(now + answeredMs, { type: 'tick' }), 'dial');
  assert(dial !== undefined && join.type === 'datagram', 'the join is answered');
  const role = join.packet.name === 'cam-join' ? 'camera' : 'server';
  return node.step(now + answeredMs, {
    type: 'dialed',
    dial: dial.dial,
    link,
    peer: { unit: join.packet.header.sender, role },
  });
}

export function accept(unit: string, link: number, epoch: number): OverlayEvent {
  const body = { stage: 'accept', epoch, leaseMs: 0, utcUs: 0 } as const;
  return { type: 'packet', link, packet: { name: 'cam-connection', header: headerOf(unit), body } };
}

export function exchange(link: number, rows: OriginRow[], sender = 'ss-2'): OverlayEvent {
  return { type: 'packet', link, packet: { name: 'ss-exchange', header: headerOf(sender), body: { rows } } };
}

export function rowOf(origin: string, fields: Partial<OriginRow> = {}): OriginRow {
  const link = { host: origin, port: 1 };
  return { origin, incarnation: 1, version: 1, link, pageUrl: '', neighbors: [], cameras: [], ...fields };
}

/** ss-1 with ss-2 as its neighbor over link 1. */
export function withNeighbor(options: { camerasMax?: number; incarnation?: number } = {}): ServerNode {
  const node = serverOf(options);
  node.step(0, { type: 'start' });
  meet(node, 0, ssJoin('ss-2'), 1);
  const body = { link: { host: '10.0.0.2', port: 1 } };
  node.step(answeredMs, {
    type: 'packet',
    link: 1,
    packet: { name: 'ss-connection', header: headerOf('ss-2'), body },
  });
  assert.deepEqual([...node.origins()].find(({ origin }) => origin === 'ss-1')?.neighbors, ['ss-2']);
  return node;
}
