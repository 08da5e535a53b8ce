/**
 * The address of what is shown: `#/` is the grid, `#/camera/cam-1` one camera live, and
 * `#/camera/cam-1?at=2026-11-22T12:34:56Z` its recording from that time. The address is the only place where this is
 * kept, so that the back button, a reload and a pasted link all work. Times in ms UTC.
 */
import { type ReadonlySignal, signal } from '@preact/signals';

export interface Route {
  /** undefined: the grid of all cameras */
  readonly camera: string | undefined;
  /** undefined: live */
  readonly atMs: number | undefined;
}

const current = signal<Route>({ camera: undefined, atMs: undefined });

/** What the address says now. */
export const route: ReadonlySignal<Route> = current;

/** Reads the part of an address from `#` on; anything unknown is the grid. */
function parseHash(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2);
  const match = /^\/camera\/([^/]+)$/.exec(path);
  if (match?.[1] === undefined) return { camera: undefined, atMs: undefined };
  const at = Date.parse(new URLSearchParams(query).get('at') ?? '');
  try {
    return { camera: decodeURIComponent(match[1]), atMs: Number.isNaN(at) ? undefined : at };
  } catch {
    return { camera: undefined, atMs: undefined };
  }
}

/** The `href` of a camera, live or from a time (to the second, milliseconds only where they matter). */
export function cameraHref(camera: string, atMs?: number): string {
  const at = atMs === undefined ? '' : `?at=${new Date(atMs).toISOString().replace('.000Z', 'Z')}`;
  return `#/camera/${encodeURIComponent(camera)}${at}`;
}

/** The `href` of the grid. */
export const gridHref = '#/';

/** Goes somewhere, as a new entry in the browser's history. */
export function goTo(href: string): void {
  if (location.hash === href) read();
  else location.hash = href;
}

/** Notes the time that plays in the address, without a new entry in the history and without a seek. */
export function noteTime(camera: string, atMs: number): void {
  history.replaceState(history.state, '', cameraHref(camera, Math.round(atMs / 1000) * 1000));
}

/** Follows the address until the signal aborts. */
export function followLocation(signal: AbortSignal): void {
  read();
  addEventListener('hashchange', read, { signal });
}

function read(): void {
  current.value = parseHash(location.hash);
}
