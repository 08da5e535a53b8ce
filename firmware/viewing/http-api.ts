/**
 * The HTTP API and the page, as functions from a request to an answer; sockets are somebody else's.
 *
 * Invariants: every id is checked before it is used; every answer of 400 and above is an ErrorAnswer in JSON; a
 * request of another server, or with `x-starling-own`, is answered from here alone and never forwarded, so nothing
 * is forwarded twice; nothing waits longer for another server than its stated limit; what changes something is a POST,
 * PATCH or DELETE with a header that no page of another site can send; another server only asks for what a person asked it for.
 */
import { type Context, Hono } from 'hono';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { Archive } from '../recording/archive.ts';
import { type Connection, failureAnswer, refuse, streamed } from './answers.ts';
import type { LeaveAnswer, SiteAnswer, StatusAnswer } from './api.ts';
import { matchesEtag } from './byte-range.ts';
import { listCameras } from './camera-list.ts';
import type { Directory, PeerClient } from './directory.ts';
import { holdersOf, ownHeader, ownHolder } from './holders.ts';
import { type LiveAdmission, LiveDoor } from './live-door.ts';
import type { LiveHub } from './live-hub.ts';
import type { NetworkAccess } from './network-access.ts';
import { logJson, logRange, tablesJson, whereJson } from './network-json.ts';
import { type PageAssets, pageFiles, securityHeaders } from './page-shell.ts';
import { openPlayback, playbackUsMax } from './playback.ts';
import { addProtectedRanges, changesProtection, type ProtectionAccess } from './protected-ranges.ts';
import { formatRecordings, listRecordings } from './recordings.ts';
import { foreignRequest } from './request-purpose.ts';
import { answerSegment } from './segment-files.ts';
import { addStreamRoute, changesStream, type StreamAccess } from './stream-route.ts';
import { formatMs, parseRange, type TimeRange } from './time-query.ts';
import { formatRanges } from './time-ranges.ts';

/** A list of recordings without a range goes back this far. */
const defaultSpanUs = 24 * 3600 * 1_000_000;
/** Names the ranges that a file lacks, as header or trailer. */
const partialHeader = 'x-starling-partial';
/** UTC of a file's time 0. */
const startHeader = 'x-starling-start';
/** Done, not read. */
const leavePath = '/api/leave';

export interface ViewingOptions {
  readonly version: string;
  readonly directory: Directory;
  readonly network: NetworkAccess;
  readonly archive: Archive;
  readonly protections: ProtectionAccess;
  readonly live: LiveHub;
  readonly peers: PeerClient;
  /** absent where cameras cannot be told anything */
  readonly streams?: StreamAccess;
  readonly clock: Clock;
  readonly status: () => StatusAnswer;
  readonly assets: PageAssets;
  /** A bug in answering one request, for the log; the others go on. */
  readonly onError: (thrown: unknown) => void;
}

/** What a server of HTTP needs to be one of Starling. */
export interface Viewing {
  /** Answers a request; never rejects. */
  answer(request: Request, connection: Connection): Promise<Response>;
  /** Decides on an upgrade to a WebSocket; `target` is path and query. */
  admitLive(target: string, connection: { own: boolean }): LiveAdmission;
}

type Env = { Bindings: Connection };

/** Makes the viewing side of a server. */
export function createViewing(options: ViewingOptions): Viewing {
  const app = new Hono<Env>();
  const door = new LiveDoor(options);
  addPage(app, options.assets);
  addSite(app, options);
  addNetwork(app, options);
  addCamera(app, options);
  const { streams } = options;
  if (streams !== undefined) addStreamRoute(app, { ...options, streams, foreign: foreignRequest });
  app.get('/api/cameras/:id/live', () =>
    refuse(426, 'this is a WebSocket', 'Connect with a WebSocket client.', { upgrade: 'websocket' }),
  );
  app.notFound((c) =>
    refuse(
      404,
      `there is nothing at ${c.req.path.slice(0, 200)}`,
      'Open / for the page; the API is below /api/.',
    ),
  );
  app.onError((thrown) => {
    if (!(thrown instanceof Failure)) options.onError(thrown);
    return failureAnswer(thrown);
  });
  return {
    async answer(request, connection) {
      try {
        return withSecurity(refusedRequest(request) ?? (await app.fetch(request, connection)));
      } catch (thrown) {
        options.onError(thrown);
        return withSecurity(failureAnswer(thrown));
      }
    },
    admitLive: (target, { own }) => door.admit(target, own),
  };
}

