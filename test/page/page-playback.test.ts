/**
 * Several cameras' recordings on one clock, in Debian's Chromium against a stand-in for the server with real video.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { readVideo, waitFor } from '../support/chromium.ts';
import { artefacts, assertFits, pressed, videoOf, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import type { RecordedFacts } from '../support/page-fixture-archive.ts';
import { frameRate } from '../support/page-fixture-video.ts';

let fixture: PageFixture;
let facts: RecordedFacts;
/** A time of which both cameras have half a minute: `yard` has 40 s of every minute. */
let bothMs: number;

before(async () => {
  await mkdir(artefacts, { recursive: true });
  fixture = await openPageFixture();
  ({ facts } = fixture.archive);
  bothMs = facts.fromMs + 1_000;
  const second = new Date(bothMs).getSeconds();
  // the first seconds of `gate` may be in the last third of a minute
  if (second > 15) bothMs += Math.max(0, 60 - second) * 1_000;
  if (bothMs > facts.gapFromMs - 20_000) bothMs = facts.fromMs + 1_000;
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

function playAt(ms: number, more = ''): string {
  return `#/play?cameras=gate,yard&at=${new Date(ms).toISOString()}${more}`;
}

/** Seconds of media before the common clock, of the cameras that show something. */
async function aheadOf(page: Page): Promise<number[]> {
  return page.evaluate<number[]>(`[...document.querySelectorAll('.picture-recording > video')]
    .flatMap((video) => video.dataset.state === 'showing' && video.dataset.ahead !== undefined ? [Number(video.dataset.ahead)] : [])`);
}

async function showing(page: Page, camera: string): Promise<void> {
  await page.waitForSelector(`${videoOf(camera)}[data-state="showing"]`, { timeout: 15_000 });
}

async function together(page: Page, count: number): Promise<number[]> {
  return waitFor(
    'together within a frame',
    () => aheadOf(page),
    (ahead) => ahead.length >= count && ahead.every((seconds) => Math.abs(seconds) < 1 / frameRate),
    10_000,
  );
}

describe('the page’s playback of several cameras', { timeout: 240_000 }, () => {
  it('plays the same moment of all, within a frame, also at other speeds and after a stall of one', () =>
    withPage(fixture, playAt(bothMs), {}, async ({ page }) => {
      await showing(page, 'gate');
      const count = (await together(page, 1)).length;
      const readings: number[] = [];
      await waitFor(
        'forty readings',
        async () => readings.push(...(await aheadOf(page)).map(Math.abs)),
        (read) => read >= 40,
      );
      readings.sort((one, other) => one - other);
      const text = (seconds: number | undefined) => ((seconds ?? Number.NaN) * 1_000).toFixed(1);
      console.log(`drift: median ${text(readings[20])} ms, worst ${text(readings.at(-1))} ms`);
      assert.ok((readings[36] ?? 1) < 1 / frameRate, 'nine of ten readings are within a frame');
      await page.evaluate(`document.querySelector('.play-grid video').currentTime -= 0.3`);
      await together(page, count);
      await page.selectOption('.speed', '2');
      await together(page, count);
      await waitFor(
        'twice as fast',
        () => readVideo(page, videoOf('gate')),
        ({ playbackRate }) => Math.abs(playbackRate - 2) <= 0.2,
      );
      await page.screenshot({ path: `${artefacts}play-dark.png` });
    }));

  it('pauses all at the same picture, steps, and keeps cameras, time and speed in the address', () =>
    withPage(fixture, playAt(facts.fromMs + 5_000, '&speed=0.5'), {}, async ({ page }) => {
      await showing(page, 'gate');
      await page.click('button[aria-label="Pause"]');
      await page.waitForSelector('button[aria-label="Play"]');
      const hash = await waitFor(
        'the address',
        async () => decodeURIComponent(new URL(page.url()).hash),
        (text) =>
          /^#\/play\?cameras=gate,yard&at=.*&speed=0\.5$/.test(text) &&
          !text.includes(new Date(facts.fromMs + 5_000).toISOString()),
      );
      const at = Date.parse(/at=([^&]+)/.exec(hash)?.[1] ?? '');
      const ahead = await waitFor(
        'exactly there',
        () => aheadOf(page),
        (all) => all.length > 0 && all.every((seconds) => Math.abs(seconds) < 0.005),
      );
      assert.ok(ahead.length >= 1);
      const before = (await readVideo(page, videoOf('gate'))).currentTime;
      await page.click('button[aria-label="Next picture"]');
      const { currentTime: stepped } = await waitFor(
        'the next picture',
        () => readVideo(page, videoOf('gate')),
        ({ currentTime }) => currentTime > before && currentTime < before + 2 / frameRate,
      );
      const media = async () => (await readVideo(page, videoOf('gate'))).currentTime;
      await pressed(page, '.', 8);
      await waitFor('eight pictures on', media, (seconds) => seconds > stepped + 3.5 / frameRate);
      await pressed(page, ',', 8);
      await waitFor('eight pictures back', media, (seconds) => Math.abs(seconds - stepped) < 0.005);
      await page.reload();
      await showing(page, 'gate');
      const shown = await page.getAttribute('.moment-clock', 'datetime');
      assert.ok(
        Math.abs(Date.parse(shown ?? '') - at) < 3_000,
        `${shown} after ${new Date(at).toISOString()}`,
      );
    }));

  it('says why a camera shows nothing, while the others go on', () =>
    withPage(fixture, playAt(facts.gapFromMs - 2_000), {}, async ({ page }) => {
      await page.waitForSelector('.picture-gap:has-text("No recording: the camera reached no server")', {
        timeout: 15_000,
      });
      const clock = async () => Date.parse((await page.getAttribute('.moment-clock', 'datetime')) ?? '');
      const before = await clock();
      await waitFor('the clock goes on', clock, (now) => now > before + 1_500);
      await page.screenshot({ path: `${artefacts}play-gap-dark.png` });
    }));

  it('goes back to what it has forgotten after playing it', () => {
    const fromMs = bothMs - (bothMs % 60_000);
    const hash = `#/play?cameras=yard&at=${new Date(fromMs + 1_000).toISOString()}&speed=8`;
    return withPage(fixture, hash, {}, async ({ page }) => {
      await showing(page, 'yard');
      const begin = () =>
        page.evaluate<number>(`(({ buffered }) => buffered.length > 0 ? buffered.start(0) : 0)
          (document.querySelector('${videoOf('yard')}'))`);
      await waitFor('what was played is forgotten', begin, (seconds) => seconds > 15, 30_000);
      await page.click('button[aria-label="Pause"]');
      const clock = async () => Date.parse((await page.getAttribute('.moment-clock', 'datetime')) ?? '');
      while ((await clock()) > fromMs + 12_000) {
        const before = await clock();
        await page.click('button[aria-label="Back 10 seconds"]');
        await waitFor('ten seconds back', clock, (now) => now < before - 9_000);
      }
      await showing(page, 'yard');
      const seconds = ((await clock()) - fromMs) / 1_000;
      await waitFor(
        'the picture of that time',
        () => readVideo(page, videoOf('yard')),
        ({ currentTime, state }) => state === 'showing' && Math.abs(currentTime - seconds) < 0.3,
      );
      const stays = await begin();
      assert.ok(stays < seconds, `begins at ${stays} s, shows ${seconds} s`);
      await page.click('button[aria-label="Play"]');
      await waitFor('plays on', clock, (now) => now > fromMs + seconds * 1_000 + 3_000);
      await showing(page, 'yard');
    });
  });

  it('scrubs all at once, and plays from there', () =>
    withPage(fixture, playAt(facts.fromMs + 2_000), {}, async ({ page }) => {
      await showing(page, 'gate');
      await page.focus('.timeline-slider');
      for (let press = 0; press < 6; press += 1) await page.keyboard.press('+');
      await page.keyboard.down('ArrowRight');
      await page.waitForSelector('.scrub video[data-scrub-at] >> nth=0', { state: 'attached' });
      await page.keyboard.up('ArrowRight');
      await page.waitForSelector('.scrub-hidden >> nth=1', { state: 'attached' });
      await showing(page, 'gate');
    }));

  it('asks for cameras when none is chosen, and takes them from a list', () =>
    withPage(fixture, '#/play', { colorScheme: 'light' }, async ({ page }) => {
      await page.waitForSelector('text=Choose up to 9 cameras');
      await page.check('.play-camera:has-text("gate") input');
      await page.check('.play-camera:has-text("yard") input');
      await waitFor(
        'both in the address',
        async () => decodeURIComponent(new URL(page.url()).hash),
        (hash) => hash.startsWith('#/play?cameras=gate,yard'),
      );
      await showing(page, 'yard');
      await page.screenshot({ path: `${artefacts}play-light.png` });
      await page.click('a[aria-label="Open yard"]');
      await page.waitForSelector('h1:text-is("yard")');
      assert.match(new URL(page.url()).hash, /#\/camera\/yard\?at=/);
    }));

  it('fits a phone', () =>
    withPage(
      fixture,
      playAt(facts.fromMs + 5_000),
      { width: 360, height: 740, touch: true },
      async ({ page }) => {
        await showing(page, 'gate');
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-play-dark.png`, fullPage: true });
      },
    ));
});
