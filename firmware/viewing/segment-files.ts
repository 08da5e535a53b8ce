/**
 * Stored segments as files: `…/segments/{server}/{name}.mp4` with byte ranges and conditions, and `{name}.json`, its
 * inside, which other servers read for playback. Another server's segment is passed through from there.
 *
 * Invariant: the length of an answer is fixed when it begins; a segment that is still written is as long as it was
 * at that moment.
 */
import type { Context } from 'hono';
import { Failure, messageOf } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { Archive } from '../recording/archive.ts';
import { type Connection, chunksOf, refuse, streamed } from './answers.ts';
import { chooseRange, matchesEtag } from './byte-range.ts';
import type { Directory, PeerClient } from './directory.ts';
import { ownHeader, peerAnswerMs } from './holders.ts';
import { formatDetail } from './segment-json.ts';

const chunkBytes = 256 * 1024;
/** `YYYY-MM-DD/HHMMSS.mmmZ-<epoch>-<sequence>`. */
const filePattern = /^(\d{4}-\d{2}-\d{2}\/\d{6}\.\d{3}Z-\d{1,10}-\d{1,10})\.(mp4|json)$/;
/** What is passed through of another server's answer. */
const passedHeaders = [
  'content-type',
  'content-length',
  'content-range',
  'accept-ranges',
  'etag',
  'cache-control',
];
const askedHeaders = ['range', 'if-range', 'if-none-match'];

export interface SegmentFile {
  readonly camera: string;
  readonly server: string;
  /** name with its ending */
  readonly file: string;
  /** only this server may be asked */
  readonly own: boolean;
}

export interface SegmentFileSources {
  readonly directory: Directory;
  readonly archive: Archive;
  readonly peers: PeerClient;
}

type SegmentContext = Context<{ Bindings: Connection }>;

/** Answers for one segment of this or another server. */
export async function answerSegment(
  c: SegmentContext,
  wanted: SegmentFile,
  sources: SegmentFileSources,
): Promise<Response> {
  const [, name, ending] = filePattern.exec(wanted.file) ?? [];
  if (!isId(wanted.server) || name === undefined) {
    return refuse(400, 'malformed segment name', 'Use the urls that the list of recordings gives.');
  }
  if (wanted.server === sources.directory.self) {
    return ending === 'json'
      ? answerDetail(wanted.camera, name, sources.archive)
      : answerFile(c, { camera: wanted.camera, name, archive: sources.archive });
  }
  const entry = sources.directory.servers().find(({ id }) => id === wanted.server);
  if (wanted.own || entry === undefined) {
    return refuse(404, `this server has no segments of ${wanted.server}`, 'Ask that server.');
  }
  if (entry.state === 'unreachable') {
    const advice = 'Try again when it is back; recordings of the same time on other servers are in the list.';
    return refuse(502, `${wanted.server} cannot be reached`, advice);
  }
  return passThrough(c, wanted, sources.peers);
}

function missing(name: string): Response {
  return refuse(
    404,
    `there is no segment ${name} here`,
    'It may be older than retention; ask for the list again.',
  );
}

async function answerDetail(camera: string, name: string, archive: Archive): Promise<Response> {
  const detail = await archive.detail(camera, name);
  if (detail === undefined) return missing(name);
  return new Response(formatDetail(detail), { headers: { 'content-type': 'application/json' } });
}

interface StoredFile {
  readonly camera: string;
  readonly name: string;
  readonly archive: Archive;
}

async function answerFile(c: SegmentContext, file: StoredFile): Promise<Response> {
  const listing = (await file.archive.detail(file.camera, file.name))?.listing;
  if (listing === undefined) return missing(file.name);
  // Written once and only ever appended to: its start and its length say everything.
  const etag = `"${listing.fromUs.toString(36)}-${listing.bytes.toString(36)}"`;
  const headers: Record<string, string> = {
    'content-type': 'video/mp4',
    'accept-ranges': 'bytes',
    'cache-control': listing.open ? 'private, no-cache' : 'private, max-age=86400, immutable',
    etag,
  };
  if (matchesEtag(c.req.header('if-none-match'), etag)) return new Response(null, { status: 304, headers });
  const asked = { range: c.req.header('range'), ifRange: c.req.header('if-range') };
  const range = chooseRange(asked, listing.bytes, etag);
  if (range.kind === 'none') {
    const advice = `The segment has ${listing.bytes} bytes.`;
    return refuse(416, 'the range begins behind the end', advice, {
      'content-range': `bytes */${listing.bytes}`,
    });
  }
  const { start, end } = range.kind === 'part' ? range : { start: 0, end: listing.bytes };
  headers['content-length'] = String(end - start);
  if (range.kind === 'part') headers['content-range'] = `bytes ${start}-${end - 1}/${listing.bytes}`;
  const body = c.req.method === 'HEAD' ? null : streamed(bytesOf(file, start, end), c.env);
  return new Response(body, { status: range.kind === 'part' ? 206 : 200, headers });
}

async function* bytesOf(file: StoredFile, start: number, end: number): AsyncGenerator<Buffer, void, void> {
  for (let at = start; at < end; ) {
    const bytes = await file.archive.read(file.camera, file.name, at, Math.min(chunkBytes, end - at));
    if (bytes.length === 0) {
      const advice = 'Run starling check on this server.';
      throw new Failure('FILE_IO', `${file.name} is shorter than its index says`, { advice });
    }
    yield bytes;
    at += bytes.length;
  }
}

async function passThrough(c: SegmentContext, wanted: SegmentFile, peers: PeerClient): Promise<Response> {
  const headers: Record<string, string> = { [ownHeader]: '1' };
  for (const name of askedHeaders) {
    const value = c.req.header(name);
    if (value !== undefined) headers[name] = value;
  }
  const path = `/api/cameras/${wanted.camera}/segments/${wanted.server}/${wanted.file}`;
  const stop = new AbortController();
  const {
    status,
    headers: answered,
    body,
  } = await peers.get(wanted.server, path, {
    timeoutMs: peerAnswerMs,
    lasting: true,
    headers,
    signal: stop.signal,
  });
  const passed: Record<string, string> = {};
  for (const name of passedHeaders) {
    const value = answered[name];
    if (value !== undefined) passed[name] = value;
  }
  if (c.req.method === 'HEAD' || status === 304) {
    body.destroy();
    return new Response(null, { status, headers: passed });
  }
  return new Response(streamed(peerChunks(body, wanted.server), c.env), { status, headers: passed });
}

async function* peerChunks(
  body: AsyncIterable<Uint8Array>,
  server: string,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* chunksOf(body);
  } catch (cause) {
    const advice = 'Try again.';
    throw new Failure('UNREACHABLE', `${server} broke off: ${messageOf(cause)}`, { advice, cause });
  }
}
