/** Files of another server, passed through: what they are is said here, whatever that server says. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';

const segment = '2026-11-22/120000.000Z-1-1';

/** Answers of `s2`, which says of all that they are pages. */
function scene(status: number): (path: string) => Promise<Response> {
  const server = (id: string, state: 'self' | 'reachable') => {
    return { id, state, hops: 1, pageUrl: `http://${id}/`, cameras: [] };
  };
  const { ask } = bareViewing({
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [server('s1', 'self'), server('s2', 'reachable')],
      cameras: () => [cameraEntry('door', 's2')],
    },
    peers: {
      get: async () => ({
        status,
        headers: { 'content-type': 'text/html', etag: '"1"' },
        body: Readable.from([Buffer.from('<script>')]),
      }),
      webSocket: () => assert.fail('no WebSocket is needed'),
    },
    decoder: { jpeg: () => assert.fail('nothing is decoded here') },
  });
  return (path) => ask(`/api/cameras/door/${path}`);
}

for (const [path, type] of [
  [`segments/s2/${segment}.mp4`, 'video/mp4'],
  [`segments/s2/${segment}.json`, 'application/json'],
  [`parts/s2/${segment}/0-9.mp4`, 'video/mp4'],
  ['frame.jpg', 'image/jpeg'],
  ['frame.jpg?width=320', 'image/jpeg'],
] as const) {
  test(`${path} of another server is ${type}, and a refusal is JSON`, async () => {
    for (const [status, said] of [
      [200, type],
      [304, type],
      [404, 'application/json'],
    ] as const) {
      const response = await scene(status)(path);
      assert.deepEqual([response.status, response.headers.get('content-type')], [status, said]);
      assert.equal(response.headers.get('etag'), '"1"');
    }
  });
}
