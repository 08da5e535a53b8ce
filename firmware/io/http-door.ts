/**
 * The door of a unit's HTTP and HTTPS servers, and of other servers' connections that the mutual-TLS port has already
 * accepted: who may knock, how long, and under which names. Which requests mean what is decided in `viewing`.
 *
 * Invariants: at most `connectionsMax` connections of browsers and twice as many in all; a request must be complete
 * within `requestMs`; a name that this server does not go by gets no answer.
 */
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Connection } from '../viewing/answers.ts';
import type { ErrorAnswer } from '../viewing/api.ts';
import type { Viewing } from '../viewing/http-api.ts';
import { ConnectionTable } from './connection-table.ts';
import type { HostNames } from './host-names.ts';
import type { PagePair } from './page-certificate.ts';

const connectionsMax = 1024;
/** For a TLS handshake, and for a request with its body to arrive. */
const requestMs = 10_000;
/** For a kept connection to ask again. */
const keepAliveMs = 15_000;
/** A reader that takes nothing for so long is gone; a paused player is not. */
const idleMs = 300_000;
const headerBytesMax = 16 * 1024;
/** Viewers have nothing to say. */
const viewerMessageBytesMax = 1024;
/** What is being sent when the server closes has this long. */
const closingMs = 1_000;
const closeGoingAway = 1001;

const serverOptions: http.ServerOptions = {
  headersTimeout: requestMs,
  requestTimeout: requestMs,
  keepAliveTimeout: keepAliveMs,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: headerBytesMax,
  // Checked below, where it gets a proper answer.
  requireHostHeader: false,
  noDelay: true,
};

export class HttpDoor {
  /** that which also takes connections of other servers */
  readonly plain: http.Server;
  private readonly viewing: Viewing;
  private readonly hosts: HostNames;
  private readonly servers: (http.Server | https.Server)[] = [];
  private readonly webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: viewerMessageBytesMax,
  });
  private readonly connections = new ConnectionTable(connectionsMax);
  private readonly sockets = new Set<Duplex>();
  private readonly peers = new WeakMap<Duplex, string>();

  constructor(viewing: Viewing, hosts: HostNames) {
    this.viewing = viewing;
    this.hosts = hosts;
    this.plain = http.createServer(serverOptions);
    this.serve(this.plain, false);
  }

  /** A server for the same over HTTPS. */
  addHttps(pair: PagePair): https.Server {
    const options = {
      ...serverOptions,
      ...pair,
      minVersion: 'TLSv1.2',
      handshakeTimeout: requestMs,
    } as const;
    const server = https.createServer(options);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.serve(server, true);
    return server;
  }

  /** Takes an accepted connection of another server. */
  accept(socket: Duplex, peer: string): void {
    if (!this.plain.listening || this.sockets.size >= 2 * connectionsMax) {
      socket.destroy();
      return;
    }
    this.peers.set(socket, peer);
    if ('setNoDelay' in socket) (socket as Socket).setNoDelay(true);
    this.plain.emit('connection', socket);
  }

  /** Ends every connection: what is queued gets a moment, nothing waits for a slow reader. */
  async close(): Promise<void> {
    for (const webSocket of this.webSockets.clients) webSocket.close(closeGoingAway);
    const closed = this.servers.map((server) => {
      const done = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      return done;
    });
    for (const socket of this.sockets) if ('destroySoon' in socket) (socket as Socket).destroySoon();
    const destroy = (): void => {
      for (const socket of this.sockets) socket.destroy();
    };
    const late = setTimeout(destroy, closingMs);
    await Promise.all(closed);
    // Accepted connections are not counted by `close`.
    destroy();
    clearTimeout(late);
  }

  private serve(server: http.Server | https.Server, secure: boolean): void {
    this.servers.push(server);
    server.timeout = idleMs;
    const answer = getRequestListener(
      (request, pair) => this.viewing.answer(request, this.connectionOf(pair as NodePair, secure)),
      { overrideGlobalObjects: false, errorHandler: () => jsonResponse(400, malformed) },
    );
    server.on('request', (request, response) => {
      response.once('close', this.connections.begin(request.socket));
      const fault = this.hostFault(request);
      if (fault === undefined) void answer(request, response);
      else {
        response.writeHead(fault.status, { 'content-type': 'application/json', connection: 'close' });
        response.end(JSON.stringify(fault.answer));
      }
    });
    server.on('upgrade', (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      this.connections.begin(request.socket);
      void this.upgrade(request, socket, head, secure);
    });
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
      if (!this.peers.has(socket)) this.connections.add(socket);
    });
    server.on('clientError', (_error, socket) => endWith(socket, { status: 400, answer: malformed }));
  }

  private connectionOf({ incoming, outgoing }: NodePair, secure: boolean): Connection {
    // Node keeps only what was given last.
    const trailers: Record<string, string> = {};
    return {
      peer: this.peers.get(incoming.socket),
      remoteAddress: incoming.socket.remoteAddress ?? '',
      secure,
      trailer: (name, value) => {
        trailers[name] = value;
        outgoing.addTrailers(trailers);
      },
      abort: () => outgoing.destroy(),
    };
  }

  private async upgrade(
    request: http.IncomingMessage,
    socket: Duplex,
    head: Buffer,
    secure: boolean,
  ): Promise<void> {
    const fault = this.hostFault(request) ?? notWebSocket(request);
    if (fault !== undefined) return endWith(socket, fault);
    const admission = await this.viewing.admitLive({
      target: request.url ?? '',
      header: (name) => headerOf(request, name),
      peer: this.peers.get(request.socket),
      remoteAddress: request.socket.remoteAddress ?? '',
      secure,
    });
    if (socket.destroyed) return;
    if (!admission.ok) return endWith(socket, admission);
    this.webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      webSocket.on('error', () => webSocket.terminate());
      admission.serve(webSocket, socket);
    });
  }

  private hostFault(request: http.IncomingMessage): Fault | undefined {
    const { host } = request.headers;
    if (host === undefined) return { status: 400, answer: malformed };
    if (this.peers.has(request.socket) || this.hosts.accepts(host)) return undefined;
    const advice =
      'Use its address, or add the name to server.https.names (or server.http.names) in its unit.yaml.';
    return { status: 421, answer: { error: 'this server does not go by that name', advice } };
  }
}

interface NodePair {
  readonly incoming: http.IncomingMessage;
  readonly outgoing: http.ServerResponse;
}

interface Fault {
  readonly status: number;
  readonly answer: ErrorAnswer;
  readonly headers?: Readonly<Record<string, string>>;
}

const malformed: ErrorAnswer = { error: 'malformed request', advice: 'Send HTTP/1.1 with a Host header.' };

function notWebSocket({ headers, method }: http.IncomingMessage): Fault | undefined {
  if (headers.upgrade?.toLowerCase() === 'websocket' && method === 'GET') return undefined;
  return {
    status: 400,
    answer: { error: 'only WebSocket is spoken here', advice: 'Ask without an upgrade.' },
  };
}

function headerOf({ headers }: http.IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function jsonResponse(status: number, answer: ErrorAnswer): Response {
  return new Response(JSON.stringify(answer), { status, headers: { 'content-type': 'application/json' } });
}

/** An answer written by hand, where there is no response object. */
function endWith(socket: Duplex, { status, answer, headers = {} }: Fault): void {
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
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
