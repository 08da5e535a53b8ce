/**
 * A range chosen on the page's timeline: saved as a file that ffprobe accepts, with its progress and what is missing in
 * it, or kept on the servers. In Debian's Chromium against a stand-in for the server with real video.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { inputText } from '../../firmware/viewing/web/time-text.ts';
import { waitFor } from '../support/chromium.ts';
import { artefacts, assertFits, gateAt, played, withPage } from '../support/page-checks.ts';
import { openPageFixture, type PageFixture } from '../support/page-fixture.ts';
import type { RecordedFacts } from '../support/page-fixture-archive.ts';
import { readTimeline, xOf } from '../support/timeline-checks.ts';

/** The person always chooses the browser's private folder. */
const picksFile = `window.showSaveFilePicker = async ({ suggestedName }) => {
  const folder = await navigator.storage.getDirectory();
  window.saved = await folder.getFileHandle(suggestedName, { create: true });
  return window.saved;
};`;
const picksNone = 'delete window.showSaveFilePicker;';

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

async function chooseRange(page: Page): Promise<void> {
  await played(page, facts.fromMs + 20_000);
  await page.click('button[aria-label="Pause"]');
  await page.click('button[aria-label="Choose a range to save or keep"]');
  await page.waitForSelector('.range-bar');
}

async function openExport(page: Page): Promise<void> {
  await chooseRange(page);
  await page.click('button:has-text("Save as a file")');
  await page.waitForSelector('dialog[open]');
}

/** Streams of a file as ffprobe sees them. */
async function probe(file: string): Promise<{ codecs: string[]; seconds: number }> {
  const query = ['-v', 'error', '-show_entries', 'stream=codec_name:format=duration', '-of', 'json', file];
  const { stdout } = await promisify(execFile)('ffprobe', query);
  const { streams, format } = JSON.parse(stdout) as {
    streams: { codec_name: string }[];
    format: { duration: string };
  };
  return { codecs: streams.map(({ codec_name }) => codec_name), seconds: Number(format.duration) };
}

