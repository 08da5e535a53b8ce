/** The HTTP API against bad input: every answer is a status with an ErrorAnswer, never a throw. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Archive } from '../../firmware/recording/archive.ts';
import type { ErrorAnswer, SiteAnswer } from '../../firmware/viewing/api.ts';
import type { Viewing } from '../../firmware/viewing/http-api.ts';
import { createLiveHub, type LiveHub, viewersPerCameraMax } from '../../firmware/viewing/live-hub.ts';
import { fileName } from '../../firmware/viewing/routes/video-routes.ts';
import {
  bareViewing,
  cameraEntry,
  connectionOf,
  emptyArchive,
  liveRequest,
} from '../support/bare-viewing.ts';
import { videoTrack } from '../support/media-samples.ts';

interface Scene {
  readonly viewing: Viewing;
  readonly live: LiveHub;
  readonly errors: unknown[];
}

/** Server `s1` with cameras `here` (its own), `there` (of `s2`) and `lost` (of `s3`, unreachable). */
function scene(archive: Archive = emptyArchive): Scene {
  const live = createLiveHub({ onWatched: () => undefined });
  const server = (id: string, state: 'self' | 'reachable' | 'unreachable') => {
    return {
      id,
      state,
      hops: state === 'unreachable' ? undefined : 1,
      pageUrl: `http://${id}/`,
      cameras: [],
    };
  };
  const { viewing, errors } = bareViewing({
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [server('s1', 'self'), server('s2', 'reachable'), server('s3', 'unreachable')],
      cameras: () => [cameraEntry('here', 's1'), cameraEntry('there', 's2'), cameraEntry('lost', 's3')],
    },
    archive,
    live,
  });
  return { viewing, live, errors };
}

const own = { 'x-starling-own': '1' };

function ask(viewing: Viewing, path: string, init: RequestInit = {}): Promise<Response> {
  return viewing.answer(new Request(`http://127.0.0.1:8300${path}`, init), connectionOf());
}

async function assertRefusal(response: Response, status: number): Promise<ErrorAnswer> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get('content-type'), 'application/json');
  const answer = JSON.parse(text) as ErrorAnswer;
  assert.deepEqual(Object.keys(answer).sort(), ['advice', 'error']);
  assert(answer.error.length > 5 && answer.advice.length > 5, text);
  return answer;
}

const range = 'from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z';
const name = '2026-11-22/123000.123Z-1-5';

for (const [path, status] of [
  ['/api', 404],
  ['/api/', 404],
  ['/api/nothing', 404],
  ['/api/cameras/here', 404],
  ['/api/cameras/here/nothing', 404],
  ['/nothing', 404],
  ['/%2e%2e/%2e%2e/etc/passwd', 404],
  ['/..%2f..%2fetc%2fpasswd', 404],
  ['/%00', 404],
  ['/%', 404],
  ['/%ff%fe', 404],
  ['/api/cameras/__proto__/recordings', 400],
  ['/api/cameras/constructor.prototype/recordings', 400],
  ['/api/cameras/HERE/recordings', 400],
  ['/api/cameras/%00/recordings', 400],
  ['/api/cameras/a%2fb/recordings', 400],
  ['/api/cameras/..%2f..%2fx/recordings', 400],
  ['/api/cameras/%252e%252e/recordings', 400],
  [`/api/cameras/${'a'.repeat(33)}/recordings`, 400],
  ['/api/cameras/%5Bobject%20Object%5D/recordings', 400],
  ['/api/cameras/<script>/recordings', 400],
  ['/api/cameras/%/recordings', 400],
  ['/api/cameras/nobody/recordings', 404],
  ['/api/cameras/here/recordings?from=NaN', 400],
  ['/api/cameras/here/recordings?from=-1', 400],
  ['/api/cameras/here/recordings?from=9007199254740993', 400],
  ['/api/cameras/here/recordings?from=2&to=1', 400],
  ['/api/cameras/here/recordings?from=1&to=1', 400],
  ['/api/cameras/here/recordings?from[a]=1&to=x', 400],
  ['/api/cameras/here/recordings?from=', 400],
  ['/api/cameras/here/video.mp4', 400],
  ['/api/cameras/here/video.mp4?from=1', 400],
  ['/api/cameras/here/video.mp4?from=0&to=2678401', 400],
  [`/api/cameras/here/video.mp4?${range}`, 404],
  [`/api/cameras/nobody/video.mp4?${range}`, 404],
  ['/api/cameras/here/live', 426],
  [`/api/cameras/here/segments/s1/${name}.mp4`, 404],
  [`/api/cameras/here/segments/s1/${name}.json`, 404],
  [`/api/cameras/here/segments/s1/${name}.exe`, 400],
  [`/api/cameras/here/segments/s1/${name}`, 400],
  ['/api/cameras/here/segments/s1/2026-11-22/..%2f..%2fetc%2fpasswd.mp4', 400],
  ['/api/cameras/here/segments/s1/..%2f..%2f../etc.mp4', 400],
  ['/api/cameras/here/segments/s1/2026-11-22/123000.123Z-1-5%00.mp4', 400],
  [`/api/cameras/here/segments/__proto__/${name}.mp4`, 400],
  [`/api/cameras/here/segments/nobody/${name}.mp4`, 404],
] as const) {
  test(`GET ${path.slice(0, 70)} is ${status}`, async () => {
    const { viewing, errors } = scene();
    await assertRefusal(await ask(viewing, path, { headers: own }), status);
    assert.deepEqual(errors, []);
  });
}

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
  test(`${method} is refused with what is possible`, async () => {
    const { viewing } = scene();
    const response = await ask(viewing, '/api/site', { method });
    assert.equal(response.headers.get('allow'), 'GET, HEAD');
    await assertRefusal(response, 405);
  });
}

