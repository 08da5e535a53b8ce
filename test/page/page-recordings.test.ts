/**
 * The page's recordings in Debian's Chromium, against a stand-in for the server with real video: every frame has its
 * time painted in, so what the page says can be held against what it shows.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { type Chromium, readVideo, waitFor } from '../support/chromium.ts';
import {
  artefacts,
  gateAt,
  jumpTo,
  live,
  pausedFrame,
  played,
  playedBefore,
  pressed,
  recorded,
  withPage,
} from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import type { RecordedFacts } from '../support/page-fixture-archive.ts';
import { frameRate, padFragments } from '../support/page-fixture-video.ts';

/** Bytes of the first segment that the page has asked for. */
const readFirstSegment = `performance.getEntriesByType('resource')
  .filter((entry) => entry.name.includes('-a.mp4'))
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)`;

const frameMs = 1_000 / frameRate;

/** A browser whose quota is a few seconds of video. */
const smallQuota = `(() => {
  const { appendBuffer } = SourceBuffer.prototype;
  SourceBuffer.prototype.appendBuffer = function (bytes) {
    let held = 0;
    for (let i = 0; i < this.buffered.length; i += 1) held += this.buffered.end(i) - this.buffered.start(i);
    if (held >= 6) throw new DOMException('full', 'QuotaExceededError');
    appendBuffer.call(this, bytes);
  };
})()`;

let fixture: PageFixture;
let facts: RecordedFacts;

