/**
 * Live pictures that are old: what the page says of them, and under which time it keeps one, in Debian's Chromium
 * against a stand-in for the server with real video.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { readVideo, waitFor } from '../support/chromium.ts';
import { live, videoOf, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';

const hoursMs = 3_600_000;

let fixture: PageFixture;

before(async () => {
  fixture = await openPageFixture();
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** What the server says when the newest picture was captured at this time, ms UTC. */
function stalled(capturedMs: number, reason: string) {
  return {
    type: 'state',
    state: 'stalled',
    lastFrameAt: new Date(capturedMs).toISOString(),
    reason,
  } as const;
}

/** Keeps the picture; the time in the file's name, ms UTC. */
async function keptAt(page: Page): Promise<number> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('c')]);
  const name = download.suggestedFilename();
  const [, day, hours, minutes, seconds] = /^gate-(.+)T(\d\d)(\d\d)(\d\d)Z\.jpg$/.exec(name) ?? [];
  return Date.parse(`${day}T${hours}:${minutes}:${seconds}Z`);
}

async function staleText(page: Page, pattern: RegExp): Promise<string> {
  return waitFor(
    String(pattern),
    () => page.innerText('.stale'),
    (text) => pattern.test(text),
  );
}

describe('the page with old live pictures', { timeout: 120_000 }, () => {
  it('marks pictures that come late as long as they do, and tells when they were captured', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const capturedMs = Date.now() - 40_000;
      fixture.say('gate', stalled(capturedMs, 'the pictures come late'));
      const first = await staleText(page, /NOT LIVE[^]* 4\d s ago\s+the pictures come late/);
      const { displayedFrames } = await readVideo(page, videoOf('gate'));
      const later = await waitFor(
        'the pictures move',
        () => readVideo(page, videoOf('gate')),
        (now) => now.displayedFrames > displayedFrames + 20,
      );
      assert.equal(later.state, 'stale');
      assert.equal(Math.floor((await keptAt(page)) / 1_000), Math.floor(capturedMs / 1_000));
      const moment = await waitFor(
        'the time that moves is not read aloud',
        () => page.locator('.stale-age [aria-hidden=true]').first().innerText(),
        (text) => text.startsWith('last picture'),
      );
      assert.ok(first.includes(moment), `${moment} in ${first}`);
      fixture.say('gate', stalled(capturedMs + 10_000, 'the pictures come late'));
      await waitFor(
        'the time moves',
        () => page.innerText('.stale'),
        (text) => !text.includes(moment),
      );
      fixture.resume('gate');
      await live(page, 'gate');
      assert.equal(await page.locator('.stale').count(), 0);
      assert.ok(Math.abs((await keptAt(page)) - Date.now()) < 5_000);
    }));

  it('says of a replayed picture when it was captured, and keeps it under that time', async () => {
    const capturedMs = Date.now() - 5 * hoursMs;
    fixture.pause('gate', stalled(capturedMs, 'the camera sends nothing'));
    try {
      await withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
        await waitFor(
          'the held pictures',
          () => readVideo(page, videoOf('gate')),
          (now) => now.displayedFrames > 0 && now.state === 'stale',
        );
        await staleText(
          page,
          /NOT LIVE[^]*last picture [^]*, 5 h( \d+ min)? ago\s+the camera sends nothing$/,
        );
        assert.equal(Math.floor((await keptAt(page)) / 1_000), Math.floor(capturedMs / 1_000));
        // another connection, on which nothing is said and nothing comes
        fixture.pause('gate');
        fixture.dropSockets('gate');
        await staleText(page, / 5 h( \d+ min)? ago\s+no new picture arrives$/);
        fixture.resume('gate');
        await live(page, 'gate');
      });
    } finally {
      fixture.resume('gate');
    }
  });
});
