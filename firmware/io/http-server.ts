/**
 * The HTTP server of a unit: one Node server that listens for browsers and also takes connections of other servers
 * which the mutual-TLS port has already accepted.
 *
 * Invariants: at most `connectionsMax` connections of each kind; a request must be complete within `headersMs`; on a
 * loopback address only loopback names are answered, so that a name which some other site points here (DNS
 * rebinding) is not; a WebSocket of a page is accepted only from the page of this very host. Which requests mean
 * what is decided in `viewing`.
 */
import http from 'node:http';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { type WebSocket, WebSocketServer } from 'ws';
import { Failure, messageOf } from '../base/failure.ts';
import type { Connection } from '../viewing/answers.ts';
import type { ErrorAnswer } from '../viewing/api.ts';
import type { Viewing } from '../viewing/http-api.ts';

const connectionsMax = 1024;
/** For a request's headers to arrive, and for a kept connection to ask again. */
const headersMs = 10_000;
const keepAliveMs = 15_000;
/** A reader that takes nothing for so long is gone; a paused player is not. */
const idleMs = 300_000;
const headerBytesMax = 16 * 1024;
/** Viewers have nothing to say. */
const viewerMessageBytesMax = 1024;
/** What is being sent when the server closes has this long. */
const closingMs = 1_000;
const closeGoingAway = 1001;

export interface HttpServerOptions {
  readonly viewing: Viewing;
  readonly host: string;
  /** 0 for any */
  readonly port: number;
  /** closes the server */
  readonly signal: AbortSignal;
}

/** An open server. */
export interface HttpServer extends AsyncDisposable {
  /** where people reach it, such as `http://127.0.0.1:8300` */
  readonly url: string;
  readonly port: number;
  /** Takes an accepted connection of another server, which then gets this server's own data only. */
  accept(socket: Duplex, from: { readonly peer: string }): void;
  readonly closed: Promise<void>;
}

/** Opens the server; rejects with Failure PORT_IN_USE, or CONFIG_INVALID for an address that this machine lacks. */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const door = new Door(options.viewing);
  await listen(door.server, options.host, options.port);
  const { port } = door.server.address() as AddressInfo;
  if (isLoopback(options.host)) door.answerOnlyTo(loopbackHosts(port));
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= door.close();
    return closing;
  };
  const closed = new Promise<void>((resolve) => door.server.once('close', resolve));
  if (options.signal.aborted) await close();
  else options.signal.addEventListener('abort', () => void close(), { once: true });
  const shownHost = isIPv6(options.host) ? `[${options.host}]` : options.host;
  return {
    url: `http://${shownHost}:${port}`,
    port,
    accept: (socket, { peer }) => door.accept(socket, peer),
    closed,
    [Symbol.asyncDispose]: close,
  };
}

