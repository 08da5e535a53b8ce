/**
 * The HTTP API and the page, as functions from a request to an answer; sockets are somebody else's.
 *
 * Invariants: who asks is found out before anything else, and every route says who may use it; every answer of 400 and
 * above is an ErrorAnswer in JSON; a request of another server, or with `x-starling-own`, is answered from here alone and
 * never forwarded, so nothing is forwarded twice; nothing waits longer for another server than its stated limit; a body
 * has `bodyBytesMax` bytes at most and says so beforehand; only what changes something has one.
 */
import type { Access } from '../access/access.ts';
import type { Clock } from '../base/clock.ts';
import type { Archive } from '../recording/archive.ts';
import type { AccessControl, AccessRequest } from './access-control.ts';
import { type Connection, failureAnswer, refuse } from './answers.ts';
import type { DisksAnswer, StatusAnswer } from './api.ts';
import type { Directory, PeerClient } from './directory.ts';
import type { EventAccess } from './event-access.ts';
import type { FrameDecoder } from './frame-pictures.ts';
import { type LiveAdmission, LiveDoor, type LiveRequest } from './live-door.ts';
import type { LiveHub } from './live-hub.ts';
import type { NetworkAccess } from './network-access.ts';
import { type PageAssets, securityHeaders } from './page-shell.ts';
import type { ProtectionAccess } from './protection-access.ts';
import type { PtzAccess } from './ptz-access.ts';
import { RateLimits } from './rate-limits.ts';
import { addAccountRoutes, auditFirst } from './routes/account-routes.ts';
import { addCareRoutes } from './routes/care-routes.ts';
import { addEventRoutes } from './routes/event-routes.ts';
import { addFrameRoutes } from './routes/frame-routes.ts';
import { addLiveRoutes } from './routes/live-routes.ts';
import { addMediaRoutes } from './routes/media-routes.ts';
import { addMetricsRoutes, type MetricsAccess } from './routes/metrics-routes.ts';
import { addNetworkRoutes } from './routes/network-routes.ts';
import { addPageRoutes } from './routes/page-routes.ts';
import { addProtectionRoutes } from './routes/protection-routes.ts';
import { addPtzRoutes } from './routes/ptz-routes.ts';
import { addRecordingRoutes } from './routes/recording-routes.ts';
import { addSettingsRoutes } from './routes/settings-routes.ts';
import { addSiteRoutes } from './routes/site-routes.ts';
import { addStreamRoutes } from './routes/stream-routes.ts';
import { addVideoRoutes } from './routes/video-routes.ts';
import { type Api, bodyBytesMax, isOrdinary, newApi, thrownAnswer } from './routing.ts';
import { allowedMethods } from './served-routes.ts';
import type { SettingsAccess } from './settings-access.ts';
import type { StreamAccess } from './stream-access.ts';

export interface ViewingOptions {
  readonly version: string;
  readonly directory: Directory;
  readonly network: NetworkAccess;
  readonly archive: Archive;
  readonly protections: ProtectionAccess;
  /** absent where no camera has sensors */
  readonly events?: EventAccess;
  readonly live: LiveHub;
  readonly peers: PeerClient;
  /** absent where cameras cannot be told anything */
  readonly streams?: StreamAccess;
  readonly ptz?: PtzAccess;
  readonly settings?: SettingsAccess;
  readonly access: AccessControl;
  /** absent where there are no users */
  readonly accounts?: Access;
  readonly clock: Clock;
  readonly status: () => StatusAnswer;
  /** absent where nobody looks after the machine */
  readonly disks?: () => DisksAnswer;
  /** absent where nothing can be decoded */
  readonly decoder?: FrameDecoder;
  /** for a request with a signed link (path and query): signs the addresses that its answer names */
  readonly signLinks?: (target: string) => (path: string) => string;
  /** absent where nobody counts */
  readonly metrics?: MetricsAccess;
  readonly assets: PageAssets;
  /** A bug in answering one request, for the log; the others go on. */
  readonly onError: (thrown: unknown) => void;
}

/** What a server of HTTP needs to be one of Starling. */
export interface Viewing {
  /** Answers a request; never rejects. */
  answer(request: Request, connection: Connection): Promise<Response>;
  /** Decides on an upgrade to a WebSocket; never rejects. */
  admitLive(request: LiveRequest): Promise<LiveAdmission>;
}

/** A viewing side and its routes, for those who list them. */
export interface RoutedViewing extends Viewing {
  readonly api: Api;
}

