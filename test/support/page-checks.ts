/**
 * What the tests of the page do again and again: open it on the stand-in server, wait for a live picture, wait for a
 * recorded time, compare the time that the page tells with the time painted into the frame it shows.
 */
import assert from 'node:assert/strict';
import type { Page, Route } from 'playwright-core';
import {
  type Chromium,
  type ChromiumOptions,
  openChromium,
  readPixels,
  readVideo,
  type VideoFacts,
  waitFor,
} from './chromium.ts';
import type { PageFixture } from './page-fixture.ts';
import type { RecordedFacts } from './page-fixture-archive.ts';
import { squareSide } from './page-fixture-video.ts';

/** Where screenshots are left. */
export const artefacts = new URL('../../artefacts/', import.meta.url).pathname;
/** The recording's video element. */
export const recorded = '.picture-recording video';

/** Runs a check on a fresh page; every error that the page logs fails it, but for answers that were meant to fail. */
export async function withPage(
  fixture: PageFixture,
  hash: string,
  options: ChromiumOptions & { refusals?: boolean },
  check: (browser: Chromium) => Promise<void>,
  script?: string,
): Promise<void> {
  await using browser = await openChromium(options);
  if (script !== undefined) await browser.page.addInitScript(script);
  await browser.page.goto(`${fixture.url}${hash}`);
  await check(browser);
  const meant =
    /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of (400|401|403|409|412|429|503)|WebSocket connection .* failed/;
  const errors = browser.errors.filter((error) => !(options.refusals === true && meant.test(error)));
  assert.deepEqual(errors, []);
}

export function videoOf(camera: string): string {
  return `video[data-camera="${camera}"]`;
}

export function gateAt(atMs: number): string {
  return `#/camera/gate?at=${new Date(atMs).toISOString()}`;
}

/** Waits until a camera's picture is live and has moved since. */
export async function live(page: Page, camera: string, limitMs = 15_000): Promise<VideoFacts> {
  await page.waitForSelector(`${videoOf(camera)}[data-state="live"]`, {
    timeout: limitMs,
    state: 'attached',
  });
  // The fewest seen: another view of the page has another video, that counts anew.
  let from = Number.POSITIVE_INFINITY;
  return waitFor(
    `${camera} is live`,
    () => readVideo(page, videoOf(camera)),
    (now) => {
      from = Math.min(from, now.displayedFrames);
      return now.state === 'live' && now.displayedFrames > from;
    },
    limitMs,
  );
}

export async function framesMore(page: Page, camera: string, count: number): Promise<void> {
  const first = await readVideo(page, videoOf(camera));
  await waitFor(
    `${count} frames more of ${camera}`,
    () => readVideo(page, videoOf(camera)),
    (now) => now.state === 'live' && now.displayedFrames >= first.displayedFrames + count,
  );
}

/** Waits until the recording shows a frame of this time or later. */
export async function played(page: Page, fromMs: number): Promise<void> {
  await page.waitForSelector(recorded);
  await waitFor(
    `played ${new Date(fromMs).toISOString()}`,
    () => readVideo(page, recorded),
    (now) => now.wallClockMs >= fromMs - 70 && now.displayedFrames > 3,
    20_000,
  );
}

export async function playedBefore(page: Page, beforeMs: number): Promise<void> {
  await page.waitForSelector(recorded);
  await waitFor(
    `played before ${new Date(beforeMs).toISOString()}`,
    () => readVideo(page, recorded),
    (now) => now.wallClockMs < beforeMs,
    20_000,
  );
}

/** Pauses, and checks that the time the page tells is the time painted into the frame it shows. */
export async function pausedFrame(
  page: Page,
  facts: RecordedFacts,
): Promise<{ segment: number; wallClockMs: number }> {
  await page.click('button[aria-label="Pause"]');
  await page.waitForSelector(`${recorded}[data-state="paused"]`);
  const { fromMs, gapToMs, thirdFromMs } = facts;
  const starts = [0, fromMs, gapToMs, thirdFromMs];
  return waitFor(
    'the time told is the time shown',
    async () => {
      const { wallClockMs } = await readVideo(page, recorded);
      const painted = readSquares(await readPixels(page, recorded, 640, 360));
      const told = (wallClockMs - (starts[painted.segment] ?? 0)) / 1000;
      return { ...painted, wallClockMs, told };
    },
    // half a millisecond: the address of a frame in the file is rounded to the microsecond
    ({ second, told }) => Math.floor(told + 0.0005) === second,
    3_000,
  );
}

function readSquares(pixels: Buffer): { second: number; segment: number } {
  let value = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    const [x, y] = [bit * squareSide + squareSide / 2, 360 - squareSide / 2];
    if ((pixels[(y * 640 + x) * 4] ?? 0) > 127) value |= 1 << bit;
  }
  return { second: value & 63, segment: value >> 6 };
}

/** Types a local time of the day that is shown into the panel and asks for it; the tests' browser is in the zone of this process. */
export async function jumpTo(page: Page, ms: number): Promise<void> {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(11, 19);
  await page.fill('.jump input', local);
  await page.click('.jump button');
}

/** Presses a key so often that the page has shown nothing of it meanwhile. */
export async function pressed(page: Page, key: string, times: number): Promise<void> {
  await page.evaluate(`for (let time = 0; time < ${times}; time += 1) {
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '${key}', bubbles: true }));
  }`);
}

/** Holds back the answers to some requests, until its result is called. */
export async function holdBack(page: Page, requests: RegExp): Promise<() => Promise<void>> {
  const held: Route[] = [];
  await page.route(requests, (route) => {
    held.push(route);
  });
  return async () => {
    await page.unroute(requests);
    // the page may have given some of them up
    await Promise.all(held.map((route) => route.continue().catch(() => undefined)));
  };
}

export async function assertFits(page: Page): Promise<void> {
  const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
  const [content, screen] = widths as [number, number];
  assert.ok(content <= screen, `${content} pixels wide on a screen of ${screen}`);
}