describe('a range chosen on the page’s timeline', { timeout: 240_000 }, () => {
  it('says what to do when the dialog cannot be fetched', () =>
    withPage(fixture, gateAt(facts.fromMs + 20_000), { refusals: true }, async ({ page }) => {
      await page.route(/export-dialog/, (route) => route.abort('connectionrefused'));
      await openExport(page);
      await page.waitForSelector('dialog h2:text-is("This part of the page could not be fetched")');
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog[open]', { state: 'detached' });
      await page.unroute(/export-dialog/);
      await page.click('button:has-text("Save as a file")');
      await page.waitForSelector('dialog button:text-is("Save")');
    }));

  it('has two handles that are dragged, and ends that are typed', () =>
    withPage(fixture, gateAt(facts.fromMs + 20_000), {}, async ({ page }) => {
      await chooseRange(page);
      const { headMs } = await readTimeline(page);
      const end = await xOf(page, headMs + 30_000);
      await page.mouse.move(end.x, end.y);
      await page.mouse.down();
      await page.mouse.move(end.x + 40, end.y, { steps: 5 });
      await page.mouse.up();
      const { fromMs, toMs, width } = await readTimeline(page);
      const longer = 60_000 + (40 / width) * (toMs - fromMs);
      await waitFor(
        'a longer range',
        () => page.innerText('.range-length'),
        (text) => {
          const [, minutes = '0', seconds = '0'] = /^(?:(\d+) min)? ?(?:(\d+) s)?$/.exec(text) ?? [];
          return Math.abs(Number(minutes ?? 0) * 60 + Number(seconds ?? 0) - longer / 1_000) <= 2;
        },
      );
      await page.screenshot({ path: `${artefacts}range-dark.png` });
      const from = await page.inputValue('.range-bar input >> nth=0');
      await page.fill(
        '.range-bar input >> nth=1',
        new Date(Date.parse(from) + 10_000 - new Date().getTimezoneOffset() * 60_000)
          .toISOString()
          .slice(0, 19),
      );
      await page.keyboard.press('Tab');
      await waitFor(
        'ten seconds',
        () => page.innerText('.range-length'),
        (text) => /^(10|9|11) s$/.test(text),
      );
    }));

  it('is saved where the person wants it, as a file that ffprobe accepts', () =>
    withPage(
      fixture,
      gateAt(facts.fromMs + 20_000),
      {},
      async ({ page }) => {
        await openExport(page);
        await page.check('input[value="fragmented"]');
        await page.screenshot({ path: `${artefacts}export-dark.png` });
        await page.click('.dialog button:text-is("Save")');
        await page.waitForSelector('.dialog [role="status"] >> text=/Saved: \\d|not complete/');
        const base64 =
          await page.evaluate<string>(`window.saved.getFile().then((file) => new Promise((resolve) => {
          const reader = new FileReader();
          reader.onload = () => resolve(reader.result.split(',')[1]);
          reader.readAsDataURL(file);
        }))`);
        const file = `${artefacts}exported.mp4`;
        await writeFile(file, Buffer.from(base64, 'base64'));
        const { codecs, seconds } = await probe(file);
        assert.deepEqual(codecs, ['h264', 'aac']);
        assert.ok(seconds > 39 && seconds < 41.5, `${seconds} s`);
      },
      picksFile,
    ));

  it('is named incomplete when the file ends before what was recorded, or the server says so', () => {
    const { gapToMs, toMs } = facts;
    fixture.times.partial = `${new Date(gapToMs).toISOString()}/${new Date(toMs).toISOString()}`;
    return withPage(
      fixture,
      gateAt(facts.fromMs + 20_000),
      {},
      async ({ page }) => {
        await openExport(page);
        await page.check('input[value="mp4"]');
        await page.click('.dialog button:text-is("Save")');
        await page.waitForSelector('.dialog .notice-bad:has-text("The file is not complete")');
        assert.match(
          await page.innerText('.dialog .notice-bad'),
          /It lacks, though recorded: .*\d\d:\d\d:\d\d – \d\d:\d\d:\d\d/,
        );
        await page.screenshot({ path: `${artefacts}export-partial-dark.png` });
      },
      picksFile,
    ).finally(() => {
      fixture.times.partial = '';
    });
  });

  it('is held against what the servers list, also where the timeline has never been', () => {
    const hour = 3_600_000;
    const fromMs = Date.now() - 20 * hour;
    return withPage(
      fixture,
      `#/camera/yard?at=${new Date(Date.now() - 4 * hour).toISOString()}`,
      {},
      async ({ page }) => {
        await page.waitForSelector('.control-play');
        await page.click('button[aria-label="Choose a range to save or keep"]');
        const inputs = page.locator('.range-bar input');
        await inputs.nth(0).fill(inputText(fromMs));
        await page.keyboard.press('Tab');
        await inputs.nth(1).fill(inputText(fromMs + 60_000));
        await page.keyboard.press('Tab');
        await page.click('button:has-text("Save as a file")');
        await page.check('input[value="fragmented"]');
        await page.click('.dialog button:text-is("Save")');
        await page.waitForSelector('.dialog .notice-bad:has-text("The file is not complete")');
      },
      picksFile,
    );
  });

  it('is not called complete when nobody says what is recorded', () =>
    withPage(
      fixture,
      gateAt(facts.fromMs + 20_000),
      { refusals: true },
      async ({ page }) => {
        await openExport(page);
        const json = { error: 'the index is busy', advice: '' };
        await page.route(/\/recordings\?/, (route) => route.fulfill({ status: 503, json }));
        await page.check('input[value="fragmented"]');
        await page.click('.dialog button:text-is("Save")');
        await page.waitForSelector(
          '.dialog .notice:has-text("Whether it is complete could not be checked: The index is busy.")',
        );
      },
      picksFile,
    ));

  it('shows how far it is by bytes and by time, and is cancelled without a trace', () => {
    fixture.times.halfFiles = true;
    return withPage(
      fixture,
      gateAt(facts.fromMs + 20_000),
      { colorScheme: 'light' },
      async ({ page }) => {
        await openExport(page);
        await page.check('input[value="fragmented"]');
        await page.click('.dialog button:text-is("Save")');
        await page.waitForSelector('.export-progress >> text=/MB, up to \\d\\d:\\d\\d:\\d\\d/');
        const value = Number(await page.getAttribute('.export-progress progress', 'value'));
        assert.ok(value > 0.1 && value < 0.9, `${value} done`);
        await page.screenshot({ path: `${artefacts}export-progress-light.png` });
        await page.click('.dialog button:text-is("Cancel")');
        await page.waitForSelector('.dialog button:text-is("Save")');
        assert.equal(await page.evaluate(`window.saved.getFile().then((file) => file.size)`), 0);
        await page.keyboard.press('Escape');
        await page.waitForSelector('dialog', { state: 'detached' });
      },
      picksFile,
    ).finally(() => {
      fixture.times.halfFiles = false;
    });
  });

  for (const format of ['mp4', 'fragmented']) {
    it(`is a download of the browser where a page may not write files: ${format}`, () =>
      withPage(
        fixture,
        gateAt(facts.fromMs + 20_000),
        {},
        async ({ page }) => {
          await openExport(page);
          await page.check(`input[value="${format}"]`);
          const answered = page.waitForResponse(/\/links$/);
          await page.click('.dialog button:text-is("Save")');
          const link = page.locator('.dialog a[download]');
          await link.waitFor();
          assert.match((await link.getAttribute('download')) ?? '', /^gate_\d{4}-\d\d-\d\dT.*_1m0s\.mp4$/);
          const answer = await answered;
          const { from, to, ...wish } = answer.request().postDataJSON();
          assert.deepEqual(wish, { what: 'video', format });
          assert.equal(Date.parse(to) - Date.parse(from), 60_000);
          const { url } = (await answer.json()) as { url: string };
          assert.equal(await link.getAttribute('href'), url, 'what was signed is not touched');
        },
        picksNone,
      ));
  }

  it('is a download that the session opens where nobody may make a link', () =>
    withPage(
      fixture,
      gateAt(facts.fromMs + 20_000),
      { refusals: true },
      async ({ page }) => {
        await openExport(page);
        await page.route(/\/links$/, (route) =>
          route.fulfill({ status: 403, json: { error: 'no', advice: '' } }),
        );
        await page.check('input[value="mp4"]');
        await page.click('.dialog button:text-is("Save")');
        const link = page.locator('.dialog a[download]');
        await link.waitFor();
        const address = new URL((await link.getAttribute('href')) ?? '', fixture.url);
        assert.equal(address.pathname, '/api/cameras/gate/video.mp4');
        assert.deepEqual([...address.searchParams.keys()], ['from', 'to', 'format']);
        assert.equal(address.searchParams.get('format'), 'mp4');
      },
      picksNone,
    ));

  it('is kept with a note, listed, drawn, and released again', () =>
    withPage(fixture, gateAt(facts.fromMs + 20_000), {}, async ({ page }) => {
      await chooseRange(page);
      await page.click('button:has-text("Keep this")');
      await page.fill('.dialog input[name="note"]', 'The van at the gate');
      await page.screenshot({ path: `${artefacts}keep-dark.png` });
      await page.click('.dialog button:text-is("Keep")');
      await page.waitForSelector('.kept li:has-text("The van at the gate · by anna")');
      assert.equal(fixture.times.kept.get('gate')?.length, 1);
      assert.match(await page.innerText('.timeline-legend'), /kept/);
      assert.match((await readTimeline(page)).text, /kept: The van at the gate/);
      await page.click('.kept button');
      await page.click('.dialog button:text-is("Release")');
      await page.waitForSelector('.kept', { state: 'detached' });
      assert.equal(fixture.times.kept.get('gate')?.length, 0);
    }));

  it('fits a phone', () =>
    withPage(
      fixture,
      gateAt(facts.fromMs + 20_000),
      { width: 360, height: 740, touch: true, colorScheme: 'light' },
      async ({ page }) => {
        await openExport(page);
        await assertFits(page);
        await page.screenshot({ path: `${artefacts}phone-export-light.png` });
      },
    ));
});
