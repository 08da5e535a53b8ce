/**
 * Anycast datagrams over UDP: joins go to every endpoint, each try from a fresh socket; servers receive on the
 * multicast groups and anycast addresses among the endpoints (never on seeds, which are other servers' addresses).
 *
 * Invariants: every datagram is sealed with the site's key and at most `datagramBytesMax`; a bad seal or a replayed
 * nonce changes nothing but a counter; replies never use this socket (they are TCP).
 */
import dgram from 'node:dgram';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { Failure, messageOf } from '../base/failure.ts';
import type { AnycastEndpoint } from '../config/unit-config.ts';
import { decodeDatagram, encodeDatagram, type Packet } from '../overlay/packets.ts';
import { NonceCache } from '../site/nonce-cache.ts';
import { openDatagram, type SealKey, sealDatagram } from '../site/seal.ts';
import type { OnRefused } from './tls-link.ts';

function socketType(host: string): 'udp4' | 'udp6' {
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

/** Seals a packet and sends it to every endpoint; a route that is missing is told to `onFailed` and the rest go on. */
export function sendAnycast(
  packet: Packet,
  endpoints: readonly AnycastEndpoint[],
  keys: readonly SealKey[],
  onFailed: (endpoint: AnycastEndpoint, reason: string) => void,
): void {
  const datagram = sealDatagram(keys, encodeDatagram(packet), randomBytes);
  for (const endpoint of endpoints) {
    const socket = dgram.createSocket(socketType(endpoint.host));
    let finished = false;
    const finish = (error: Error | null): void => {
      if (finished) return;
      finished = true;
      if (error !== null) onFailed(endpoint, error.message);
      socket.close();
    };
    socket.on('error', finish);
    socket.bind(0, () => {
      try {
        if (endpoint.kind === 'multicast') {
          const through = multicastInterface(endpoint);
          if (through !== undefined) socket.setMulticastInterface(through);
          socket.setMulticastTTL(4);
          socket.setMulticastLoopback(true);
        }
        socket.send(datagram, endpoint.port, endpoint.host, finish);
      } catch (error) {
        finish(error as Error);
      }
    });
  }
}

export interface AnycastReceiverOptions {
  readonly endpoints: readonly AnycastEndpoint[];
  readonly keys: readonly SealKey[];
  readonly nowMs: () => number;
  readonly onPacket: (packet: Packet, from: string) => void;
  readonly onRefused: OnRefused;
  /** an endpoint that cannot be listened on; the others go on */
  readonly onFailed: (endpoint: AnycastEndpoint, reason: string) => void;
}

/** Receives joins. Rejects with Failure PORT_IN_USE when no endpoint at all could be listened on. */
export async function receiveAnycast(options: AnycastReceiverOptions): Promise<AsyncDisposable> {
  const nonces = new NonceCache(4_096);
  const receive = (datagram: Buffer, from: dgram.RemoteInfo): void => {
    const opened = openDatagram(options.keys, datagram);
    if (!opened.ok) return options.onRefused(opened.reason, from.address);
    // The same datagram arrives once per endpoint that this server listens on; only a foreign replay is worth a word.
    if (nonces.seen(opened.value.nonce, options.nowMs())) return;
    const packet = decodeDatagram(opened.value.body);
    if (!packet.ok) return options.onRefused(packet.reason, from.address);
    if (packet.value !== undefined) options.onPacket(packet.value, from.address);
  };
  const sockets: dgram.Socket[] = [];
  const listened = options.endpoints.filter((endpoint) => endpoint.kind !== 'seed');
  for (const endpoint of listened) {
    try {
      sockets.push(await listen(endpoint, receive, options.onFailed));
    } catch (error) {
      options.onFailed(endpoint, messageOf(error));
    }
  }
  if (sockets.length === 0 && listened.length > 0) {
    const advice = 'Check the anycast endpoints in unit.yaml and that the interface is up.';
    throw new Failure('PORT_IN_USE', 'cannot listen on any anycast endpoint', { advice });
  }
  return {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.close();
    },
  };
}

/**
 * Where to bind: the group or anycast address itself, so that nothing else is received. An IPv6 group that is
 * link-local can only be bound on a named interface; where the system chooses one, every address is bound.
 */
function bindAddress({ kind, host }: AnycastEndpoint, through: string | undefined): string {
  if (kind !== 'multicast' || !net.isIPv6(host)) return host;
  return through === undefined ? '::' : `${host}${through.slice(through.indexOf('%'))}`;
}

function listen(
  endpoint: AnycastEndpoint,
  receive: (datagram: Buffer, from: dgram.RemoteInfo) => void,
  onFailed: AnycastReceiverOptions['onFailed'],
): Promise<dgram.Socket> {
  return new Promise((resolve, reject) => {
    const through = endpoint.kind === 'multicast' ? multicastInterface(endpoint) : undefined;
    const socket = dgram.createSocket({ type: socketType(endpoint.host), reuseAddr: true });
    const refuse = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once('error', refuse);
    socket.bind({ port: endpoint.port, address: bindAddress(endpoint, through) }, () => {
      try {
        if (endpoint.kind === 'multicast') socket.addMembership(endpoint.host, through);
      } catch (error) {
        return refuse(error as Error);
      }
      socket.off('error', refuse);
      let told = false;
      // A later error (an interface that went away) must not end the program; joins by other endpoints still work.
      socket.on('error', (error) => {
        if (!told) onFailed(endpoint, error.message);
        told = true;
      });
      socket.on('message', receive);
      resolve(socket);
    });
  });
}
