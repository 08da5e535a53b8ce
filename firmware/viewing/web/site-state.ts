/**
 * What the page knows of the site: asked every two seconds, kept while the server does not answer, with the time of
 * the last answer so that old knowledge is never shown as new. Nothing is asked while nobody is signed in.
 */

import { batch, signal } from '@preact/signals';
import type { CameraAnswer, CamerasAnswer, SiteAnswer } from '../api.ts';
import { ApiFailure, getCameras, getSite } from './api-client.ts';
import { loadSession, session, sessionLost } from './session-state.ts';

const intervalMs = 2_000;

/** Last known; undefined until the first answer. */
export const site = signal<SiteAnswer | undefined>(undefined);
/** Last known; undefined until the first answer. */
export const cameras = signal<CamerasAnswer | undefined>(undefined);
/** Why the newest question failed; undefined while the server answers. */
export const failure = signal<ApiFailure | undefined>(undefined);
/** ms UTC of the last answer. */
export const answeredAtMs = signal<number | undefined>(undefined);
/** Now, ms UTC, renewed every second: for ages that count up. */
export const nowMs = signal(Date.now());

let ask: () => void = () => {};

/** Asks now instead of at the next turn. */
export function askAgain(): void {
  ask();
}

/** A camera of the site; undefined while this server does not know it. */
export function cameraOf(id: string): CameraAnswer | undefined {
  return cameras.value?.cameras.find((camera) => camera.id === id);
}

/** What people call a camera: its name where it has one. */
export function cameraName(id: string): string {
  return cameraOf(id)?.name || id;
}

/** What people call a server: its name where it has one. */
export function serverName(id: string): string {
  return site.value?.servers.find((server) => server.id === id)?.name || id;
}

/** The groups that cameras are in, by name. */
export function groupsOf(all: readonly CameraAnswer[]): string[] {
  return [...new Set(all.map(({ group }) => group ?? '').filter((group) => group !== ''))].sort(inOrder);
}

/** As people sort: `cam-2` before `cam-10`. */
export function inOrder(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

/** Keeps the state fresh until the signal aborts; a hidden page asks nothing. */
export async function followSite(stop: AbortSignal): Promise<void> {
  const clock = setInterval(() => {
    nowMs.value = Date.now();
  }, 1_000);
  document.addEventListener('visibilitychange', () => ask(), { signal: stop });
  session.subscribe(() => ask());
  while (!stop.aborted) {
    if (!document.hidden) await refresh(stop);
    await new Promise<void>((resolve) => {
      ask = resolve;
      setTimeout(resolve, intervalMs * (0.9 + Math.random() * 0.2));
    });
  }
  clearInterval(clock);
}

async function refresh(stop: AbortSignal): Promise<void> {
  try {
    if (session.value === undefined) await loadSession(stop);
    if (session.value === null || sessionLost.value) {
      failure.value = undefined;
      return;
    }
    const [newSite, newCameras] = await Promise.all([getSite(stop), getCameras(stop)]);
    const name = (camera: CameraAnswer) => camera.name || camera.id;
    newCameras.cameras.sort((one, other) => inOrder(name(one), name(other)));
    batch(() => {
      site.value = newSite;
      cameras.value = newCameras;
      failure.value = undefined;
      answeredAtMs.value = Date.now();
    });
  } catch (problem) {
    if (!(problem instanceof ApiFailure)) throw problem;
    if (problem.code !== 'ABORTED' && problem.status !== 401) failure.value = problem;
  }
}
