/** The page on a real network: live pictures of all cameras, a recording from a chosen time, a manager that dies. */
import assert from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { type Chromium, hashPicture, openChromium, readVideo, waitFor } from '../support/chromium.ts';
import {
  getCameras,
  getRecordings,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';
import { artefacts, live, videoOf } from '../support/page-checks.ts';
import { watchFrames } from '../support/test-bar-page.ts';

const cameras = ['cam-1', 'cam-2', 'cam-3', 'cam-4'];

describe('the page on a real network', () => {
  let network: TestNetwork;
  let browser: Chromium;

  before(async () => {
    await mkdir(artefacts, { recursive: true });
    network = await startNetwork({ servers: 3, cameras: 4 });
    await untilUp(network, 3, 4);
    browser = await openChromium();
    await browser.page.goto(network.url());
  });

  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  });

  test('shows all cameras of all servers live, and every picture moves', async () => {
    const { page } = browser;
    for (const id of cameras) {
      const first = await live(page, id);
      const picture = await hashPicture(page, videoOf(id));
      await waitFor(
        `${id} goes on`,
        () => readVideo(page, videoOf(id)),
        (now) =>
          now.displayedFrames > first.displayedFrames + 10 && now.currentTime > first.currentTime + 0.4,
      );
      await waitFor(
        `${id} changes`,
        () => hashPicture(page, videoOf(id)),
        (hash) => hash !== picture,
      );
    }
    await page.screenshot({ path: `${artefacts}network-grid.png` });
  });

  test('shows one camera within a second of its capture', async () => {
    const { page } = browser;
    await page.goto(`${network.url()}/#/camera/cam-1`);
    await live(page, 'cam-1');
    const frames = await watchFrames(page, videoOf('cam-1'), 50);
    const latencies = frames.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b);
    console.log(
      `capture to display: p50 ${latencies[25]?.toFixed(0)} ms, worst ${latencies.at(-1)?.toFixed(0)} ms`,
    );
    assert((latencies[25] ?? Number.NaN) < 1_000);
  });

  test('plays a recording from a chosen time', async () => {
    const { page } = browser;
    const [segment] = (await getRecordings(network.url(), 'cam-2')).segments;
    assert(segment);
    const at = Date.parse(segment.from) + 3_000;
    await until('the chosen time is recorded', async () => {
      const [now] = (await getRecordings(network.url(), 'cam-2')).segments;
      return now !== undefined && Date.parse(now.to) > at + 3_000;
    });
    await page.goto(`${network.url()}/#/camera/cam-2?at=${new Date(at).toISOString()}`);
    const video = '.picture-recording video';
    await page.waitForSelector(video, { state: 'attached' });
    const frames = await watchFrames(page, video, 20);
    const [first, last] = [frames[0], frames.at(-1)];
    assert(first && last);
    assert(Math.abs(first.utcMs - at) < 1_500, `began ${first.utcMs - at} ms off`);
    assert(last.frameNumber > first.frameNumber + 10);
    await page.screenshot({ path: `${artefacts}network-recording.png` });
  });

  test('shows the picture again by itself after the manager is killed', async () => {
    const { page } = browser;
    const [camera] = await getCameras(network.url());
    assert(camera !== undefined, 'there is a camera');
    // The page of another server, which goes on.
    const url = network.url(camera.manager === 'ss-1' ? 'ss-2' : 'ss-1');
    await page.goto(`${url}/#/camera/${camera.id}`);
    await live(page, camera.id);
    const pid = network.unit(camera.manager).pid;
    assert(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    const killedAt = Date.now();
    const [back] = await until('frames that were drawn after the kill', async () => {
      const frames = await watchFrames(page, videoOf(camera.id), 1);
      return (frames[0]?.utcMs ?? 0) > killedAt ? frames : undefined;
    });
    console.log(`picture back ${(back?.utcMs ?? 0) + (back?.latencyMs ?? 0) - killedAt} ms after kill -9`);
    await until('live again', async () => (await readVideo(page, videoOf(camera.id))).state === 'live');
  });

  test('says nothing bad on the console, but for the connection that was killed', () => {
    const meant = /WebSocket connection to .* failed|status of 50[234]|ERR_CONNECTION/;
    assert.deepEqual(
      browser.errors.filter((error) => !meant.test(error)),
      [],
    );
  });
});
