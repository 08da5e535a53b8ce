/**
 * Sending joins over UDP: to every anycast endpoint and to servers that are known, each try from fresh sockets, so that
 * a network that spreads flows over several paths tries another one. anycast-receiver.ts is the other end.
 *
 * Invariant: every datagram is sealed with the site's key and at most `datagramBytesMax`; replies never use these
 * sockets (they are TCP).
 */

import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import type { AnycastEndpoint } from '../config/unit-config.ts';
import { encodeDatagram } from '../overlay/packet-codec.ts';
import type { Address, Packet } from '../overlay/packets.ts';
import { type SealKey, sealDatagram } from '../site/seal.ts';

export function socketType(host: string): 'udp4' | 'udp6' {
  return net.isIPv6(host) ? 'udp6' : 'udp4';
}

/** The interface of a multicast group as the socket wants it: an IPv4 address, or `::%name` for IPv6. */
export function multicastInterface({ host, interface: wanted }: AnycastEndpoint): string | undefined {
  if (wanted === undefined || wanted.includes('%')) return wanted;
  const family = net.isIPv6(host) ? 'IPv6' : 'IPv4';
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    const found = addresses.find(
      (one) => one.family === family && (name === wanted || one.address === wanted),
    );
    if (found !== undefined) return family === 'IPv6' ? `::%${name}` : found.address;
  }
  throw new Error(`no interface ${wanted} with an ${family} address`);
}

export interface AnycastSend {
  readonly packet: Packet;
  readonly keys: readonly SealKey[];
  readonly endpoints: readonly AnycastEndpoint[];
  /** servers that are asked besides: they take joins on the UDP port with the number of their link port */
  readonly also: readonly Address[];
  /** a route that is missing; the rest go on */
  readonly onFailed: (target: Address, reason: string) => void;
}

/** Seals a packet and sends it to all. The same datagram everywhere: who hears it twice knows. */
export function sendAnycast({ packet, keys, endpoints, also, onFailed }: AnycastSend): void {
  const datagram = sealDatagram(keys, encodeDatagram(packet), randomBytes);
  for (const endpoint of endpoints) {
    const multicast = endpoint.kind === 'multicast';
    const targets = [{ host: endpoint.host, port: endpoint.port }];
    sendFrom(socketType(endpoint.host), datagram, {
      targets,
      onFailed,
      prepare: (socket) => {
        if (multicast) sendToGroup(socket, multicastInterface(endpoint));
      },
    });
  }
  for (const family of ['udp4', 'udp6'] as const) {
    const targets = also.filter(({ host }) => socketType(host) === family);
    if (targets.length > 0) sendFrom(family, datagram, { targets, onFailed });
  }
}

function sendToGroup(socket: dgram.Socket, through: string | undefined): void {
  if (through !== undefined) socket.setMulticastInterface(through);
  socket.setMulticastTTL(4);
  socket.setMulticastLoopback(true);
}

interface Send {
  readonly targets: readonly Address[];
  readonly prepare?: (socket: dgram.Socket) => void;
  readonly onFailed: AnycastSend['onFailed'];
}

/** From one fresh socket to each of the targets. */
function sendFrom(family: 'udp4' | 'udp6', datagram: Buffer, { targets, prepare, onFailed }: Send): void {
  const socket = dgram.createSocket(family);
  const waiting = new Set(targets);
  const finish = (target: Address, error: Error | null): void => {
    if (!waiting.delete(target)) return;
    if (error !== null) onFailed(target, error.message);
    if (waiting.size === 0) socket.close();
  };
  const fail = (error: Error): void => {
    for (const target of targets) finish(target, error);
  };
  socket.on('error', fail);
  socket.bind(0, () => {
    try {
      prepare?.(socket);
    } catch (error) {
      return fail(error as Error);
    }
    for (const target of targets) {
      try {
        socket.send(datagram, target.port, target.host, (error) => finish(target, error));
      } catch (error) {
        finish(target, error as Error);
      }
    }
  });
}
