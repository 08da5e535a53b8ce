/**
 * Anycast datagrams over UDP: joins go to every endpoint, each try from a fresh socket; servers receive on the
 * multicast groups and anycast addresses among the endpoints (never on seeds, which are other servers' addresses).
 *
 * Invariants: every datagram is sealed with the site's key and at most `datagramBytesMax`; a bad seal or a replayed
 * nonce changes nothing but a counter; replies never use this socket (they are TCP).
 */

import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';
import { networkInterfaces } from 'node:os';
import { Failure } from '../base/failure.ts';
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
  /** an endpoint that cannot be listened on, told once; the others go on, and it is tried again */
  readonly onFailed: (endpoint: AnycastEndpoint, reason: string) => void;
  /** between two tries, default `retryMs` */
  readonly retryMs?: number;
}

/** Networks come late when a board starts, and go: groups are joined again and again, which costs nothing. */
const retryMs = 10_000;

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
  const wanted = options.endpoints.filter((endpoint) => endpoint.kind !== 'seed');
  const ears = wanted.map((endpoint) => new Ear(endpoint, receive, options.onFailed));
  const listening: boolean[] = [];
  for (const ear of ears) listening.push(await ear.listen());
  if (ears.length > 0 && !listening.includes(true)) {
    for (const ear of ears) ear.close();
    const advice = 'Check the anycast endpoints in unit.yaml and that the interface is up.';
    throw new Failure('PORT_IN_USE', 'cannot listen on any anycast endpoint', { advice });
  }
  const retry = setInterval(() => {
    for (const ear of ears) void ear.listen();
  }, options.retryMs ?? retryMs);
  return {
    [Symbol.asyncDispose]: async () => {
      clearInterval(retry);
      for (const ear of ears) ear.close();
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

/** One endpoint that is listened on, or will be. */
class Ear {
  private readonly endpoint: AnycastEndpoint;
  private readonly receive: (datagram: Buffer, from: dgram.RemoteInfo) => void;
  private readonly onFailed: AnycastReceiverOptions['onFailed'];
  private socket: dgram.Socket | undefined;
  private binding = false;
  private told = false;
  private closed = false;

  constructor(
    endpoint: AnycastEndpoint,
    receive: (datagram: Buffer, from: dgram.RemoteInfo) => void,
    onFailed: AnycastReceiverOptions['onFailed'],
  ) {
    this.endpoint = endpoint;
    this.receive = receive;
    this.onFailed = onFailed;
  }

  /** Opens what is not open and joins the group anew; false when it does not listen now. Never rejects. */
  async listen(): Promise<boolean> {
    if (this.binding || this.closed) return false;
    this.binding = true;
    try {
      const { endpoint } = this;
      const through = endpoint.kind === 'multicast' ? multicastInterface(endpoint) : undefined;
      this.socket ??= await this.bind(bindAddress(endpoint, through));
      if (this.closed) this.close();
      else if (endpoint.kind === 'multicast') joinGroup(this.socket, endpoint.host, through);
      this.told = false;
      return true;
    } catch (error) {
      this.fail(error as Error);
      return false;
    } finally {
      this.binding = false;
    }
  }

  close(): void {
    this.closed = true;
    this.socket?.close();
    this.socket = undefined;
  }

  private fail(error: Error): void {
    if (!this.told) this.onFailed(this.endpoint, error.message);
    this.told = true;
  }

  private bind(address: string): Promise<dgram.Socket> {
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket({ type: socketType(this.endpoint.host), reuseAddr: true });
      const refuse = (error: Error): void => {
        socket.close();
        reject(error);
      };
      socket.once('error', refuse);
      socket.bind({ port: this.endpoint.port, address }, () => {
        socket.off('error', refuse);
        // A later error (an interface that went away) must not end the program; joins by other endpoints still work.
        socket.on('error', (error) => this.fail(error));
        socket.on('message', this.receive);
        resolve(socket);
      });
    });
  }
}

/** A member already, on the interface that the system would choose now: so much the better. */
function joinGroup(socket: dgram.Socket, group: string, through: string | undefined): void {
  try {
    socket.addMembership(group, through);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
  }
}
