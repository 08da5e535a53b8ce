/** What sensors of cameras saw: motion, a button, an end stop. */
import { seesCamera } from '../../access/principal.ts';
import type { Clock } from '../../base/clock.ts';
import type { EventsAnswer } from '../api.ts';
import type { Directory, PeerClient } from '../directory.ts';
import type { EventAccess } from '../event-access.ts';
import { peersFor } from '../forwarding.ts';
import { rangeOf } from '../recording-sources.ts';
import { type Api, checkRights, describeRoute, json, own, principal } from '../routing.ts';
import { eventsAnswer, eventsQuery } from '../schemas/event-schemas.ts';
import { siteEvents } from '../site-events.ts';
import { formatMs } from '../time-query.ts';

export interface EventRouteOptions {
  readonly events: EventAccess;
  readonly directory: Directory;
  readonly peers: PeerClient;
  readonly clock: Clock;
}

/** A list of events without a range goes back this far. */
const defaultSpanUs = 24 * 3600 * 1_000_000;
const limitDefault = 100;

const eventsRoute = describeRoute('viewer', {
  method: 'get',
  path: '/api/events',
  tags: ['recordings'],
  summary: 'What sensors of cameras saw: motion, a button, an end stop',
  request: { query: eventsQuery },
  responses: { 200: json(eventsAnswer, 'of all servers, of the cameras that you may see') },
});

export function addEventRoutes(api: Api, options: EventRouteOptions): void {
  const { events, peers, clock } = options;
  api.openapi(eventsRoute, async (c) => {
    const { camera, limit = limitDefault, ...wanted } = c.req.valid('query');
    const asking = principal(c);
    if (camera !== undefined) checkRights(asking, 'viewer', camera);
    const nowUs = Math.ceil(clock.utcMs()) * 1_000;
    const range = rangeOf(wanted, { toUs: nowUs + 1, spanUs: defaultSpanUs });
    const sees = (one: string): boolean => seesCamera(asking, one);
    const sources = { ...options, events, peers: peersFor(c, peers), own: own(c) };
    const list = await siteEvents({ ...range, camera, limit, sees }, sources);
    const answer: EventsAnswer = {
      events: list.events
        .filter((event) => sees(event.camera))
        .map(({ fromUs, toUs, ...event }) => {
          return { ...event, from: formatMs(fromUs), to: toUs === 0 ? null : formatMs(toUs) };
        }),
      unreachable: [...list.unreachable],
      truncated: list.nextUs !== undefined,
      next: list.nextUs === undefined ? null : formatMs(list.nextUs),
    };
    return c.json(answer);
  });
}
