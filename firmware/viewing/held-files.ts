/**
 * Files that lie on one server and are asked for at any: answered here, or passed through from where they are, with
 * byte ranges and conditions (RFC 9110 §13, §14).
 *
 * Invariants: the length of an answer is fixed when it begins; a browser may keep an answer, but shows it only when it has
 * asked again; another server that says nothing for `silentMs` is given up, and at once when nobody wants its file any
 * longer.
 */
import type { Readable } from 'node:stream';
import type { Context } from 'hono';
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import { refuse, streamed } from './answers.ts';
import { chooseRange, matchesEtag } from './byte-range.ts';
import type { Directory } from './directory.ts';
import { type PeerAccess, peerAnswerMs } from './holders.ts';
import { ownHeader } from './peer-headers.ts';
import type { Env } from './routing.ts';

/** What is passed through of another server's answer. What kind of file it is, is said here, by what was asked for. */
const passedHeaders = ['content-length', 'content-range', 'accept-ranges', 'etag', 'x-starling-at'];
const jsonType = 'application/json';
/**
 * Also what never changes is asked for again before it is shown: whoever uses that browser by then, or has lost a right
 * meanwhile, must not see it. Who still may is told that it is the same.
 */
const caching = { 'cache-control': 'private, no-cache' };
/** by the ending of a path */
const types: Readonly<Record<string, string>> = { mp4: 'video/mp4', jpg: 'image/jpeg', json: jsonType };
/** How long another server may let somebody wait for the next bytes of a file. */
const silentMs = 20_000;
const askedHeaders = ['range', 'if-range', 'if-none-match'];

export type FileContext = Context<Env>;

/** A file of a server. */
interface HeldFile {
  readonly server: string;
  /** on that server */
  readonly path: string;
  /** only this server may be asked */
  readonly own: boolean;
  /** how long that server may take to begin its answer, ms */
  readonly timeoutMs?: number;
}

/** The file from the server that holds it; `here` answers when that is this one. */
export async function answerHeld(
  c: FileContext,
  { server, path, own, timeoutMs = peerAnswerMs }: HeldFile,
  { directory, ...access }: PeerAccess & { directory: Directory },
  here: () => Promise<Response>,
): Promise<Response> {
  if (server === directory.self) return here();
  const entry = directory.servers().find(({ id }) => id === server);
  if (own || entry === undefined) {
    return refuse(404, `this server has no segments of ${server}`, 'Ask that server.');
  }
  if (entry.state === 'unreachable') {
    const advice = 'Try again when it is back; recordings of the same time on other servers are in the list.';
    return refuse(502, `${server} cannot be reached`, advice);
  }
  return passThrough(c, { server, path, timeoutMs }, access);
}

/** What is known of a file before it is read; `headers` has its `etag`. */
interface FileFacts {
  readonly bytes: number;
  readonly headers: Readonly<Record<string, string>> & { readonly etag: string };
}

/** A file of known length: the whole, a range, or not modified. `read` gives bytes [start, end). */
export function answerRanges(
  c: FileContext,
  { bytes, headers: facts }: FileFacts,
  read: (start: number, end: number) => AsyncGenerator<Uint8Array, void, void>,
): Response {
  const headers: Record<string, string> = { 'accept-ranges': 'bytes', ...caching, ...facts };
  const { etag } = facts;
  if (matchesEtag(c.req.header('if-none-match'), etag)) return new Response(null, { status: 304, headers });
  const asked = { range: c.req.header('range'), ifRange: c.req.header('if-range') };
  const range = chooseRange(asked, bytes, etag);
  if (range.kind === 'none') {
    return refuse(416, 'the range begins behind the end', `The file has ${bytes} bytes.`, {
      'content-range': `bytes */${bytes}`,
    });
  }
  const { start, end } = range.kind === 'part' ? range : { start: 0, end: bytes };
  headers['content-length'] = String(end - start);
  if (range.kind === 'part') headers['content-range'] = `bytes ${start}-${end - 1}/${bytes}`;
  const body = c.req.method === 'HEAD' ? null : streamed(read(start, end), c.env);
  return new Response(body, { status: range.kind === 'part' ? 206 : 200, headers });
}

async function passThrough(
  c: FileContext,
  { server, path, timeoutMs }: { server: string; path: string; timeoutMs: number },
  { peers, clock }: PeerAccess,
): Promise<Response> {
  const headers: Record<string, string> = { [ownHeader]: '1' };
  for (const name of askedHeaders) {
    const value = c.req.header(name);
    if (value !== undefined) headers[name] = value;
  }
  const {
    status,
    headers: answered,
    body,
  } = await peers.get(server, path, {
    timeoutMs,
    lasting: true,
    headers,
    signal: c.req.raw.signal,
  });
  const passed: Record<string, string> = { 'content-type': status < 400 ? typeOf(path) : jsonType };
  for (const name of passedHeaders) {
    const value = answered[name];
    if (value !== undefined) passed[name] = value;
  }
  if (status < 400 && passed.etag !== undefined) Object.assign(passed, caching);
  if (c.req.method === 'HEAD' || status === 304) {
    body.destroy();
    return new Response(null, { status, headers: passed });
  }
  const chunks = peerChunks(body, server, clock);
  return new Response(
    streamed(chunks, c.env, () => body.destroy()),
    { status, headers: passed },
  );
}

function typeOf(path: string): string {
  const [, ending = ''] = /\.(\w+)(?:\?|$)/.exec(path) ?? [];
  return types[ending] ?? 'application/octet-stream';
}

async function* peerChunks(
  body: Readable,
  server: string,
  clock: Clock,
): AsyncGenerator<Uint8Array, void, void> {
  const chunks: AsyncIterator<Buffer, void> = body[Symbol.asyncIterator]();
  const giveUp = (): void => void body.destroy(new Error(`nothing came for ${silentMs / 1000} s`));
  try {
    for (;;) {
      const cancel = clock.after(silentMs, giveUp);
      const { done, value } = await chunks.next().finally(cancel);
      if (done === true) return;
      yield value;
    }
  } catch (cause) {
    const advice = 'Try again.';
    throw new Failure('UNREACHABLE', `${server} broke off: ${messageOf(cause)}`, { advice, cause });
  } finally {
    body.destroy();
  }
}
