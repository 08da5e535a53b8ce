/** Where nothing is found, the servers that did not answer are named: they may have it. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { ErrorAnswer } from '../../firmware/viewing/api.ts';
import type { PeerClient, ServerEntry } from '../../firmware/viewing/directory.ts';
import { bareViewing, cameraEntry } from '../support/bare-viewing.ts';

const range = 'from=2026-11-22T11:00:00Z&to=2026-11-22T12:00:00Z';
const playlists = [`playlist.m3u8?${range}`, 'playlist.m3u8'];
const keyframe = 'keyframe.mp4?at=2026-11-22T11:30:00Z';
const lists = [`recordings?${range}`, `recordings?${range}&resolution=60`, 'days?month=2026-11'];

/** s1 has nothing; s2, which manages `door`, is off, or cannot be heard, or has nothing either. */
function viewing(s2: 'off' | 'silent' | 'empty') {
  const servers: ServerEntry[] = [
    { id: 's1', state: 'self', hops: 0, pageUrl: '', cameras: [] },
    { id: 's2', state: s2 === 'off' ? 'unreachable' : 'reachable', hops: 1, pageUrl: '', cameras: ['door'] },
  ];
  const peers: PeerClient = {
    async get() {
      if (s2 === 'silent') throw new Failure('UNREACHABLE', 's2 does not answer', { advice: 'Wait.' });
      return { status: 404, headers: {}, body: new PassThrough().end('{}') };
    },
    webSocket: () => assert.fail('a live picture was asked for'),
  };
  const cameras = () => [cameraEntry('door', 's2')];
  return bareViewing({ peers, directory: { site: 'demo', self: 's1', servers: () => servers, cameras } });
}

for (const state of ['off', 'silent'] as const) {
  for (const camera of ['door', 'gate']) {
    for (const target of [...playlists, keyframe]) {
      test(`${target.split('&')[0]} of ${camera} names a server that is ${state}`, async () => {
        const response = await viewing(state).ask(`/api/cameras/${camera}/${target}`);
        assert.equal(response.status, 404);
        assert.equal(response.headers.get('x-starling-unreachable'), 's2');
        const { error, advice } = (await response.json()) as ErrorAnswer;
        assert.match(error, new RegExp(`^nothing of ${camera} is recorded`));
        assert.match(advice, /do not answer and may have it: s2/);
      });
    }

    for (const target of lists) {
      test(`${target} of ${camera} names a server that is ${state}`, async () => {
        const response = await viewing(state).ask(`/api/cameras/${camera}/${target}`);
        assert.equal(response.status, 200);
        const { unreachable } = (await response.json()) as { unreachable: string[] };
        assert.deepEqual(unreachable, ['s2']);
      });
    }
  }
}

test('a camera that nobody knows is said to be none when all servers have answered', async () => {
  const { ask } = viewing('empty');
  for (const target of [...playlists, keyframe, ...lists]) {
    const unknown = await ask(`/api/cameras/gate/${target}`);
    assert.equal(unknown.status, 404, target);
    assert.match(((await unknown.json()) as ErrorAnswer).error, /no camera is named gate/, target);
    assert.equal(unknown.headers.get('x-starling-unreachable'), null);
  }
  for (const target of playlists) {
    const known = await ask(`/api/cameras/door/${target}`);
    assert.match(((await known.json()) as ErrorAnswer).advice, /door\/recordings for what there is/);
  }
});
