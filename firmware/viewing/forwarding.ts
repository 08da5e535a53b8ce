/**
 * Requests that another server answers: passed on as they are, on behalf of whoever asked, and the answer passed back.
 *
 * Invariants: passed on once only (what another server asks is answered here or not at all); bodies are bounded both
 * ways; nobody waits longer than the limit for the last byte, and what is only read is given up when whoever asked has
 * left; what is shown of an answer is JSON, whatever that server says it is.
 */
import type { Context } from 'hono';
import type { Directory, PeerClient, PeerRequest } from './directory.ts';
import { getPeer, type PeerAccess } from './holders.ts';
import { type Env, own, Refusal, userOf } from './routing.ts';

const answerBytesMax = 4 * 1024 * 1024;

export interface Forwarding extends PeerAccess {
  readonly directory: Directory;
}

/** How long another server may take for its whole answer, ms, and what may replace the request's own path and query. */
export interface ForwardOptions {
  readonly timeoutMs: number;
  /** path and query; by default those of the request */
  readonly target?: string;
}

/**
 * Another server's answer to this request. Refuses with 404 for a server that is not of the site, 409 for a request
 * that was passed on already, 502 for a server that does not answer.
 */
export async function forward(
  c: Context<Env>,
  server: string,
  { directory, ...access }: Forwarding,
  { timeoutMs, target }: ForwardOptions,
): Promise<Response> {
  if (own(c)) throw new Refusal(409, `${server} has to be asked itself`, 'Ask again in a moment.');
  const entry = directory.servers().find(({ id }) => id === server);
  if (entry === undefined) {
    throw new Refusal(404, `no server is named ${server}`, 'See /api/site for those there are.');
  }
  if (entry.state === 'unreachable') {
    throw new Refusal(502, `${server} cannot be reached`, 'Try again when it is back.');
  }
  const { pathname, search } = new URL(c.req.url);
  const { status, bytes } = await getPeer(access, server, target ?? `${pathname}${search}`, {
    timeoutMs,
    bytesMax: answerBytesMax,
    ...(c.req.method === 'GET' ? { signal: c.req.raw.signal } : {}),
    ...methodOf(c),
    ...(await bodyOf(c)),
    ...userOf(c.get('principal')),
  });
  const body = status === 204 ? null : new Uint8Array(bytes);
  return new Response(body, { status, headers: { 'content-type': 'application/json' } });
}

/** A client that asks on behalf of whoever sent this request. */
export function peersFor(c: Context<Env>, peers: PeerClient): PeerClient {
  const user = userOf(c.get('principal'));
  return {
    get: (server, path, options) => peers.get(server, path, { ...options, ...user }),
    webSocket: (server, path, options) => peers.webSocket(server, path, { ...options, ...user }),
  };
}

function methodOf(c: Context<Env>): Pick<PeerRequest, 'method'> {
  const { method } = c.req;
  return method === 'POST' || method === 'PUT' || method === 'PATCH' || method === 'DELETE' ? { method } : {};
}

async function bodyOf(c: Context<Env>): Promise<Pick<PeerRequest, 'body'>> {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return {};
  const body = await c.req.text();
  return body === '' ? {} : { body };
}
