/**
 * What somebody in front of the page waits for, in Chromium on a small running network: every time is that of a picture
 * which was displayed, known by the frame number and the time that the test picture has burnt in.
 */
import assert from 'node:assert';
import type { Page } from 'playwright-core';
import { openChromium } from '../../test/support/chromium.ts';
import { getCameras, startNetwork, type TestNetwork, until, untilUp } from '../../test/support/network.ts';
import { live, videoOf } from '../../test/support/page-checks.ts';
import { installBarReader, watchFrames } from '../../test/support/test-bar-page.ts';
import type { Figure } from '../bench.ts';
import { MachineLoad, untilValid } from './viewing-load.ts';

export interface PagePlan {
  readonly displayedFrames: number;
  readonly openings: number;
  readonly scrubSteps: number;
  /** before scrubbing, so that there is something to scrub in */
  readonly recordedMs: number;
  readonly kills: number;
  /** how often each figure is measured at most, until it is valid */
  readonly attempts: number;
}

const servers = 3;
const cameras = 2;
/** The demo's cameras have one every second; nobody should see an older one. */
const keyframeMs = 1_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs it; about two minutes in whole. */
export async function benchPage(plan: PagePlan): Promise<Figure[]> {
  await using network = await startNetwork({ servers, cameras });
  const startedAt = Date.now();
  await untilUp(network, servers, cameras);
  await using browser = await openChromium();
  const { page } = browser;
  const figures = [
    await pageScript(page, network),
    ...(await valid(plan, () => displayLatency(page, network, plan.displayedFrames))),
    ...(await valid(plan, () => firstPicture(page, plan.openings))),
  ];
  await pause(Math.max(0, startedAt + plan.recordedMs - Date.now()));
  figures.push(...(await valid(plan, () => scrubbing(page, network, plan.scrubSteps))));
  figures.push(...(await valid(plan, () => failover(page, network, plan.kills))));
  return figures;
}

/** Measures while the machine is fit to measure on. */
function valid({ attempts }: PagePlan, measure: () => Promise<Figure[]>): Promise<Figure[]> {
  return untilValid(
    attempts,
    async () => {
      // The network's own processes and the browser's are children of this one.
      const load = new MachineLoad([]);
      const figures = await measure();
      const fault = load.fault();
      return fault === undefined ? figures : figures.map((figure) => ({ notValid: fault, ...figure }));
    },
    (figures) => figures.every(({ notValid }) => notValid === undefined),
  );
}

