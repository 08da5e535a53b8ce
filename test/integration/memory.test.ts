/** A network that is switched off as a whole and on again is the same network, and knows who had which camera. */
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { TablesAnswer } from '../../firmware/viewing/api.ts';
import { getCameras, startNetwork, type TestNetwork, until, untilUp } from '../support/network.ts';

async function tables(network: TestNetwork, server: string): Promise<TablesAnswer> {
  const response = await fetch(`${network.url(server)}/api/tables`, { signal: AbortSignal.timeout(5_000) });
  assert.equal(response.status, 200);
  return (await response.json()) as TablesAnswer;
}

describe('a network after a power cut', () => {
  let network: TestNetwork;
  let earlier: TablesAnswer;
  let manager = '';

  before(async () => {
    network = await startNetwork({ servers: 2, cameras: 1 });
    await untilUp(network, 2, 1);
    await until('one of them manages the camera', async () => {
      for (const server of ['ss-1', 'ss-2']) {
        const seen = await tables(network, server);
        if (!seen.query.direct.includes('cam-1') || seen.network.standing !== 'established') continue;
        earlier = seen;
        manager = server;
      }
      return manager !== '';
    });
    await until('the memory of the camera is written', () => memoryOfCamera().includes('overlay/1/manager'));
    // A server writes its own within a second of the last change.
    const settledAt = Date.now();
    await until('the recording has gone on for a while', async () => {
      const [camera] = await getCameras(network.url(manager));
      return Date.parse(camera?.durableThrough ?? '') > settledAt + 2_000;
    });
    for (const unit of network.units.values()) {
      const { pid } = unit;
      assert(pid !== undefined);
      process.kill(pid, 'SIGKILL');
    }
    // They are started again as after any death.
    await until('they are gone', () => [...network.units.values()].every(({ pid }) => pid === undefined));
    await untilUp(network, 2, 1);
  });

  after(async () => network?.[Symbol.asyncDispose]());

  function memoryOfCamera(): string {
    return readFileSync(join(network.folder, 'cam-1', 'data', 'memory.json'), 'utf8');
  }

  test('is the same network', async () => {
    const { network: now } = await tables(network, manager);
    assert.deepEqual(now, earlier.network);
  });

  test('knows since when the camera was managed by whom', async () => {
    const before = earlier.history.find(({ camera }) => camera === 'cam-1')?.tenures[0];
    assert(before);
    const after = (await tables(network, manager)).history.find(({ camera }) => camera === 'cam-1');
    assert.equal(after?.tenures[0]?.server, manager);
    assert.equal(after?.tenures[0]?.from, before.from);
  });

  test('has no complaint', () => {
    const complaints = network.messages.filter((text) => /remembered|memory|goes on without/.test(text));
    assert.deepEqual(complaints, []);
  });
});