/** Nothing here takes a body, and nearly everything is read. */
function refusedRequest(request: Request): Response | undefined {
  const { method } = request;
  const path = pathOf(request);
  const changes =
    (method === 'POST' && path === leavePath) ||
    changesStream(method, path) ||
    changesProtection(method, path);
  if (!changes && request.method !== 'GET' && request.method !== 'HEAD') {
    const advice = 'This API is read with GET and HEAD.';
    return refuse(405, `${request.method.slice(0, 20)} is not possible here`, advice, { allow: 'GET, HEAD' });
  }
  const length = request.headers.get('content-length');
  if ((length !== null && length !== '0') || request.headers.has('transfer-encoding')) {
    return refuse(413, 'the request has a body', 'Send the request without a body.', { connection: 'close' });
  }
  return undefined;
}

function pathOf({ url }: Request): string | undefined {
  return URL.canParse(url) ? new URL(url).pathname : undefined;
}

function withSecurity(response: Response): Response {
  for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
  if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'private, no-store');
  return response;
}

function addPage(app: Hono<Env>, assets: PageAssets): void {
  for (const [path, { type, text, etag }] of pageFiles(assets)) {
    const headers = { etag, 'content-type': type, 'cache-control': 'no-cache' };
    app.get(path, (c) =>
      matchesEtag(c.req.header('if-none-match'), etag)
        ? new Response(null, { status: 304, headers })
        : new Response(text, { headers }),
    );
  }
}

function addSite(app: Hono<Env>, options: ViewingOptions): void {
  const { directory, version } = options;
  app.get('/api/site', (c) => {
    const servers = directory.servers().map(({ id, state, hops, pageUrl, cameras }) => {
      return { id, state, hops: hops ?? null, pageUrl, cameras: [...cameras] };
    });
    return c.json({ site: directory.site, server: directory.self, version, servers } satisfies SiteAnswer);
  });
  app.get('/api/status', (c) => c.json(options.status()));
  app.get('/api/cameras', async (c) => c.json(await listCameras({ ...options, own: isOwn(c) })));
}

function addNetwork(app: Hono<Env>, options: ViewingOptions): void {
  const { directory, network } = options;
  app.get('/api/tables', (c) => c.json(tablesJson(network.tables())));
  app.get('/api/where/:id', async (c) => {
    const camera = c.req.param('id');
    if (!isId(camera)) return malformedCamera();
    const answer = await network.where(camera);
    if (answer.manager === undefined && answer.tenures.length === 0) return unknownCamera(camera);
    const pageOf = (server: string): string | undefined =>
      directory.servers().find(({ id }) => id === server)?.pageUrl;
    return c.json(whereJson(answer, pageOf));
  });
  app.get('/api/log', (c) => {
    const range = logRange(c.req.query('lines'), c.req.query('after'));
    if (range !== undefined) return c.json(logJson(directory.self, network.log(range.lines), range.after));
    return refuse(400, 'lines or after is no such number', 'Ask for ?lines=1 to 500, and ?after=0 or more.');
  });
  app.post(leavePath, (c) => {
    const refusal = foreignRequest(c);
    if (refusal !== undefined) return refusal;
    network.leave();
    return c.json({ server: directory.self } satisfies LeaveAnswer, 202);
  });
  app.get(leavePath, () => {
    const advice = 'Send POST with the header X-Starling: 1, or use `starling leave`.';
    return refuse(405, 'a server is not made to leave by reading', advice, { allow: 'POST' });
  });
}

function addCamera(app: Hono<Env>, options: ViewingOptions): void {
  app.use('/api/cameras/:id/*', async (c, next) => {
    return isId(c.req.param('id')) ? next() : malformedCamera();
  });
  app.get('/api/cameras/:id/recordings', (c) => answerRecordings(c, c.req.param('id'), options));
  app.get('/api/cameras/:id/video.mp4', (c) => answerVideo(c, c.req.param('id'), options));
  app.get('/api/cameras/:id/segments/:server/:day/:file', (c) => {
    const { id, server, day, file } = c.req.param();
    return answerSegment(c, { camera: id, server, file: `${day}/${file}`, own: isOwn(c) }, options);
  });
  const { protections } = options;
  addProtectedRanges(app, { protections, isKnown: (camera) => isKnown(camera, options) });
}

