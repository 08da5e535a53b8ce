/** How a camera streams, over HTTP and from the command line: who may change it, what is passed on, what is refused. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { addNetworkCommands } from '../../firmware/cli/network-commands.ts';
import type { PeerRequest } from '../../firmware/viewing/directory.ts';
import type { StreamOutcome } from '../../firmware/viewing/stream-access.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';
import { fakeServer, runCommandLine } from '../support/command-line.ts';

const json = { 'content-type': 'application/json' };
const inForce = { bitrateKbps: 500, frameRate: 10, keyframeIntervalMs: 1_000 };

/** Server `s1` with a camera of its own, `here`, and one of `s2`, `there`. */
function scene(outcome: StreamOutcome = { ...inForce, restarted: false }) {
  const wishes: unknown[] = [];
  const asked: [string, string, string | undefined, string | undefined][] = [];
  const server = (id: string, state: 'self' | 'reachable') => {
    return { id, state, hops: 1, pageUrl: `http://${id}/`, cameras: [] };
  };
  const { ask: send } = bareViewing({
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [server('s1', 'self'), server('s2', 'reachable')],
      cameras: () => [cameraEntry('here', 's1'), cameraEntry('there', 's2')],
    },
    peers: {
      get: async (id: string, path: string, { method, body }: PeerRequest) => {
        asked.push([id, path, method, body]);
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
  });
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    { peer, header = '1' }: { peer?: string; header?: string } = {},
  ): Promise<[number, unknown]> => {
    const headers = { 'x-starling': header, ...(body === undefined ? {} : json) };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await send(path, init, { peer });
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
    const change = { ...inForce, reset: true };
    assert.deepEqual(await ask('PATCH', '/api/cameras/here/stream', change), [200, answer]);
    assert.deepEqual(wishes, [
      ['here', { reset: false }],
      ['here', { ...inForce, reset: true }],
    ]);
  });

  test('of another server is asked for there, once, and its answer given back as it is', async () => {
    const { ask, asked, wishes } = scene();
    const path = '/api/cameras/there/stream';
    const change = { frameRate: 5 };
    assert.deepEqual(await ask('PATCH', path, change), [409, { error: 'no', advice: '-' }]);
    assert.deepEqual(asked, [['s2', path, 'PATCH', JSON.stringify(change)]]);
    const again = await ask('PATCH', path, change, { peer: 's3' });
    assert.equal(again[0], 409, 'what another server asks is not passed on');
    assert.equal(asked.length, 1);
    assert.deepEqual(wishes, []);
  });

  test('is changed for another server, which has asked the person, and for nobody who does not mean it', async () => {
    const { ask, wishes } = scene();
    const path = '/api/cameras/here/stream';
    assert.equal((await ask('PATCH', path, { frameRate: 5 }, { header: '0' }))[0], 403);
    assert.equal(wishes.length, 0);
    assert.equal((await ask('PATCH', path, { frameRate: 5 }, { peer: 's2', header: '0' }))[0], 200);
  });

  test('is not changed to what cannot be', async () => {
    const { ask, wishes } = scene();
    for (const change of [
      undefined,
      null,
      {},
      [],
      'frameRate',
      { reset: false },
      { reset: '1' },
      { frameRate: 0 },
      { frameRate: 61 },
      { frameRate: '5' },
      { frameRate: 5.5 },
      { frameRate: -5 },
      { frameRate: 2 ** 53 },
      { bitrateKbps: null },
      { bitrateKbps: {} },
      { width: 5, frameRate: 5 },
      JSON.parse('{"__proto__":{"frameRate":5}}'),
    ])
      assert.equal(
        (await ask('PATCH', '/api/cameras/here/stream', change))[0],
        400,
        JSON.stringify(change) ?? 'nothing',
      );
    const change = { frameRate: 5 };
    assert.equal((await ask('GET', '/api/cameras/here/stream?frameRate=5'))[0], 400);
    assert.equal((await ask('PATCH', '/api/cameras/here/stream?frameRate=5', change))[0], 400);
    assert.equal((await ask('PATCH', '/api/cameras/HERE/stream', change))[0], 400);
    assert.equal((await ask('PATCH', '/api/cameras/nobody/stream', change))[0], 404);
    assert.deepEqual(wishes, []);
  });

  test('is not changed again and again by one who does not stop', async () => {
    const { ask, wishes } = scene();
    const statuses = new Set<number>();
    for (let i = 0; i < 40; i++)
      statuses.add((await ask('PATCH', '/api/cameras/here/stream', { frameRate: 5 }))[0]);
    assert.deepEqual([...statuses], [200, 429]);
    assert.equal(wishes.length, 20);
  });

  test('that refuses says why', async () => {
    const [status, answer] = await scene({ refusal: 'its disk refuses' }).ask(
      'GET',
      '/api/cameras/here/stream',
    );
    assert.deepEqual([status, (answer as { error: string }).error], [409, 'its disk refuses']);
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
      'PATCH /api/cameras/door/stream',
      'PATCH /api/cameras/door/stream',
    ]);
    assert.deepEqual(server.bodies, ['', JSON.stringify({ ...inForce, reset: true }), '{"reset":true}']);
    const wrong = await starling('--fps', '100');
    assert.deepEqual([wrong.code, server.asked.length], [2, 3]);
    assert.match(wrong.err, /frameRate: expected 1..60, got 100/);
  });
});
