/** How a camera streams, over HTTP and from the command line: who may change it, what is passed on, what is refused. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { Hono } from 'hono';
import { addNetworkCommands } from '../../firmware/cli/network-commands.ts';
import type { Connection } from '../../firmware/viewing/answers.ts';
import type { PeerRequest } from '../../firmware/viewing/directory.ts';
import { addStreamRoute, changesStream, type StreamOutcome } from '../../firmware/viewing/stream-route.ts';
import { fakeServer, runCommandLine } from '../support/command-line.ts';

const inForce = { bitrateKbps: 500, frameRate: 10, keyframeIntervalMs: 1_000 };

/** Server `s1` with a camera of its own, `here`, and one of `s2`, `there`. */
function scene(outcome: StreamOutcome = { ...inForce, restarted: false }) {
  const wishes: unknown[] = [];
  const asked: [string, string, string | undefined][] = [];
  const camera = (id: string, manager: string) => {
    return { id, unit: id, manager, epoch: 1, state: 'online' as const };
  };
  const app = new Hono<{ Bindings: Connection }>();
  addStreamRoute(app, {
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [],
      cameras: () => [camera('here', 's1'), camera('there', 's2')],
    },
    peers: {
      get: async (server: string, path: string, { method }: PeerRequest) => {
        asked.push([server, path, method]);
        return {
          status: 409,
          headers: {},
          body: Readable.from([Buffer.from('{"error":"no","advice":"-"}')]),
        };
      },
      webSocket: () => assert.fail('no WebSocket is needed'),
    },
    streams: {
      stream: async (id, wish) => {
        wishes.push([id, wish]);
        return outcome;
      },
    },
    foreign: (c) => (c.req.header('x-starling') === '1' ? undefined : new Response('', { status: 403 })),
  });
  const ask = async (
    method: string,
    path: string,
    peer?: string,
    header = '1',
  ): Promise<[number, unknown]> => {
    const connection = { peer, trailer: () => undefined, abort: () => undefined };
    const request = new Request(`http://s1${path}`, { method, headers: { 'x-starling': header } });
    const response = await app.fetch(request, connection);
    const text = await response.text();
    return [response.status, text === '' ? undefined : JSON.parse(text)];
  };
  return { wishes, asked, ask };
}

describe('the stream of a camera', () => {
  test('is read and changed at its manager', async () => {
    const { ask, wishes } = scene();
    const answer = { camera: 'here', manager: 's1', ...inForce, restarted: false };
    assert.deepEqual(await ask('GET', '/api/cameras/here/stream'), [200, answer]);
    const query = 'bitrateKbps=500&frameRate=10&keyframeIntervalMs=1000&reset=1';
    assert.deepEqual(await ask('PATCH', `/api/cameras/here/stream?${query}`), [200, answer]);
    assert.deepEqual(wishes, [
      ['here', { reset: false }],
      ['here', { ...inForce, reset: true }],
    ]);
  });

  test('of another server is asked for there, once, and its answer given back as it is', async () => {
    const { ask, asked, wishes } = scene();
    const path = '/api/cameras/there/stream?frameRate=5';
    assert.deepEqual(await ask('PATCH', path), [409, { error: 'no', advice: '-' }]);
    assert.deepEqual(asked, [['s2', path, 'PATCH']]);
    assert.equal((await ask('PATCH', path, 's3'))[0], 409, 'what another server asks is not passed on');
    assert.equal(asked.length, 1);
    assert.deepEqual(wishes, []);
  });

  test('is changed for another server, which has asked the person, and for nobody who does not mean it', async () => {
    const { ask, wishes } = scene();
    const path = '/api/cameras/here/stream?frameRate=5';
    assert.equal((await ask('PATCH', path, undefined, '0'))[0], 403);
    assert.equal(wishes.length, 0);
    assert.equal((await ask('PATCH', path, 's2', '0'))[0], 200);
  });

  test('is not changed to what cannot be', async () => {
    const { ask, wishes } = scene();
    for (const query of [
      '',
      '?',
      '?frameRate=0',
      '?frameRate=61',
      '?frameRate=1e1',
      '?bitrateKbps=',
      '?reset=0',
    ])
      assert.equal((await ask('PATCH', `/api/cameras/here/stream${query}`))[0], 400, query);
    for (const query of ['?frameRate=-5', '?__proto__=5', '?frameRate=5.5', '?width=5&frameRate=5'])
      assert.equal((await ask('PATCH', `/api/cameras/here/stream${query}`))[0], 400, query);
    assert.equal((await ask('GET', '/api/cameras/here/stream?frameRate=5'))[0], 400);
    assert.equal((await ask('PATCH', '/api/cameras/HERE/stream?frameRate=5'))[0], 400);
    assert.equal((await ask('PATCH', '/api/cameras/nobody/stream?frameRate=5'))[0], 404);
    assert.deepEqual(wishes, []);
  });

  test('that refuses says why', async () => {
    const [status, answer] = await scene({ refusal: 'its disk refuses' }).ask(
      'GET',
      '/api/cameras/here/stream',
    );
    assert.deepEqual([status, (answer as { error: string }).error], [409, 'its disk refuses']);
  });

  test('is the only thing that is patched', () => {
    assert(changesStream('PATCH', '/api/cameras/door/stream'));
    for (const path of ['/api/cameras/door/live', '/api/cameras/a/b/stream', '/stream', undefined])
      assert.equal(changesStream('PATCH', path), false);
    assert.equal(changesStream('POST', '/api/cameras/door/stream'), false);
  });
});

describe('starling stream', () => {
  const answer = { camera: 'door', manager: 'ss-2', ...inForce, restarted: true };

  test('tells and changes how a camera streams', async () => {
    await using server = await fakeServer((_, response) => response.end(JSON.stringify(answer)));
    const starling = (...argv: string[]) =>
      runCommandLine(addNetworkCommands, ['stream', 'door', '--server', server.url, ...argv]);
    const told = await starling();
    assert.equal(told.out, 'door: 500 kbit/s, 10 pictures/s, a keyframe every 1 s\n');
    const changed = await starling(
      '--bitrate',
      '500',
      '--fps',
      '10',
      '--keyframe',
      '1000',
      '--reset',
      '--json',
    );
    assert.deepEqual(JSON.parse(changed.out), answer);
    assert.match((await starling('--reset')).err, /its capture was restarted for that; ss-2 manages it/);
    assert.deepEqual(server.asked, [
      'GET /api/cameras/door/stream',
      'PATCH /api/cameras/door/stream?bitrateKbps=500&frameRate=10&keyframeIntervalMs=1000&reset=1',
      'PATCH /api/cameras/door/stream?reset=1',
    ]);
    const wrong = await starling('--fps', '100');
    assert.deepEqual([wrong.code, server.asked.length], [2, 3]);
    assert.match(wrong.err, /frameRate: expected 1..60, got 100/);
  });
});
