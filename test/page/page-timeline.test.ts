/**
 * The page's timeline in Debian's Chromium, against a stand-in for the server with real video: zoom, moving, scrubbing by
 * mouse, touch and keys, the calendar, a chosen range that is saved or kept. Frames have their second painted in.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { parseMonth, secondsByDay } from '../../firmware/viewing/recorded-month.ts';
import { readVideo, waitFor } from '../support/chromium.ts';
import {
  artefacts,
  assertFits,
  gateAt,
  live,
  pausedFrame,
  played,
  withPage,
} from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import type { RecordedFacts } from '../support/page-fixture-archive.ts';
import { frameRate } from '../support/page-fixture-video.ts';
import { readTimeline, scrubbedTo, scrubVideo, slider, touch, xOf } from '../support/timeline-checks.ts';

const recorded = '.picture-recording video';

/** What moves by itself has moved by then. */
const twentyFrames = `new Promise((resolve) => {
  let left = 20;
  const next = () => (left-- > 0 ? requestAnimationFrame(next) : resolve());
  next();
})`;

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

describe('the page’s timeline', { timeout: 240_000 }, () => {
  it('zooms by the wheel around the pointer, from a month to a second, and moves by dragging, without inertia', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 5_000);
      await page.click('button[aria-label="Pause"]');
      const begin = await readTimeline(page);
      // whole pixels, as the wheel tells them
      const x = Math.round(begin.left + begin.width * 0.37);
      const { y } = await xOf(page, facts.fromMs);
      const anchor = begin.fromMs + ((x - begin.left) / begin.width) * (begin.toMs - begin.fromMs);
      await page.mouse.move(x, y);
      for (let turn = 0; turn < 4; turn += 1) await page.mouse.wheel(0, -200);
      const near = await waitFor(
        'a shorter window',
        () => readTimeline(page),
        ({ fromMs, toMs }) => toMs - fromMs < 600_000,
      );
      const after = await xOf(page, anchor);
      assert.ok(Math.abs(after.x - x) < 2, `the time under the pointer moved by ${after.x - x} pixels`);
      await page.mouse.down();
      await page.mouse.move(x + 60, y, { steps: 6 });
      await page.mouse.move(x + 120, y, { steps: 6 });
      await page.mouse.up();
      const moved = await readTimeline(page);
      const by = ((near.fromMs - moved.fromMs) / (near.toMs - near.fromMs)) * near.width;
      assert.ok(Math.abs(by - 120) < 2, `moved by ${by} pixels`);
      await page.evaluate(twentyFrames);
      assert.equal((await readTimeline(page)).fromMs, moved.fromMs, 'it goes on moving');
      assert.equal(moved.headMs, near.headMs, 'moving the timeline is no seek');
      for (let turn = 0; turn < 30; turn += 1) await page.mouse.wheel(0, -400);
      const finest = await readTimeline(page);
      assert.ok(finest.toMs - finest.fromMs < 1_100, 'a second');
      for (let turn = 0; turn < 40; turn += 1) await page.mouse.wheel(0, 400);
      const widest = await readTimeline(page);
      assert.ok(widest.toMs - widest.fromMs > 30 * 86_400_000, 'a month');
      await page.screenshot({ path: `${artefacts}timeline-month-dark.png` });
    }));

  it('shows the keyframe nearest before the head while it is dragged, with one request at a time, and plays from there', () =>
    withPage(fixture, gateAt(facts.fromMs + 3_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 3_000);
      await page.focus(slider);
      for (let press = 0; press < 6; press += 1) await page.keyboard.press('+');
      let [underWay, most] = [0, 0];
      page.on('request', (request) => {
        if (!request.url().includes('keyframe.mp4')) return;
        underWay += 1;
        most = Math.max(most, underWay);
      });
      page.on('requestfinished', (request) => {
        if (request.url().includes('keyframe.mp4')) underWay -= 1;
      });
      const { headMs } = await readTimeline(page);
      const start = await xOf(page, headMs);
      await page.mouse.move(start.x, start.y);
      await page.mouse.down();
      for (const second of [10, 25, 17, 33]) {
        const to = await xOf(page, facts.fromMs + second * 1_000 + 500);
        await page.mouse.move(to.x, to.y, { steps: 4 });
        await scrubbedTo(page, second, 1);
      }
      const asked = fixture.times.keyframesAsked;
      const again = await xOf(page, facts.fromMs + 25_500);
      await page.mouse.move(again.x, again.y);
      await scrubbedTo(page, 25, 1);
      assert.equal(fixture.times.keyframesAsked, asked, 'what was fetched is kept');
      assert.equal(most, 1, 'requests at a time');
      const hole = await xOf(page, facts.gapFromMs + 10_000);
      await page.mouse.move(hole.x, hole.y);
      await page.waitForSelector('.scrub-note:has-text("No recording: the camera reached no server")');
      assert.match((await readTimeline(page)).text, /no recording for 25 s: the camera reached no server/);
      const end = await xOf(page, facts.fromMs + 30_500);
      await page.mouse.move(end.x, end.y);
      await scrubbedTo(page, 30, 1);
      await page.screenshot({ path: `${artefacts}scrub-dark.png` });
      await page.mouse.up();
      await played(page, facts.fromMs + 30_400);
      await page.waitForSelector('.scrub-hidden', { state: 'attached' });
      const { wallClockMs } = await pausedFrame(page, facts);
      assert.ok(wallClockMs < facts.fromMs + 36_000, `${wallClockMs - facts.fromMs} ms after the start`);
    }));

  it('is dragged back from live, and on to live again', () => {
    fixture.archive.openSinceMs = Date.now() - 30_000;
    return withPage(fixture, '#/camera/stairs', {}, async ({ page }) => {
      await live(page, 'stairs');
      assert.match((await readTimeline(page)).text, /^Live, /);
      const now = await xOf(page, Date.now());
      await page.mouse.move(now.x, now.y);
      await page.mouse.down();
      await page.mouse.move(now.x - 3, now.y, { steps: 2 });
      const back = await xOf(page, Date.now() - 15_000);
      await page.mouse.move(back.x, back.y);
      await page.waitForSelector(`${scrubVideo}[data-scrub-at]`);
      await page.mouse.up();
      await page.waitForSelector(recorded);
      await played(page, Date.now() - 25_000);
      assert.match(new URL(page.url()).hash, /\?at=/);
      await page.focus(slider);
      await page.keyboard.press('End');
      await live(page, 'stairs');
      assert.equal(new URL(page.url()).hash, '#/camera/stairs');
    });
  });

  it('lets go of the head and of a pause when it goes live before a recorded picture came', () => {
    fixture.archive.openSinceMs = Date.now() - 30_000;
    return withPage(fixture, '#/camera/stairs', {}, async ({ page }) => {
      await live(page, 'stairs');
      // recordings that do not come
      const files = /\/segments\//;
      await page.route(files, () => undefined);
      const now = await xOf(page, Date.now());
      await page.mouse.move(now.x, now.y);
      await page.mouse.down();
      await page.mouse.move(now.x - 3, now.y, { steps: 2 });
      const back = await xOf(page, Date.now() - 15_000);
      await page.mouse.move(back.x, back.y);
      await page.waitForSelector(`${scrubVideo}[data-scrub-at]`);
      await page.mouse.up();
      await page.waitForSelector(recorded);
      assert.equal(await page.locator('.scrub-hidden').count(), 0, 'the scrub picture is seen');
      await page.click('button:text-is("Back to live")');
      await live(page, 'stairs');
      assert.equal(await page.locator('.scrub-hidden').count(), 1, 'the live picture is seen');
      assert.match((await readTimeline(page)).text, /^Live, /);
      await page.keyboard.press('k');
      await page.waitForSelector(recorded);
      await page.goBack();
      await live(page, 'stairs');
      await page.unroute(files);
      const atMs = Date.now() - 15_000;
      await page.evaluate(`location.hash = '#/camera/stairs?at=${new Date(atMs).toISOString()}'`);
      await played(page, atMs + 2_000);
    });
  });

  it('is worked by keys alone, and says where the head is', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 5_000);
      await page.focus(slider);
      await page.keyboard.press('k');
      await page.waitForSelector(`${recorded}[data-state="paused"]`);
      const before = await readTimeline(page);
      for (let press = 0; press < 9; press += 1) await page.keyboard.press('+');
      const near = await readTimeline(page);
      assert.ok(near.toMs - near.fromMs < (before.toMs - before.fromMs) / 30, 'it zoomed');
      await page.keyboard.down('ArrowRight');
      await page.keyboard.down('ArrowRight');
      assert.equal(await page.locator('.scrub-hidden').count(), 0, 'the scrub picture is seen');
      await page.keyboard.up('ArrowRight');
      await waitFor(
        'the head moved on',
        () => readTimeline(page),
        ({ headMs }) => headMs > near.headMs,
      );
      assert.match((await readTimeline(page)).text, /\d\d:\d\d:\d\d, recorded on north/);
      await page.keyboard.press('Home');
      await played(page, facts.fromMs);
      const focused = await page.evaluate(`document.activeElement.className`);
      assert.equal(focused, 'timeline-slider', 'the focus stays');
    }));

  it('is worked by one finger and two', () =>
    withPage(
      fixture,
      gateAt(facts.fromMs + 5_000),
      { width: 390, height: 844, touch: true },
      async ({ page }) => {
        await played(page, facts.fromMs + 5_000);
        await page.click('button[aria-label="Pause"]');
        await page.locator(slider).scrollIntoViewIfNeeded();
        const session = await page.context().newCDPSession(page);
        const before = await readTimeline(page);
        const [middle, y] = [before.left + before.width / 2, before.top + before.height * 0.6];
        await touch(session, 'touchStart', [
          { x: middle - 40, y },
          { x: middle + 40, y },
        ]);
        for (let by = 50; by <= 120; by += 10) {
          await touch(session, 'touchMove', [
            { x: middle - by, y },
            { x: middle + by, y },
          ]);
        }
        await touch(session, 'touchEnd', []);
        const near = await waitFor(
          'a third of the window',
          () => readTimeline(page),
          ({ fromMs, toMs }) => Math.abs((toMs - fromMs) / (before.toMs - before.fromMs) - 1 / 3) < 0.05,
        );
        assert.ok(
          Math.abs(near.fromMs + near.toMs - before.fromMs - before.toMs) < 20_000,
          'around the fingers',
        );
        // away from the head: this moves, and does not scrub
        const away = (await xOf(page, near.headMs)).x > middle ? near.left + 50 : near.left + near.width - 50;
        await touch(session, 'touchStart', [{ x: away, y }]);
        for (let by = 5; by <= 40; by += 5) await touch(session, 'touchMove', [{ x: away - by, y }]);
        await touch(session, 'touchEnd', []);
        const moved = await readTimeline(page);
        assert.ok(moved.fromMs > near.fromMs, 'one finger moves it');
        assert.equal(moved.headMs, near.headMs);
        await assertFits(page);
      },
    ));

  it('steps by single pictures and by keyframes', () =>
    withPage(fixture, gateAt(facts.fromMs + 8_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 8_000);
      await page.keyboard.press('k');
      await page.waitForSelector(`${recorded}[data-state="paused"]`);
      const at = async () => (await readVideo(page, recorded)).wallClockMs;
      const step = async (label: string, byMs: number) => {
        const before = await at();
        await page.click(`button[aria-label="${label}"]`);
        await waitFor(`${label} by ${byMs} ms`, at, (now) => Math.abs(now - before - byMs) < 4, 3_000);
      };
      const frameMs = 1_000 / frameRate;
      await step('Next picture', frameMs);
      await step('Next picture', frameMs);
      await step('Previous picture', -frameMs);
      const before = await at();
      await page.click('button[aria-label="Next keyframe"]');
      const isKey = (now: number) => now > before && (now - facts.fromMs) % 1_000 < 40;
      const key = await waitFor('a keyframe', at, isKey, 3_000);
      await step('Previous keyframe', -1_000);
      await step('Next keyframe', 1_000);
      assert.ok(Math.abs((await at()) - key) < 4, 'back where it was');
      // further back than what was fetched: still one picture at a time
      for (let back = 0; back < 40; back += 1) await step('Previous picture', -frameMs);
    }));

  it('plays at all speeds, and says which', () =>
    withPage(fixture, gateAt(facts.fromMs + 1_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 1_000);
      for (const speed of ['0.25', '8', '2']) {
        await page.selectOption('.speed', speed);
        await waitFor(
          `${speed} times`,
          () => readVideo(page, recorded),
          (now) => now.playbackRate === Number(speed),
        );
      }
      await page.keyboard.press('3');
      assert.equal(await page.inputValue('.speed'), '1');
    }));

  it('leads to any day and time in two clicks', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 5_000);
      const recordedDays = page.locator('.calendar-recorded');
      await recordedDays.first().waitFor();
      const chosen = await page.getAttribute('.calendar-day[aria-current]', 'data-day');
      const pad = (value: number) => String(value).padStart(2, '0');
      const of = new Date(facts.fromMs);
      assert.equal(chosen, `${of.getFullYear()}-${pad(of.getMonth() + 1)}-${pad(of.getDate())}`);
      assert.match(
        (await page.getAttribute('.calendar-day[aria-current]', 'aria-label')) ?? '',
        /1 min recorded$/,
      );
      await page.click('button[aria-label="Month before"]');
      await page.click('button[aria-label="Next month"]');
      const other = recordedDays.first();
      const day = await other.getAttribute('data-day');
      await other.click();
      await waitFor(
        'that day in the address',
        async () => new URL(page.url()).hash,
        (hash) => {
          const at = new Date(decodeURIComponent(hash.split('at=')[1] ?? ''));
          return (
            `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}` === day || day === chosen
          );
        },
      );
      await page.focus('.calendar-day[tabindex="0"]');
      const from = await page.evaluate<string>(`document.activeElement.dataset.day`);
      await page.keyboard.press('ArrowLeft');
      const to = await page.evaluate<string>(`document.activeElement.dataset.day`);
      assert.equal(Date.parse(from) - Date.parse(to), 86_400_000, 'arrow keys move by a day');
    }));

  it('counts what was recorded to its own day in a month in which clocks change', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), { timeZone: 'Europe/Berlin' }, async ({ page }) => {
      // ten past eleven in the evening, a day after the change
      const fromUs = Date.parse('2025-10-27T22:10:00Z') * 1_000;
      await page.route(/\/days\?/, (route) => {
        const query = new URL(route.request().url()).searchParams;
        const month = parseMonth(query.get('month') ?? '', query.get('offset') ?? '');
        if (!month.ok) return route.fulfill({ status: 400 });
        const days = secondsByDay(month.value, [{ fromUs, toUs: fromUs + 600_000_000 }]);
        return route.fulfill({ json: { days, unreachable: [] } });
      });
      const day = page.locator('[data-day="2025-10-27"]');
      await page.waitForSelector('.calendar-day');
      while ((await day.count()) === 0) await page.click('button[aria-label="Month before"]');
      await page.waitForSelector('[data-day="2025-10-27"].calendar-recorded');
      assert.equal(await page.locator('.calendar-recorded').count(), 1);
    }));

  it('says what is under the mouse, in words and with patterns', () =>
    withPage(fixture, gateAt(facts.fromMs + 5_000), {}, async ({ page }) => {
      await played(page, facts.fromMs + 5_000);
      for (const [ms, text] of [
        [facts.fromMs + 20_000, /recorded on north/],
        [facts.gapFromMs + 12_000, /no recording for 25 s: the camera reached no server/],
        [facts.gapToMs + 12_000, /recorded on south/],
        [facts.gapToMs + 400, /handed over from north to south/],
        [Date.now() + 60_000, /in the future|no recording/],
      ] as const) {
        const { x, y } = await xOf(page, ms);
        await page.mouse.move(x, y);
        if (ms < Date.now()) assert.match(await page.innerText('.timeline-tip'), text);
      }
      assert.match(await page.innerText('.timeline-legend'), /north[^]*south[^]*not recorded[^]*handed over/);
    }));

  for (const colorScheme of ['dark', 'light'] as const) {
    it(`looks as it should, ${colorScheme}`, () =>
      withPage(
        fixture,
        `#/camera/yard?at=${new Date(Date.now() - 4 * 3_600_000).toISOString()}`,
        { colorScheme, height: 1000 },
        async ({ page }) => {
          await page.waitForSelector(recorded);
          await page.waitForSelector('.row-stretch');
          await page.focus(slider);
          for (let press = 0; press < 7; press += 1) await page.keyboard.press('-');
          await page.screenshot({ path: `${artefacts}timeline-${colorScheme}.png` });
        },
      ));
  }
});
