/**
 * The address of what is shown, the only place where that is kept, so that the back button, a reload and a pasted link
 * all work. Times in the address are ISO 8601 UTC, here ms UTC.
 *
 *   #/?group=Yard&layout=2                          the grid of cameras, or of one group; layout: columns
 *   #/camera/cam-1[?at=2026-11-22T12:34:56Z]        one camera, live or recorded from that time
 *   #/play?cameras=cam-1,cam-2&at=…[&speed=2]       several cameras' recordings at the same time
 *   #/network[?server=ss-1]                         the network, with the tables of a server
 *   #/settings/cameras                              what can be set, see `settingsPages`
 */
import { type ReadonlySignal, signal } from '@preact/signals';

/** The pages under `#/settings/`. */
const settingsPages = ['cameras', 'servers', 'users', 'tokens', 'audit', 'account'] as const;
export type SettingsPage = (typeof settingsPages)[number];

/** Cameras side by side at most; more would not decode. */
export const playCamerasMax = 9;
const speedMax = 8;
const columnsMax = 8;

export interface GridRoute {
  readonly view: 'grid';
  /** undefined: all cameras */
  readonly group: string | undefined;
  /** undefined: what this device prefers, or as many as fit */
  readonly columns: number | undefined;
}

export interface CameraRoute {
  readonly view: 'camera';
  readonly camera: string;
  /** undefined: live */
  readonly atMs: number | undefined;
}

export interface PlayRoute {
  readonly view: 'play';
  readonly cameras: readonly string[];
  /** undefined: not chosen yet */
  readonly atMs: number | undefined;
  readonly speed: number;
}

export interface NetworkRoute {
  readonly view: 'network';
  /** whose tables are shown; undefined: those of the connected server */
  readonly server: string | undefined;
}

export interface SettingsRoute {
  readonly view: 'settings';
  readonly page: SettingsPage;
}

export type Route = GridRoute | CameraRoute | PlayRoute | NetworkRoute | SettingsRoute;

const wholeGrid: GridRoute = { view: 'grid', group: undefined, columns: undefined };
const current = signal<Route>(wholeGrid);

/** What the address says now. A new value, even an equal one, means that somebody went there. */
export const route: ReadonlySignal<Route> = current;

/** Reads the part of an address from `#` on; anything unknown is the grid. @public */
export function parseHash(hash: string): Route {
  const [path = '', text = ''] = hash.replace(/^#/, '').split(/\?(.*)/s, 2);
  const query = new URLSearchParams(text);
  const [, place = '', name = ''] = path.split('/').map(decoded);
  if (place === 'camera' && name !== '') return { view: 'camera', camera: name, atMs: timeIn(query) };
  if (place === 'play') {
    const cameras = (query.get('cameras') ?? '').split(',').filter((camera) => camera !== '');
    const speed = Number(query.get('speed') ?? 1);
    return {
      view: 'play',
      cameras: [...new Set(cameras)].slice(0, playCamerasMax),
      atMs: timeIn(query),
      speed: speed > 0 && speed <= speedMax ? speed : 1,
    };
  }
  if (place === 'network') return { view: 'network', server: query.get('server') ?? undefined };
  if (place === 'settings') {
    return { view: 'settings', page: settingsPages.find((page) => page === name) ?? 'cameras' };
  }
  const columns = Number(query.get('layout') ?? Number.NaN);
  const usable = Number.isInteger(columns) && columns >= 1 && columns <= columnsMax;
  return { view: 'grid', group: query.get('group') ?? undefined, columns: usable ? columns : undefined };
}

/** The `href` of the grid, of all cameras or one group. */
export function gridHref(group?: string, columns?: number): string {
  return `#/${queryText({ group, layout: columns === undefined ? undefined : String(columns) })}`;
}

/** The `href` of a camera, live or from a time (to the second, milliseconds only where they matter). */
export function cameraHref(camera: string, atMs?: number): string {
  return `#/camera/${encodeURIComponent(camera)}${queryText({ at: timeText(atMs) })}`;
}

/** The `href` of several cameras' recordings at the same time. */
export function playHref(cameras: readonly string[], atMs?: number, speed = 1): string {
  const told = speed === 1 ? undefined : String(speed);
  return `#/play${queryText({ cameras: cameras.join(','), at: timeText(atMs), speed: told })}`;
}

/** The `href` of the network, with the tables of a server. */
export function networkHref(server?: string): string {
  return `#/network${queryText({ server })}`;
}

export function settingsHref(page: SettingsPage): string {
  return `#/settings/${page}`;
}

/** Goes somewhere, as a new entry in the browser's history. */
export function goTo(href: string): void {
  if (location.hash === href) read();
  else location.hash = href;
}

/** Goes somewhere in place of where one is: for choices that the back button need not undo one by one. */
export function replaceWith(href: string): void {
  history.replaceState(history.state, '', href);
  read();
}

/** Notes the time that plays in the address, without a new entry in the history and without a seek. */
export function noteTime(camera: string, atMs: number): void {
  noteAddress(cameraHref(camera, Math.round(atMs / 1000) * 1000));
}

/** Notes an address without a new entry in the history and without going there. */
export function noteAddress(href: string): void {
  history.replaceState(history.state, '', href);
}

/** Follows the address until the signal aborts. */
export function followLocation(signal: AbortSignal): void {
  read();
  addEventListener('hashchange', read, { signal });
}

function read(): void {
  current.value = parseHash(location.hash);
}

function timeIn(query: URLSearchParams): number | undefined {
  const ms = Date.parse(query.get('at') ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

function timeText(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** `?name=value&…` of what is set; commas and colons, which addresses may hold as they are, stay readable. */
function queryText(values: Record<string, string | undefined>): string {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  if (set.length === 0) return '';
  const text = new URLSearchParams(set as [string, string][]).toString();
  return `?${text.replaceAll('%2C', ',').replaceAll('%3A', ':')}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