/** Makes the viewing side of a server. */
export function createViewing(options: ViewingOptions): RoutedViewing {
  const api = newApi();
  const door = new LiveDoor(options);
  identifyFirst(api, options);
  addRoutes(api, options);
  api.notFound((c) => unrouted(api, c.req.method, c.req.path));
  api.onError((thrown) => {
    if (!isOrdinary(thrown)) options.onError(thrown);
    return thrownAnswer(thrown);
  });
  return {
    api,
    async answer(request, connection) {
      try {
        return withSecurity(refusedBody(request) ?? (await api.fetch(request, connection)));
      } catch (thrown) {
        options.onError(thrown);
        return withSecurity(failureAnswer(thrown));
      }
    },
    async admitLive(request) {
      try {
        return await door.admit(request);
      } catch (thrown) {
        options.onError(thrown);
        const answer = { error: 'this server made a mistake', advice: 'See its log.' };
        return { ok: false, status: 500, answer };
      }
    },
  };
}

function addRoutes(api: Api, options: ViewingOptions): void {
  const { accounts } = options;
  if (accounts !== undefined) auditFirst(api, { accounts });
  addPageRoutes(api, options);
  addSiteRoutes(api, options);
  addNetworkRoutes(api, options);
  addLiveRoutes(api);
  addRecordingRoutes(api, options);
  addVideoRoutes(api, options);
  addMediaRoutes(api, options);
  addFrameRoutes(api, options);
  addProtectionRoutes(api, options);
  const { events, streams, ptz, settings } = options;
  if (events !== undefined) addEventRoutes(api, { ...options, events });
  if (streams !== undefined) addStreamRoutes(api, { ...options, streams });
  if (ptz !== undefined) addPtzRoutes(api, { ...options, ptz });
  if (settings !== undefined) addSettingsRoutes(api, { ...options, settings });
  const { disks } = options;
  if (disks !== undefined) addCareRoutes(api, { ...options, disks });
  const { metrics } = options;
  if (metrics !== undefined) addMetricsRoutes(api, { metrics });
  if (accounts !== undefined) addAccountRoutes(api, { ...options, accounts });
}

/** Everything after this knows who asks. */
function identifyFirst(api: Api, { access, clock }: ViewingOptions): void {
  const limits = new RateLimits(clock);
  api.use(async (c, next) => {
    c.set('limits', limits);
    // First the body, which may take seconds: who asks is who they are when it is there. One that broke off is refused
    // by the route that looks at it.
    if (mayHaveBody(c.req.raw)) await c.req.arrayBuffer().catch(() => undefined);
    const { principal, reason, headers } = await access.identify(accessRequest(c.req.raw, c.env));
    c.set('principal', principal);
    c.set('unidentified', reason);
    await next();
    for (const [name, value] of Object.entries(headers ?? {})) {
      // Whoever has just signed in or out has another cookie than the one that would be renewed.
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
  });
}

function accessRequest(request: Request, { peer, remoteAddress, secure }: Connection): AccessRequest {
  const { pathname, search } = new URL(request.url);
  const header = (name: string): string | undefined => request.headers.get(name) ?? undefined;
  return { method: request.method, target: `${pathname}${search}`, header, peer, remoteAddress, secure };
}

function mayHaveBody({ method }: Request): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

/** What is only read has no body; others say beforehand how long theirs is. */
function refusedBody(request: Request): Response | undefined {
  const { headers } = request;
  const close = { connection: 'close' };
  const length = Number(headers.get('content-length') ?? 0);
  const chunked = headers.has('transfer-encoding');
  if (!mayHaveBody(request)) {
    if (length === 0 && !chunked) return undefined;
    return refuse(413, 'the request has a body', 'Send the request without a body.', close);
  }
  if (chunked) return refuse(411, 'the request does not say how long it is', 'Send content-length.', close);
  if (length <= bodyBytesMax) return undefined;
  return refuse(413, 'the body is too large', `Send ${bodyBytesMax} bytes at most.`, close);
}

function unrouted(api: Api, method: string, path: string): Response {
  const allowed = allowedMethods(api, path);
  if (allowed.length > 0) {
    const advice = `Possible here: ${allowed.join(', ')}.`;
    return refuse(405, `${method.slice(0, 20)} is not possible here`, advice, { allow: allowed.join(', ') });
  }
  const advice = 'Open / for the page; the API is below /api/.';
  return refuse(404, `there is nothing at ${path.slice(0, 200)}`, advice);
}

function withSecurity(response: Response): Response {
  for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
  if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'private, no-store');
  return response;
}
