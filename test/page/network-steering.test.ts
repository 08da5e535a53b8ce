/** A real camera is steered, named and zoomed from the page of a server that does not manage it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Chromium, openChromium, waitFor } from '../support/chromium.ts';
import { getCameras, startNetwork, type TestNetwork, untilUp } from '../support/network.ts';
import { live } from '../support/page-checks.ts';

let network: TestNetwork;
let browser: Chromium;

before(async () => {
  network = await startNetwork({ servers: 2, cameras: 1 });
  await untilUp(network, 2, 1);
  const [camera] = await getCameras(network.url());
  browser = await openChromium();
  await browser.page.goto(`${network.url(camera?.manager === 'ss-1' ? 'ss-2' : 'ss-1')}/#/camera/cam-1`);
});

after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

/** Degrees that the page tells, when they are as expected. */
async function pan(expected: (degrees: number) => boolean): Promise<number> {
  const text = await waitFor(
    'the camera looks there',
    () => browser.page.innerText('.ptz-position'),
    (position) => expected(degreesIn(position)),
  );
  return degreesIn(text);
}

function degreesIn(text: string): number {
  return Number(/pan (−?)(\d+)°/.exec(text)?.slice(1).join('').replace('−', '-'));
}

describe('steering on a real network', { timeout: 120_000 }, () => {
  it('turns while a button is held, and stands still after', async () => {
    const { page } = browser;
    await live(page, 'cam-1');
    await page.hover('[aria-label="Pan right"]');
    await page.mouse.down();
    await pan((degrees) => degrees > 20);
    await page.mouse.up();
    await page.waitForSelector('.ptz-position:not(.ptz-moving)');
  });

  it('keeps what it looks at as a preset, and finds it again from straight ahead', async () => {
    const { page } = browser;
    const there = await pan(() => true);
    await page.fill('[name="preset"]', 'There');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.presets >> text="There"');
    await page.click('[aria-label="Look straight ahead"]');
    await pan((degrees) => degrees === 0);
    await page.click('.presets >> text="There"');
    await pan((degrees) => degrees === there);
  });

  it('gets a name on one server that all others know', async () => {
    const { page } = browser;
    await page.goto(new URL('/#/settings/cameras', page.url()).href);
    await page.click('[aria-label="Change cam-1"]');
    await page.fill('[name="name"]', 'Harbour');
    await page.click('dialog >> text="Save"');
    await page.waitForSelector('th:has-text("Harbour")');
    for (const server of ['ss-1', 'ss-2']) {
      await waitFor(
        `${server} knows the name`,
        async () => (await getCameras(network.url(server)))[0]?.name,
        (name) => name === 'Harbour',
      );
    }
  });

  it('streams at another frame rate when it is told to', async () => {
    const { page } = browser;
    await page.goto(new URL('/#/camera/cam-1', page.url()).href);
    await live(page, 'cam-1');
    await page.click('[aria-label="Frame rate and bit rate"]');
    await page.fill('[name="frameRate"]', '10');
    await page.click('dialog >> text="Save"');
    await page.waitForSelector('.toast:has-text("Harbour streams 10 frames/s")');
    await live(page, 'cam-1');
    await page.waitForSelector('.camera-size:has-text("10/s")');
  });

  it('says nothing bad on the console', () => {
    assert.deepEqual(browser.errors, []);
  });
});
