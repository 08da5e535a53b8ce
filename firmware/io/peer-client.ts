/**
 * Asks other servers of the site for media and lists: HTTP/1.1 over mutual TLS, on connections of its own.
 *
 * Invariants: an answer is used only after the site's authority and the name in the certificate have shown that it
 * is the very server that was meant; connections are pooled per server and bounded, lasting answers apart; an abandoned
 * answer frees its connection; whatever goes wrong is a Failure. Durations are ms.
 */
import type { ClientRequest } from 'node:http';
import https from 'node:https';
import { isIPv6, Socket } from 'node:net';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { WebSocket } from 'ws';
import { Failure, messageOf } from '../base/failure.ts';
import type { Result } from '../base/result.ts';
import type { PeerClient, PeerRequest, PeerResponse } from '../viewing/directory.ts';

const socketsPerServerMax = 32;
const socketsMax = 512;
const freeSocketsMax = 4;
const keepAliveMs = 10_000;
const webSocketHandshakeMs = 3_000;
/** A fragment of one sample, or an init segment. */
const messageBytesMax = 16 * 1024 * 1024;
const protocol = 'http/1.1';

/** Where a server's mutual-TLS port is. */
interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

interface Target {
  readonly server: string;
  readonly address: PeerAddress;
  readonly path: string;
}

export interface PeerClientOptions {
  /** PEM */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Reads the name in a certificate whose chain is good; Node's `subjectaltname` text. */
  readonly identify: (subjectAltName: string | undefined) => Result<{ unit: string; role: string }>;
  /** Undefined while no way to that server is known. */
  readonly resolve: (server: string) => PeerAddress | undefined;
}

/** A client that can be closed. */
export interface OpenPeerClient extends PeerClient, Disposable {}

/** Makes a client; it connects when asked. */
export function createPeerClient(options: PeerClientOptions): OpenPeerClient {
  return new HttpsPeerClient(options);
}

class HttpsPeerClient implements OpenPeerClient {
  private readonly options: PeerClientOptions;
  private readonly agent = newAgent();
  /** for answers that last as long as somebody reads them: a player on pause must not keep others from asking */
  private readonly lasting = newAgent();

  constructor(options: PeerClientOptions) {
    this.options = options;
  }

  get(server: string, path: string, options: PeerRequest): Promise<PeerResponse> {
    const address = this.options.resolve(server);
    if (address === undefined) return Promise.reject(unreachable(server, 'no way to it is known'));
    return new Promise((resolve, reject) => {
      const request = this.request({ server, address, path }, options);
      const fail = (reason: string, cause?: unknown): void => {
        clearTimeout(late);
        reject(unreachable(server, reason, cause));
      };
      // A request that still waits for a connection tells nobody that it was destroyed.
      const giveUp = (reason: string) => (): void => {
        fail(reason);
        request.destroy(new Error(reason));
      };
      const late = setTimeout(giveUp('no answer in time'), options.timeoutMs);
      options.signal?.addEventListener('abort', giveUp('no longer wanted'), { once: true });
      if (options.signal?.aborted === true) giveUp('no longer wanted')();
      request.on('error', (error) => fail(messageOf(error), error));
      request.once('response', (response) => {
        clearTimeout(late);
        // An answer that breaks off is reported to its reader; nobody may be reading yet.
        response.on('error', () => undefined);
        resolve({
          status: response.statusCode ?? 0,
          headers: joinedHeaders(response.headers),
          body: response,
        });
      });
      request.end(options.body);
    });
  }

  webSocket(server: string, path: string, options: Pick<PeerRequest, 'user'> = {}): WebSocket {
    const address = this.options.resolve(server);
    const common = {
      perMessageDeflate: false,
      handshakeTimeout: webSocketHandshakeMs,
      maxPayload: messageBytesMax,
      // The viewer at the end of the way answers, not this server.
      autoPong: false,
      headers: { 'x-starling-own': '1', ...userHeaders(options) },
    };
    if (address === undefined) {
      const failure = unreachable(server, 'no way to it is known');
      return new WebSocket('ws://unknown.invalid/', {
        ...common,
        createConnection: () => brokenSocket(failure),
      });
    }
    const url = `wss://${hostHeader(address)}${path}`;
    return new WebSocket(url, { ...common, ...this.tlsOptions(server) });
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
    this.lasting.destroy();
  }

  /** Throws a Failure when no such request can be sent, for which a path with a space is enough. */
  private request({ server, address, path }: Target, options: PeerRequest): ClientRequest {
    try {
      return https.request({
        ...this.tlsOptions(server),
        method: options.method ?? 'GET',
        agent: options.lasting === true ? this.lasting : this.agent,
        host: address.host,
        port: address.port,
        path,
        headers: {
          ...options.headers,
          ...bodyHeaders(options),
          ...userHeaders(options),
          host: hostHeader(address),
        },
      });
    } catch (thrown) {
      throw unreachable(server, messageOf(thrown), thrown);
    }
  }

  private tlsOptions(server: string): ConnectionOptions {
    const { ca, cert, key, identify } = this.options;
    return {
      ca,
      cert,
      key,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [protocol],
      // Nobody reads it; it keeps the connections of two servers apart that had one address after another.
      servername: `${server}.starling.invalid`,
      rejectUnauthorized: true,
      checkServerIdentity: (_host: string, certificate: PeerCertificate) => {
        const identity = identify(certificate.subjectaltname);
        if (!identity.ok) return new Error(identity.reason);
        const { unit, role } = identity.value;
        return unit === server && role === 'server'
          ? undefined
          : new Error(`${role} ${unit} answered instead`);
      },
    };
  }
}

function newAgent(): https.Agent {
  return new https.Agent({
    keepAlive: true,
    keepAliveMsecs: keepAliveMs,
    maxSockets: socketsPerServerMax,
    maxTotalSockets: socketsMax,
    maxFreeSockets: freeSocketsMax,
    // A resumed session is not asked for its certificate.
    maxCachedSessions: 0,
  });
}

function bodyHeaders({ body }: PeerRequest): Record<string, string> {
  if (body === undefined) return {};
  return { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
}

function userHeaders({ user }: Pick<PeerRequest, 'user'>): Record<string, string> {
  return user === undefined ? {} : { 'x-starling-user': user };
}

function hostHeader({ host, port }: PeerAddress): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function joinedHeaders(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return joined;
}

function unreachable(server: string, reason: string, cause?: unknown): Failure {
  const advice = `Check that ${server} is on and that the network between the servers works.`;
  return new Failure('UNREACHABLE', `${server} cannot be reached: ${reason}`, { advice, cause });
}

/** A connection that fails as soon as somebody can hear it. */
function brokenSocket(failure: Failure): Socket {
  const socket = new Socket();
  process.nextTick(() => socket.destroy(failure));
  return socket;
}
