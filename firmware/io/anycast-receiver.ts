/**
 * A server's ears for joins: UDP sockets on the multicast groups and anycast addresses among its endpoints (never on
 * seeds, which are other servers' addresses), and on addresses of its own.
 *
 * Invariants: a bad seal or a replayed nonce changes nothing but a counter; a join that came several ways is told
 * once, and as `multicast` when one of the ways was a group, for then other servers have heard it too.
 */
import dgram from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { Failure } from '../base/failure.ts';
import type { AnycastEndpoint } from '../config/unit-config.ts';
import { decodeDatagram } from '../overlay/packet-codec.ts';
import type { Packet } from '../overlay/packets.ts';
import { NonceCache } from '../site/nonce-cache.ts';
import { openDatagram, type SealKey } from '../site/seal.ts';
import { multicastInterface, socketType } from './anycast.ts';
import type { OnRefused } from './tls-link.ts';

export interface AnycastReceiverOptions {
  readonly endpoints: readonly AnycastEndpoint[];
  readonly keys: readonly SealKey[];
  readonly nowMs: () => number;
  readonly onPacket: (packet: Packet, from: string, multicast: boolean) => void;
  readonly onRefused: OnRefused;
  /** an endpoint that cannot be listened on, told once; the others go on, and it is tried again */
  readonly onFailed: (endpoint: AnycastEndpoint, reason: string) => void;
  /** between two tries, default `retryMs` */
  readonly retryMs?: number;
}

export interface AnycastReceiver extends AsyncDisposable {
  /** Tries now what is not listened on, since an address has come up. */
  listen(): void;
}

/** Networks come late when a board starts, and go: groups are joined again and again, which costs nothing. */
const retryMs = 10_000;
/**
 * A datagram that came to an address waits so long for its twin from a group. A socket that is bound to every address
 * hears groups as well, and the system does not tell Node by which it came.
 */
const twinMs = 2;
/** Datagrams that wait for their twin at one time. */
const waitingMax = 1_024;

/** Receives joins. Rejects with Failure PORT_IN_USE when no endpoint at all could be listened on. */
export async function receiveAnycast(options: AnycastReceiverOptions): Promise<AnycastReceiver> {
  const inlet = new Inlet(options);
  const ears = new Ears(options, inlet);
  if (!(await ears.listen())) {
    ears.close();
    const advice = 'Check the anycast endpoints in unit.yaml and that the interface is up.';
    throw new Failure('PORT_IN_USE', 'cannot listen on any anycast endpoint', { advice });
  }
  const retry = setInterval(() => void ears.listen(), options.retryMs ?? retryMs);
  return {
    listen: () => void ears.listen(),
    [Symbol.asyncDispose]: async () => {
      clearInterval(retry);
      ears.close();
      inlet.close();
    },
  };
}

/** Opens datagrams, drops what was heard before, and finds out whether a group heard it. */
class Inlet {
  private readonly options: AnycastReceiverOptions;
  private readonly nonces = new NonceCache(4_096);
  /** by nonce: came to an address, and perhaps to a group as well */
  private readonly waiting = new Map<string, { tell: (multicast: boolean) => void; timer: NodeJS.Timeout }>();

  constructor(options: AnycastReceiverOptions) {
    this.options = options;
  }

  take(datagram: Buffer, from: dgram.RemoteInfo, multicast: boolean): void {
    const { keys, nowMs, onPacket, onRefused } = this.options;
    const opened = openDatagram(keys, datagram);
    if (!opened.ok) return onRefused(opened.reason, from.address);
    const { nonce, body } = opened.value;
    // The same datagram arrives once per endpoint that this server listens on; only a foreign replay is worth a word.
    if (this.nonces.seen(nonce, nowMs())) {
      if (multicast) this.settle(nonce.toString('hex'), true);
      return;
    }
    const packet = decodeDatagram(body);
    if (!packet.ok) return onRefused(packet.reason, from.address);
    const { value } = packet;
    if (value === undefined) return;
    const tell = (heardByOthers: boolean): void => onPacket(value, plainAddress(from.address), heardByOthers);
    if (multicast || this.waiting.size >= waitingMax) return tell(multicast);
    const key = nonce.toString('hex');
    this.waiting.set(key, { tell, timer: setTimeout(() => this.settle(key, false), twinMs) });
  }

  close(): void {
    for (const { timer } of this.waiting.values()) clearTimeout(timer);
    this.waiting.clear();
  }

  private settle(key: string, multicast: boolean): void {
    const found = this.waiting.get(key);
    if (found === undefined) return;
    this.waiting.delete(key);
    clearTimeout(found.timer);
    found.tell(multicast);
  }
}

/** A socket for both families shows IPv4 addresses as IPv6 (RFC 4291 §2.5.5.2). */
function plainAddress(address: string): string {
  return /^::ffff:[0-9.]+$/i.test(address) ? address.slice('::ffff:'.length) : address;
}

/** Where to listen: the group or anycast address itself, so that nothing else is received. */
interface Spot {
  readonly endpoint: AnycastEndpoint;
  readonly address: string;
  /** of a group: the interface by which it is joined, if not the one the system chooses */
  readonly through: string | undefined;
}

