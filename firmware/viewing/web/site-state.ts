/**
 * What the page knows of the site: asked every two seconds, kept while the server does not answer, with the time of
 * the last answer so that old knowledge is never shown as new.
 */
import { batch, signal } from '@preact/signals';
import type { CamerasAnswer, SiteAnswer } from '../api.ts';
import { ApiFailure, getCameras, getSite } from './api-client.ts';

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

/** Keeps the state fresh until the signal aborts; a hidden page asks nothing. */
export async function followSite(stop: AbortSignal): Promise<void> {
  const clock = setInterval(() => {
    nowMs.value = Date.now();
  }, 1_000);
  document.addEventListener('visibilitychange', () => ask(), { signal: stop });
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
    const [newSite, newCameras] = await Promise.all([getSite(stop), getCameras(stop)]);
    newCameras.cameras.sort((one, other) => one.id.localeCompare(other.id, 'en', { numeric: true }));
    batch(() => {
      site.value = newSite;
      cameras.value = newCameras;
      failure.value = undefined;
      answeredAtMs.value = Date.now();
    });
  } catch (problem) {
    if (!(problem instanceof ApiFailure)) throw problem;
    if (problem.code !== 'ABORTED') failure.value = problem;
  }
}
