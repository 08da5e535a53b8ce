/** Steering, zoom, snapshots, links and streams in Debian's Chromium, against a stand-in for the server. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { waitFor } from '../support/chromium.ts';
import { gateAt, live, played, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import { PageFixtureApi } from '../support/page-fixture-api.ts';

let fixture: PageFixture;

before(async () => {
  fixture = await openPageFixture();
});

beforeEach(() => {
  fixture.api = new PageFixtureApi();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Opens the camera, live, and waits until it can be steered; returns where its picture is. */
async function steerable(page: Page): Promise<Box> {
  await live(page, 'gate');
  await page.waitForSelector('.ptz-pad');
  return (await page.locator('.stage-picture').boundingBox()) ?? assert.fail('no picture');
}

/** The newest command that the camera got, when it is the one expected. */
function commanded(expected: RegExp): Promise<string> {
  return waitFor(
    String(expected),
    async () => fixture.api.changes.at(-1) ?? '',
    (command) => expected.test(command),
    3_000,
  );
}

function scaleOf(page: Page): Promise<number> {
  return page.evaluate<number>(
    `new DOMMatrix(getComputedStyle(document.querySelector('.stage video')).transform).a`,
  );
}

describe('steering', { timeout: 180_000 }, () => {
  it('turns while a button of the pad is held, says so again, and stops when it is let go', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await steerable(page);
      await page.hover('[aria-label="Pan right"]');
      await page.mouse.down();
      await waitFor(
        'three times',
        async () =>
          fixture.api.changes.filter((change) => change.endsWith('{"velocity":{"pan":0.5}}')).length,
        (count) => count >= 3,
      );
      await page.mouse.up();
      await commanded(/\{"stop":true\}$/);
      const count = fixture.api.changes.length;
      await page.click('[aria-label="Look straight ahead"]');
      await commanded(/\{"preset":"home"\}$/);
      assert.equal(fixture.api.changes.length, count + 1, 'nothing was said in between');
    }));

  it('turns by the arrow keys while the picture has the focus, and by Space on the pad', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await steerable(page);
      await page.focus('.stage-picture');
      await page.keyboard.down('ArrowUp');
      await commanded(/\{"velocity":\{"pan":0,"tilt":0.5\}\}$/);
      await page.keyboard.up('ArrowUp');
      await commanded(/\{"stop":true\}$/);
      await page.focus('[aria-label="Zoom in"]');
      await page.keyboard.down('Space');
      await commanded(/\{"velocity":\{"zoom":0.5\}\}$/);
      await page.keyboard.up('Space');
      await commanded(/\{"stop":true\}$/);
    }));

  it('stops when the window is left with a button held', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await steerable(page);
      await page.hover('[aria-label="Tilt up"]');
      await page.mouse.down();
      await commanded(/\{"velocity":\{"tilt":0.5\}\}$/);
      await page.evaluate(`dispatchEvent(new Event('blur'))`);
      await commanded(/\{"stop":true\}$/);
    }));

  it('centres what is clicked, drags the scene, and zooms by the wheel', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      const { x, y, width, height } = await steerable(page);
      await page.mouse.click(x + width * 0.75, y + height / 2);
      // a quarter of the picture's 60 degrees to the right of where it looks, at 12
      await commanded(/\{"pan":27(\.\d+)?,"tilt":-4(\.\d+)?\}$/);
      await page.waitForSelector('.ptz-position:has-text("pan 27°")');
      await page.mouse.move(x + width / 2, y + height / 2);
      await page.mouse.down();
      await page.mouse.move(x + width * 0.75, y + height / 2, { steps: 5 });
      await page.mouse.up();
      await commanded(/\{"pan":1[12](\.\d+)?,"tilt":-4(\.\d+)?\}$/);
      await page.mouse.wheel(0, -200);
      await commanded(/\{"zoom":1\.\d+\}$/);
    }));

  it('goes to presets, keeps one and deletes one', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await steerable(page);
      await page.click('.presets >> text="Front door"');
      await commanded(/\{"preset":"Front door"\}$/);
      await page.fill('[name="preset"]', 'Letter box');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.presets >> text="Letter box"');
      assert.equal(fixture.api.changes.at(-1), 'PUT /api/cameras/gate/presets/Letter box');
      await page.click('[aria-label="Delete the preset Driveway"]');
      await page.click('dialog >> text="Delete"');
      await page.waitForSelector('.presets >> text="Driveway"', { state: 'detached' });
    }));

  it('is not offered for a camera that cannot be turned', () =>
    withPage(fixture, '#/camera/yard', {}, async ({ page }) => {
      await live(page, 'yard');
      assert.equal(await page.locator('.ptz').count(), 0);
    }));
});

