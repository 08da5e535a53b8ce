/**
 * Where the page's recording goes when somebody seeks and skips before the picture is there, in Debian's Chromium
 * against a stand-in for the server with real video.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { type Chromium, readVideo, waitFor } from '../support/chromium.ts';
import { gateAt, holdBack, jumpTo, pausedFrame, played, recorded, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import type { RecordedFacts } from '../support/page-fixture-archive.ts';
import { makeRecording } from '../support/page-fixture-video.ts';

let fixture: PageFixture;
let facts: RecordedFacts;

before(async () => {
  fixture = await openPageFixture();
  ({ facts } = fixture.archive);
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** The time of the first frame that is shown after a seek. */
async function firstShown(page: Page): Promise<number> {
  const { wallClockMs } = await waitFor(
    'a frame of where it went',
    () => readVideo(page, recorded),
    (now) => !Number.isNaN(now.wallClockMs),
  );
  return wallClockMs;
}

/** Waits until twenty frames more were shown. */
async function playsOn(page: Page): Promise<void> {
  const first = await readVideo(page, recorded);
  await waitFor(
    'it plays on',
    () => readVideo(page, recorded),
    (now) => now.displayedFrames > first.displayedFrames + 20,
  );
}

describe('seeking in the page’s recordings', { timeout: 120_000 }, () => {
  it('skips from where the last seek went, though that is still being fetched and the old place plays on', () => {
    const { fromMs, gapFromMs, gapToMs } = facts;
    return withPage(fixture, gateAt(fromMs + 1_000), {}, async ({ page }) => {
      await played(page, fromMs + 1_000);
      const letGo = await holdBack(page, /\/recordings\?/);
      // nothing is known of a gap before it was asked for
      await jumpTo(page, gapFromMs + 20_000);
      await playsOn(page);
      await page.click('button[aria-label="Forward 10 seconds"]');
      await letGo();
      const shownMs = await firstShown(page);
      assert.ok(Math.abs(shownMs - gapToMs - 5_000) < 1_000, `${shownMs - gapToMs} ms after the gap`);
    });
  });

  it('goes where the last seek went, though the one before was still being fetched', () => {
    const { fromMs, gapFromMs } = facts;
    return withPage(fixture, gateAt(fromMs + 1_000), {}, async ({ page }) => {
      await played(page, fromMs + 4_000);
      const letGo = await holdBack(page, /\/recordings\?/);
      await jumpTo(page, gapFromMs + 20_000);
      await playsOn(page);
      await jumpTo(page, fromMs + 3_000);
      const shownMs = await firstShown(page);
      assert.ok(Math.abs(shownMs - fromMs - 3_000) < 1_000, `${shownMs - fromMs} ms after the start`);
      await letGo();
      await played(page, fromMs + 8_000);
      assert.equal((await pausedFrame(page, facts)).segment, 1);
    });
  });

  it('skips from what was shown last when the browser could not go on', () => {
    const { fromMs } = facts;
    return withPage(fixture, gateAt(fromMs + 1_000), {}, async ({ page }) => {
      await page.selectOption('.speed', '4');
      await played(page, fromMs + 15_000);
      const last = await pausedFrame(page, facts);
      await page.selectOption('.speed', '1');
      // as it tells that it cannot decode
      await page.evaluate(`document.querySelector('${recorded}').dispatchEvent(new Event('error'))`);
      await page.waitForSelector(`${recorded}[data-state="failed"]:not([data-wall-clock])`);
      await page.click('button[aria-label="Forward 10 seconds"]');
      const byMs = (await firstShown(page)) - last.wallClockMs;
      assert.ok(byMs > 9_900 && byMs < 11_000, `skipped by ${byMs} ms`);
    });
  });

  it('skips from where it is when sound has just gone from the recording', async () => {
    const { gapFromMs, gapToMs } = facts;
    const { files } = fixture.archive;
    const file = files.get('b') ?? Buffer.alloc(0);
    const plan = { number: 2, seconds: 10, fromMs: gapToMs, clockSeconds: 65, sound: false };
    files.set('b', await makeRecording(plan));
    const check = async ({ page }: Chromium) => {
      await played(page, gapFromMs - 25_000);
      let requests = 0;
      const other = /-b\.mp4/;
      // it is known to have no sound, and nothing more
      await page.route(other, (route) => (++requests === 1 ? route.continue() : undefined));
      await jumpTo(page, gapFromMs - 3_000);
      await played(page, gapFromMs - 3_000);
      await page.waitForSelector(`${recorded}:not([data-wall-clock])`);
      await page.click('button[aria-label="Back 10 seconds"]');
      await page.unroute(other);
      // in the gap: to the end of what was recorded before it
      const shownMs = await firstShown(page);
      assert.ok(
        Math.abs(shownMs - gapFromMs + 5_000) < 1_000,
        `${shownMs - gapFromMs} ms after the gap began`,
      );
    };
    try {
      await withPage(fixture, gateAt(gapFromMs - 25_000), {}, check);
    } finally {
      files.set('b', file);
    }
  });
});
