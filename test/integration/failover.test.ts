/** The manager of a camera is killed: another server goes on recording, and everything plays as one list. */
import assert from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  getCameras,
  getRecordings,
  getSite,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';
import { assertPlayable, picturesOf } from '../support/recorded-video.ts';

describe('a server that is killed', () => {
  let network: TestNetwork;
  let dead = '';
  let alive = '';
  let killedAt = 0;

  before(async () => {
    network = await startNetwork({ servers: 2, cameras: 1 });
    await untilUp(network, 2, 1);
    const [camera] = await getCameras(network.url());
    dead = camera?.manager ?? '';
    alive = dead === 'ss-1' ? 'ss-2' : 'ss-1';
    await until('something is recorded', async () => {
      const { segments } = await getRecordings(network.url(), 'cam-1');
      const first = segments[0];
      return first !== undefined && Date.parse(first.to) - Date.parse(first.from) > 4_000;
    });
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('loses its camera to the other one, which records within 3 s', async () => {
    const pid = network.unit(dead).pid;
    assert(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    killedAt = Date.now();
    const recordedAfter = await until(`${alive} records cam-1`, async () => {
      const { segments } = await getRecordings(network.url(alive), 'cam-1');
      return segments.some(({ server }) => server === alive) ? Date.now() - killedAt : undefined;
    });
    console.log(`recorded elsewhere ${recordedAfter} ms after kill -9`);
    assert(recordedAfter < 3_000, `${recordedAfter} ms`);
    const [camera] = await getCameras(network.url(alive));
    assert.equal(camera?.manager, alive);
    assert.equal(camera?.epoch, 2);
  });

  test('is named as unreachable while it is down', async () => {
    const { unreachable } = await getRecordings(network.url(alive), 'cam-1');
    assert.deepEqual(unreachable, [dead]);
  });

  test('comes back, and both parts play as one list without a missing frame', async () => {
    await until(`${dead} is back`, async () => {
      const site = await getSite(network.url(alive));
      return site.servers.every(({ state }) => state !== 'unreachable');
    });
    const url = network.url(alive);
    const { segments, unreachable, gaps } = await until('both parts are listed', async () => {
      const list = await getRecordings(url, 'cam-1');
      const last = list.segments.at(-1);
      const holders = new Set(list.segments.map(({ server }) => server));
      return holders.size === 2 && last !== undefined && Date.parse(last.to) - killedAt > 6_000
        ? list
        : undefined;
    });
    assert.deepEqual(unreachable, []);
    assert.deepEqual(gaps, []);
    // A camera that rejoins the same server begins a segment: each server may have several.
    const holders = segments.map(({ server }) => server);
    assert.deepEqual(
      holders.filter((server, place) => server !== holders[place - 1]),
      [dead, alive],
    );

    const from = new Date(killedAt - 3_000).toISOString();
    const to = new Date(killedAt + 4_000).toISOString();
    const response = await fetch(`${url}/api/cameras/cam-1/video.mp4?from=${from}&to=${to}`);
    assert.equal(response.status, 200);
    const file = join(network.folder, 'both.mp4');
    await writeFile(file, Buffer.from(await response.arrayBuffer()));
    await assertPlayable(file);
    const pictures = await picturesOf(file, 960, 540);
    const first = pictures[0];
    assert(first !== undefined && pictures.length > 7 * 25 - 2, `${pictures.length} pictures`);
    assert(first.utcMs <= killedAt - 3_000 + 100 && first.utcMs > killedAt - 5_000);
    for (const [n, { frameNumber }] of pictures.entries()) {
      assert.equal(frameNumber, first.frameNumber + n, 'every frame once, in order');
    }
  });
});
