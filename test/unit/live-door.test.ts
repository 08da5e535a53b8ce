/** Who gets a place before a camera's live picture when many want one. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import type { Principal } from '../../firmware/access/principal.ts';
import { LiveDoor, placesPerPrincipalMax } from '../../firmware/viewing/live-door.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { liveRequest } from '../support/bare-viewing.ts';
import { videoTrack } from '../support/media-samples.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** A viewer's end, as far as the door looks at it. */
class Socket extends EventEmitter {
  readonly readyState = 1;
  readonly bufferedAmount = 0;
  send(): void {}
  close(): void {}
  ping(): void {}
  terminate(): void {}
}

function scene() {
  const live = createLiveHub({ onWatched: () => undefined });
  for (const camera of ['door', 'yard']) live.publishTracks(camera, [videoTrack('boot-1.1', camera)]);
  let asking: Principal = { name: 'ann', role: 'viewer', cameras: 'all', via: 'session' };
  const door = new LiveDoor({
    directory: { site: 'demo', self: 's1', servers: () => [], cameras: () => [] },
    live,
    peers: { get: () => assert.fail(), webSocket: () => assert.fail() },
    access: { identify: async () => ({ principal: asking }), current: (principal) => principal },
    clock: new VirtualClock(),
  });
  const watch = async (camera: string): Promise<Socket | number> => {
    const admission = await door.admit(liveRequest(`/api/cameras/${camera}/live`));
    if (!admission.ok) return admission.status;
    const socket = new Socket();
    admission.serve(socket as unknown as WebSocket, new PassThrough());
    return socket;
  };
  return {
    watch,
    as: (name: string, via: Principal['via'] = 'session') => {
      asking = { ...asking, name, via };
    },
  };
}

test('nobody takes more than half of a camera’s places, and who leaves makes room', async () => {
  const { watch, as } = scene();
  const sockets: (Socket | number)[] = [];
  for (let i = 0; i < placesPerPrincipalMax; i++) sockets.push(await watch('door'));
  assert.ok(sockets.every((socket) => socket instanceof Socket));
  assert.equal(await watch('door'), 429);
  assert.ok((await watch('yard')) instanceof Socket, 'another camera');
  as('bob');
  assert.ok((await watch('door')) instanceof Socket, 'another viewer');
  as('ann', 'link');
  assert.ok((await watch('door')) instanceof Socket, 'somebody with a link that ann has made');
  as('ann');
  (sockets[0] as Socket).emit('close');
  assert.ok((await watch('door')) instanceof Socket);
});

for (const [name, first, second] of [
  ['ann', 'session', 'peer'],
  ['ann', 'peer', 'session'],
  ['token:s1.1', 'token', 'peer'],
] as const) {
  test(`${name} by ${first} and by ${second} is one and the same`, async () => {
    const { watch, as } = scene();
    as(name, first);
    for (let i = 0; i < placesPerPrincipalMax; i++) assert.ok((await watch('door')) instanceof Socket);
    as(name, second);
    assert.equal(await watch('door'), 429);
    as('bob');
    assert.ok((await watch('door')) instanceof Socket, 'another viewer');
  });
}

for (const [name, via] of [
  ['everybody', 'open'],
  ['server:s2', 'peer'],
] as const) {
  test(`${name} is many: only all places together are bounded`, async () => {
    const { watch, as } = scene();
    as(name, via);
    for (let i = 0; i < 2 * placesPerPrincipalMax; i++) assert.ok((await watch('door')) instanceof Socket);
    assert.equal(await watch('door'), 503);
  });
}
