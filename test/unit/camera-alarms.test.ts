/** Alarms in the list of cameras: this server's own, and what each manager says of itself. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { AlarmAnswer } from '../../firmware/viewing/api.ts';
import { listCameras } from '../../firmware/viewing/camera-list.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { statusOf } from '../support/viewing-site.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const alarmOf = (id: string): AlarmAnswer => ({
  id,
  kind: 'not-saved',
  text: `${id} is not saved`,
  since: '2026-11-22T12:00:00.000Z',
});

function list(answer: object, own = false): ReturnType<typeof listCameras> {
  const camera = { id: 'there', unit: 'u', manager: 's2', epoch: 1, state: 'online' as const };
  return listCameras({
    directory: { site: 'demo', self: 's1', servers: () => [], cameras: () => [camera] },
    live: createLiveHub({ onWatched: () => undefined }),
    clock: new VirtualClock(),
    status: () => ({ ...statusOf('s1'), alarms: [alarmOf('camera/here')] }),
    peers: {
      get: async () => ({
        status: 200,
        headers: {},
        body: Readable.from([Buffer.from(JSON.stringify(answer))]),
      }),
      webSocket: () => assert.fail('a WebSocket was opened'),
    },
    own,
    rights: { cameras: 'all' },
  });
}

test('lists what is wrong here and on the managers, each in its own name', async () => {
  const claimed = { ...alarmOf('camera/there'), server: 's9' };
  const { alarms, unreachable } = await list({ cameras: [], alarms: [claimed] });
  assert.deepEqual(
    alarms.map(({ server, id }) => `${server} ${id}`),
    ['s1 camera/here', 's2 camera/there'],
  );
  assert.deepEqual(unreachable, []);
});

test('a manager whose alarms make no sense counts as one that does not answer', async () => {
  for (const bad of ['many', [{ id: 1 }], Array.from({ length: 1_001 }, () => alarmOf('x'))]) {
    const { alarms, unreachable } = await list({ cameras: [], alarms: bad });
    assert.deepEqual([alarms.length, unreachable], [1, ['s2']]);
  }
});

test('another server that asks hears of this one alone', async () => {
  const { alarms } = await list({ cameras: [], alarms: [alarmOf('camera/there')] }, true);
  assert.deepEqual(
    alarms.map(({ server }) => server),
    ['s1'],
  );
});
