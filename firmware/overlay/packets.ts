/**
 * Every packet of the overlay [0048][0049], declared once. Two are anycast datagrams (ss-join, cam-join), all others
 * are frames on TCP links; on both carriers a packet is `u16 number | header | body`.
 *
 * Numbers are append-only. A packet whose number is unknown here is skipped, not fatal, so that old and new firmware
 * can share a site. Numbers 4 and 7–9, 14–17 are reserved for the repair and transfer procedures.
 */
import {
  type Codec,
  decode,
  encode,
  fixedBytes,
  flag,
  i64,
  list,
  oneOf,
  optional,
  struct,
  text,
  u8,
  u16,
  u32,
  type ValueOf,
} from '../base/codec.ts';
import { id } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';

/** Raised when a packet changes in a way that old firmware cannot read. */
export const protocolVersion = 1;

/** Bytes of the number that makes each join unique and that every offer repeats. */
export const nonceBytes = 16;

/** What every packet says of its sender. */
const header = struct({
  /** the first byte of every packet, for ever */
  version: u8,
  /** the site the sender belongs to */
  network: id,
  sender: id,
  /** raised at every start of the sender */
  incarnation: u32,
});
export type PacketHeader = ValueOf<typeof header>;

/** Where a unit can be dialled. */
const address = struct({ host: text(64), port: u16 });
export type Address = ValueOf<typeof address>;

const nonce = fixedBytes(nonceBytes);

/** Most cameras one unit may carry. */
export const camerasPerUnitMax = 8;

/** Most cameras one server may list. */
export const camerasPerServerMax = 128;
/** Most links one server may have, reconnection allowance included. */
export const linksPerServerMax = 16;
/** Rows in one ss-exchange: four full rows stay below the longest frame. */
export const rowsPerExchangeMax = 4;

const managedCamera = struct({ camera: id, unit: id, epoch: u32, online: flag });
export type ManagedCamera = ValueOf<typeof managedCamera>;

/** What one server says of itself; everyone else only passes it on. Newer = higher (incarnation, version). */
const originRow = struct({
  origin: id,
  incarnation: u32,
  version: u32,
  link: address,
  pageUrl: text(200),
  neighbors: list(id, linksPerServerMax),
  cameras: list(managedCamera, camerasPerServerMax),
});
export type OriginRow = ValueOf<typeof originRow>;

const bodies = {
  /** anycast, new server → network: I am here, dial me */
  'ss-join': struct({ nonce, link: address }),
  /** answers a join (with its nonce), or ends a handshake (without) */
  'ss-response': struct({ nonce: optional(nonce), link: address }),
  /** new server → the server that answered: be my neighbor */
  'ss-connection': struct({ link: address }),
  'ss-echo': struct({ reply: flag }),
  'ss-exchange': struct({ rows: list(originRow, rowsPerExchangeMax) }),
  /** anycast, camera unit → network: manage me, dial me */
  'cam-join': struct({ nonce, link: address, cameras: list(id, camerasPerUnitMax), epoch: u32 }),
  /** server → camera: willing; `epoch` is the highest known for it */
  'cam-response': struct({ nonce, epoch: u32 }),
  /** camera accepts with the new epoch, the server confirms with lease and clock */
  'cam-connection': struct({ stage: oneOf(['accept', 'confirm']), epoch: u32, leaseMs: u32, utcUs: i64 }),
  /** server → camera and back: alive; `utcUs` is the server's clock, which the reply repeats */
  'cam-echo': struct({ reply: flag, utcUs: i64 }),
} as const;

const numbers: { readonly [K in PacketName]: number } = {
  'ss-join': 1,
  'ss-response': 2,
  'ss-connection': 3,
  'ss-echo': 5,
  'ss-exchange': 6,
  'cam-join': 10,
  'cam-response': 11,
  'cam-connection': 12,
  'cam-echo': 13,
};

export type PacketName = keyof typeof bodies;
export type PacketBody<K extends PacketName> = ValueOf<(typeof bodies)[K]>;

/** One packet of any name. */
export type Packet = {
  [K in PacketName]: { name: K; header: PacketHeader; body: PacketBody<K> };
}[PacketName];

const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name as PacketName]));

function codecOf(name: PacketName): Codec<{ header: PacketHeader; body: unknown }> {
  return struct({ header, body: bodies[name] });
}

const codecs = new Map(Object.keys(bodies).map((name) => [name as PacketName, codecOf(name as PacketName)]));

/** The frame kind of a packet on a link. */
export function packetNumber(packet: Packet): number {
  return numbers[packet.name];
}

/** A packet without its number: the body of a link frame. */
export function encodePacketBody(packet: Packet): Buffer {
  const codec = codecs.get(packet.name) as Codec<{ header: PacketHeader; body: unknown }>;
  return encode(codec, { header: packet.header, body: packet.body });
}

/** A packet with its number: the content of a datagram. */
export function encodeDatagram(packet: Packet): Buffer {
  const number = Buffer.alloc(2);
  number.writeUInt16BE(numbers[packet.name]);
  return Buffer.concat([number, encodePacketBody(packet)]);
}

/** Decodes the body of a link frame. Unknown numbers yield `undefined`: skip them. */
export function decodePacketBody(number: number, input: Uint8Array): Result<Packet | undefined> {
  const name = names.get(number);
  if (name === undefined) return accept(undefined);
  // Before the rest: another version's fields may lie elsewhere.
  const version = input[0];
  if (version !== undefined && version !== protocolVersion) {
    return reject(`${name}: protocol version ${version}, expected ${protocolVersion}`);
  }
  const decoded = decode(codecs.get(name) as Codec<{ header: PacketHeader; body: unknown }>, input);
  if (!decoded.ok) return reject(`${name}: ${decoded.reason}`);
  return accept({ name, ...decoded.value } as Packet);
}

/** Decodes the content of a datagram. */
export function decodeDatagram(input: Buffer): Result<Packet | undefined> {
  if (input.length < 2) return reject('datagram: truncated');
  return decodePacketBody(input.readUInt16BE(0), input.subarray(2));
}
