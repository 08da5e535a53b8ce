/**
 * The page's grid, live pictures, faults and looks in Debian's Chromium, against a stand-in for the server with real
 * video. Screenshots of what people see are left under `artefacts/`.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hashPicture, readVideo, waitFor } from '../support/chromium.ts';
import {
  artefacts,
  assertFits,
  framesMore,
  gateAt,
  live,
  played,
  videoOf,
  withPage,
} from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';

const scriptBytesMax = 60_000;

let fixture: PageFixture;

before(async () => {
  await mkdir(artefacts, { recursive: true });
  fixture = await openPageFixture();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('the page', { timeout: 240_000 }, () => {
  it('is a script of less than 60 kB, compressed', () => {
    const bytes = gzipSync(fixture.script, { level: 9 }).length;
    assert.ok(bytes > 1_000 && bytes < scriptBytesMax, `${bytes} bytes`);
  });

  it('shows every camera live, and every picture moves', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      for (const id of ['gate', 'stairs', 'yard']) {
        const first = await live(page, id);
        const picture = await hashPicture(page, videoOf(id));
        await waitFor(
          `${id} goes on`,
          () => readVideo(page, videoOf(id)),
          (now) =>
            now.displayedFrames > first.displayedFrames + 10 && now.currentTime > first.currentTime + 0.5,
        );
        await waitFor(
          `${id} changes`,
          () => hashPicture(page, videoOf(id)),
          (hash) => hash !== picture,
        );
      }
      assert.match(
        await page.innerText('.page-header'),
        /harbour[^]*north[^]*connected[^]*south[^]*1 hop[^]*west[^]*not reachable/,
      );
      assert.match(await page.innerText('.tile >> nth=1'), /stairs[^]*Live[^]*online[^]*managed by south/);
      await page.screenshot({ path: `${artefacts}grid-dark.png` });
    }));

  it('keeps a live picture within half a second of the newest frame it has', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      await waitFor(
        'a short buffer',
        () => readVideo(page, videoOf('gate')),
        (now) => now.displayedFrames > 30 && now.ahead < 0.5,
      );
      await page.evaluate(`document.querySelector('video').currentTime -= 1.5`);
      await waitFor(
        'caught up',
        () => readVideo(page, videoOf('gate')),
        (now) => now.ahead < 0.5 && now.playbackRate <= 1.1,
      );
    }));

  it('opens a camera by a click or by Enter, and the back button returns', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await live(page, 'stairs');
      await page.click('.tile >> nth=1');
      await page.waitForSelector('h1:text-is("stairs")');
      assert.equal(new URL(page.url()).hash, '#/camera/stairs');
      await live(page, 'stairs');
      await waitFor(
        'the grid’s sockets close',
        async () => fixture.viewers('yard'),
        (count) => count === 0,
      );
      await page.goBack();
      await page.waitForSelector('.tile');
      await page.focus('.tile >> nth=2');
      await page.keyboard.press('Enter');
      await page.waitForSelector('h1:text-is("yard")');
      await live(page, 'yard');
      await page.screenshot({ path: `${artefacts}camera-live-dark.png` });
    }));

  it('marks a picture that stopped loudly within three seconds, counts its age, and takes the mark away itself', () =>
    withPage(fixture, '#/', {}, async ({ page }) => {
      await live(page, 'gate');
      await live(page, 'stairs');
      fixture.pause('gate');
      try {
        const mark = page.locator('.tile >> nth=0').locator('.stale');
        await mark.waitFor({ timeout: 3_000 });
        assert.equal((await readVideo(page, videoOf('gate'))).state, 'stale');
        assert.match(
          await mark.innerText(),
          /^NOT LIVE\s+—\s+last picture \d\d:\d\d:\d\d, \d+ s ago\s+no new picture arrives$/,
        );
        assert.equal(await mark.locator('xpath=..').getAttribute('aria-live'), 'polite');
        await waitFor(
          'the age counts up',
          () => mark.innerText(),
          (text) => / [4-9] s ago/.test(text),
        );
        assert.equal(
          (await readVideo(page, videoOf('stairs'))).state,
          'live',
          'the other pictures stay live',
        );
        await page.screenshot({ path: `${artefacts}grid-stale-dark.png` });
      } finally {
        fixture.resume('gate');
      }
      await live(page, 'gate');
      assert.equal(await page.locator('.stale').count(), 0);
    }));

  it('says at once, and why, when the server calls a camera stalled', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const reason = 'the camera does not answer';
      fixture.pause('gate', {
        type: 'state',
        state: 'stalled',
        lastFrameAt: new Date().toISOString(),
        reason,
      });
      try {
        await page.waitForSelector(`.stale:has-text("${reason}")`, { timeout: 1_000 });
        await waitFor(
          'a large age',
          () => page.innerText('.stale'),
          (text) => / [3-9] s ago/.test(text),
        );
        await page.screenshot({ path: `${artefacts}camera-stale-dark.png` });
      } finally {
        fixture.resume('gate');
      }
      await live(page, 'gate');
    }));

  it('reconnects after a dropped socket and keeps the last picture meanwhile', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const source = await page.evaluate(`document.querySelector('video').src`);
      const before = await readVideo(page, videoOf('gate'));
      assert.equal(fixture.dropSockets('gate'), 1);
      await waitFor(
        'the mark',
        () => readVideo(page, videoOf('gate')),
        (now) => now.state === 'stale',
        2_000,
      );
      await live(page, 'gate');
      const now = await readVideo(page, videoOf('gate'));
      assert.ok(now.displayedFrames > before.displayedFrames);
      assert.equal(
        await page.evaluate(`document.querySelector('video').src`),
        source,
        'the same media source goes on',
      );
    }));

  it('asks again soon when the server says that a camera left it, and shows it from where it is now', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const before = fixture.connections;
      const reason = 'another server manages the camera';
      fixture.pause('gate', { type: 'state', state: 'ended', lastFrameAt: null, reason });
      fixture.resume('gate');
      await waitFor(
        'another socket',
        async () => fixture.connections,
        (count) => count > before,
        2_000,
      );
      await live(page, 'gate');
    }));

  it('goes on when the camera restarts on another clock, and when it restarts in another format', () =>
    withPage(fixture, '#/camera/yard', {}, async ({ page }) => {
      await live(page, 'yard');
      const source = await page.evaluate(`document.querySelector('video').src`);
      fixture.restart('yard', 3.5, 'ultrafast');
      await framesMore(page, 'yard', 20);
      assert.equal(
        await page.evaluate(`document.querySelector('video').src`),
        source,
        'the same media source goes on',
      );
      fixture.restart('yard', 900_000, 'veryfast');
      await waitFor(
        'another source',
        () => page.evaluate(`document.querySelector('video').src`),
        (now) => now !== source,
      );
      await live(page, 'yard');
      await framesMore(page, 'yard', 20);
    }));

  it('makes room when the browser’s buffer is full', () =>
    withPage(
      fixture,
      '#/camera/gate',
      {},
      async ({ page }) => {
        await live(page, 'gate');
        const source = await page.evaluate(`document.querySelector('video').src`);
        await waitFor(
          'refused appends',
          () => page.evaluate<number>('window.refusals'),
          (count) => count === 3,
        );
        await framesMore(page, 'gate', 20);
        assert.equal(await page.evaluate(`document.querySelector('video').src`), source);
      },
      `window.refusals = 0;
      let appends = 0;
      const append = SourceBuffer.prototype.appendBuffer;
      SourceBuffer.prototype.appendBuffer = function (bytes) {
        appends += 1;
        if (appends <= 60 || window.refusals === 3) return append.call(this, bytes);
        window.refusals += 1;
        throw new DOMException('full', 'QuotaExceededError');
      };`,
    ));

  it('closes its sockets while the tab is hidden and opens them when it is seen again', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const hide = (hidden: boolean) =>
        page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} });
          document.dispatchEvent(new Event('visibilitychange'))`);
      await hide(true);
      await waitFor(
        'no viewer',
        async () => fixture.viewers('gate'),
        (count) => count === 0,
      );
      await hide(false);
      await waitFor(
        'a viewer',
        async () => fixture.viewers('gate'),
        (count) => count === 1,
      );
      await live(page, 'gate');
    }));

  it('says so everywhere when its own server is gone, and heals itself when it is back', () =>
    withPage(fixture, '#/', { refusals: true }, async ({ page }) => {
      await live(page, 'gate');
      await fixture.goDown();
      try {
        await page.waitForSelector('.notice:has-text("north does not answer")', { timeout: 6_000 });
        await waitFor(
          'every picture is marked',
          () => page.locator('.stale').count(),
          (count) => count === 3,
          3_000,
        );
        await page.screenshot({ path: `${artefacts}server-gone-dark.png` });
      } finally {
        await fixture.comeUp();
      }
      for (const id of ['gate', 'stairs', 'yard']) await live(page, id);
      await waitFor(
        'the notice goes',
        () => page.locator('.notice-bad').count(),
        (count) => count === 0,
      );
    }));

  it('is silent until the speaker is pressed, and then plays sound', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      assert.equal(await page.evaluate(`document.querySelector('video').muted`), true);
      await page.click('button.sound');
      await waitFor(
        'decoded sound',
        () =>
          page.evaluate(
            `(({ muted, webkitAudioDecodedByteCount }) => !muted && webkitAudioDecodedByteCount)(document.querySelector('video'))`,
          ),
        (bytes) => Number(bytes) > 1_000,
      );
      await live(page, 'gate');
    }));

  it('says what to do while there is no camera, and shows the first that joins', () => {
    const { listed } = fixture;
    fixture.listed = [];
    return withPage(fixture, '#/', {}, async ({ page }) => {
      await page.waitForSelector('h1:text-is("No camera has joined yet")');
      await page.screenshot({ path: `${artefacts}empty-dark.png` });
      fixture.listed = listed;
      await live(page, 'gate');
    }).finally(() => {
      fixture.listed = listed;
    });
  });

  it('shows the server’s own words when it refuses, and tries again when asked to', () => {
    fixture.refusing = true;
    return withPage(fixture, '#/', { refusals: true }, async ({ page }) => {
      await page.waitForSelector('h1:text-is("The server is starting.")');
      await page.screenshot({ path: `${artefacts}error-dark.png` });
      fixture.refusing = false;
      await Promise.all([
        page.waitForRequest(/\/api\/site$/, { timeout: 500 }),
        page.click('button:text-is("Try again")'),
      ]);
      await live(page, 'gate');
    }).finally(() => {
      fixture.refusing = false;
    });
  });

  for (const colorScheme of ['dark', 'light'] as const) {
    it(`fits a phone of 360 pixels, ${colorScheme}`, () =>
      withPage(fixture, '#/', { width: 360, height: 740, colorScheme, touch: true }, async ({ page }) => {
        await live(page, 'gate');
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-grid-${colorScheme}.png` });
        await page.click('.tile >> nth=0');
        await live(page, 'gate');
        await page.waitForSelector('.rows > li');
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-camera-${colorScheme}.png`, fullPage: true });
        await page.click('.row-stretch >> nth=1 >> .row-play');
        await played(page, fixture.archive.facts.fromMs);
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-recording-${colorScheme}.png`, fullPage: true });
      }));
  }

  it('is readable in a light room', () =>
    withPage(fixture, '#/', { colorScheme: 'light' }, async ({ page }) => {
      await live(page, 'gate');
      fixture.pause('stairs');
      try {
        await page.waitForSelector('.stale');
        await page.screenshot({ path: `${artefacts}grid-light.png` });
      } finally {
        fixture.resume('stairs');
      }
      await page.goto(`${fixture.url}${gateAt(fixture.archive.facts.fromMs + 5_000)}`);
      await played(page, fixture.archive.facts.fromMs + 5_000);
      await page.waitForSelector('.rows > li');
      await page.screenshot({ path: `${artefacts}recording-light.png` });
      assert.notEqual(
        await page.evaluate(`getComputedStyle(document.body).backgroundColor`),
        'rgb(14, 17, 22)',
      );
    }));
});
