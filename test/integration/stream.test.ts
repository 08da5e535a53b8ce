/** A camera that is told by any server to stream otherwise: it shows in what it sends, and lasts over its restart. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { StreamAnswer } from '../../firmware/viewing/api.ts';
import { decodedFrames } from '../support/decoded-frames.ts';
import { run } from '../support/gst.ts';
import {
  bundle,
  getCameras,
  getRecordings,
  getStatus,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';

const camera = 'cam-1';

/** Seconds from one picture of a file to the next, of most of them. */
async function usualSpacing(file: string): Promise<number> {
  const times = (await decodedFrames(file)).map(({ pts }) => pts);
  const spacings = times.slice(1).map((time, place) => time - (times[place] ?? 0));
  spacings.sort((a, b) => a - b);
  return Math.round((spacings[Math.floor(spacings.length / 2)] ?? 0) * 100) / 100;
}

describe('a camera of a network of two servers', () => {
  let network: TestNetwork;
  let manager = '';
  let other = '';

  const stream = async (...argv: string[]): Promise<StreamAnswer & { err: string }> => {
    const { code, stdout, stderr } = await run('node', [
      bundle,
      'stream',
      camera,
      '--server',
      network.url(other),
      '--json',
      ...argv,
    ]);
    assert.equal(code, 0, stderr);
    return { ...(JSON.parse(String(stdout)) as StreamAnswer), err: stderr };
  };

  before(async () => {
    network = await startNetwork({ servers: 2, cameras: 1 });
    await untilUp(network, 2, 1);
    manager = (await getCameras(network.url()))[0]?.manager ?? '';
    other = manager === 'ss-1' ? 'ss-2' : 'ss-1';
  });
  after(async () => network?.[Symbol.asyncDispose]());

  /** Samples a second that its manager takes, over so many of them. */
  const rateOver = async (samples: number): Promise<number> => {
    const count = async (): Promise<number> => {
      const { cameras } = await getStatus(network.url(manager));
      return cameras.find(({ id }) => id === camera)?.samples ?? 0;
    };
    const [from, startMs] = [await count(), Date.now()];
    const taken = await until(`${samples} samples`, async () => {
      const now = (await count()) - from;
      return now >= samples && now;
    });
    return taken / ((Date.now() - startMs) / 1_000);
  };

  test('tells, through the one that does not manage it, how it streams', async () => {
    const { manager: told, bitrateKbps, frameRate, keyframeIntervalMs } = await stream();
    assert.deepEqual([told, frameRate], [manager, 25]);
    assert(bitrateKbps > 0 && keyframeIntervalMs > 0);
  });

  test('sends fewer pictures when it is told, at once and without a gap', async () => {
    const before = await rateOver(280);
    const answer = await stream('--fps', '5', '--bitrate', '300');
    assert.deepEqual([answer.frameRate, answer.bitrateKbps, answer.restarted], [5, 300, false]);
    await rateOver(60);
    const after = await rateOver(220);
    // 47 pieces of sound, and 25 pictures, then 5.
    assert(Math.abs(before - 72) < 10 && Math.abs(after - 52) < 8, `${before}, then ${after} samples/s`);
    assert.deepEqual((await getRecordings(network.url(), camera)).gaps, []);
  });

  test('still does after a restart, and tells why it was away', async () => {
    await network.unit(camera).stop();
    network.unit(camera).start();
    await until('it is back', async () => (await stream()).frameRate === 5);
    const gaps = await until('the gap', async () => {
      const { gaps: found } = await getRecordings(network.url(), camera);
      return found.length > 0 && found;
    });
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ['camera-off'],
    );
  });

  test('goes back to its settings, with a restart of its capture for the larger frame rate', async () => {
    const answer = await stream('--reset');
    assert.deepEqual([answer.frameRate, answer.restarted], [25, true]);
    await until('another gap', async () => {
      const { gaps } = await getRecordings(network.url(), camera);
      return gaps.some(({ reason }) => reason === 'capture-restarted');
    });
    assert((await rateOver(300)) > 62);
  });

  test('is exported whole, in as many files as it has sent kinds of pictures', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'starling-stream-'));
    try {
      const argv = ['export', camera, '--server', network.url(other), '--from', '-1h', '--to', 'now'];
      const output = path.join(folder, 'all.mp4');
      const { code, stdout, stderr } = await run('node', [bundle, ...argv, '-o', output, '--json']);
      assert.equal(code, 0, stderr);
      const files = String(stdout)
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { file: string; changed?: string });
      // 25 pictures a second, 5 (over a restart), and 25 again.
      assert.deepEqual(
        files.map(({ file }) => path.basename(file)),
        ['all.mp4', 'all-2.mp4', 'all-3.mp4'],
        stderr,
      );
      const spacings = await Promise.all(files.map(({ file }) => usualSpacing(file)));
      assert.deepEqual(spacings, [0.04, 0.2, 0.04]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
