/**
 * `npm run screenshots`: takes the two pictures that the README shows, from a real network.
 * `npm run screenshots -- FOLDER`: every view of the page, dark, light and on a phone, from the tests' stand-in server.
 */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Page } from 'playwright-core';
import type { PtzAnswer } from '../firmware/viewing/api.ts';
import { type ChromiumOptions, openChromium } from '../test/support/chromium.ts';
import { getCameras, getRecordings, startNetwork, until, untilUp } from '../test/support/network.ts';
import { live } from '../test/support/page-checks.ts';
import { openPageFixture } from '../test/support/page-fixture.ts';
import { PageFixtureApi } from '../test/support/page-fixture-api.ts';
import { furnish, goToView, pageViews } from '../test/support/page-views.ts';

const screen = { width: 1280, height: 760 };
const looks: Readonly<Record<string, ChromiumOptions>> = {
  dark: screen,
  light: { ...screen, colorScheme: 'light' },
  phone: { width: 360, height: 740, touch: true },
};

/** Names that make the pictures speak of something. */
const names: readonly (readonly [camera: string, name: string, group: string])[] = [
  ['cam-1', 'Harbour wall', 'Water'],
  ['cam-2', 'Boat house', 'Water'],
  ['cam-3', 'Front gate', 'Land'],
  ['cam-4', 'Orchard', 'Land'],
];

const presets: readonly (readonly [name: string, position: { pan: number; tilt: number; zoom: number }])[] = [
  ['Quay', { pan: -30, tilt: 2, zoom: 1.5 }],
  ['Slipway', { pan: 35, tilt: 5, zoom: 2 }],
  ['Horizon', { pan: 8, tilt: 4, zoom: 1.2 }],
];

async function shoot(page: Page, path: string, whole = false): Promise<void> {
  // nobody scrolls in a picture
  await page.evaluate(`document.documentElement.style.scrollbarGutter = 'auto'`);
  await page.screenshot({ path, fullPage: whole });
  console.log(path);
}

/** Changes something by the API of a server. */
async function change(url: string, method: string, body?: object): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-starling': '1' };
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${await response.text()}`);
}

/** Names the cameras, and gives the first one presets. */
async function furnishNetwork(url: string): Promise<void> {
  for (const [camera, name, group] of names) {
    await change(`${url}/api/cameras/${camera}/settings`, 'PATCH', { name, group });
  }
  const camera = `${url}/api/cameras/cam-1`;
  for (const [preset, position] of presets) {
    await change(`${camera}/ptz`, 'POST', position);
    await until(`it looks at ${preset}`, async () => {
      const ptz = (await (await fetch(`${camera}/ptz`)).json()) as PtzAnswer;
      return !ptz.moving && ptz.position?.pan === position.pan;
    });
    await change(`${camera}/presets/${preset}`, 'PUT');
  }
}

/** Waits until so much of a camera is recorded. */
async function recorded(url: string, camera: string, ms: number): Promise<void> {
  const enough = async () => {
    const { segments } = await getRecordings(url, camera);
    const [first, last] = [segments[0], segments.at(-1)];
    return first !== undefined && last !== undefined && Date.parse(last.to) - Date.parse(first.from) > ms;
  };
  await until(`${ms} ms of ${camera} are recorded`, enough, ms + 60_000);
}

async function shootReadme(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await using network = await startNetwork({ servers: 3, cameras: names.length });
  await untilUp(network, 3, names.length);
  await furnishNetwork(network.url());
  await using browser = await openChromium(screen);
  const { page } = browser;
  await page.goto(network.url());
  await page.waitForSelector('.groups');
  for (const [camera] of names) await live(page, camera);
  await shoot(page, join(folder, 'grid.png'));
  await recorded(network.url(), 'cam-1', 60_000);
  const manager = (await getCameras(network.url())).find(({ id }) => id === 'cam-1')?.manager ?? '';
  const other = network.url(manager === 'ss-1' ? 'ss-2' : 'ss-1');
  // what the timeline shall show: another server went on
  process.kill(network.unit(manager).pid ?? Number.NaN, 'SIGKILL');
  await recorded(other, 'cam-1', 120_000);
  await untilUp(network, 3, names.length);
  await page.goto(`${other}/#/camera/cam-1`);
  await live(page, 'cam-1');
  await page.waitForSelector('.presets li');
  await shoot(page, join(folder, 'camera.png'));
}

async function shootAll(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await using fixture = await openPageFixture();
  for (const [look, options] of Object.entries(looks)) {
    for (const view of pageViews(fixture)) {
      fixture.api = new PageFixtureApi();
      furnish(fixture);
      if (view.signedOut === true) fixture.api.session = null;
      await using browser = await openChromium(options);
      await goToView(browser.page, fixture, view);
      // pictures and lists come when they come
      await browser.page.waitForTimeout(1_000);
      await shoot(
        browser.page,
        join(folder, `${look}-${view.name}.png`),
        look === 'phone' && view.open === undefined,
      );
    }
  }
}

const [folder] = process.argv.slice(2);
if (folder === undefined)
  await shootReadme(join(import.meta.dirname, '..', 'firmware', 'viewing', 'screenshots'));
else await shootAll(resolve(folder));
