/**
 * What is seen while somebody drags the head of the timeline and not every server answers, or not at once: no picture
 * stands for another time. In Debian's Chromium against a stand-in for the server with real video.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { clockText } from '../../firmware/viewing/web/time-text.ts';
import { waitFor } from '../support/chromium.ts';
import { gateAt, holdBack, played, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import type { RecordedFacts } from '../support/page-fixture-archive.ts';
import { readTimeline, scrubbedTo, scrubVideo, slider, xOf } from '../support/timeline-checks.ts';

const keyframes = /\/keyframe\.mp4\?/;

let fixture: PageFixture;
let facts: RecordedFacts;

before(async () => {
  fixture = await openPageFixture();
  ({ facts } = fixture.archive);
});

after(async () => {
  await fixture[Symbol.asyncDispose]();
});

/** Takes the head of the timeline, near enough for half seconds. */
async function takeHead(page: Page, atMs: number): Promise<void> {
  await played(page, atMs);
  await page.click('button[aria-label="Pause"]');
  await page.focus(slider);
  for (let press = 0; press < 6; press += 1) await page.keyboard.press('+');
  const { x, y } = await xOf(page, (await readTimeline(page)).headMs);
  await page.mouse.move(x, y);
  await page.mouse.down();
}

async function dragTo(page: Page, ms: number): Promise<void> {
  const { x, y } = await xOf(page, ms);
  await page.mouse.move(x, y);
}

/** The time, ms UTC, that the picture claims to be of; undefined: there is none. */
async function claimed(page: Page): Promise<number | undefined> {
  const text = await page.getAttribute(scrubVideo, 'data-scrub-at');
  return text === null ? undefined : Number(text);
}

async function labelled(page: Page, ms: number): Promise<void> {
  // a pixel is some milliseconds
  const near = [ms - 20, ms, ms + 20].map(clockText);
  await waitFor(
    `the label ${clockText(ms)}`,
    () => page.innerText('.scrub .picture-tag'),
    (text) => near.includes(text),
  );
}

describe('the picture while scrubbing', { timeout: 120_000 }, () => {
  it('is the right one again as soon as the server that has it answers again', () =>
    withPage(fixture, gateAt(facts.fromMs + 30_000), {}, async ({ page }) => {
      const ms = facts.gapToMs + 5_200;
      fixture.times.silent = 'south';
      try {
        await takeHead(page, facts.fromMs + 30_000);
        await dragTo(page, ms);
        await page.waitForSelector('.scrub-note:has-text("The picture before this time is 31 s older.")');
        await scrubbedTo(page, 39, 1);
        fixture.times.silent = undefined;
        let aside = 0;
        await waitFor(
          'the picture that belongs there',
          async () => {
            aside = 400 - aside;
            await dragTo(page, ms + aside);
            return claimed(page);
          },
          (atMs) => atMs === facts.gapToMs + 5_000,
        );
        await scrubbedTo(page, 5, 2);
        assert.equal(await page.locator('.scrub-note').count(), 0);
      } finally {
        fixture.times.silent = undefined;
      }
    }));

  it('is none when none came', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), { refusals: true }, async ({ page }) => {
      await takeHead(page, facts.fromMs + 5_000);
      await dragTo(page, facts.fromMs + 10_500);
      await scrubbedTo(page, 10, 1);
      const json = { error: 'the index is busy', advice: '' };
      await page.route(keyframes, (route) => route.fulfill({ status: 503, json }));
      await dragTo(page, facts.fromMs + 13_500);
      await page.waitForSelector('.scrub-note:has-text("The picture of this time did not come.")');
      assert.equal(await claimed(page), undefined);
      assert.match((await page.getAttribute(scrubVideo, 'class')) ?? '', /scrub-faint/);
      await dragTo(page, facts.fromMs + 10_500);
      await page.waitForSelector(`${scrubVideo}[data-scrub-at="${facts.fromMs + 10_000}"]`);
      assert.equal(await page.locator('.scrub-note').count(), 0);
      await page.unroute(keyframes);
      await dragTo(page, facts.fromMs + 13_600);
      await scrubbedTo(page, 13, 1);
      assert.equal(await page.locator('.scrub-note').count(), 0);
    }));

  it('is said to be older only when the answer is there', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), {}, async ({ page }) => {
      await takeHead(page, facts.fromMs + 5_000);
      await dragTo(page, facts.fromMs + 25_500);
      await scrubbedTo(page, 25, 1);
      for (const second of [10, 30]) {
        const letGo = await holdBack(page, keyframes);
        const asked = page.waitForRequest(keyframes);
        await dragTo(page, facts.fromMs + second * 1_000 + 500);
        await asked;
        await labelled(page, facts.fromMs + second * 1_000 + 500);
        assert.equal(await page.locator('.scrub-note').count(), 0, `${second} s`);
        await letGo();
        await scrubbedTo(page, second, 1);
      }
    }));
});
