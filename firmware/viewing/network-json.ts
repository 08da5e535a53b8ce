/**
 * This server's place in the network as JSON: its tables, a camera's managers, the log. Times become ISO 8601 in UTC;
 * those of other servers are cut to what a date can be, because nothing they say may break an answer.
 */
import type { QueryAnswer } from '../overlay/effects.ts';
import type { HlcTime, Tenure } from '../overlay/packets.ts';
import type { TablesView } from '../overlay/views.ts';
import type { LogEntry } from '../runtime/log-ring.ts';
import type { LogAnswer, NetworkTimeAnswer, TablesAnswer, TenureAnswer, WhereAnswer } from './api.ts';

/** Furthest time from 1970 that a date can show, in ms. */
const dateMsMax = 8.64e15;
/** Entries of the log in one answer. */
export const logLinesDefault = 100;
export const logLinesMax = 500;

export function tablesJson({ server, network, neighbor, query, history }: TablesView): TablesAnswer {
  const { founder, founded, standing, trusted } = network;
  return {
    server,
    network: { founder, founded: networkTime(founded), standing, trusted },
    neighbor: {
      joinTime: networkTime(neighbor.joinTime),
      oneHop: neighbor.oneHop.map(({ joinTime, neighbors, ...rest }) => {
        return { ...rest, joinTime: networkTime(joinTime), neighbors: [...neighbors] };
      }),
      twoHop: neighbor.twoHop.map(({ joinTime, from, neighbors, ...rest }) => {
        return { ...rest, from: [...from], joinTime: networkTime(joinTime), neighbors: [...neighbors] };
      }),
    },
    query: {
      direct: [...query.direct],
      indirect: { oneHop: [...query.indirect.oneHop], further: [...query.indirect.further] },
      servers: query.servers.map(({ direct, indirect1, indirect2, ...rest }) => {
        return { ...rest, direct: [...direct], indirect1: [...indirect1], indirect2: [...indirect2] };
      }),
    },
    history: history.map(({ camera, state, previousOwners, tenures }) => {
      return { camera, state, previousOwners: [...previousOwners], tenures: tenures.map(tenureJson) };
    }),
  };
}

/** `pageOf` tells where a server's page is. */
export function whereJson(
  { camera, manager, link, epoch, state, tenures }: QueryAnswer,
  pageOf: (server: string) => string | undefined,
): WhereAnswer {
  return {
    camera,
    manager: manager ?? null,
    address: link === undefined ? null : { host: link.host, port: link.port },
    pageUrl: (manager === undefined ? undefined : pageOf(manager)) ?? null,
    epoch,
    state,
    tenures: withUnknown(tenures.map(tenureJson)),
  };
}

/** `entries` are the newest there are. */
export function logJson(server: string, entries: readonly LogEntry[], after: number): LogAnswer {
  return {
    server,
    newest: entries.at(-1)?.number ?? 0,
    entries: entries
      .filter((entry) => entry.number > after)
      .map(({ number, utcMs, level, text }) => ({ number, time: isoTime(utcMs), level, text })),
  };
}

function networkTime({ ms, count }: HlcTime): NetworkTimeAnswer {
  return { at: isoTime(ms), count };
}

function tenureJson({ server, firstEpoch, lastEpoch, fromUs, toUs }: Omit<Tenure, 'camera'>): TenureAnswer {
  const time = (us: number): string | null => (us === 0 ? null : isoTime(us / 1000));
  return { server, firstEpoch, lastEpoch, from: time(fromUs), to: time(toUs) };
}

/** Epochs begin at 1; those that nobody has told of become a tenure of `unknown`. */
function withUnknown(tenures: readonly TenureAnswer[]): TenureAnswer[] {
  return tenures.flatMap((tenure, place) => {
    const before = tenures[place - 1];
    const firstEpoch = (before?.lastEpoch ?? 0) + 1;
    if (firstEpoch >= tenure.firstEpoch) return [tenure];
    const lastEpoch = tenure.firstEpoch - 1;
    return [{ server: 'unknown', firstEpoch, lastEpoch, from: before?.to ?? null, to: tenure.from }, tenure];
  });
}

function isoTime(ms: number): string {
  return new Date(Math.max(-dateMsMax, Math.min(dateMsMax, Math.floor(ms)))).toISOString();
}