/**
 * The spots of an endpoint, on the interfaces that there are now. An IPv6 group of the link can only be bound on a
 * named interface; where none is named, on each. Throws an Error that says what is missing.
 */
function spotsOf(endpoint: AnycastEndpoint): Spot[] {
  const { kind, host } = endpoint;
  if (kind === 'seed') return [];
  if (kind === 'address') return [{ endpoint, address: host, through: undefined }];
  const through = multicastInterface(endpoint);
  if (!/^ff[0-9a-f]2:/i.test(host)) return [{ endpoint, address: host, through }];
  const zones = through === undefined ? linkZones() : [through.slice(through.indexOf('%') + 1)];
  if (zones.length === 0) throw new Error('no interface with an IPv6 address');
  return zones.map((zone) => ({ endpoint, address: `${host}%${zone}`, through: `::%${zone}` }));
}

/** Interfaces with a link-local IPv6 address. */
function linkZones(): string[] {
  return Object.entries(networkInterfaces())
    .filter(([, addresses = []]) =>
      addresses.some((one) => one.family === 'IPv6' && !one.internal && one.scopeid > 0),
    )
    .map(([name]) => name);
}

/** All spots that are listened on, or will be. */
class Ears {
  private readonly options: AnycastReceiverOptions;
  private readonly inlet: Inlet;
  private readonly ears = new Map<string, Ear>();
  private readonly told = new Set<AnycastEndpoint>();
  private round: Promise<boolean> = Promise.resolve(false);
  private closed = false;

  constructor(options: AnycastReceiverOptions, inlet: Inlet) {
    this.options = options;
    this.inlet = inlet;
  }

  /** Listens where it does not yet; false when there is nothing left that it listens on. Never rejects. */
  listen(): Promise<boolean> {
    this.round = this.round.then(() => this.listenAll());
    return this.round;
  }

  close(): void {
    this.closed = true;
    for (const ear of this.ears.values()) ear.close();
  }

  private async listenAll(): Promise<boolean> {
    const present = new Set<string>();
    let open = 0;
    for (const endpoint of this.options.endpoints) {
      const errors: Error[] = [];
      for (const spot of this.spots(endpoint, errors)) {
        const key = `${spot.address} ${endpoint.port} ${spot.through}`;
        present.add(key);
        const error = await this.earOf(key, spot).listen();
        if (error === undefined) open += 1;
        else errors.push(error);
      }
      const [first] = errors;
      if (first === undefined) this.told.delete(endpoint);
      else this.fail(endpoint, first);
    }
    for (const [key, ear] of this.ears) {
      if (present.has(key)) continue;
      ear.close();
      this.ears.delete(key);
    }
    return present.size === 0 || open > 0;
  }

  private spots(endpoint: AnycastEndpoint, errors: Error[]): Spot[] {
    try {
      return this.closed ? [] : spotsOf(endpoint);
    } catch (error) {
      errors.push(error as Error);
      return [];
    }
  }

  private earOf(key: string, spot: Spot): Ear {
    const multicast = spot.endpoint.kind === 'multicast';
    const receive = (datagram: Buffer, from: dgram.RemoteInfo): void =>
      this.inlet.take(datagram, from, multicast);
    const ear = this.ears.get(key) ?? new Ear(spot, receive, (error) => this.fail(spot.endpoint, error));
    this.ears.set(key, ear);
    return ear;
  }

  private fail(endpoint: AnycastEndpoint, error: NodeJS.ErrnoException): void {
    // This server's own anycast address: it is up when it may be.
    const owned = endpoint.kind === 'address' && endpoint.interface !== undefined;
    if ((owned && error.code === 'EADDRNOTAVAIL') || this.told.has(endpoint)) return;
    this.told.add(endpoint);
    this.options.onFailed(endpoint, error.message);
  }
}

/** One spot. */
class Ear {
  private readonly spot: Spot;
  private readonly receive: (datagram: Buffer, from: dgram.RemoteInfo) => void;
  private readonly onFailed: (error: Error) => void;
  private socket: dgram.Socket | undefined;
  private closed = false;

  constructor(spot: Spot, receive: Ear['receive'], onFailed: Ear['onFailed']) {
    this.spot = spot;
    this.receive = receive;
    this.onFailed = onFailed;
  }

  /** Opens what is not open and joins the group anew; returns the system's error, if there is one. */
  async listen(): Promise<Error | undefined> {
    if (this.closed) return undefined;
    try {
      const { endpoint, through } = this.spot;
      this.socket ??= await this.bind();
      if (this.closed) this.close();
      else if (endpoint.kind === 'multicast') joinGroup(this.socket, endpoint.host, through);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  close(): void {
    this.closed = true;
    this.socket?.close();
    this.socket = undefined;
  }

  private bind(): Promise<dgram.Socket> {
    const { address, endpoint } = this.spot;
    return new Promise((resolve, reject) => {
      const socket = dgram.createSocket({ type: socketType(endpoint.host), reuseAddr: true });
      const refuse = (error: Error): void => {
        socket.close();
        reject(error);
      };
      socket.once('error', refuse);
      socket.bind({ port: endpoint.port, address }, () => {
        socket.off('error', refuse);
        // A later error (an interface that went away) must not end the program; joins by other endpoints still work.
        socket.on('error', this.onFailed);
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
