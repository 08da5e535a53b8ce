/** The site, its cameras, and how a server does. */
import type { Clock } from '../../base/clock.ts';
import type { SiteAnswer, StatusAnswer } from '../api.ts';
import { openApiDocument } from '../api-document.ts';
import { listCameras } from '../camera-list.ts';
import type { Directory, PeerClient } from '../directory.ts';
import { forward, peersFor } from '../forwarding.ts';
import type { LiveHub } from '../live-hub.ts';
import type { PtzAccess } from '../ptz-access.ts';
import { type Api, describeRoute, json, own, principal, z } from '../routing.ts';
import { serverQuery } from '../schemas/fields.ts';
import { camerasAnswer, siteAnswer, statusAnswer } from '../schemas/site-schemas.ts';
import type { SettingsAccess } from '../settings-access.ts';
import { visibleAlarms, visibleSite, visibleStatus } from '../visible.ts';

const serverAnswerMs = 3_000;

export interface SiteRouteOptions {
  readonly version: string;
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly live: LiveHub;
  readonly clock: Clock;
  readonly status: () => StatusAnswer;
  readonly ptz?: PtzAccess | undefined;
  readonly settings?: SettingsAccess | undefined;
}

const siteRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/site',
  tags: ['site'],
  summary: 'All servers of the site',
  responses: { 200: json(siteAnswer, 'as this server sees them') },
});

const statusRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/status',
  tags: ['site'],
  summary: 'How a server does',
  request: { query: z.object({ server: serverQuery }) },
  responses: { 200: json(statusAnswer, 'of that server alone') },
});

const camerasRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/cameras',
  tags: ['cameras'],
  summary: 'All cameras',
  responses: { 200: json(camerasAnswer, 'those that whoever asks may see') },
});

const documentRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/openapi.json',
  tags: ['site'],
  summary: 'This description of the API',
  responses: { 200: json(z.looseObject({ openapi: z.string() }), 'OpenAPI 3.1') },
});

export function addSiteRoutes(api: Api, options: SiteRouteOptions): void {
  const { directory, version, peers, settings } = options;
  api.openapi(siteRoute, (c) => {
    const servers = directory.servers().map(({ id, state, hops, pageUrl, cameras }) => {
      const name = settings?.ofServer(id).name ?? '';
      return { id, state, hops: hops ?? null, pageUrl, cameras: [...cameras], name };
    });
    const site: SiteAnswer = { site: directory.site, server: directory.self, version, servers };
    return c.json(visibleSite(principal(c), site));
  });
  api.openapi(statusRoute, (c) => {
    const { server } = c.req.valid('query');
    if (server !== undefined && server !== directory.self) {
      return forward(c, server, options, { timeoutMs: serverAnswerMs, target: '/api/status' });
    }
    return c.json(visibleStatus(principal(c), options.status()));
  });
  api.openapi(camerasRoute, async (c) => {
    const asking = principal(c);
    const list = await listCameras({ ...options, peers: peersFor(c, peers), own: own(c), rights: asking });
    return c.json({ ...list, alarms: visibleAlarms(asking, list.alarms) });
  });
  let document: string | undefined;
  api.openapi(documentRoute, (c) => {
    document ??= JSON.stringify(openApiDocument(api, { version, site: directory.site }));
    return c.body(document, 200, { 'content-type': 'application/json' });
  });
}