/** Every script that the first view needs, as a server sends it. */
async function pageScript(page: Page, network: TestNetwork): Promise<Figure> {
  await page.goto(`${network.url()}/#/live`);
  await live(page, 'cam-1');
  const sizes = await page.evaluate<number[]>(
    `performance.getEntriesByType('resource')
      .filter(({ name }) => new URL(name).pathname.endsWith('.js'))
      .map(({ encodedBodySize }) => encodedBodySize)`,
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { figure: 'page script, gzip', value: bytes / 1000, unit: 'kB' };
}

function percentiles(figure: string, times: readonly number[], notValid?: string): Figure[] {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  const fault = notValid === undefined ? {} : { notValid };
  return [
    { figure: `${figure}, p50`, value: at(0.5), unit: 'ms', ...fault },
    { figure: `${figure}, p95`, value: at(0.95), unit: 'ms', ...fault },
  ];
}

async function displayLatency(page: Page, network: TestNetwork, count: number): Promise<Figure[]> {
  await page.goto(`${network.url()}/#/camera/cam-1`);
  await live(page, 'cam-1');
  // The first seconds are the player finding its place.
  const frames = (await watchFrames(page, videoOf('cam-1'), count + 50)).slice(50);
  const numbers = frames.map(({ frameNumber }) => frameNumber);
  const missed = (numbers.at(-1) ?? 0) - (numbers[0] ?? 0) + 1 - new Set(numbers).size;
  // A browser leaves out a frame now and then when the screen is not ready; a machine that cannot keep up leaves out many.
  const fault = missed > count / 20 ? `${missed} of ${count} frames were not displayed` : undefined;
  const latencies = frames.map(({ latencyMs }) => latencyMs);
  return percentiles('capture to display', latencies, fault);
}

/** From the click that opens a camera to its first picture on the screen. */
async function firstPicture(page: Page, count: number): Promise<Figure[]> {
  const times: number[] = [];
  for (let opening = 0; opening < count; opening++) {
    await page.evaluate(`location.hash = '#/network'`);
    await page.waitForFunction(`document.querySelector('video') === null`);
    await installBarReader(page);
    times.push(
      await page.evaluate<number>(`new Promise((resolve, reject) => {
        const startedMs = performance.now();
        const giveUp = setTimeout(() => reject(new Error('no picture within 10 s')), 10000);
        const look = () => {
          const video = document.querySelector(${JSON.stringify(videoOf('cam-1'))});
          if (video === null) return requestAnimationFrame(look);
          const shown = (now, { expectedDisplayTime }) => {
            // before the bar is read, which takes some ms
            const shownMs = Math.max(expectedDisplayTime, performance.now());
            if (starlingBar(video) === null) return video.requestVideoFrameCallback(shown);
            clearTimeout(giveUp);
            resolve(shownMs - startedMs);
          };
          video.requestVideoFrameCallback(shown);
        };
        location.hash = '#/camera/cam-1';
        look();
      })`),
    );
  }
  return percentiles('first picture after opening a camera', times);
}

interface Step {
  /** from the pointer to the picture; undefined: none came */
  readonly ms: number | undefined;
  /** when the frame that was shown had been drawn */
  readonly utcMs: number;
}

/** Drags over the timeline, from one second to another that was not looked at before. */
async function scrubbing(page: Page, network: TestNetwork, count: number): Promise<Figure[]> {
  const { fromMs, toMs } = await recordedRange(network);
  await page.goto(`${network.url()}/#/camera/cam-1?at=${new Date((fromMs + toMs) / 2).toISOString()}`);
  const slider = page.locator('.timeline-slider').first();
  await slider.waitFor();
  await page.waitForSelector('.picture-recording video');
  await slider.focus();
  const windowOf = async (): Promise<{ fromMs: number; toMs: number }> => ({
    fromMs: Number(await slider.getAttribute('data-from')),
    toMs: Number(await slider.getAttribute('data-to')),
  });
  // As near as what was recorded fits.
  for (let zoom = 0; zoom < 12; zoom++) {
    const window = await windowOf();
    if (window.toMs - window.fromMs < 3 * (toMs - fromMs)) break;
    await page.keyboard.press('+');
  }
  const box = await slider.boundingBox();
  assert(box !== null, 'there is no timeline');
  // In the ruler dragging scrubs.
  const y = box.y + 8;
  await page.mouse.move(box.x + box.width / 2, y);
  await page.mouse.down();
  await page.waitForSelector('.scrub video[data-scrub-at]', { state: 'attached' });
  // Until now it moved with what was played.
  const window = await windowOf();
  const placeOf = (ms: number): number =>
    box.x + ((ms - window.fromMs) / (window.toMs - window.fromMs)) * box.width;
  const wanted = Array.from(
    { length: count - 1 },
    (_, place) => fromMs + (((place + 1) * 7919) % count) * ((toMs - fromMs) / count),
  );
  await installBarReader(page);
  await page.evaluate(watchScrubbing);
  const times: number[] = [];
  let wrong = 0;
  for (const ms of wanted) {
    const x = placeOf(ms);
    await page.evaluate('starlingScrub.begin()');
    await page.mouse.move(x, y);
    const step = await page.evaluate<Step>('starlingScrub.shown');
    const askedMs = window.fromMs + ((x - box.x) / box.width) * (window.toMs - window.fromMs);
    if (step.ms === undefined || step.utcMs > askedMs + 50 || step.utcMs < askedMs - 2 * keyframeMs)
      wrong += 1;
    if (step.ms !== undefined) times.push(step.ms);
  }
  await page.mouse.up();
  const fault = wrong > 0 ? `${wrong} of ${wanted.length} steps showed another picture, or none` : undefined;
  return percentiles('scrub step to picture, not cached', times, fault);
}

/** `starlingScrub.begin()`, then the pointer moves, then `starlingScrub.shown` resolves with the picture that follows. */
const watchScrubbing = `(() => {
  const video = document.querySelector('.scrub video');
  let movedMs, settle, late;
  window.starlingScrub = {
    shown: undefined,
    begin() {
      movedMs = undefined;
      this.shown = new Promise((resolve) => { settle = resolve; });
      clearTimeout(late);
      late = setTimeout(() => settle({ ms: undefined, utcMs: 0 }), 2000);
    },
  };
  document.addEventListener('pointermove', () => { movedMs ??= performance.now(); }, true);
  const next = (now, { expectedDisplayTime }) => {
    const shownMs = Math.max(expectedDisplayTime, performance.now());
    const bar = starlingBar(video);
    if (movedMs !== undefined && bar !== null) settle({ ms: shownMs - movedMs, utcMs: bar.utcMs });
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
})()`;

/** A stretch of cam-1 that is on a disk for certain. */
async function recordedRange(network: TestNetwork): Promise<{ fromMs: number; toMs: number }> {
  const now = new Date();
  const query = `from=${new Date(now.getTime() - 3_600_000).toISOString()}&to=${now.toISOString()}&resolution=2`;
  const response = await fetch(`${network.url()}/api/cameras/cam-1/recordings?${query}`);
  const { covered = [] } = (await response.json()) as { covered?: { from: string; to: string }[] };
  const last = covered.at(-1);
  assert(last !== undefined, 'nothing is recorded');
  return { fromMs: Date.parse(last.from) + 500, toMs: Date.parse(last.to) - 1_500 };
}

/** Kills the manager of a camera that is watched through another server, and waits for a picture taken after that. */
async function failover(page: Page, network: TestNetwork, count: number): Promise<Figure[]> {
  const times: number[] = [];
  for (let kill = 0; kill < count; kill++) {
    await untilUp(network, servers, cameras);
    const [managed] = await getCameras(network.url());
    assert(managed !== undefined, 'there is no camera');
    const other = [...network.units.keys()].find((id) => id.startsWith('ss-') && id !== managed.manager);
    await page.goto(`${network.url(other)}/#/camera/${managed.id}`);
    await live(page, managed.id);
    await installBarReader(page);
    await page.evaluate(`(() => {
      const video = document.querySelector(${JSON.stringify(videoOf(managed.id))});
      window.starlingFrames = [];
      const next = (now, { expectedDisplayTime }) => {
        const shownMs = performance.timeOrigin + Math.max(expectedDisplayTime, performance.now());
        const bar = starlingBar(video);
        if (bar !== null) starlingFrames.push({ shownMs, utcMs: bar.utcMs });
        if (starlingFrames.length > 1000) starlingFrames.shift();
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    })()`);
    await until('pictures', () => page.evaluate<boolean>('starlingFrames.length > 25'));
    const pid = network.unit(managed.manager).pid;
    assert(pid !== undefined, `${managed.manager} does not run`);
    const killedMs = Date.now();
    process.kill(pid, 'SIGKILL');
    const back = await until('a picture of after the death', async () => {
      const frames = await page.evaluate<{ shownMs: number; utcMs: number }[]>('starlingFrames');
      return frames.find(({ utcMs }) => utcMs > killedMs + 100);
    });
    // A picture that had left the manager before may still be shown; what counts is the first that cannot have.
    times.push(back.shownMs - killedMs);
  }
  return [
    {
      figure: `picture back after kill -9 of the manager, slowest of ${times.length}`,
      value: Math.max(...times),
      unit: 'ms',
    },
  ];
}
