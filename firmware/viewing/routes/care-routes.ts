/** The machine a server runs on: disks, temperature, power, watchdog, clock. */
import type { Clock } from '../../base/clock.ts';
import type { DisksAnswer } from '../api.ts';
import type { Directory, PeerClient } from '../directory.ts';
import { forward } from '../forwarding.ts';
import { type Api, describeRoute, json, z } from '../routing.ts';
import { disksAnswer } from '../schemas/care-schemas.ts';
import { serverQuery } from '../schemas/fields.ts';

const serverAnswerMs = 3_000;

export interface CareRouteOptions {
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly clock: Clock;
  readonly disks: () => DisksAnswer;
}

const disksRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/disks',
  tags: ['site'],
  summary: "A server's disks, temperature, power, watchdog and clock, and what is wrong with them",
  request: { query: z.object({ server: serverQuery }) },
  responses: { 200: json(disksAnswer, 'the machine of that server') },
});

export function addCareRoutes(api: Api, options: CareRouteOptions): void {
  api.openapi(disksRoute, (c) => {
    const { server } = c.req.valid('query');
    if (server !== undefined && server !== options.directory.self) {
      return forward(c, server, options, { timeoutMs: serverAnswerMs, target: '/api/disks' });
    }
    return c.json(options.disks());
  });
}
