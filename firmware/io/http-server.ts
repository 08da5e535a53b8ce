/**
 * The HTTP server of a unit: one port for plain HTTP, which also takes connections of other servers, and one for HTTPS
 * where there is a certificate. Both lead through the same door.
 */
import type http from 'node:http';
import type https from 'node:https';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { Failure, messageOf } from '../base/failure.ts';
import type { Viewing } from '../viewing/http-api.ts';
import { HostNames } from './host-names.ts';
import { HttpDoor } from './http-door.ts';
import { readPagePair, watchPagePair } from './page-certificate.ts';

export interface HttpServerOptions {
  readonly viewing: Viewing;
  readonly host: string;
  /** 0 for any */
  readonly port: number;
  readonly https?: HttpsOptions | undefined;
  /** this unit's id, by which people may reach it, too */
  readonly unit: string;
  /** other names of this server */
  readonly names: readonly string[];
  /** closes the server */
  readonly signal: AbortSignal;
}

interface HttpsOptions {
  readonly host: string;
  readonly port: number;
  /** paths of PEM files */
  readonly certificate: string;
  readonly key: string;
  /** the files have changed and are used; or not, and why */
  readonly onReload: (fault: string | undefined) => void;
}

/** An open server. */
export interface HttpServer extends AsyncDisposable {
  /** where people reach it, such as `http://127.0.0.1:8300` */
  readonly url: string;
  readonly port: number;
  /** the port of HTTPS */
  readonly securePort: number | undefined;
  /** Takes an accepted connection of another server, which then gets this server's own data only. */
  accept(socket: Duplex, from: { readonly peer: string }): void;
  readonly closed: Promise<void>;
}

/** Opens the server; rejects with Failure PORT_IN_USE, or CONFIG_INVALID for an address that this machine lacks. */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { viewing, unit, names, host, signal } = options;
  const door = new HttpDoor(viewing, new HostNames({ unit, names }));
  const port = await listen(door.plain, host, options.port);
  const secure = await openHttps(door, options.https).catch(async (error: unknown) => {
    await door.close();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    secure?.[Symbol.dispose]();
    closing ??= door.close();
    return closing;
  };
  const closed = new Promise<void>((resolve) => door.plain.once('close', resolve));
  if (signal.aborted) await close();
  else signal.addEventListener('abort', () => void close(), { once: true });
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    port,
    securePort: secure?.port,
    accept: (socket, { peer }) => door.accept(socket, peer),
    closed,
    [Symbol.asyncDispose]: close,
  };
}

async function openHttps(
  door: HttpDoor,
  options: HttpsOptions | undefined,
): Promise<({ readonly port: number } & Disposable) | undefined> {
  if (options === undefined) return undefined;
  const server = door.addHttps(await readPagePair(options));
  const port = await listen(server, options.host, options.port);
  const watch = watchPagePair({
    ...options,
    onChange: (pair) => {
      server.setSecureContext(pair);
      options.onReload(undefined);
    },
    onFault: (reason) => options.onReload(reason),
  });
  return { port, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

function listen(server: http.Server | https.Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    // After it has opened an error is of one connection that could not be accepted; the others go on.
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenFailure(error, host, port)));
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
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
