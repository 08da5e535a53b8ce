/**
 * Answers as somebody sees them whose rights hold for some cameras only: without the others, wherever they are named.
 * Pure.
 */
import { type Principal, seesCamera } from '../access/principal.ts';
import type { AlarmAnswer, LogAnswer, SiteAnswer, StatusAnswer, TablesAnswer } from './api.ts';

type Rights = Pick<Principal, 'cameras'>;

/** The ids among these that `rights` hold for. */
export function visibleIds(rights: Rights, cameras: readonly string[]): string[] {
  return cameras.filter((camera) => seesCamera(rights, camera));
}

export function visibleSite(rights: Rights, site: SiteAnswer): SiteAnswer {
  const servers = site.servers.map((server) => ({ ...server, cameras: visibleIds(rights, server.cameras) }));
  return { ...site, servers };
}

/** Alarms of volumes are everybody's: they say why recordings are missing. */
export function visibleAlarms<T extends Pick<AlarmAnswer, 'id'>>(rights: Rights, alarms: readonly T[]): T[] {
  return alarms.filter(
    ({ id }) => !id.startsWith('camera/') || seesCamera(rights, id.slice('camera/'.length)),
  );
}

export function visibleStatus(rights: Rights, status: StatusAnswer): StatusAnswer {
  return {
    ...status,
    alarms: visibleAlarms(rights, status.alarms),
    cameras: status.cameras.filter(({ id }) => seesCamera(rights, id)),
  };
}

export function visibleTables(rights: Rights, tables: TablesAnswer): TablesAnswer {
  const mine = (cameras: readonly string[]): string[] => visibleIds(rights, cameras);
  const { query, history } = tables;
  return {
    ...tables,
    query: {
      direct: mine(query.direct),
      indirect: { oneHop: mine(query.indirect.oneHop), further: mine(query.indirect.further) },
      servers: query.servers.map(({ direct, indirect1, indirect2, ...rest }) => {
        return { ...rest, direct: mine(direct), indirect1: mine(indirect1), indirect2: mine(indirect2) };
      }),
    },
    history: history.filter(({ camera }) => seesCamera(rights, camera)),
  };
}

/** Leaves out what names another camera; `cameras` are all there are. */
export function visibleLog(rights: Rights, log: LogAnswer, cameras: readonly string[]): LogAnswer {
  if (rights.cameras === 'all') return log;
  const hidden = new Set(cameras.filter((camera) => !seesCamera(rights, camera)));
  const names = (text: string): boolean =>
    (text.match(/[a-z0-9-]+/gi) ?? []).some((word) => hidden.has(word));
  return { ...log, entries: log.entries.filter(({ text }) => !names(text)) };
}