/** Whether only this server may be asked. */
function isOwn(c: Context<Env>): boolean {
  return c.env.peer !== undefined || c.req.header(ownHeader) === '1';
}

/** Where recordings may lie: here alone for a peer, everywhere for a person. */
function sourcesOf(own: boolean, options: ViewingOptions): ReturnType<typeof holdersOf> {
  const { directory, archive } = options;
  if (own) return { holders: [ownHolder(directory.self, archive)], unreachable: [] };
  return holdersOf(directory, options);
}

function rangeOf(c: Context<Env>, defaults?: { toUs: number; spanUs: number }): TimeRange | Response {
  const range = parseRange({ from: c.req.query('from'), to: c.req.query('to') }, defaults);
  return range.ok
    ? range.value
    : refuse(
        400,
        range.reason,
        'Ask for ?from=2026-11-22T12:00:00Z&to=2026-11-22T12:10:00Z, or Unix seconds.',
      );
}

async function answerRecordings(c: Context<Env>, camera: string, options: ViewingOptions): Promise<Response> {
  const nowUs = Math.floor(options.clock.utcMs() * 1000);
  const range = rangeOf(c, { toUs: nowUs, spanUs: defaultSpanUs });
  if (range instanceof Response) return range;
  const list = await listRecordings(camera, range, sourcesOf(isOwn(c), options));
  if (list.segments.length === 0 && !(await isKnown(camera, options))) return unknownCamera(camera);
  return c.json(formatRecordings(camera, list));
}

async function isKnown(camera: string, { directory, archive }: ViewingOptions): Promise<boolean> {
  return directory.cameras().some(({ id }) => id === camera) || (await archive.cameras()).includes(camera);
}

function malformedCamera(): Response {
  return refuse(400, 'malformed camera id', 'An id has lower-case letters, digits and hyphens, 32 at most.');
}

function unknownCamera(camera: string): Response {
  return refuse(404, `no camera is named ${camera}`, 'See /api/cameras for those there are.');
}

async function answerVideo(c: Context<Env>, camera: string, options: ViewingOptions): Promise<Response> {
  const range = rangeOf(c);
  if (range instanceof Response) return range;
  if (range.toUs - range.fromUs > playbackUsMax) {
    return refuse(400, 'more than 31 days in one file', 'Ask for several shorter ranges.');
  }
  const nowUs = Math.floor(options.clock.utcMs() * 1000);
  const sources = { ...sourcesOf(isOwn(c), options), nowUs };
  const playback = await openPlayback(camera, range, sources);
  const headers: Record<string, string> = {
    'content-type': 'video/mp4',
    'content-disposition': `attachment; filename="${fileName(camera, range)}"`,
    // Chunked whatever its length, because of the trailer.
    'transfer-encoding': 'chunked',
    trailer: partialHeader,
    [startHeader]: formatMs(playback.startUs),
  };
  if (playback.partial.length > 0) headers[partialHeader] = formatRanges(playback.partial);
  if (c.req.method === 'HEAD') {
    await playback.chunks.return();
    return new Response(null, { headers });
  }
  const { env } = c;
  const chunks = (async function* (): AsyncGenerator<Buffer, void, void> {
    yield* playback.chunks;
    const missing = playback.missing();
    if (missing.length > 0) env.trailer(partialHeader, formatRanges(missing));
  })();
  return new Response(streamed(chunks, env), { headers });
}

/** Such as `cam-1_2026-11-22T12-00-00Z_10m0s.mp4`: sorts by time, and no file system minds it. */
export function fileName(camera: string, { fromUs, toUs }: TimeRange): string {
  const from = formatMs(fromUs).slice(0, 19).replaceAll(':', '-');
  const seconds = Math.ceil((toUs - fromUs) / 1_000_000);
  return `${camera}_${from}Z_${Math.floor(seconds / 60)}m${seconds % 60}s.mp4`;
}
