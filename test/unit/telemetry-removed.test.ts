/** Cameras that were taken off the site's lists, as Home Assistant hears of it from a server that never had them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionBench } from '../support/session-bench.ts';
import { camera, topics } from '../support/telemetry-rig.ts';

const goneMs = 100;
const kept = [
  topics.discovery('camera', 'cam-1'),
  topics.camera('cam-1', 'state'),
  topics.camera('cam-1', 'availability'),
];

/** What another server publishes of a camera of its own. */
function publish({ retained }: SessionBench): void {
  for (const topic of kept) retained.set(topic, 'told by ss-2');
}

function told({ retained }: SessionBench): unknown[] {
  return kept.map((topic) => retained.get(topic));
}

test('a camera that was removed, came back elsewhere and was removed again is forgotten again', async () => {
  const bench = new SessionBench({ server: 'ss-1', goneMs });
  publish(bench);
  bench.removed.push('cam-1');
  await bench.pass(20_000);
  assert.deepEqual(told(bench), ['', '', '']);
  for (let times = 0; times < 3; times++) {
    // It is back for a second or two, and its manager dies for good.
    bench.cameras.push(camera('cam-1', 'ss-2', 6));
    publish(bench);
    await bench.pass(2_000);
    assert.deepEqual(told(bench), Array(3).fill('told by ss-2'), 'it is on a list');
    bench.cameras.pop();
    await bench.pass(12_000);
    assert.deepEqual(told(bench), ['', '', '']);
  }
});

test('a camera that stays removed is said to be gone once', async () => {
  const bench = new SessionBench({ server: 'ss-1', goneMs });
  bench.removed.push('cam-1');
  await bench.pass(120_000);
  const emptied = bench.sent.filter(({ payload }) => payload === '');
  assert.deepEqual(emptied.map(({ topic }) => topic).sort(), [...kept].sort());
});

test('a camera that comes back to the server that said it was gone is told of by it', async () => {
  const bench = new SessionBench({ server: 'ss-1', goneMs });
  bench.removed.push('cam-1');
  await bench.pass(20_000);
  bench.cameras.push(camera('cam-1', 'ss-1', 6));
  await bench.pass(3_000);
  assert.equal(bench.retained.get(topics.camera('cam-1', 'availability')), 'online');
});
