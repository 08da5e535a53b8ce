/**
 * Stored media in a browser's cache: kept, but shown only after this server was asked, so that nobody sees them who may no
 * longer; whoever still may is told that nothing has changed, also through another server.
 */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { Principal } from '../../firmware/access/principal.ts';
import type { Archive } from '../../firmware/recording/archive.ts';
import type { Directory, PeerClient } from '../../firmware/viewing/directory.ts';
import { bareViewing, cameraEntry, emptyArchive } from '../support/bare-viewing.ts';
import { gops, store } from '../support/stored-segments.ts';

const [stored] = store(
  {
    holder: 2,
    capture: 0,
    gop: 0,
    frames: gops * 10,
    soundLate: 0,
    soundEarly: 0,
    perSegment: 100,
    clockOffUs: 0,
    lostTail: 0,
  },
  0,
  false,
);
assert.ok(stored, 'a segment');
const { file, detail } = stored;
const { name } = detail.listing;

const archive: Archive = {
  ...emptyArchive,
  detail: async (_, wanted) => (wanted === name ? detail : undefined),
  // A copy: times in a part are changed where they lie.
  read: async (_camera, _name, offset, length) => Buffer.from(file.subarray(offset, offset + length)),
};

function directoryOf(self: string): Directory {
  const server = (id: string) => {
    const state = id === self ? ('self' as const) : ('reachable' as const);
    return { id, state, hops: 1, pageUrl: `http://${id}/`, cameras: [] };
  };
  return {
    site: 'demo',
    self,
    servers: () => ['s1', 's2'].map(server),
    cameras: () => [cameraEntry('door', 's2')],
  };
}

/** Servers `s1`, which has nothing, and `s2`, which has the segment; `asked` are statuses of what s1 asked s2. */
function scene() {
  const ann: Principal = { name: 'ann', role: 'viewer', cameras: 'all', via: 'session' };
  let cameras: Principal['cameras'] = 'all';
  const access = {
    identify: async () => ({ principal: { ...ann, cameras } }),
    current: (principal: Principal) => ({ ...principal, cameras }),
  };
  const holder = bareViewing({ directory: directoryOf('s2'), archive, access });
  const asked: number[] = [];
  const peers: PeerClient = {
    get: async (_, path, { headers = {} }) => {
      const response = await holder.ask(path, { headers }, { peer: 's1' });
      asked.push(response.status);
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Readable.from([Buffer.from(await response.arrayBuffer())]),
      };
    },
    webSocket: () => assert.fail('no WebSocket is needed'),
  };
  const other = bareViewing({ directory: directoryOf('s1'), peers, access });
  return {
    asked,
    servers: { s1: other.ask, s2: holder.ask },
    revoke: () => {
      cameras = [];
    },
  };
}

for (const path of [`segments/s2/${name}.mp4`, `parts/s2/${name}/0-0.mp4`, `parts/s2/${name}/init.mp4`]) {
  for (const server of ['s1', 's2'] as const) {
    test(`${path.slice(0, 8)}…${path.slice(-8)} on ${server} is asked for again each time it is shown`, async () => {
      const { asked, servers, revoke } = scene();
      const ask = (headers: Record<string, string> = {}): Promise<Response> =>
        servers[server](`/api/cameras/door/${path}`, { headers });
      const first = await ask();
      const etag = first.headers.get('etag') ?? '';
      assert.deepEqual([first.status, first.headers.get('cache-control')], [200, 'private, no-cache']);
      assert.ok((await first.arrayBuffer()).byteLength > 0 && etag !== '', 'a file with its tag');
      for (const range of [undefined, 'bytes=0-9']) {
        const known = { 'if-none-match': etag, ...(range === undefined ? {} : { range }) };
        const again = await ask(known);
        assert.deepEqual([again.status, await again.text()], [304, '']);
        assert.deepEqual(
          [again.headers.get('cache-control'), again.headers.get('etag')],
          ['private, no-cache', etag],
        );
      }
      assert.equal((await ask({ 'if-none-match': '"other"' })).status, 200);
      assert.equal((await ask({ 'if-range': etag, range: 'bytes=0-9' })).status, 206);
      assert.deepEqual(asked, server === 's1' ? [200, 304, 304, 200, 206] : []);
      revoke();
      assert.equal((await ask({ 'if-none-match': etag })).status, 403);
    });
  }
}

test('another server that lets browsers show its files unasked is not believed', async () => {
  const peers: PeerClient = {
    get: async () => ({
      status: 200,
      headers: { etag: '"1"', 'cache-control': 'public, max-age=86400, immutable' },
      body: Readable.from([Buffer.from('old')]),
    }),
    webSocket: () => assert.fail('no WebSocket is needed'),
  };
  const { ask } = bareViewing({ directory: directoryOf('s1'), peers });
  const { headers } = await ask(`/api/cameras/door/segments/s2/${name}.mp4`);
  assert.deepEqual([headers.get('cache-control'), headers.get('etag')], ['private, no-cache', '"1"']);
});
