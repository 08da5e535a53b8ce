/**
 * The events that all servers have, as one list, the newest first.
 *
 * Invariants: a camera that changed its server between the beginning and the end of an event has told it to both: it
 * is listed once, with its end; the list is complete down to `nextUs` (but for servers in `unreachable`), and what
 * another server says of its own end is believed only where it makes sense.
 */
import { z } from 'zod';
import { cutEvents, type EventPage, goOnUs } from '../base/event-page.ts';
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
interface ServerPage extends EventPage<StoredEvent> {
  readonly server: string;
}

export interface EventSources extends PeerAccess {
  readonly directory: Directory;
  readonly events: EventAccess;
  /** only this server may be asked */
  readonly own: boolean;
}

export interface SiteEvents extends EventPage<HeldEvent> {
  /** sorted */
  readonly unreachable: readonly string[];
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
export function mergeEvents(pages: readonly ServerPage[], limit: number): EventPage<HeldEvent> {
  const events = new Map<string, HeldEvent>();
  // Older than this, some server has events that it has not told.
  const toldUs = Math.max(0, ...pages.map(({ nextUs }) => nextUs ?? 0));
  for (const { server, events: of } of pages) {
    for (const event of of) {
      const key = `${event.fromUs}/${event.camera}/${event.kind}/${event.sensor}`;
      if ((events.get(key)?.toUs ?? 0) === 0) events.set(key, { ...event, server });
    }
  }
  const sorted = [...events.values()].sort((a, b) => b.fromUs - a.fromUs || (a.camera < b.camera ? -1 : 1));
  const told = sorted.filter(({ fromUs }) => fromUs >= toldUs);
  const cut = cutEvents(told, limit);
  return { events: cut.events, nextUs: cut.nextUs ?? (toldUs > 0 ? toldUs : undefined) };
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
  // Servers of earlier versions tell none.
  next: timeJson.nullable().optional(),
});

/** Undefined when that server does not answer, or makes no sense. */
async function peerPage(
  server: string,
  { fromUs, toUs, camera, limit }: EventQuery,
  access: PeerAccess,
): Promise<ServerPage | undefined> {
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
    const events = page.events
      .map(({ from, to, ...rest }) => ({ ...rest, fromUs: from, toUs: to ?? 0 }))
      .filter((event) => event.fromUs < toUs);
    const nextUs = page.next ?? endOfFull(events, limit);
    return { server, events, nextUs: page.truncated && (nextUs ?? toUs) < toUs ? nextUs : undefined };
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    return undefined;
  }
}

/** Where a list that was cut goes on, if its server does not tell; a list that is not full was not cut. */
function endOfFull(events: readonly StoredEvent[], limit: number): number | undefined {
  const [newest, oldest] = [events[0], events.at(-1)];
  if (newest === undefined || oldest === undefined || events.length < limit) return undefined;
  return goOnUs(oldest.fromUs, newest.fromUs);
}