test('a request with a body is refused', async () => {
  const { viewing } = scene();
  await assertRefusal(await ask(viewing, '/api/site', { headers: { 'content-length': '1' } }), 413);
  await assertRefusal(await ask(viewing, '/api/site', { headers: { 'transfer-encoding': 'chunked' } }), 413);
});

test('a body that breaks off is refused, and no bug', async () => {
  const { viewing, errors } = scene();
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) });
  const headers = { 'x-starling': '1', 'content-type': 'application/json' };
  const init = { method: 'POST', headers, body, duplex: 'half' } as const;
  await assertRefusal(await ask(viewing, '/api/cameras/here/protected', init), 400);
  assert.deepEqual(errors, []);
});

test('whatever path is asked for, the answer is none of a bug', async () => {
  const { viewing, errors } = scene();
  const piece = fc.oneof(
    fc.constantFrom(
      'api',
      'cameras',
      'here',
      'segments',
      's1',
      'recordings',
      'video.mp4',
      '..',
      '%2e',
      '%00',
      '%2f',
      '%',
      '?from=1',
    ),
    fc.webFragments({ size: 'small' }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 7 }), async (pieces) => {
      const response = await ask(viewing, `/${pieces.join('/')}`, { headers: own });
      assert(response.status < 500, String(response.status));
      if (response.status >= 400) await assertRefusal(response, response.status);
      else await response.arrayBuffer();
    }),
    { numRuns: 500 },
  );
  assert.deepEqual(errors, []);
});

test('a bug is reported, and its message stays inside', async () => {
  const { viewing, errors } = scene({
    ...emptyArchive,
    segments: async () => {
      throw new TypeError('secret');
    },
  });
  const answer = await assertRefusal(
    await ask(viewing, '/api/cameras/here/recordings', { headers: own }),
    500,
  );
  assert.doesNotMatch(JSON.stringify(answer), /secret/);
  assert.equal(errors.length, 1);
});

test('every answer carries the security headers, and data is not stored', async () => {
  const { viewing } = scene();
  for (const path of ['/', '/page.js', '/api/site', '/nothing']) {
    const { headers } = await ask(viewing, path);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(
      policy,
      /default-src 'none'.*script-src 'self'.*media-src 'self' blob:.*connect-src 'self';/,
    );
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.match(
      headers.get('cache-control') ?? '',
      path.startsWith('/api') || path === '/nothing' ? /no-store/ : /no-cache/,
    );
  }
});

