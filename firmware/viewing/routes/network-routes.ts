/** A server's place in the network: its tables, who has a camera, its log, and to leave. */
import type { Clock } from '../../base/clock.ts';
import type { Archive } from '../../recording/archive.ts';
import type { LeaveAnswer } from '../api.ts';
import type { Directory, PeerClient } from '../directory.ts';
import { forward } from '../forwarding.ts';
import { unknownCamera } from '../known-cameras.ts';
import type { NetworkAccess } from '../network-access.ts';
import { logJson, logLinesDefault, logLinesMax, tablesJson, whereJson } from '../network-json.ts';
import { type Api, cameraParams, describeRoute, json, principal, z } from '../routing.ts';
import { serverQuery, wholeNumber } from '../schemas/fields.ts';
import { leaveAnswer, logAnswer, tablesAnswer, whereAnswer } from '../schemas/network-schemas.ts';
import { visibleLog, visibleTables } from '../visible.ts';

const serverAnswerMs = 3_000;

export interface NetworkRouteOptions {
  readonly directory: Directory;
  readonly archive: Archive;
  readonly network: NetworkAccess;
  readonly peers: PeerClient;
  readonly clock: Clock;
}

const tablesRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/tables',
  tags: ['network'],
  summary: "A server's neighbor, query and history tables",
  request: { query: z.object({ server: serverQuery }) },
  responses: { 200: json(tablesAnswer, "the patent's Tables 1 to 3") },
});

const whereRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/where/{camera}',
  tags: ['network'],
  summary: 'Who manages a camera, and who did',
  request: { params: cameraParams },
  responses: { 200: json(whereAnswer, 'as its manager says') },
});

const logRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/log',
  tags: ['network'],
  summary: "The last lines of a server's log",
  request: {
    query: z.object({
      server: serverQuery,
      lines: wholeNumber(1, logLinesMax)
        .optional()
        .describe(`how many at most, by default ${logLinesDefault}`),
      after: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().describe('only entries of higher numbers'),
    }),
  },
  responses: { 200: json(logAnswer, 'the newest entries, oldest first') },
});

const leaveRoute = describeRoute('admin', {
  method: 'post',
  path: '/api/leave',
  tags: ['network'],
  summary: 'Makes this server leave the network and stop',
  responses: { 202: json(leaveAnswer, 'it has begun to leave') },
});

export function addNetworkRoutes(api: Api, options: NetworkRouteOptions): void {
  const { directory, network, archive } = options;
  api.openapi(tablesRoute, (c) => {
    const { server } = c.req.valid('query');
    if (server !== undefined && server !== directory.self) {
      return forward(c, server, options, { timeoutMs: serverAnswerMs, target: '/api/tables' });
    }
    return c.json(visibleTables(principal(c), tablesJson(network.tables())));
  });
  api.openapi(whereRoute, async (c) => {
    const { camera } = c.req.valid('param');
    const answer = await network.where(camera);
    if (answer.manager === undefined && answer.tenures.length === 0) throw unknownCamera(camera);
    const pageOf = (server: string): string | undefined =>
      directory.servers().find(({ id }) => id === server)?.pageUrl;
    return c.json(whereJson(answer, pageOf));
  });
  api.openapi(logRoute, async (c) => {
    const { server, lines = logLinesDefault, after = 0 } = c.req.valid('query');
    if (server !== undefined && server !== directory.self) {
      const target = `/api/log?lines=${lines}&after=${after}`;
      return forward(c, server, options, { timeoutMs: serverAnswerMs, target });
    }
    const log = logJson(directory.self, network.log(lines), after);
    const asking = principal(c);
    if (asking.cameras === 'all') return c.json(log);
    const tables = network.tables();
    const cameras = [
      ...directory.cameras().map(({ id }) => id),
      ...tables.history.map(({ camera }) => camera),
      ...(await archive.cameras()),
    ];
    return c.json(visibleLog(asking, log, cameras));
  });
  api.openapi(leaveRoute, (c) => {
    network.leave();
    return c.json({ server: directory.self } satisfies LeaveAnswer, 202);
  });
}
