/**
 * The page in Debian's Chromium, against a stand-in for the server with real video. Screenshots of what people see are
 * left under `artefacts/`.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import {
  type Chromium,
  type ChromiumOptions,
  hashPicture,
  openChromium,
  readPixels,
  readVideo,
  waitFor,
} from '../support/chromium.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import { squareSide } from '../support/page-fixture-video.ts';

const artefacts = new URL('../../artefacts/', import.meta.url).pathname;
const scriptBytesMax = 60_000;
const recorded = '.picture-recording video';

/** Bytes of the first segment that the page has asked for. */
const readFirstSegment = `performance.getEntriesByType('resource')
  .filter((entry) => entry.name.includes('-a.mp4'))
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)`;

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
    withPage('#/', {}, async ({ page }) => {
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
    withPage('#/camera/gate', {}, async ({ page }) => {
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
    withPage('#/', {}, async ({ page }) => {
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
    withPage('#/', {}, async ({ page }) => {
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
    withPage('#/camera/gate', {}, async ({ page }) => {
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
    withPage('#/camera/gate', {}, async ({ page }) => {
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

  it('goes on when the camera restarts on another clock, and when it restarts in another format', () =>
    withPage('#/camera/yard', {}, async ({ page }) => {
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
      '#/camera/gate',
      {},
      async ({ page }) => {
        await live(page, 'gate');
        await waitFor(
          'refused appends',
          () => page.evaluate<number>('window.refusals'),
          (count) => count === 3,
        );
        await framesMore(page, 'gate', 20);
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
    withPage('#/camera/gate', {}, async ({ page }) => {
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
    withPage('#/', { refusals: true }, async ({ page }) => {
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
    withPage('#/camera/gate', {}, async ({ page }) => {
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

  it('plays a recording from the time in the address, and tells the time of the frame that is shown', () => {
    const at = fixture.facts.fromMs + 21_400;
    return withPage(addressOf(at), {}, async ({ page }) => {
      await played(page, at);
      const { segment, wallClockMs } = await pausedFrame(page);
      assert.equal(segment, 1);
      assert.ok(
        wallClockMs >= at - 70 && wallClockMs < at + 4_000,
        `${wallClockMs - at} ms after the time asked for`,
      );
      await page.screenshot({ path: `${artefacts}recording-dark.png` });
    });
  });

  it('reads only what it needs of a long segment', () =>
    withPage(addressOf(fixture.facts.fromMs + 36_000), {}, async ({ page }) => {
      const before = fixture.segmentBytesSent;
      await played(page, fixture.facts.fromMs + 36_000);
      const { segment } = await pausedFrame(page);
      assert.equal(segment, 1);
      const { firstSegmentBytes } = fixture;
      assert.ok(firstSegmentBytes > 4_000_000, `a segment of ${firstSegmentBytes} bytes is not long`);
      const first = await page.evaluate<number>(readFirstSegment);
      assert.ok(first > 0 && first < firstSegmentBytes / 2, `${first} of ${firstSegmentBytes} bytes`);
      assert.ok(fixture.segmentBytesSent > before);
    }));

  it('plays a segment that is still being written, and goes on with what is added', () => {
    fixture.openSinceMs = Date.now() - 12_000;
    const { openSinceMs } = fixture;
    return withPage(
      `#/camera/stairs?at=${new Date(openSinceMs + 8_000).toISOString()}`,
      {},
      async ({ page }) => {
        await played(page, openSinceMs + 8_000);
        await played(page, openSinceMs + 15_000);
        await page.waitForSelector('.row-stretch:has-text("now")');
      },
    );
  });

  it('plays across a gap, with a note, and across segments and holders as one timeline', () => {
    const { gapFromMs, gapToMs, toMs } = fixture.facts;
    return withPage(addressOf(gapFromMs - 2_500), {}, async ({ page }) => {
      await played(page, gapFromMs - 2_500);
      await page.waitForSelector('.picture-message:has-text("Jumped over 25 s")', { timeout: 10_000 });
      assert.match(await page.innerText('.picture-message'), /the camera reached no server/);
      await played(page, gapToMs);
      assert.match(await page.innerText('.moment'), /held by south/);
      const second = await pausedFrame(page);
      assert.equal(second.segment, 2);
      await page.screenshot({ path: `${artefacts}recording-gap-dark.png` });
      await page.click('.control-play');
      await page.click('button[aria-label="Speed 4"]');
      await played(page, toMs - 9_000);
      assert.equal((await pausedFrame(page)).segment, 3);
    });
  });

  it('pauses, skips ten seconds both ways, and skips back over a gap', () => {
    const { fromMs, gapFromMs, gapToMs } = fixture.facts;
    return withPage(addressOf(fromMs + 1_000), {}, async ({ page }) => {
      await played(page, fromMs + 1_000);
      const first = await pausedFrame(page);
      await page.click('button[aria-label="Forward 10 seconds"]');
      await played(page, first.wallClockMs + 9_900);
      const later = await pausedFrame(page);
      assert.ok(later.wallClockMs < first.wallClockMs + 14_000);
      await page.click('button[aria-label="Back 10 seconds"]');
      await playedBefore(page, later.wallClockMs - 5_000);
      assert.equal((await pausedFrame(page)).segment, 1);
      await jumpTo(page, gapToMs + 1_000);
      await played(page, gapToMs + 1_000);
      await page.click('button[aria-label="Back 10 seconds"]');
      await playedBefore(page, gapFromMs);
      assert.equal((await pausedFrame(page)).segment, 1);
    });
  });

  it('plays the next recording, and says so, when nothing was recorded at the time asked for', () => {
    const { gapFromMs, gapToMs } = fixture.facts;
    return withPage(addressOf(gapFromMs + 10_000), {}, async ({ page }) => {
      await page.waitForSelector('.picture-message:has-text("Nothing recorded at")');
      await played(page, gapToMs);
      assert.equal((await pausedFrame(page)).segment, 2);
    });
  });

  it('lists recordings with holders, hand-overs, gaps and servers that do not answer; a choice plays, and back to live', () =>
    withPage('#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const rows = await page.locator('.rows > li').allInnerTexts();
      assert.equal(rows.length, 4, rows.join('\n'));
      assert.match(rows[0] ?? '', /20 s on south[^]*2 segments/);
      assert.match(rows[1] ?? '', /Handed over from north to south/);
      assert.match(rows[2] ?? '', /No recording for 25 s: the camera reached no server; perhaps on west/);
      assert.match(rows[3] ?? '', /40 s on north/);
      assert.match(await page.innerText('.panel .notice'), /No answer from west/);
      await page.click('.row-stretch >> nth=1 >> .row-play');
      await played(page, fixture.facts.fromMs);
      await jumpTo(page, fixture.facts.gapToMs + 12_000);
      await played(page, fixture.facts.gapToMs + 12_000);
      assert.equal((await pausedFrame(page)).segment, 3);
      await page.goBack();
      await playedBefore(page, fixture.facts.gapFromMs);
      await page.click('.control-live');
      await live(page, 'gate');
      assert.equal(new URL(page.url()).hash, '#/camera/gate');
    }));

  it('lists a whole day although the server cuts its answers', () =>
    withPage('#/camera/yard', {}, async ({ page }) => {
      await live(page, 'yard');
      await page.waitForSelector('.rows > li');
      const rows = await page.locator('.rows > li').allInnerTexts();
      assert.equal(rows.filter((row) => row.includes('Handed over')).length, 2, rows.join('\n'));
      assert.equal(
        rows.filter((row) => row.includes('No recording for 46 min: the camera was off')).length,
        1,
      );
      await page.screenshot({ path: `${artefacts}day-dark.png` });
    }));

  it('says what to do while there is no camera, and shows the first that joins', () => {
    const { listed } = fixture;
    fixture.listed = [];
    return withPage('#/', {}, async ({ page }) => {
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
    return withPage('#/', { refusals: true }, async ({ page }) => {
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
      withPage('#/', { width: 360, height: 740, colorScheme, touch: true }, async ({ page }) => {
        await live(page, 'gate');
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-grid-${colorScheme}.png` });
        await page.click('.tile >> nth=0');
        await live(page, 'gate');
        await page.waitForSelector('.rows > li');
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-camera-${colorScheme}.png`, fullPage: true });
        await page.click('.row-stretch >> nth=1 >> .row-play');
        await played(page, fixture.facts.fromMs);
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-recording-${colorScheme}.png`, fullPage: true });
      }));
  }

  it('is readable in a light room', () =>
    withPage('#/', { colorScheme: 'light' }, async ({ page }) => {
      await live(page, 'gate');
      fixture.pause('stairs');
      try {
        await page.waitForSelector('.stale');
        await page.screenshot({ path: `${artefacts}grid-light.png` });
      } finally {
        fixture.resume('stairs');
      }
      await page.goto(`${fixture.url}${addressOf(fixture.facts.fromMs + 5_000)}`);
      await played(page, fixture.facts.fromMs + 5_000);
      await page.waitForSelector('.rows > li');
      await page.screenshot({ path: `${artefacts}recording-light.png` });
      assert.notEqual(
        await page.evaluate(`getComputedStyle(document.body).backgroundColor`),
        'rgb(14, 17, 22)',
      );
    }));
});

/** Runs a check on a fresh page; every error that the page logs fails it, but for answers that were meant to fail. */
async function withPage(
  hash: string,
  options: ChromiumOptions & { refusals?: boolean },
  check: (browser: Chromium) => Promise<void>,
  script?: string,
): Promise<void> {
  await using browser = await openChromium(options);
  if (script !== undefined) await browser.page.addInitScript(script);
  await browser.page.goto(`${fixture.url}${hash}`);
  await check(browser);
  const meant = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 503/;
  const errors = browser.errors.filter((error) => !(options.refusals === true && meant.test(error)));
  assert.deepEqual(errors, []);
}

function videoOf(camera: string): string {
  return `video[data-camera="${camera}"]`;
}

function addressOf(atMs: number): string {
  return `#/camera/gate?at=${new Date(atMs).toISOString()}`;
}

/** Waits until a camera's picture is live and has moved since. */
async function live(page: Page, camera: string) {
  await page.waitForSelector(`${videoOf(camera)}[data-state="live"]`, { timeout: 15_000, state: 'attached' });
  const first = await readVideo(page, videoOf(camera));
  return waitFor(
    `${camera} is live`,
    () => readVideo(page, videoOf(camera)),
    (now) => now.state === 'live' && now.displayedFrames > first.displayedFrames,
  );
}

async function framesMore(page: Page, camera: string, count: number): Promise<void> {
  const first = await readVideo(page, videoOf(camera));
  await waitFor(
    `${count} frames more of ${camera}`,
    () => readVideo(page, videoOf(camera)),
    (now) => now.state === 'live' && now.displayedFrames >= first.displayedFrames + count,
  );
}

/** Waits until the recording shows a frame of this time or later. */
async function played(page: Page, fromMs: number): Promise<void> {
  await page.waitForSelector(recorded);
  await waitFor(
    `played ${new Date(fromMs).toISOString()}`,
    () => readVideo(page, recorded),
    (now) => now.wallClockMs >= fromMs - 70 && now.displayedFrames > 3,
    20_000,
  );
}

async function playedBefore(page: Page, beforeMs: number): Promise<void> {
  await page.waitForSelector(recorded);
  await waitFor(
    `played before ${new Date(beforeMs).toISOString()}`,
    () => readVideo(page, recorded),
    (now) => now.wallClockMs < beforeMs,
    20_000,
  );
}

/** Pauses, and checks that the time the page tells is the time painted into the frame it shows. */
async function pausedFrame(page: Page): Promise<{ segment: number; wallClockMs: number }> {
  await page.click('.control-play:text-is("Pause")');
  await page.waitForSelector(`${recorded}[data-state="paused"]`);
  const { fromMs, gapToMs, thirdFromMs } = fixture.facts;
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

/** Types a local time into the panel and asks for it; the tests' browser is in the zone of this process. */
async function jumpTo(page: Page, ms: number): Promise<void> {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  await page.fill('.jump input', local);
  await page.click('.jump button');
}

async function assertFits(page: Page): Promise<void> {
  const widths = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
  const [content, screen] = widths as [number, number];
  assert.ok(content <= screen, `${content} pixels wide on a screen of ${screen}`);
}
