/**
 * Time on a real network, by the frame numbers burnt into the pictures: how fast the page scrubs, how near several
 * cameras play together, that a recording goes through a hand-over without a hole or a repetition, that what is saved is
 * a video, and that the network page tells what happened. Figures are printed; the bounds are for sanity.
 */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type Chromium, openChromium, readVideo } from '../support/chromium.ts';
import {
  getCameras,
  getRecordings,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';
import { artefacts, live, videoOf } from '../support/page-checks.ts';
import { assertPlayable, picturesOf } from '../support/recorded-video.ts';
import { installBarReader, watchFrames } from '../support/test-bar-page.ts';
import { slider, xOf } from '../support/timeline-checks.ts';

const recorded = '.picture-recording video';
const together = ['cam-1', 'cam-2', 'cam-3'];
const picksFile = `window.showSaveFilePicker = async ({ suggestedName }) => {
  const folder = await navigator.storage.getDirectory();
  window.saved = await folder.getFileHandle(suggestedName, { create: true });
  return window.saved;
};`;

interface Killed {
  readonly camera: string;
  readonly server: string;
  readonly atMs: number;
}

describe('time on a real network', { timeout: 300_000 }, () => {
  let network: TestNetwork;
  let browser: Chromium;
  let killed: Killed;
  /** whose page is open; lives when the manager of the camera that is watched is killed */
  let via = 'ss-1';

  before(async () => {
    await mkdir(artefacts, { recursive: true });
    network = await startNetwork({ servers: 3, cameras: 3 });
    await untilUp(network, 3, 3);
    browser = await openChromium();
    await browser.page.addInitScript(picksFile);
    await until('twenty seconds are recorded', async () => (await recordedSeconds('cam-1')) > 20, 60_000);
  });

  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  async function recordedSeconds(camera: string): Promise<number> {
    const { segments } = await getRecordings(network.url(via), camera);
    const [first, last] = [segments[0], segments.at(-1)];
    return first === undefined || last === undefined
      ? 0
      : (Date.parse(last.to) - Date.parse(first.from)) / 1_000;
  }

  /** Plays a recording from a time on the page of a server. */
  async function playFrom(ms: number, camera: string, server = via): Promise<Page> {
    const { page } = browser;
    await page.goto(`${network.url(server)}/#/camera/${camera}?at=${new Date(ms).toISOString()}`);
    await page.waitForSelector(`${recorded}[data-wall-clock]`, { state: 'attached', timeout: 15_000 });
    return page;
  }

  test('shows the picture of where the head is dragged to within 60 ms', async () => {
    const { segments } = await getRecordings(network.url(via), 'cam-1');
    const first = Date.parse(segments[0]?.from ?? '');
    const page = await playFrom(first + 2_000, 'cam-1');
    await page.focus(slider);
    for (let press = 0; press < 9; press += 1) await page.keyboard.press('+');
    await installBarReader(page);
    await page.evaluate(watchScrub);
    const head = await xOf(page, first + 2_500);
    await page.mouse.move(head.x, 30 + head.y - 60);
    const { y } = await xOf(page, first);
    const { top } = await page
      .locator(slider)
      .evaluate((element) => ({ top: element.getBoundingClientRect().top }));
    await page.mouse.move(head.x, top + 12);
    await page.mouse.down();
    for (const round of ['fetched', 'cached'] as const) {
      const steps: number[] = [];
      for (let second = 3; second < 18; second += 1) {
        const { x } = await xOf(page, first + second * 1_000 + 600);
        const before = await page.evaluate<number>('window.scrubSteps.length');
        await page.mouse.move(x, y);
        await until(
          'the picture',
          async () => (await page.evaluate<number>('window.scrubSteps.length')) > before,
          3_000,
        );
        steps.push((await page.evaluate<number[]>('window.scrubSteps')).at(-1) ?? Number.NaN);
      }
      steps.sort((one, other) => one - other);
      console.log(
        `scrub step to picture, ${round}: p50 ${steps[7]?.toFixed(0)} ms, p95 ${steps[14]?.toFixed(0)} ms of ${steps.length}`,
      );
      assert.ok((steps[7] ?? 1_000) < 500, steps.join(', '));
    }
    await page.mouse.up();
  });

  test('plays several cameras at the same moment', async () => {
    const { page } = browser;
    const { segments } = await getRecordings(network.url(via), 'cam-1');
    const at = Date.parse(segments[0]?.from ?? '') + 4_000;
    await page.goto(
      `${network.url(via)}/#/play?cameras=${together.join(',')}&at=${new Date(at).toISOString()}`,
    );
    for (const camera of together) {
      await page.waitForSelector(`${videoOf(camera)}[data-state="showing"]`, { timeout: 20_000 });
    }
    await installBarReader(page);
    const spreads = await until('a hundred readings', async () => {
      const all = await page.evaluate<number[]>(readSpreads);
      return all.length >= 100 ? all : undefined;
    });
    // the players had a second to find each other
    const settled = spreads.slice(40).sort((one, other) => one - other);
    const share = (part: number) => settled[Math.floor((settled.length - 1) * part)] ?? Number.NaN;
    console.log(
      `${together.length} cameras: burnt-in times apart by p50 ${share(0.5).toFixed(0)} ms, p95 ${share(0.95).toFixed(0)} ms`,
    );
    // pictures of cameras that are not synchronised are up to one interval apart when they are perfectly together
    assert.ok(share(0.5) < 120, `${share(0.5)} ms apart`);
    await page.screenshot({ path: `${artefacts}network-play.png` });
  });

  test('has the live picture back within two seconds of its manager’s death, with nothing but a short notice', async () => {
    const { page } = browser;
    const [camera] = await getCameras(network.url(via));
    assert.ok(camera !== undefined, 'there is no camera');
    via = camera.manager === 'ss-1' ? 'ss-2' : 'ss-1';
    await page.goto(`${network.url(via)}/#/camera/${camera.id}`);
    await live(page, camera.id);
    await installBarReader(page);
    await page.evaluate(watchNotices);
    await page.evaluate(watchPictures);
    const pid = network.unit(camera.manager).pid;
    assert.ok(pid !== undefined, 'the manager runs');
    process.kill(pid, 'SIGKILL');
    killed = { camera: camera.id, server: camera.manager, atMs: Date.now() };
    const backMs = await until('a picture that was drawn after the kill', () =>
      page.evaluate<number | undefined>(
        `window.pictures.find(({ drawnMs }) => drawnMs > ${killed.atMs})?.shownMs`,
      ),
    );
    const tookMs = backMs - killed.atMs;
    console.log(`live picture back ${tookMs.toFixed(0)} ms after kill -9`);
    assert.ok(tookMs < 2_000, `${tookMs} ms`);
    await until('live', async () => (await readVideo(page, videoOf(camera.id))).state === 'live');
    await page.waitForSelector('.hand-over p');
    await page.waitForSelector('.hand-over p', { state: 'detached', timeout: 8_000 });
    const notices = await page.evaluate<string[]>('[...window.notices]');
    console.log(notices.join('\n'));
    // beside the picture, the list of recordings says what it may lack
    const short = /^NOT LIVE — last picture |^Now managed by |^No answer from [^ ]+: recordings /;
    assert.deepEqual(
      notices.filter((text) => !short.test(text)),
      [],
    );
    assert.equal(await page.locator('.stale').count(), 0);
  });

  test('tells the story of it on the network page', async () => {
    const { page } = browser;
    await page.goto(`${network.url(via)}/#/network`);
    await page.waitForSelector(`tr[data-server="${killed.server}"][data-state="unreachable"]`, {
      timeout: 20_000,
    });
    const story = page.locator('.story-death').first();
    await story.waitFor({ timeout: 20_000 });
    const text = await story.innerText();
    console.log(text.replaceAll('\n\n', '\n'));
    assert.match(text, new RegExp(`${killed.server} vanished`));
    await page.screenshot({ path: `${artefacts}network-story.png`, fullPage: true });
  });

  test('plays a recording through the hand-over without a hole or a repetition', async () => {
    await until(
      'some seconds after the hand-over are recorded',
      async () => {
        const { segments } = await getRecordings(network.url(via), killed.camera);
        return segments.some(
          ({ server, to }) => server !== killed.server && Date.parse(to) > killed.atMs + 12_000,
        );
      },
      60_000,
    );
    // the one that was killed is started again by the network, and asked for what it has
    await until(
      'it is back',
      async () => {
        const { segments, unreachable } = await getRecordings(network.url(via), killed.camera);
        return unreachable.length === 0 && segments.some(({ server }) => server === killed.server);
      },
      60_000,
    );
    const page = await playFrom(killed.atMs - 4_000, killed.camera);
    await page.selectOption('.speed', '0.5');
    const frames = await watchFrames(page, recorded, 150);
    const [from, to] = [frames[0]?.utcMs ?? 0, frames.at(-1)?.utcMs ?? 0];
    assert.ok(
      from < killed.atMs && to > killed.atMs + 1_000,
      `${from - killed.atMs} to ${to - killed.atMs} ms`,
    );
    const numbers = frames.map(({ frameNumber }) => frameNumber);
    const steps = numbers.slice(1).map((number, place) => number - (numbers[place] ?? 0));
    console.log(
      `played: ${steps.filter((step) => step === 1).length} of ${steps.length} pictures followed the one before`,
    );
    // a busy machine skips pictures, but never goes back
    assert.ok(
      steps.every((step) => step >= 0),
      steps.join(', '),
    );
    await page.screenshot({ path: `${artefacts}network-hand-over.png` });
  });

  test('has every picture around the hand-over exactly once', async () => {
    const { segments } = await getRecordings(network.url(via), killed.camera);
    const seam = segments.find(({ server, to }) => server !== killed.server && Date.parse(to) > killed.atMs);
    assert.ok(seam !== undefined, 'nobody took over');
    const page = await playFrom(Date.parse(seam.from) - 500, killed.camera);
    await page.click('button[aria-label="Pause"]');
    await page.waitForSelector(`${recorded}[data-state="paused"]`);
    await installBarReader(page);
    const shown = () =>
      page.evaluate<{ frameNumber: number; utcMs: number } | null>(
        `starlingBar(document.querySelector('${recorded}'))`,
      );
    // it may have played on for a moment: back to before the seam, one picture after the other
    const numbers: number[] = [];
    let first = await shown();
    let last = first;
    for (const [key, steps] of [
      [',', 60],
      ['.', 120],
    ] as const) {
      for (let step = 0; step < steps; step += 1) {
        const before = last?.frameNumber;
        await page.keyboard.press(key);
        last = await until('another picture', async () => {
          const now = await shown();
          if (now !== null && now.frameNumber !== before) return now;
          throw new Error(`${key} ${step} from ${before}: ${await page.evaluate<string>(stateOf)}`);
        });
        if (key === '.') numbers.push(last?.frameNumber ?? Number.NaN);
        else first = last;
      }
    }
    console.log(
      `stepped through pictures ${numbers[0]} to ${numbers.at(-1)}, of the seam's time from ${(first?.utcMs ?? 0) - Date.parse(seam.from)} to ${(last?.utcMs ?? 0) - Date.parse(seam.from)} ms`,
    );
    assert.ok((first?.utcMs ?? 0) < Date.parse(seam.from), 'it begins before the seam');
    assert.ok((last?.utcMs ?? 0) > Date.parse(seam.from), 'it ends after the seam');
    assert.ok(
      numbers.every((number, place) => place === 0 || number === (numbers[place - 1] ?? 0) + 1),
      numbers.join(', '),
    );
  });

  test('saves a range through the hand-over as a file that ffprobe accepts, with every frame', async () => {
    const page = await playFrom(killed.atMs, killed.camera);
    await page.click('button[aria-label="Pause"]');
    await page.click('button[aria-label="Choose a range to save or keep"]');
    const local = (ms: number) =>
      new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
    const fromMs = Math.floor(killed.atMs / 1_000) * 1_000 - 4_000;
    await page.fill('.range-bar input >> nth=0', local(fromMs));
    await page.fill('.range-bar input >> nth=1', local(fromMs + 10_000));
    await page.keyboard.press('Tab');
    await page.click('button:has-text("Save as a file")');
    const camera = (await getCameras(network.url(via))).find(({ id }) => id === killed.camera);
    const { width, height } = { width: camera?.width ?? 0, height: camera?.height ?? 0 };
    for (const format of ['fragmented', 'mp4']) {
      await page.check(`input[value="${format}"]`);
      await page.click('.dialog button:text-is("Save")');
      await page.waitForSelector('.export-good');
      const file = `${artefacts}hand-over-${format}.mp4`;
      const base64 =
        await page.evaluate<string>(`window.saved.getFile().then((file) => new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(',')[1]);
        reader.readAsDataURL(file);
      }))`);
      await writeFile(file, Buffer.from(base64, 'base64'));
      await assertPlayable(file);
      const pictures = await picturesOf(file, width, height);
      const [first, last] = [pictures[0], pictures.at(-1)];
      const begins = (first?.utcMs ?? 0) - fromMs;
      const ends = (last?.utcMs ?? 0) - fromMs;
      console.log(`${format}: ${pictures.length} pictures, of ${begins} to ${ends} ms of 10,000`);
      assert.deepEqual(
        pictures.map(({ frameNumber }) => frameNumber),
        pictures.map((_, place) => (first?.frameNumber ?? 0) + place),
        'every picture once, one after the other',
      );
      assert.ok(begins < 100 && ends > 9_800, `${begins} to ${ends} ms`);
      await page.keyboard.press('Escape');
      await page.click('button:has-text("Save as a file")');
    }
  });

  test('says nothing bad on the console, but for the connections that were killed', () => {
    const meant = /WebSocket connection to .* failed|status of (404|50[234])|ERR_CONNECTION/;
    assert.deepEqual(
      browser.errors.filter((error) => !meant.test(error)),
      [],
    );
  });
});

/** Notes every text that is put before the person from now on. */
const watchNotices = `(() => {
  const texts = () => [...document.querySelectorAll('[role="status"], [role="alert"], dialog[open], .notice, .toast')]
    .map((element) => element.innerText.trim().replaceAll(/\\s+/g, ' '))
    .filter((text) => text !== '');
  const before = new Set(texts());
  window.notices = new Set();
  const look = () => {
    for (const text of texts()) if (!before.has(text)) window.notices.add(text);
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
})()`;

/** Notes of every live picture from now on when it was drawn and when it was shown, ms UTC. */
const watchPictures = `(() => {
  const video = document.querySelector('.stage video');
  window.pictures = [];
  const next = (now, { expectedDisplayTime }) => {
    const drawnMs = starlingBar(video)?.utcMs;
    const shownMs = performance.timeOrigin + Math.max(expectedDisplayTime, performance.now());
    if (drawnMs !== undefined) window.pictures.push({ drawnMs, shownMs });
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
})()`;

/** Where a recording stands, for a failure. */
const stateOf = `(({ dataset, currentTime, seeking, readyState, buffered }) => [
  dataset.state, dataset.wallClock, currentTime, seeking, readyState,
  ...Array.from({ length: buffered.length }, (_, i) => buffered.start(i) + '-' + buffered.end(i)),
].join(' '))(document.querySelector('.picture-recording video'))`;

/** Notes how long after the last move of the pointer another frame was on the screen while scrubbing. */
const watchScrub = `(() => {
  window.scrubSteps = [];
  let movedAt = 0;
  let last = -1;
  document.querySelector('${slider}').addEventListener('pointermove', () => { movedAt = performance.now(); }, true);
  const video = document.querySelector('.scrub video');
  const next = (now, { expectedDisplayTime }) => {
    const bar = starlingBar(video);
    if (bar !== null && bar.frameNumber !== last) {
      last = bar.frameNumber;
      window.scrubSteps.push(Math.max(expectedDisplayTime, now) - movedAt);
    }
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
})()`;

/** How far the burnt-in times of all videos are apart, ms, at every picture of the screen since the first call. */
const readSpreads = `(() => {
  if (window.spreads === undefined) {
    window.spreads = [];
    const read = () => {
      const times = [...document.querySelectorAll('.picture-recording > video')].map((video) => starlingBar(video)?.utcMs);
      if (times.every((time) => time !== undefined)) window.spreads.push(Math.max(...times) - Math.min(...times));
      setTimeout(read, 50);
    };
    read();
  }
  return window.spreads;
})()`;
