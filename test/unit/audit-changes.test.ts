/** What the log says of ranges that are kept and of streams that are changed: what it was, and not only which address. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { ProtectedRangeAnswer } from '../../firmware/viewing/api.ts';
import { AccessRig, addUser, cookieOf, entriesOf, signIn } from '../support/access-rig.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';

const inForce = { bitrateKbps: 500, frameRate: 10, keyframeIntervalMs: 1_000 };

/** Server `s1` with a camera `door`; `yard` is of `s2`, which refuses what `refusing` says. Operator olga asks. */
async function scene({ refusing = false } = {}) {
  const rig = new AccessRig();
  const server = await rig.server('s1');
  const { access } = server;
  const entry = (id: string, state: 'self' | 'reachable') => {
    return { id, state, hops: 1, pageUrl: `http://${id}/`, cameras: [] };
  };
  const { ask } = bareViewing({
    access,
    accounts: access,
    clock: rig.clock,
    directory: {
      site: 'home',
      self: 's1',
      servers: () => [entry('s1', 'self'), entry('s2', 'reachable')],
      cameras: () => [cameraEntry('door', 's1'), cameraEntry('yard', 's2')],
    },
    peers: {
      get: async () => ({
        status: refusing ? 409 : 200,
        headers: {},
        body: Readable.from([Buffer.from('{}')]),
      }),
      webSocket: () => assert.fail('no WebSocket is needed'),
    },
    streams: { stream: async () => ({ ...inForce, restarted: false }) },
  });
  await addUser(server, 'olga', { role: 'operator' });
  const cookie = cookieOf((await signIn(server, 'olga')).cookie);
  const send = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const headers = { cookie, 'x-starling': '1', 'content-type': 'application/json' };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    const response = await ask(`/api/cameras/${path}`, init, { secure: true });
    return (await response.json()) as T;
  };
  /** What was done since olga signed in, the newest first. */
  const done = async () =>
    (await entriesOf(server))
      .slice(0, -1)
      .map(({ user, action, camera, detail }) => [user, action, camera, detail]);
  return { send, done };
}

const range = { from: '2026-11-22T11:00:00Z', to: '2026-11-22T11:10:00Z' };
const told = '2026-11-22T11:00:00.000Z to 2026-11-22T11:10:00.000Z';

test('of a range that is kept, and kept no longer, the log says from when to when, and its note', async () => {
  const { send, done } = await scene();
  const kept = await send<ProtectedRangeAnswer>('POST', 'door/protected', { ...range, note: 'the parcel' });
  await send('POST', 'yard/protected', range);
  await send('DELETE', `door/protected/${kept.id}`);
  await send('DELETE', `door/protected/${kept.id}`);
  assert.deepEqual(await done(), [
    ['olga', 'delete', 'door', `kept no longer: ${told}: the parcel`],
    ['olga', 'protect', 'yard', told],
    ['olga', 'protect', 'door', `${told}: the parcel`],
  ]);
});

for (const camera of ['door', 'yard']) {
  test(`of a stream that is changed, the log says what was changed, for ${camera}`, async () => {
    const { send, done } = await scene();
    await send('PATCH', `${camera}/stream`, { bitrateKbps: 800, frameRate: 5 });
    await send('PATCH', `${camera}/stream`, { reset: true });
    await send('PATCH', `${camera}/stream`, { reset: true, keyframeIntervalMs: 500 });
    await send('GET', `${camera}/stream`);
    assert.deepEqual(await done(), [
      ['olga', 'change', camera, 'stream: reset, keyframeIntervalMs 500'],
      ['olga', 'change', camera, 'stream: reset'],
      ['olga', 'change', camera, 'stream: bitrateKbps 800, frameRate 5'],
    ]);
  });
}

test('of a change that another server refuses the log says nothing', async () => {
  const { send, done } = await scene({ refusing: true });
  await send('PATCH', 'yard/stream', { frameRate: 5 });
  assert.deepEqual(await done(), []);
});
