/** Protected ranges over the API: who may change them, and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorAnswer, ProtectedAnswer, ProtectedRangeAnswer } from '../../firmware/viewing/api.ts';
import type { ViewingOptions } from '../../firmware/viewing/http-api.ts';
import { bareViewing, emptyArchive } from '../support/bare-viewing.ts';

interface Asking {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly peer?: string;
}

type Ask = (method: string, path: string, asking?: Asking) => Promise<Response>;

/** Recordings of `door` only. */
function scene(parts: Partial<ViewingOptions> = {}): Ask {
  const { ask } = bareViewing({
    archive: { ...emptyArchive, cameras: async () => ['door'] },
    onError: (thrown) => assert.fail(String(thrown)),
    ...parts,
  });
  return (method, path, { body, headers = { 'x-starling': '1' }, peer } = {}) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return ask(path, { method, headers: { ...headers, ...type }, ...json }, { peer });
  };
}

const protectedPath = '/api/cameras/door/protected';
const range = { from: '2026-11-22T12:00:00Z', to: '2026-11-22T12:10:00Z' };

test('a range is kept, listed and removed', async () => {
  const ask = scene();
  const added = await ask('POST', protectedPath, { body: { ...range, note: 'the parcel', by: 'ann' } });
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
  const listed = (await (await ask('GET', protectedPath)).json()) as ProtectedAnswer;
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
    const asking = { headers, ...(peer === undefined ? {} : { peer }) };
    assert.equal((await ask('POST', protectedPath, { ...asking, body: range })).status, 403);
    assert.equal((await ask('DELETE', `${protectedPath}/door.s1.1`, asking)).status, 403);
  }
  assert.deepEqual(await (await ask('GET', protectedPath)).json(), { camera: 'door', ranges: [] });
});

test('what makes no sense is refused with advice, and other methods are not possible', async () => {
  const ask = scene();
  const nobody = '/api/cameras/nobody/protected';
  for (const [method, path, status, body] of [
    ['POST', protectedPath, 400, { from: range.from }],
    ['POST', protectedPath, 400, { from: range.to, to: range.from }],
    ['POST', protectedPath, 400, { ...range, note: 'x'.repeat(401) }],
    ['POST', protectedPath, 409, { ...range, note: '€'.repeat(200) }],
    ['POST', protectedPath, 400, { ...range, days: 3 }],
    ['POST', protectedPath, 400, [range]],
    ['POST', protectedPath, 400, undefined],
    ['POST', nobody, 404, range],
    ['POST', '/api/cameras/..%2f/protected', 400, range],
    ['DELETE', protectedPath, 405, undefined],
    ['PUT', protectedPath, 405, range],
    ['POST', `${protectedPath}/door.s1.1`, 405, range],
  ] as const) {
    const answer = await ask(method, path, { body });
    assert.equal(answer.status, status, `${method} ${path.slice(0, 60)}`);
    const { error, advice } = (await answer.json()) as ErrorAnswer;
    assert.ok(error.length > 0 && advice.length > 0, path);
  }
});

test('who wants it is whoever asks, not whom they name', async () => {
  const ann = { name: 'ann', role: 'operator', cameras: ['door'], via: 'session' } as const;
  const access = { identify: async () => ({ principal: ann }), current: () => ann };
  const answer = await scene({ access })('POST', protectedPath, { body: { ...range, by: 'bob' } });
  assert.equal(((await answer.json()) as ProtectedRangeAnswer).by, 'ann');
});
