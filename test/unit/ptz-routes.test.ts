/** Steering over HTTP: what is asked of a camera, what is passed on to its manager, and what is refused. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { SteerCommand } from '../../firmware/ptz/steering.ts';
import type { PeerRequest } from '../../firmware/viewing/directory.ts';
import type { PtzState } from '../../firmware/viewing/ptz-access.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';

const state: PtzState = {
  position: { pan: 12, tilt: 3, zoom: 1 },
  moving: true,
  limits: { pan: [-90, 90], tilt: [-20, 30], zoom: undefined },
  fieldOfView: 60,
  presets: [
    { name: 'home', pan: 0, tilt: 0, zoom: 1 },
    { name: 'am Tor', pan: 5, tilt: 0, zoom: 1 },
  ],
};
const answer = {
  camera: 'here',
  position: state.position,
  moving: true,
  limits: { pan: [-90, 90], tilt: [-20, 30], zoom: null },
  fieldOfView: 60,
  presets: state.presets,
};

/** Server `s1` with a camera that can be turned, `here`, one that cannot, `wall`, and one of `s2`, `there`. */
function scene(outcome?: string | Failure) {
  const told: [string, SteerCommand][] = [];
  const asked: [string, string, string | undefined, string | undefined][] = [];
  const server = (id: string, status: 'self' | 'reachable') => {
    return { id, state: status, hops: 1, pageUrl: `http://${id}/`, cameras: [] };
  };
  const { ask: send, errors } = bareViewing({
    directory: {
      site: 'demo',
      self: 's1',
      servers: () => [server('s1', 'self'), server('s2', 'reachable')],
      cameras: () => [cameraEntry('here', 's1'), cameraEntry('wall', 's1'), cameraEntry('there', 's2')],
    },
    peers: {
      get: async (id: string, path: string, { method, body }: PeerRequest) => {
        asked.push([id, path, method, body]);
        return { status: 200, headers: {}, body: Readable.from([Buffer.from('{"camera":"there"}')]) };
      },
      webSocket: () => assert.fail('no WebSocket is needed'),
    },
    ptz: {
      of: (camera) => (camera === 'here' ? state : undefined),
      command: async (camera, command) => {
        told.push([camera, command]);
        if (outcome instanceof Failure) throw outcome;
        return outcome;
      },
      frameRate: () => 25,
    },
  });
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    { peer, header = '1' }: { peer?: string; header?: string } = {},
  ): Promise<[number, Record<string, unknown>]> => {
    const json = { 'content-type': 'application/json' };
    const headers = { 'x-starling': header, ...(body === undefined ? {} : json) };
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await send(path, init, { peer });
    return [response.status, (await response.json()) as Record<string, unknown>];
  };
  return { ask, told, asked, errors };
}

const path = '/api/cameras/here/ptz';