before(async () => {
  await mkdir(artefacts, { recursive: true });
  fixture = await openPageFixture();
  ({ facts } = fixture.archive);
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

describe('the page’s recordings', { timeout: 240_000 }, () => {
  it('plays a recording from the time in the address, and tells the time of the frame that is shown', () => {
    const at = facts.fromMs + 21_400;
    return withPage(fixture, gateAt(at), {}, async ({ page }) => {
      await played(page, at);
      const { segment, wallClockMs } = await pausedFrame(page, facts);
      assert.equal(segment, 1);
      assert.ok(
        wallClockMs >= at - 70 && wallClockMs < at + 4_000,
        `${wallClockMs - at} ms after the time asked for`,
      );
      await page.screenshot({ path: `${artefacts}recording-dark.png` });
    });
  });

  it('reads only what it needs of a long segment', () =>
    withPage(fixture, gateAt(facts.fromMs + 36_000), {}, async ({ page }) => {
      const before = fixture.segmentBytesSent;
      await played(page, facts.fromMs + 36_000);
      const { segment } = await pausedFrame(page, facts);
      assert.equal(segment, 1);
      const firstSegmentBytes = fixture.archive.files.get('a')?.length ?? 0;
      assert.ok(firstSegmentBytes > 4_000_000, `a segment of ${firstSegmentBytes} bytes is not long`);
      const first = await page.evaluate<number>(readFirstSegment);
      assert.ok(first > 0 && first < firstSegmentBytes / 2, `${first} of ${firstSegmentBytes} bytes`);
      assert.ok(fixture.segmentBytesSent > before);
    }));

  it('plays a segment that is still being written, and goes on with what is added', () => {
    fixture.archive.openSinceMs = Date.now() - 12_000;
    const { openSinceMs } = fixture.archive;
    return withPage(
      fixture,
      `#/camera/stairs?at=${new Date(openSinceMs + 8_000).toISOString()}`,
      {},
      async ({ page }) => {
        await played(page, openSinceMs + 8_000);
        await played(page, openSinceMs + 15_000);
        await page.waitForSelector('.row-stretch:has-text("now")');
      },
    );
  });

  it('leaves nothing out of a segment that has grown by much between two questions', () => {
    const { archive } = fixture;
    archive.openSinceMs = Date.now() - 40_000;
    archive.openUntilMs = archive.openSinceMs + 12_000;
    const { openSinceMs } = archive;
    const at = openSinceMs + 8_000;
    return withPage(fixture, `#/camera/stairs?at=${new Date(at).toISOString()}`, {}, async ({ page }) => {
      await played(page, at);
      await page.click('button[aria-label="Pause"]');
      const ahead = async () => (await readVideo(page, '.picture-recording video')).ahead;
      await waitFor('all that is written is there', ahead, (seconds) => seconds > 1);
      archive.openUntilMs = Number.POSITIVE_INFINITY;
      await waitFor('more is there', ahead, (seconds) => seconds > 8);
      await page.click('button[aria-label="Play"]');
      await played(page, openSinceMs + 12_500);
      await page.selectOption('.speed', '4');
      await played(page, openSinceMs + 33_000);
      assert.doesNotMatch(await page.innerText('.picture-recording'), /Jumped over/);
    });
  });

  it('plays across a gap, with a note, and across segments and holders as one timeline', () => {
    const { gapFromMs, gapToMs, toMs } = facts;
    return withPage(fixture, gateAt(gapFromMs - 2_500), {}, async ({ page }) => {
      await played(page, gapFromMs - 2_500);
      await page.waitForSelector('.picture-message:has-text("Jumped over 25 s")', { timeout: 10_000 });
      assert.match(await page.innerText('.picture-message'), /the camera reached no server/);
      await played(page, gapToMs);
      assert.match(await page.innerText('.moment'), /held by south/);
      const second = await pausedFrame(page, facts);
      assert.equal(second.segment, 2);
      await page.screenshot({ path: `${artefacts}recording-gap-dark.png` });
      await page.click('.control-play');
      await page.selectOption('.speed', '4');
      await played(page, toMs - 9_000);
      assert.equal((await pausedFrame(page, facts)).segment, 3);
    });
  });

  it('plays across a gap while the browser takes nothing more', () => {
    const { gapFromMs, gapToMs } = facts;
    const check = async ({ page }: Chromium) => {
      await page.waitForSelector('.picture-message:has-text("Jumped over 25 s")', { timeout: 20_000 });
      await played(page, gapToMs + 8_000);
    };
    return withPage(fixture, gateAt(gapFromMs - 1_900), {}, check, smallQuota);
  });

  it('reads a large recording no faster than the browser takes it', async () => {
    const { files } = fixture.archive;
    const file = files.get('a') ?? Buffer.alloc(0);
    files.set('a', padFragments(file, 2 * 1024 * 1024));
    const check = async ({ page }: Chromium) => {
      await played(page, facts.fromMs + 1_000);
      await page.click('button[aria-label="Pause"]');
      await page.selectOption('.speed', '8');
      let [bytes, sinceMs] = [0, 0];
      await waitFor(
        'the page reads no more',
        async () => fixture.segmentBytesSent,
        (sent) => {
          if (sent !== bytes) [bytes, sinceMs] = [sent, performance.now()];
          return performance.now() - sinceMs > 3_000;
        },
        30_000,
      );
      await page.click('button[aria-label="Play"]');
      await played(page, facts.gapFromMs - 10_000);
      assert.equal(await page.innerText('.picture-message'), '');
    };
    try {
      await withPage(fixture, gateAt(facts.fromMs + 1_000), {}, check, smallQuota);
    } finally {
      files.set('a', file);
    }
  });

  it('pauses, skips ten seconds both ways, and skips back over a gap', () => {
    const { fromMs, gapFromMs, gapToMs, thirdFromMs } = facts;
    return withPage(fixture, gateAt(fromMs + 1_000), {}, async ({ page }) => {
      await played(page, fromMs + 1_000);
      const first = await pausedFrame(page, facts);
      await page.click('button[aria-label="Forward 10 seconds"]');
      await played(page, first.wallClockMs + 9_900);
      const later = await pausedFrame(page, facts);
      assert.ok(later.wallClockMs < first.wallClockMs + 14_000);
      await page.click('button[aria-label="Back 10 seconds"]');
      await playedBefore(page, later.wallClockMs - 5_000);
      assert.equal((await pausedFrame(page, facts)).segment, 1);
      // what was recorded before the gap is known even when the player has asked what follows the last segment
      const dayAfterThird = new Date(thirdFromMs + 24 * 3_600_000).toISOString();
      const asked = page.waitForResponse((it) => it.url().includes(encodeURIComponent(dayAfterThird)));
      await jumpTo(page, gapToMs + 8_000);
      await asked;
      await played(page, gapToMs + 8_000);
      await page.click('button[aria-label="Back 10 seconds"]');
      await playedBefore(page, gapFromMs);
      assert.equal((await pausedFrame(page, facts)).segment, 1);
    });
  });

  it('steps and skips as often as keys were pressed, though not all of it is shown yet', () => {
    const { fromMs } = facts;
    return withPage(fixture, gateAt(fromMs + 5_000), {}, async ({ page }) => {
      await played(page, fromMs + 5_000);
      const first = await pausedFrame(page, facts);
      const shows = (ms: number) =>
        waitFor(
          `the picture at ${ms - first.wallClockMs} ms`,
          async () => (await readVideo(page, recorded)).wallClockMs - ms,
          (difference) => Math.abs(difference) < frameMs / 2,
          5_000,
        );
      await pressed(page, '.', 10);
      await shows(first.wallClockMs + 10 * frameMs);
      await pressed(page, ',', 4);
      await shows(first.wallClockMs + 6 * frameMs);
      await pressed(page, 'l', 2);
      await waitFor(
        'twice ten seconds later',
        async () => (await readVideo(page, recorded)).wallClockMs - first.wallClockMs,
        (ms) => ms > 20_000,
        5_000,
      );
    });
  });

  it('plays the next recording, and says so, when nothing was recorded at the time asked for', () => {
    const { gapFromMs, gapToMs } = facts;
    return withPage(fixture, gateAt(gapFromMs + 10_000), {}, async ({ page }) => {
      await page.waitForSelector('.picture-message:has-text("Nothing recorded at")');
      await played(page, gapToMs);
      assert.equal((await pausedFrame(page, facts)).segment, 2);
    });
  });

  it('lists recordings with holders, hand-overs, gaps and servers that do not answer; a choice plays, and back to live', () =>
    withPage(fixture, '#/camera/gate', {}, async ({ page }) => {
      await live(page, 'gate');
      const rows = await page.locator('.rows > li').allInnerTexts();
      assert.equal(rows.length, 4, rows.join('\n'));
      assert.match(rows[0] ?? '', /20 s on south/);
      assert.match(rows[1] ?? '', /Handed over from north to south/);
      assert.match(rows[2] ?? '', /No recording for 25 s: the camera reached no server; perhaps on west/);
      assert.match(rows[3] ?? '', /40 s on north/);
      assert.match(await page.innerText('.panel .notice'), /No answer from west/);
      await page.click('.row-stretch >> nth=1 >> .row-play');
      await played(page, facts.fromMs);
      await jumpTo(page, facts.gapToMs + 12_000);
      await played(page, facts.gapToMs + 12_000);
      assert.equal((await pausedFrame(page, facts)).segment, 3);
      await page.goBack();
      await playedBefore(page, facts.gapFromMs);
      await page.click('.control-live');
      await live(page, 'gate');
      assert.equal(new URL(page.url()).hash, '#/camera/gate');
    }));

  it('lists a whole day although the server cuts its answers', () =>
    withPage(fixture, '#/camera/yard', {}, async ({ page }) => {
      await live(page, 'yard');
      await page.waitForSelector('.rows > li');
      const rows = await page.locator('.rows > li').allInnerTexts();
      assert.match(rows[0] ?? '', /8 h on north/);
      assert.equal(rows.filter((row) => row.includes('Handed over')).length, 2, rows.join('\n'));
      assert.equal(
        rows.filter((row) => row.includes('No recording for 46 min: the camera was off')).length,
        1,
      );
      await page.screenshot({ path: `${artefacts}day-dark.png` });
    }));
});
