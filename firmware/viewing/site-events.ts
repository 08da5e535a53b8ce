/**
 * The events that all servers have, as one list, the newest first.
 *
 * Invariants: a camera that changed its server between the beginning and the end of an event has told it to both: it
 * is listed once, with its end; the list is complete down to its last event (but for servers in `unreachable`).
 */
import { z } from 'zod';
import { Failure } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { EventQuery, StoredEvent } from '../recording/event-log.ts';
import type { Directory } from './directory.ts';
import type { EventAccess } from './event-access.ts';
import { getPeerJson, type PeerAccess } from './holders.ts';
import { eventsPerAnswerMax } from './schemas/event-schemas.ts';
import { formatSeconds, parseTime } from './time-query.ts';

const answerMs = 2_000;

interface HeldEvent extends StoredEvent {
  readonly server: string;
}

/** What one server has. */
interface EventPage {
  readonly server: string;
  /** the newest first */
  readonly events: readonly StoredEvent[];
  readonly more: boolean;
}

export interface EventSources extends PeerAccess {
  readonly directory: Directory;
  readonly events: EventAccess;
  /** only this server may be asked */
  readonly own: boolean;
}

export interface SiteEvents {
  readonly events: readonly HeldEvent[];
  /** sorted */
  readonly unreachable: readonly string[];
  readonly truncated: boolean;
}

/** Asks all servers at once. */
export async function siteEvents(query: EventQuery, sources: EventSources): Promise<SiteEvents> {
  const { directory, events, own } = sources;
  const others = own ? [] : directory.servers().filter(({ id }) => id !== directory.self);
  const unreachable: string[] = [];
  const pages = await Promise.all([
    events.read(query).then((page) => ({ server: directory.self, ...page })),
    ...others.map(async ({ id, state }) => {
      const page = state === 'unreachable' ? undefined : await peerPage(id, query, sources);
      if (page === undefined) unreachable.push(id);
      return page;
    }),
  ]);
  const merged = mergeEvents(
    pages.filter((page) => page !== undefined),
    query.limit,
  );
  return { ...merged, unreachable: unreachable.sort() };
}

/** One list of several; pure. */
export function mergeEvents(
  pages: readonly EventPage[],
  limit: number,
): Pick<SiteEvents, 'events' | 'truncated'> {
  const events = new Map<string, HeldEvent>();
  // Older than this, some server has events that it has not told.
  let toldUs = 0;
  for (const { server, events: of, more } of pages) {
    for (const event of of) {
      const key = `${event.fromUs}/${event.camera}/${event.kind}/${event.sensor}`;
      if ((events.get(key)?.toUs ?? 0) === 0) events.set(key, { ...event, server });
    }
    if (more) toldUs = Math.max(toldUs, of.at(-1)?.fromUs ?? Number.POSITIVE_INFINITY);
  }
  const sorted = [...events.values()].sort((a, b) => b.fromUs - a.fromUs || (a.camera < b.camera ? -1 : 1));
  const told = sorted.filter(({ fromUs }) => fromUs >= toldUs);
  return { events: told.slice(0, limit), truncated: toldUs > 0 || told.length > limit };
}

const timeJson = z.string().transform((text, context) => {
  const time = parseTime(text);
  if (time.ok) return time.value;
  context.addIssue('not a time');
  return z.NEVER;
});
const word = z.string().refine(isId);

const pageJson = z.object({
  events: z
    .array(
      z.object({
        camera: word,
        kind: word,
        sensor: z.union([z.literal(''), word]),
        from: timeJson,
        to: timeJson.nullable(),
      }),
    )
    .max(eventsPerAnswerMax),
  truncated: z.boolean(),
});

/** Undefined when that server does not answer, or makes no sense. */
async function peerPage(
  server: string,
  { fromUs, toUs, camera, limit }: EventQuery,
  access: PeerAccess,
): Promise<EventPage | undefined> {
  const query = new URLSearchParams({
    from: formatSeconds(fromUs),
    to: formatSeconds(toUs),
    limit: String(limit),
  });
  if (camera !== undefined) query.set('camera', camera);
  try {
    const { json } = await getPeerJson(access, server, `/api/events?${query.toString()}`, answerMs);
    const page = pageJson.safeParse(json).data;
    if (page === undefined) return undefined;
    const events = page.events.map(({ from, to, ...rest }) => ({ ...rest, fromUs: from, toUs: to ?? 0 }));
    return { server, events, more: page.truncated };
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    return undefined;
  }
}