test('the page is served with its etag, and not again to who has it', async () => {
  const { viewing } = scene();
  for (const [path, type, text] of [
    ['/', 'text/html', '<div id="app">'],
    ['/page.js', 'text/javascript', 'let a = 1;'],
    ['/page.css', 'text/css', 'a{}'],
  ] as const) {
    const first = await ask(viewing, path);
    assert.match(first.headers.get('content-type') ?? '', new RegExp(type));
    const body = await first.text();
    assert(body.includes(text));
    assert.doesNotMatch(body, /<script>|style=| on[a-z]+=/);
    const etag = first.headers.get('etag') ?? '';
    const again = await ask(viewing, path, { headers: { 'if-none-match': etag } });
    assert.deepEqual([again.status, await again.text()], [304, '']);
    assert.equal((await ask(viewing, path, { headers: { 'if-none-match': '"other"' } })).status, 200);
    const head = await ask(viewing, path, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text(), head.headers.get('etag')], [200, '', etag]);
  }
});

test('the page goes compressed to who takes that, and says that it depends', async () => {
  const { viewing } = scene();
  const get = (encodings: string | undefined) =>
    ask(viewing, '/page.js', encodings === undefined ? {} : { headers: { 'accept-encoding': encodings } });
  const plain = await (await get(undefined)).text();
  for (const encodings of ['gzip', 'br, GZIP;q=0.5', '*']) {
    const answer = await get(encodings);
    assert.equal(answer.headers.get('content-encoding'), 'gzip', encodings);
    assert.equal(gunzipSync(Buffer.from(await answer.arrayBuffer())).toString(), plain);
  }
  for (const encodings of [undefined, '', 'br', 'identity', 'gzip;q=0', 'gzip; q=0.0']) {
    const answer = await get(encodings);
    assert.deepEqual([answer.headers.get('content-encoding'), await answer.text()], [null, plain], encodings);
    assert.equal(answer.headers.get('vary'), 'accept-encoding');
  }
});

test('the site is told with all its servers', async () => {
  const { viewing } = scene();
  const site = (await (await ask(viewing, '/api/site')).json()) as SiteAnswer;
  assert.deepEqual([site.site, site.server, site.version], ['demo', 's1', '1.2.3']);
  assert.deepEqual(
    site.servers.map(({ id, state, hops }) => [id, state, hops]),
    [
      ['s1', 'self', 1],
      ['s2', 'reachable', 1],
      ['s3', 'unreachable', null],
    ],
  );
});

test('a peer gets own data without asking for it', async () => {
  const { viewing } = scene();
  const request = new Request('http://127.0.0.1/api/cameras');
  const response = await viewing.answer(request, connectionOf({ peer: 's2' }));
  assert.equal(response.status, 200);
});

for (const [target, mayForward, status] of [
  ['/api/cameras/here/live', true, 503],
  ['/api/cameras/there/live', false, 503],
  ['/api/cameras/lost/live', true, 503],
  ['/api/cameras/nobody/live', true, 404],
  ['/api/cameras/__proto__/live', true, 400],
  ['/api/cameras/%68ere/live', true, 400],
  ['/api/cameras/here/live/more', true, 404],
  ['/api/cameras//live', true, 404],
  ['//api/cameras/here/live', true, 404],
  ['/../api/cameras/here/live', true, 404],
  ['/', true, 404],
  ['', true, 404],
] as const) {
  test(`a WebSocket to ${target} is refused with ${status}${mayForward ? '' : ' when it may not be forwarded'}`, async () => {
    const headers = mayForward ? {} : own;
    const admission = await scene().viewing.admitLive(liveRequest(target, { headers }));
    assert(!admission.ok);
    assert.equal(admission.status, status);
    assert(admission.answer.advice.length > 5);
  });
}

test('a WebSocket to a live camera is admitted until it has its most viewers', async () => {
  const { viewing, live } = scene();
  live.publishTracks('here', [videoTrack('boot-1.1', 'here')]);
  assert.equal((await viewing.admitLive(liveRequest('/api/cameras/here/live?audio=1'))).ok, true);
  const viewer = { tracks: () => undefined, sample: () => undefined, ended: () => undefined };
  for (let i = 0; i < viewersPerCameraMax; i++) live.subscribe('here', viewer);
  const refused = await viewing.admitLive(liveRequest('/api/cameras/here/live'));
  assert(!refused.ok && refused.status === 503);
});

test('a file is named after camera, start and length', () => {
  const fromUs = Date.parse('2026-11-22T12:34:56.789Z') * 1000;
  assert.equal(
    fileName('door', { fromUs, toUs: fromUs + 605_000_001 }),
    'door_2026-11-22T12-34-56Z_10m6s.mp4',
  );
});