class Door {
  readonly server: http.Server;
  private readonly viewing: Viewing;
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: viewerMessageBytesMax,
  });
  private readonly sockets = new Set<Duplex>();
  private readonly peers = new WeakMap<Duplex, string>();
  private hosts: ReadonlySet<string> | undefined;

  constructor(viewing: Viewing) {
    this.viewing = viewing;
    this.server = http.createServer({
      headersTimeout: headersMs,
      requestTimeout: headersMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: headerBytesMax,
      // Checked below, where it gets a proper answer.
      requireHostHeader: false,
      noDelay: true,
    });
    this.server.maxConnections = connectionsMax;
    this.server.timeout = idleMs;
    const answer = getRequestListener((request, env) => this.answer(request, env as NodePair), {
      overrideGlobalObjects: false,
      errorHandler: () => jsonResponse(400, malformed),
    });
    this.server.on('request', (request, response) => {
      const fault = this.hostFault(request);
      if (fault === undefined) void answer(request, response);
      else {
        response.writeHead(fault.status, { 'content-type': 'application/json', connection: 'close' });
        response.end(JSON.stringify(fault.answer));
      }
    });
    this.server.on('upgrade', (request, socket, head) => this.upgrade(request, socket, head));
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server.on('clientError', (_error, socket) => endWith(socket, 400, malformed));
  }

  answerOnlyTo(hosts: ReadonlySet<string>): void {
    this.hosts = hosts;
  }

  accept(socket: Duplex, peer: string): void {
    if (!this.server.listening || this.sockets.size >= 2 * connectionsMax) {
      socket.destroy();
      return;
    }
    this.peers.set(socket, peer);
    if ('setNoDelay' in socket) (socket as Socket).setNoDelay(true);
    this.server.emit('connection', socket);
  }

  /** Ends every connection: what is queued gets a moment, nothing waits for a slow reader. */
  async close(): Promise<void> {
    for (const webSocket of this.webSockets.clients) webSocket.close(closeGoingAway);
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeIdleConnections();
    for (const socket of this.sockets) if ('destroySoon' in socket) (socket as Socket).destroySoon();
    const late = setTimeout(() => {
      for (const socket of this.sockets) socket.destroy();
    }, closingMs);
    await closed;
    // Accepted connections are not counted by `close`.
    for (const socket of this.sockets) socket.destroy();
    clearTimeout(late);
  }

  private answer(request: Request, { incoming, outgoing }: NodePair): Promise<Response> {
    const connection: Connection = {
      peer: this.peers.get(incoming.socket),
      trailer: (name, value) => outgoing.addTrailers({ [name]: value }),
      abort: () => outgoing.destroy(),
    };
    return this.viewing.answer(request, connection);
  }

  private upgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const fault = this.hostFault(request) ?? this.originFault(request);
    if (fault !== undefined) {
      endWith(socket, fault.status, fault.answer);
      return;
    }
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || request.method !== 'GET') {
      endWith(socket, 400, { error: 'only WebSocket is spoken here', advice: 'Ask without an upgrade.' });
      return;
    }
    const own = this.peers.has(request.socket) || request.headers['x-starling-own'] === '1';
    const admission = this.viewing.admitLive(request.url ?? '', { own });
    if (!admission.ok) {
      endWith(socket, admission.status, admission.answer);
      return;
    }
    this.webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      webSocket.on('error', () => webSocket.terminate());
      admission.serve(webSocket);
    });
  }

  private hostFault(request: http.IncomingMessage): Fault | undefined {
    const { host } = request.headers;
    if (host === undefined) return { status: 400, answer: malformed };
    if (this.hosts === undefined || this.peers.has(request.socket)) return undefined;
    if (this.hosts.has(host.toLowerCase())) return undefined;
    const advice = `Use one of ${[...this.hosts].join(', ')}.`;
    return { status: 421, answer: { error: 'this server does not go by that name', advice } };
  }

  /** Programs send no Origin; pages cannot help sending theirs. */
  private originFault(request: http.IncomingMessage): Fault | undefined {
    const { origin, host } = request.headers;
    if (origin === undefined || this.peers.has(request.socket)) return undefined;
    if (URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()) return undefined;
    return {
      status: 403,
      answer: { error: 'a page of another site may not watch', advice: 'Open the page of this server.' },
    };
  }
}

interface NodePair {
  readonly incoming: http.IncomingMessage;
  readonly outgoing: http.ServerResponse;
}

interface Fault {
  readonly status: number;
  readonly answer: ErrorAnswer;
}

const malformed: ErrorAnswer = { error: 'malformed request', advice: 'Send HTTP/1.1 with a Host header.' };

function jsonResponse(status: number, answer: ErrorAnswer): Response {
  return new Response(JSON.stringify(answer), { status, headers: { 'content-type': 'application/json' } });
}

/** An answer written by hand, where there is no response object. */
function endWith(socket: Duplex, status: number, answer: ErrorAnswer): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(answer);
  const head = [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

function listen(server: http.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // After it has opened an error is of one connection that could not be accepted; the others go on.
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenFailure(error, host, port)));
    server.listen(port, host, resolve);
  });
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): Failure {
  const message = `cannot listen on ${host} port ${port}: ${messageOf(error)}`;
  if (error.code === 'EADDRINUSE') {
    const advice = 'Stop the program that uses it, or choose another HTTP port.';
    return new Failure('PORT_IN_USE', message, { advice, cause: error });
  }
  const advice = 'Choose an address of this machine and a port above 1023.';
  return new Failure('CONFIG_INVALID', message, { advice, cause: error });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Names that lead to this machine only; without the port where it is the one that browsers leave out. */
function loopbackHosts(port: number): ReadonlySet<string> {
  const names = ['localhost', '127.0.0.1', '[::1]'];
  const hosts = names.map((name) => `${name}:${port}`);
  return new Set(port === 80 ? [...hosts, ...names] : hosts);
}
