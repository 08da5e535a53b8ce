/** A camera that is told by any server to stream otherwise: it shows in what it sends, and lasts over its restart. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { StreamAnswer } from '../../firmware/viewing/api.ts';
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
});