describe('a camera that can be turned', () => {
  test('tells where it looks and where it can, from what is known', async () => {
    const { ask, told } = scene();
    assert.deepEqual(await ask('GET', path), [200, answer]);
    const limits = { pan: null, tilt: null, zoom: null };
    const fixed = { position: null, moving: false, limits, fieldOfView: null, presets: [] };
    assert.deepEqual(await ask('GET', '/api/cameras/wall/ptz'), [200, { camera: 'wall', ...fixed }]);
    assert.deepEqual(told, []);
  });

  test('is turned in each of the ways, and answers with where it looks then', async () => {
    const ways: readonly (readonly [object, SteerCommand])[] = [
      [
        { pan: 5, zoom: 2 },
        { verb: 'to', place: { pan: 5, tilt: undefined, zoom: 2 } },
      ],
      [
        { tilt: -3, relative: true },
        { verb: 'by', place: { pan: undefined, tilt: -3, zoom: undefined } },
      ],
      [
        { pan: 0, relative: false },
        { verb: 'to', place: { pan: 0, tilt: undefined, zoom: undefined } },
      ],
      [{ velocity: { pan: -1, tilt: 0.5 } }, { verb: 'run', velocity: { pan: -1, tilt: 0.5 } }],
      [{ velocity: {} }, { verb: 'run', velocity: {} }],
      [{ preset: 'am Tor' }, { verb: 'recall', name: 'am Tor' }],
      [{ stop: true }, { verb: 'stop' }],
    ];
    const { ask, told } = scene();
    for (const [wish, command] of ways) {
      assert.deepEqual(await ask('POST', path, wish), [200, answer]);
      assert.deepEqual(told.at(-1), ['here', command]);
    }
    assert.equal((await ask('PUT', '/api/cameras/here/presets/Ecke%20Nord'))[0], 200);
    assert.deepEqual(told.at(-1), ['here', { verb: 'save', name: 'Ecke Nord' }]);
    assert.equal((await ask('DELETE', '/api/cameras/here/presets/am%20Tor'))[0], 200);
    assert.deepEqual(told.at(-1), ['here', { verb: 'drop', name: 'am Tor' }]);
  });

  test('is not told what makes no sense', async () => {
    const { ask, told } = scene();
    const wishes: readonly unknown[] = [
      {},
      [],
      null,
      'left',
      { relative: true },
      { pan: 1, stop: true },
      { velocity: { pan: 1 }, preset: 'home' },
      { stop: false },
      { pan: '5' },
      { pan: 1e9 },
      { zoom: -101 },
      { velocity: { pan: 1.01 } },
      { velocity: 1 },
      { velocity: { roll: 1 } },
      { preset: '' },
      { preset: 'a/b' },
      { preset: 'x'.repeat(33) },
      { pan: 1, speed: 5 },
      { __proto__: { pan: 1 }, constructor: 1 },
    ];
    for (const wish of wishes) assert.equal((await ask('POST', path, wish))[0], 400, JSON.stringify(wish));
    for (const text of ['{"pan":1e999}', '{"pan":NaN}', '{"pan":', ''])
      assert.equal((await ask('POST', path, text))[0], 400, text);
    for (const name of ['%00', '%0a', 'x'.repeat(33), '%E2%80%AEx'])
      assert.equal((await ask('PUT', `/api/cameras/here/presets/${name}`))[0], 400, name);
    assert.equal((await ask('PUT', '/api/cameras/here/presets/a%2Fb'))[0] >= 400, true);
    assert.deepEqual(told, []);
  });

  test('and those that cannot, or are not there, say so', async () => {
    const { ask, told } = scene();
    assert.equal((await ask('POST', '/api/cameras/wall/ptz', { stop: true }))[0], 409);
    assert.equal((await ask('POST', '/api/cameras/nobody/ptz', { stop: true }))[0], 404);
    assert.equal((await ask('GET', '/api/cameras/nobody/ptz'))[0], 404);
    assert.equal((await ask('GET', '/api/cameras/HERE/ptz'))[0], 400);
    assert.equal((await ask('POST', path, { preset: 'unknown' }))[0], 404);
    assert.equal((await ask('DELETE', '/api/cameras/here/presets/unknown'))[0], 404);
    assert.deepEqual(told, []);
    const [status, refused] = await scene('its disk refuses').ask('PUT', '/api/cameras/here/presets/x');
    assert.deepEqual([status, refused['error']], [409, 'its disk refuses']);
    const silent = scene(new Failure('UNREACHABLE', 'here does not answer', { advice: '-' }));
    assert.equal((await silent.ask('POST', path, { stop: true }))[0], 502);
    assert.deepEqual(silent.errors, []);
  });

  test('of another server is asked for there, once, and its answer given back', async () => {
    const { ask, asked, told } = scene();
    const there = '/api/cameras/there/ptz';
    const wish = { velocity: { pan: 1 } };
    assert.deepEqual(await ask('POST', there, wish), [200, { camera: 'there' }]);
    assert.deepEqual(await ask('GET', there), [200, { camera: 'there' }]);
    await ask('PUT', '/api/cameras/there/presets/am%20Tor');
    assert.deepEqual(asked, [
      ['s2', there, 'POST', JSON.stringify(wish)],
      ['s2', there, undefined, undefined],
      ['s2', '/api/cameras/there/presets/am%20Tor', 'PUT', undefined],
    ]);
    assert.equal((await ask('POST', there, wish, { peer: 's3' }))[0], 409);
    assert.equal(asked.length, 3);
    assert.deepEqual(told, []);
  });

  test('is turned for another server, which has asked the person, and for nobody who does not mean it', async () => {
    const { ask, told } = scene();
    assert.equal((await ask('POST', path, { stop: true }, { header: '0' }))[0], 403);
    assert.equal(told.length, 0);
    assert.equal((await ask('POST', path, { stop: true }, { peer: 's2', header: '0' }))[0], 200);
  });
});