describe('a picture', { timeout: 180_000 }, () => {
  it('can be looked at more closely, live, by wheel, keys and pointer, and follows the pointer', () =>
    withPage(fixture, '#/camera/yard', {}, async ({ page }) => {
      await live(page, 'yard');
      const box = await page.locator('.stage-picture').boundingBox();
      assert.ok(box !== null, 'no picture');
      await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.25);
      await page.mouse.wheel(0, -400);
      await waitFor(
        'larger',
        () => scaleOf(page),
        (scale) => scale > 1.3,
      );
      await page.waitForSelector('.zoom-sign');
      await page.focus('.stage-picture');
      await page.keyboard.press('0');
      assert.equal(await scaleOf(page), 1);
      await page.keyboard.press('+');
      assert.equal(await scaleOf(page), 1.25);
      await page.click('[aria-label="Show the whole picture"]');
      assert.equal(await scaleOf(page), 1);
      await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height / 2);
      assert.equal(await scaleOf(page), 2);
      assert.deepEqual(fixture.api.changes, [], 'nothing moved but the picture');
    }));

  it('can be looked at more closely when it is recorded', () => {
    const { fromMs } = fixture.archive.facts;
    return withPage(fixture, gateAt(fromMs + 2_000), {}, async ({ page }) => {
      await played(page, fromMs + 2_000);
      await page.focus('.stage-picture');
      await page.keyboard.press('+');
      assert.equal(await scaleOf(page), 1.25);
    });
  });

  it('is saved as a file, at the size it was sent in', () =>
    withPage(fixture, '#/camera/yard', {}, async ({ page }) => {
      await live(page, 'yard');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.click('[aria-label="Save the picture"]'),
      ]);
      assert.match(download.suggestedFilename(), /^yard-\d{4}-\d\d-\d\dT\d{6}Z\.jpg$/);
      const bytes = await readFile(await download.path());
      assert.equal(bytes.subarray(0, 3).toString('hex'), 'ffd8ff');
      const frame = bytes.indexOf(Buffer.from([0xff, 0xc0, 0x00, 0x11]));
      assert.deepEqual([bytes.readUInt16BE(frame + 7), bytes.readUInt16BE(frame + 5)], [640, 360]);
    }));

  it('can be shared by a link that ends', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      await page.click('[aria-label="Share a link"]');
      await page.selectOption('dialog [name="what"]', 'live');
      await page.selectOption('dialog [name="seconds"]', '86400');
      await page.click('text="Make the link"');
      await page.waitForSelector('dialog >> text=/^Ends /');
      await commanded(/^POST \/api\/cameras\/gate\/links \{"what":"live","seconds":86400\}$/);
      assert.match(await page.getByLabel('The link', { exact: true }).inputValue(), /^http.*signature=/);
    }));

  it('streams as it is set, within bounds', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      await page.click('[aria-label="Frame rate and bit rate"]');
      await page.fill('[name="frameRate"]', '90');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('.field-error:text("A whole number from 1 to 60.")');
      await page.fill('[name="frameRate"]', '10');
      await page.click('dialog >> text="Save"');
      await page.waitForSelector('.toast:has-text("gate streams 10 frames/s at 2000 kbit/s.")');
      await commanded(/PATCH .*\/stream \{"frameRate":10\}$/);
    }));

  it('says shortly when another server has taken the camera over, and nothing else', () =>
    withPage(fixture, '#/camera/stairs', {}, async ({ page }) => {
      await live(page, 'stairs');
      const listed = fixture.listed.find(({ id }) => id === 'stairs');
      assert.ok(listed !== undefined, 'no stairs');
      listed.manager = 'north';
      try {
        fixture.dropSockets('stairs');
        await page.waitForSelector('.hand-over:has-text("Now managed by north")');
        await live(page, 'stairs');
        await page.waitForSelector('.hand-over:has-text("Now managed by north")', {
          state: 'detached',
          timeout: 8_000,
        });
      } finally {
        listed.manager = 'south';
      }
    }));
});
