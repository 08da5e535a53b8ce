/**
 * Links: authenticated TLS 1.3 connections between units that carry frames (base/frames.ts). One TCP port per unit
 * serves two protocols, chosen by ALPN: `starling/1` is a link, `http/1.1` is another server's request for media.
 *
 * Invariants: a link exists only after the peer's certificate was checked against the site's authority and its id and
 * role were read from it; at most `linksMax` sockets at a time, and silent ones keep out nobody (handshake-table.ts); a
 * frame that breaks the framing closes the link.
 */
import { setMaxListeners } from 'node:events';
import type { AddressInfo, ConnectOpts, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { Failure, messageOf } from '../base/failure.ts';
import { FrameReader, framePrefix } from '../base/frames.ts';
import type { Peer } from '../overlay/effects.ts';
import type { Address } from '../overlay/packets.ts';
import { type FrameLink, type LinkHandlers, noAnswer } from '../overlay/surroundings.ts';
import { peerIdentity } from '../site/identity.ts';
import { HandshakeTable, TooManyConnections } from './handshake-table.ts';
import type { UnitIdentity } from './tls-identity.ts';

const linkProtocol = 'starling/1';
const linksMax = 1024;
/** Of these from one address before their handshake is finished: more than all units behind one NAT dial at a time. */
const unfinishedMax = 256;
const handshakeMs = 5_000;
/** How long a peer may take to read the last bytes. */
const endMs = 1_000;
/** A peer whose machine died without a word is found out after this and ten seconds more. */
const keepAliveMs = 10_000;
/** A peer that reads nothing for so long holds more than this unsent; then the link is given up. */
const unsentBytesMax = 64 * 1024 * 1024;

/**
 * Where links that this unit has dialled receive: one record of TLS after the other, each taken out before the next one
 * comes. So nothing is allocated for what is received, which the garbage collector would charge dearly.
 */
const receiving = Buffer.allocUnsafeSlow(64 * 1024);

/** Takes bytes that are good for the time of the call only. */
type OnBytes = (bytes: Buffer) => void;

/** Refusals are counted by reason and logged once per reason; `peer` is an address or a unit id. */
export type OnRefused = (reason: string, peer: string) => void;

/** One end of a connection. */
export class TlsLink implements FrameLink {
  readonly peer: Peer;
  private readonly socket: tls.TLSSocket;
  private readonly deliver: (onBytes: OnBytes) => void;
  private handlers: LinkHandlers | undefined;
  private reason: string | undefined;
  /** nothing more is sent */
  private ending = false;
  private done = false;

  /** `deliver` names who takes what is received; without it that is read from the socket. */
  constructor(socket: tls.TLSSocket, peer: Peer, deliver?: (onBytes: OnBytes) => void) {
    this.socket = socket;
    this.peer = peer;
    this.deliver = deliver ?? ((onBytes) => void socket.on('data', onBytes));
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
  }

  /** Starts delivery; frames that arrived earlier are not lost. A frame's parts are good for the time of the call. */
  open(handlers: LinkHandlers): void {
    this.handlers = handlers;
    const reader = new FrameReader((kind, parts) => {
      if (!this.done) handlers.frame(kind, parts);
    }, 'passing');
    this.deliver((chunk) => {
      if (this.done || reader.push(chunk)) return;
      handlers.refused(reader.reason ?? 'bad frame');
      this.close(reader.reason ?? 'bad frame');
    });
    this.socket.on('drain', () => {
      if (!this.ending) handlers.drained();
    });
    this.socket.on('error', (error) => {
      this.reason ??= error.message;
    });
    this.socket.on('end', () => this.close('closed by the peer'));
    this.socket.on('close', () => this.finish());
  }

  /** Sends one frame; false when the socket's buffer is full and the sender should wait for `drained`. */
  send(kind: number, parts: readonly Uint8Array[]): boolean {
    if (this.done || this.ending) return false;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.socket.cork();
    let flowing = this.socket.write(framePrefix(kind, bytes));
    for (const part of parts) flowing = this.socket.write(part);
    this.socket.uncork();
    if (this.socket.writableLength > unsentBytesMax) this.close('the peer does not read');
    return flowing;
  }

  /** Stops reading; TCP then holds the peer back. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Closes now; `closed` is reported once, with the first reason given. */
  close(reason: string): void {
    this.reason ??= reason;
    this.socket.destroy();
    this.finish();
  }

  /** Sends what is queued, then closes; resolves when the link is gone, which may take `endMs`. */
  async end(reason: string): Promise<void> {
    if (this.done) return;
    this.reason ??= reason;
    this.ending = true;
    await new Promise<void>((resolve) => {
      // Not the socket's own timeout: a peer that goes on sending would put it off for ever.
      const late = setTimeout(() => this.socket.destroy(), endMs);
      this.socket.once('close', () => {
        clearTimeout(late);
        resolve();
      });
      this.socket.end();
    });
  }

  private finish(): void {
    if (this.done) return;
    this.done = true;
    this.handlers?.closed(this.reason ?? 'closed');
  }
}

function tlsOptions(identity: UnitIdentity): tls.SecureContextOptions {
  const { ca, certificate, key } = identity;
  return { ca, cert: certificate, key, minVersion: 'TLSv1.3' };
}

/** The peer's id and role; only after the chain was verified. */
function peerOf(socket: tls.TLSSocket, site: string): Peer | string {
  if (!socket.authorized)
    return `a certificate that this site did not issue (${String(socket.authorizationError)})`;
  const identity = peerIdentity(socket.getPeerCertificate().subjectaltname, site);
  return identity.ok ? identity.value : identity.reason;
}

/** What comes on a link that was dialled: the first bytes may be there before somebody takes them. */
class Received {
  private early: Buffer[] = [];
  private onBytes: OnBytes = (bytes) => void this.early.push(Buffer.from(bytes));

  take(bytes: Buffer): void {
    this.onBytes(bytes);
  }

  deliver(onBytes: OnBytes): void {
    this.onBytes = onBytes;
    for (const bytes of this.early) onBytes(bytes);
    this.early = [];
  }
}

/** Dials a unit. Rejects with Failure UNREACHABLE, also when the other end is not one of this site. */
export function dialLink(identity: UnitIdentity, address: Address, signal: AbortSignal): Promise<TlsLink> {
  return new Promise((resolve, reject) => {
    const received = new Received();
    // Node takes `onread` here as it does for a plain socket; its types do not know.
    const options: tls.ConnectionOptions & Pick<ConnectOpts, 'onread'> = {
      ...tlsOptions(identity),
      onread: {
        buffer: receiving,
        callback: (bytes) => {
          received.take(receiving.subarray(0, bytes));
          return true;
        },
      },
      host: address.host,
      port: address.port,
      ALPNProtocols: [linkProtocol],
      // Units are named by their certificate's URI, not by host names.
      checkServerIdentity: () => undefined,
    };
    const socket = tls.connect(options);
    const fail = (reason: string): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      const advice = 'Check that the unit is on, in the same site, and that its port can be reached.';
      reject(new Failure('UNREACHABLE', `${address.host}:${address.port}: ${reason}`, { advice }));
    };
    const onTimeout = (): void => fail(noAnswer);
    const onError = (error: Error): void => fail(error.message);
    const onClose = (): void => fail('closed during the handshake');
    const onAbort = (): void => fail('no longer wanted');
    const onSecure = (): void => {
      const peer = peerOf(socket, identity.site);
      if (typeof peer === 'string') return fail(peer);
      if (socket.alpnProtocol !== linkProtocol) return fail('it speaks another protocol');
      settle();
      resolve(new TlsLink(socket, peer, (onBytes) => received.deliver(onBytes)));
    };
    const settle = (): void => {
      socket.setTimeout(0);
      socket
        .off('timeout', onTimeout)
        .off('error', onError)
        .off('close', onClose)
        .off('secureConnect', onSecure);
      signal.removeEventListener('abort', onAbort);
    };
    socket.setTimeout(handshakeMs);
    socket.on('timeout', onTimeout).on('error', onError).on('close', onClose).on('secureConnect', onSecure);
    // One signal ends all dials of a unit, and there may be many at a time.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
}

/** The unit's one TLS port. */
export interface LinkListener extends AsyncDisposable {
  readonly port: number;
}

export interface LinkListenerOptions {
  readonly identity: UnitIdentity;
  readonly host: string;
  readonly port: number;
  readonly onLink: (link: TlsLink) => void;
  /** another server's HTTP connection; absent on cameras */
  readonly onHttp?: (socket: Duplex, peer: Peer) => void;
  readonly onRefused: OnRefused;
}

/** Listens for links. Rejects with Failure PORT_IN_USE, or CONFIG_INVALID for an address that this machine lacks. */
export function listenForLinks(options: LinkListenerOptions): Promise<LinkListener> {
  const { identity, onRefused } = options;
  const server = tls.createServer({
    ...tlsOptions(identity),
    requestCert: true,
    // Strangers are refused in `greet`, where they can be counted with a reason.
    rejectUnauthorized: false,
    ALPNProtocols: options.onHttp === undefined ? [linkProtocol] : [linkProtocol, 'http/1.1'],
    handshakeTimeout: handshakeMs,
  });
  // From the first byte on: one in the middle of its handshake must not hold up the end either.
  const table = new HandshakeTable({ connectionsMax: linksMax, unfinishedMax });
  server.on('connection', (socket: Socket) => table.add(socket));
  server.on('secureConnection', (socket) => {
    table.finish(socket);
    greet(socket, options);
  });
  server.on('tlsClientError', (error, socket) => {
    if (error instanceof TooManyConnections) onRefused(error.message, error.address);
    else {
      const reason = (error as NodeJS.ErrnoException).code ?? error.message;
      onRefused(`TLS handshake failed: ${reason}`, socket.remoteAddress ?? '?');
    }
    socket.destroy();
  });
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listenFailure(error, options.host, options.port));
    server.once('error', onError);
    server.listen(options.port, options.host, () => {
      server.off('error', onError);
      // The machine is out of something; the connections there are go on.
      server.on('error', (error) => onRefused(`cannot accept: ${messageOf(error)}`, '?'));
      const port = (server.address() as AddressInfo).port;
      const dispose = async (): Promise<void> => {
        const closed = new Promise((done) => server.close(done));
        table.destroyAll();
        await closed;
      };
      resolve({ port, [Symbol.asyncDispose]: dispose });
    });
  });
}

function listenFailure(error: NodeJS.ErrnoException, host: string, port: number): Failure {
  const message = `cannot listen on ${host} port ${port}: ${messageOf(error)}`;
  const advice =
    error.code === 'EADDRINUSE'
      ? 'Stop the program that uses it, or choose another link.port in unit.yaml.'
      : 'Set link.host in unit.yaml to an address of this machine (0.0.0.0 where there is no IPv6), and link.port above 1023.';
  return new Failure(error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'CONFIG_INVALID', message, {
    advice,
    cause: error,
  });
}

function greet(socket: tls.TLSSocket, options: LinkListenerOptions): void {
  const peer = peerOf(socket, options.identity.site);
  if (typeof peer === 'string') {
    options.onRefused(peer, socket.remoteAddress ?? '?');
    socket.on('error', () => undefined);
    socket.destroy();
    return;
  }
  if (socket.alpnProtocol === linkProtocol) options.onLink(new TlsLink(socket, peer));
  else if (socket.alpnProtocol === 'http/1.1' && options.onHttp !== undefined && peer.role === 'server') {
    options.onHttp(socket, peer);
  } else {
    options.onRefused('a protocol that is not spoken here', peer.unit);
    socket.on('error', () => undefined);
    socket.destroy();
  }
}
