/** Protected ranges over the API: who may change them, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Archive } from '../../firmware/recording/archive.ts';
import type { ErrorAnswer, ProtectedAnswer, ProtectedRangeAnswer } from '../../firmware/viewing/api.ts';
import { createViewing } from '../../firmware/viewing/http-api.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { networkAccess } from '../support/figure-one.ts';
import { protectionsOf } from '../support/protection-access.ts';
import { statusOf } from '../support/viewing-site.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** Recordings of `door` only. */
const archive: Archive = {
  cameras: async () => ['door'],
  segments: async () => [],
  gaps: async () => [],
  detail: async () => undefined,
  read: async () => Buffer.alloc(0),
};

type Ask = (
  method: string,
  path: string,
  headers?: Record<string, string>,
  peer?: string,
) => Promise<Response>;

function scene(): Ask {
  const viewing = createViewing({
    version: '1.2.3',
    directory: { site: 'demo', self: 's1', servers: () => [], cameras: () => [] },
    network: networkAccess(),
    archive,
    protections: protectionsOf('s1'),
    live: createLiveHub({ onWatched: () => undefined }),
    peers: {
      get: () => assert.fail('another server was asked'),
      webSocket: () => assert.fail('another server was asked'),
    },
    clock: new VirtualClock(),
    status: () => statusOf('s1'),
    assets: { script: '', style: '' },
    onError: (thrown) => assert.fail(String(thrown)),
  });
  return (method, path, headers = { 'x-starling': '1' }, peer?: string) =>
    viewing.answer(new Request(`http://127.0.0.1:8300${path}`, { method, headers }), {
      peer,
      trailer: () => undefined,
      abort: () => undefined,
    });
}

const protectedPath = '/api/cameras/door/protected';
const range = 'from=2026-11-22T12:00:00Z&to=2026-11-22T12:10:00Z';

test('a range is kept, listed and removed', async () => {
  const ask = scene();
  const added = await ask('POST', `${protectedPath}?${range}&note=the+parcel&by=ann`);
  assert.equal(added.status, 201);
  const kept = (await added.json()) as ProtectedRangeAnswer;
  assert.deepEqual(kept, {
    id: 'door.s1.1',
    from: '2026-11-22T12:00:00.000Z',
    to: '2026-11-22T12:10:00.000Z',
    note: 'the parcel',
    by: 'ann',
    at: kept.at,
  });
  const listed = (await (await ask('GET', protectedPath, {})).json()) as ProtectedAnswer;
  assert.deepEqual(listed, { camera: 'door', ranges: [kept] });
  const removed = await ask('DELETE', `${protectedPath}/${kept.id}`);
  assert.deepEqual(await removed.json(), { camera: 'door', ranges: [] });
  assert.equal((await ask('DELETE', `${protectedPath}/${kept.id}`)).status, 404);
});

test('nothing is changed by a page of another site, by another server, or without saying that it is meant', async () => {
  const ask = scene();
  for (const [headers, peer] of [
    [{}, undefined],
    [{ 'x-starling': '1', origin: 'http://evil.example' }, undefined],
    [{ 'x-starling': '1' }, 's2'],
  ] as const) {
    assert.equal((await ask('POST', `${protectedPath}?${range}`, headers, peer)).status, 403);
    assert.equal((await ask('DELETE', `${protectedPath}/door.s1.1`, headers, peer)).status, 403);
  }
  assert.deepEqual(await (await ask('GET', protectedPath)).json(), { camera: 'door', ranges: [] });
});

test('what makes no sense is refused with advice, and other methods are not possible', async () => {
  const ask = scene();
  for (const [method, path, status] of [
    ['POST', `${protectedPath}?from=2026-11-22T12:00:00Z`, 400],
    ['POST', `${protectedPath}?from=2026-11-22T12:10:00Z&to=2026-11-22T12:00:00Z`, 400],
    ['POST', `${protectedPath}?${range}&note=${'x'.repeat(401)}`, 409],
    ['POST', `/api/cameras/nobody/protected?${range}`, 404],
    ['POST', `/api/cameras/..%2f/protected?${range}`, 400],
    ['DELETE', protectedPath, 405],
    ['PUT', protectedPath, 405],
    ['POST', `${protectedPath}/door.s1.1`, 405],
  ] as const) {
    const answer = await ask(method, path);
    assert.equal(answer.status, status, `${method} ${path.slice(0, 60)}`);
    const { error, advice } = (await answer.json()) as ErrorAnswer;
    assert.ok(error.length > 0 && advice.length > 0, path);
  }
});
