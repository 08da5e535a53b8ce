/** Packets to bytes and back. Decoding never throws; what it yields is within the bounds of packets.ts. */
import { type Codec, decode, encode, struct } from '../base/codec.ts';
import { accept, type Result, reject } from '../base/result.ts';
import {
  bodies,
  headerCodec,
  numbers,
  type Packet,
  type PacketHeader,
  type PacketName,
  protocolVersion,
} from './packets.ts';

type AnyPacket = { header: PacketHeader; body: unknown };

function codecOf(name: PacketName): Codec<AnyPacket> {
  return struct({ header: headerCodec, body: bodies[name] });
}

const names = new Map(Object.entries(numbers).map(([name, number]) => [number, name as PacketName]));
const codecs = new Map(Object.keys(bodies).map((name) => [name as PacketName, codecOf(name as PacketName)]));

/** The frame kind of a packet on a link. */
export function packetNumber(packet: Packet): number {
  return numbers[packet.name];
}

/** A packet without its number: the body of a link frame. */
export function encodePacketBody(packet: Packet): Buffer {
  return encode(codecs.get(packet.name) as Codec<AnyPacket>, packet);
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
  const decoded = decode(codecs.get(name) as Codec<AnyPacket>, input);
  if (!decoded.ok) return reject(`${name}: ${decoded.reason}`);
  return accept({ name, ...decoded.value } as Packet);
}

/** Decodes the content of a datagram. */
export function decodeDatagram(input: Buffer): Result<Packet | undefined> {
  if (input.length < 2) return reject('datagram: truncated');
  return decodePacketBody(input.readUInt16BE(0), input.subarray(2));
}
