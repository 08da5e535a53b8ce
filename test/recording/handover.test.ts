/** Hand-over in good order: a second server that takes its share, one that leaves, restarts of cameras and servers. */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import type { LogAnswer } from '../../firmware/viewing/api.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { managersOf } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { RecordingField } from '../support/recording-field.ts';

describeOnNetwork('cameras that are handed over', [], () => {
  let site: RecordingField;
  before(async () => {
    site = await RecordingField.open({ servers: 3, cameras: 6, settings: { camerasMax: 6 }, asleep: [2, 3] });
  });
  after(() => site?.[Symbol.dispose]());

  test('a server that arrives is given some of them', async () => {
    const arrives = site.server(2);
    arrives.start();
    await site.untilWhole('ss-2 arrives');
    await until('ss-2 manages some', async () => (await managersOf([arrives])).size > 0, 40_000);
    await site.untilDurable('after the transfer');
  });

  test('a server that leaves hands all of its cameras over first', async () => {
    const leaves = site.server(1);
    await leaves.machine.ask('/api/leave', 'POST');
    await until('ss-1 has ended', () => !leaves.isRunning, 20_000);
    await site.untilWhole('ss-1 has left');
    await site.untilDurable('after ss-1 has left');
  });

  test('so does one that is told to end (SIGTERM), and nobody suspects it', async () => {
    const [stays, ends] = [site.server(1), site.server(2)];
    stays.start();
    await site.untilWhole('ss-1 is back');
    const endedAt = Date.now();
    await ends.stop();
    assert.equal((await managersOf([stays])).size, 6, 'handed over before it ended');
    const { entries } = await stays.machine.ask<LogAnswer>('/api/log');
    const told = entries.filter(({ time }) => Date.parse(time) >= endedAt).map(({ text }) => text);
    assert.deepEqual(
      told.filter((text) => text.includes('ss-2 suspected')),
      [],
    );
    assert.ok(
      told.some((text) => text.startsWith('ss-2 leaves')),
      told.join('\n'),
    );
    await site.untilDurable('after ss-2 has ended');
  });

  test('cameras that are stopped and started again', async () => {
    const cams = site.camerasOf(1);
    await cams.stop();
    cams.start();
    await site.untilDurable('the cameras are back');
  });

  test('the only server is restarted', async () => {
    const only = site.server(1);
    await only.stop();
    only.start();
    await site.untilDurable('the only one is back');
    await only.kill();
    only.start();
    await site.untilDurable('the only one is back from the dead');
  });

  test('the archive has everything once, in order, also what was written by the server that had left', async () => {
    const verdicts = await site.verifyAll();
    assert.equal(
      verdicts.reduce((sum, { explained, tail }) => sum + explained + tail, 0),
      0,
      'nothing is missing',
    );
  });
});
