/** One viewer: what it is sent, what it loses when it is slow, and what it is told, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveMessage } from '../../firmware/viewing/api.ts';
import { createLiveHub, type LiveHub } from '../../firmware/viewing/live-hub.ts';
import {
  clocksDifferMs,
  lateAfterMs,
  noPongMs,
  noProgressMs,
  queuedBytesMax,
  serveLive,
  stalledAfterMs,
} from '../../firmware/viewing/live-socket.ts';
import { audioTrack, frame, videoTrack } from '../support/media-samples.ts';
import { QueueSocket } from '../support/viewer-sockets.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const camera = 'door';

interface Scene {
  readonly clock: VirtualClock;
  readonly hub: LiveHub;
  readonly socket: QueueSocket;
  /** Frames [from, to) at 10 frames/s, each at its time. */
  readonly play: (from: number, to: number, options?: { bytes?: number; ageMs?: number }) => void;
  readonly watch: (options?: { audio?: boolean; socket?: QueueSocket }) => () => void;
}

function scene(): Scene {
  const clock = new VirtualClock();
  const hub = createLiveHub({ onWatched: () => undefined });
  const socket = new QueueSocket();
  hub.publishTracks(camera, [videoTrack(), audioTrack()]);
  return {
    clock,
    hub,
    socket,
    play(from, to, options) {
      for (let i = from; i < to; i++) {
        clock.advance(100);
        hub.publishSample(camera, 1, frame(i, options), (clock.utcMs() - (options?.ageMs ?? 0)) * 1000);
      }
    },
    watch: ({ audio = false, socket: other = socket } = {}) =>
      serveLive({ camera, manager: 'server-1', audio, feed: hub, socket: other, clock }),
  };
}

test('a viewer gets stream, init segment, the held GOP and then every frame', () => {
  const { socket, play, watch } = scene();
  play(0, 12);
  watch();
  play(12, 14);
  assert.deepEqual(socket.words, ['stream door@server-1', 'init', '#10', '#11', '#12', '#13']);
  const stream = JSON.parse(String(socket.delivered[0])) as LiveMessage;
  assert.deepEqual(stream, {
    type: 'stream',
    camera,
    manager: 'server-1',
    mime: 'video/mp4; codecs="avc1.42c01e"',
    width: 640,
    height: 360,
  });
});

test('a viewer is told where a camera looks that can be turned, at once and whenever that changes', () => {
  const { hub, socket, play, watch } = scene();
  const at = (pan: number, moving: boolean) => ({ position: { pan, tilt: 0, zoom: 1 }, moving });
  hub.publishPointing(camera, at(5, false));
  hub.publishPointing('gate', at(1, true));
  play(0, 1);
  watch();
  hub.publishPointing(camera, at(6, true));
  hub.publishPointing('gate', at(2, true));
  hub.publishPointing(camera, at(7, false));
  assert.deepEqual(
    socket.words.filter((word) => word.startsWith('looks')),
    ['looks at 5', 'looks at 6 and moves', 'looks at 7'],
  );
  hub.publishPointing(camera, undefined);
  const later = new QueueSocket();
  watch({ socket: later });
  assert(!later.words.some((word) => word.startsWith('looks')), 'its unit is gone');
});

test('sound is sent only to those who ask for it', () => {
  const { hub, socket, play, watch } = scene();
  const listener = new QueueSocket();
  play(0, 1);
  watch();
  watch({ audio: true, socket: listener });
  hub.publishSample(camera, 2, frame(5), 0);
  assert.deepEqual(socket.words, ['stream door@server-1', 'init', '#0']);
  assert.deepEqual(listener.words, ['stream door@server-1', 'init', '#0', '#5']);
  assert.match(String(listener.delivered[0]), /mp4a\.40\.2/);
});

test('viewers share one buffer for each frame', () => {
  const { socket, play, watch } = scene();
  const other = new QueueSocket();
  play(0, 1);
  watch();
  watch({ socket: other });
  play(1, 3);
  assert.equal(socket.delivered.length, 5);
  const place = (data: Uint8Array | string | undefined): unknown[] => {
    return data instanceof Uint8Array ? [data.buffer, data.byteOffset] : [data];
  };
  for (let i = 1; i < 5; i++) {
    const [one, another] = [place(socket.delivered[i]), place(other.delivered[i])];
    assert.ok(one.length === 2 && one[0] === another[0] && one[1] === another[1], `message ${i} was copied`);
  }
});

test('the numbers of the fragments rise, also for one who comes in the middle', () => {
  const { socket, play, watch } = scene();
  const slow = new QueueSocket();
  play(0, 3);
  watch({ socket: slow });
  slow.blocked = true;
  play(3, 25);
  watch();
  play(25, 32);
  const numbers = socket.delivered
    .filter((data) => typeof data !== 'string')
    .slice(1)
    .map((data) => Buffer.from(data).readUInt32BE(20));
  assert.equal(numbers.length, 12);
  for (const [place, number] of numbers.entries()) assert(place === 0 || number > (numbers[place - 1] ?? 0));
});

test('a viewer that takes nothing for a second loses the rest of the GOP and is told how much', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  watch();
  socket.blocked = true;
  play(1, 15);
  socket.blocked = false;
  socket.flush();
  play(15, 22);
  // queued from frame 1 on, too old at frame 12, back at keyframe 20
  assert.deepEqual(socket.words.slice(3, 13), ['#1', '#2', '#3', '#4', '#5', '#6', '#7', '#8', '#9', '#10']);
  assert.deepEqual(socket.words.slice(13), ['#11', 'dropped 8', '#20', '#21']);
});

test('a viewer that has not read for a second what its network took loses the rest of the GOP, too', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  watch();
  play(1, 8);
  socket.unread = true;
  play(8, 25);
  // pinged with frame 10, one second over at frame 21: nothing more is on its way to it
  assert.equal(socket.words.at(-1), '#20');
  socket.unread = false;
  play(25, 32);
  assert.deepEqual(socket.words.slice(-4), ['#20', 'dropped 9', '#30', '#31']);
});

test('a viewer that does not read is cut off, and costs nothing more', () => {
  const { clock, hub, socket, play, watch } = scene();
  play(0, 1);
  socket.unread = true;
  watch();
  play(1, noPongMs / 100 - 5);
  assert.equal(socket.end, undefined);
  play(noPongMs / 100 - 5, noPongMs / 100 + 15);
  assert.equal(socket.end, 'terminated');
  assert.equal(hub.viewers(camera), 0);
  assert.equal(clock.pending, 0);
});

test('only the pong that is due counts', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  socket.unread = true;
  watch();
  for (const wrong of [Buffer.alloc(0), Buffer.alloc(4), Buffer.from([0, 0, 0, 2]), Buffer.alloc(125, 1)])
    socket.pong(wrong);
  play(1, 30);
  assert.equal(socket.words.at(-1), '#10', 'behind all the same');
});

test('a slow viewer does not hold up another', () => {
  const { socket, play, watch } = scene();
  const quick = new QueueSocket();
  play(0, 1);
  watch();
  watch({ socket: quick });
  socket.blocked = true;
  play(1, 31);
  assert.equal(quick.words.length, 2 + 31);
});

test('too many unsent bytes drop frames before a second has passed', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  watch();
  socket.blocked = true;
  play(1, 4, { bytes: queuedBytesMax });
  socket.blocked = false;
  socket.flush();
  play(4, 11);
  assert.deepEqual(socket.words.slice(3), ['#1', 'dropped 8', '#10']);
});

test('a viewer still behind at a keyframe waits for the next', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  watch();
  socket.blocked = true;
  play(1, 25);
  socket.blocked = false;
  socket.flush();
  play(25, 31);
  assert.deepEqual(socket.words.slice(-2), ['dropped 18', '#30']);
});

test('a viewer without any progress for five seconds is cut off, and costs nothing more', () => {
  const { clock, hub, socket, play, watch } = scene();
  play(0, 1);
  watch();
  socket.blocked = true;
  play(1, 45);
  assert.equal(socket.end, undefined);
  play(45, 70);
  assert.equal(socket.end, 'terminated');
  assert.equal(hub.viewers(camera), 0);
  assert.equal(clock.pending, 0);
});

test('a viewer that is slow but moves is kept', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  watch();
  socket.blocked = true;
  for (let i = 1; i < 200; i += 10) {
    play(i, i + 10);
    socket.flush(1);
  }
  assert.equal(socket.end, undefined);
  assert(socket.words.length < 40);
  assert(noProgressMs > 1000);
});

test('two seconds without a frame are a stall, told again while it lasts, and over with the next frame', () => {
  const { clock, socket, play, watch } = scene();
  play(0, 3);
  watch();
  const lastFrameAt = new Date(clock.utcMs()).toISOString();
  const before = socket.delivered.length;
  clock.advance(stalledAfterMs - 1);
  assert.equal(socket.delivered.length, before);
  clock.advance(1);
  assert.deepEqual(JSON.parse(String(socket.delivered[before])), {
    type: 'state',
    state: 'stalled',
    lastFrameAt,
  });
  clock.advance(4_000);
  assert.deepEqual(socket.words.slice(before), ['stalled', 'stalled', 'stalled']);
  play(3, 5);
  assert.deepEqual(socket.words.slice(before + 3), ['live', '#3', '#4']);
});

test('a picture that is already old when the viewer comes is called stalled at once', () => {
  const { clock, socket, play, watch } = scene();
  play(0, 2);
  clock.advance(60_000);
  watch();
  assert.deepEqual(socket.words, ['stream door@server-1', 'init', 'stalled', '#0', '#1']);
  play(2, 3);
  assert.deepEqual(socket.words.slice(5), ['live', '#2']);
});

test('frames that come late are called so before they are sent, once a second, and live when they are timely', () => {
  const { clock, socket, play, watch } = scene();
  const said = 'stalled: the pictures come late, or a clock is wrong';
  play(0, 1);
  watch();
  play(1, 2, { ageMs: lateAfterMs });
  play(2, 4, { ageMs: 40_000 });
  assert.deepEqual(socket.words.slice(3), ['#1', said, '#2', '#3']);
  const { lastFrameAt } = JSON.parse(String(socket.delivered[4])) as { lastFrameAt: string };
  assert.equal(Date.parse(lastFrameAt), clock.utcMs() - 40_100);
  play(4, 34, { ageMs: lateAfterMs + 1 });
  assert.equal(socket.words.filter((word) => word === said).length, 4);
  play(34, 35, { ageMs: lateAfterMs - 999 });
  play(35, 37, { ageMs: lateAfterMs - 1_000 });
  assert.deepEqual(socket.words.slice(-5), ['#33', '#34', 'live', '#35', '#36']);
});

test('late frames that no longer come are a stall', () => {
  const { clock, socket, play, watch } = scene();
  play(0, 1);
  watch();
  play(1, 2, { ageMs: 40_000 });
  clock.advance(stalledAfterMs);
  assert.equal(socket.words.at(-1), 'stalled');
});

test('one who comes while frames are late, or a capture begins anew, is told again', () => {
  const { hub, socket, play, watch } = scene();
  play(0, 2, { ageMs: 40_000 });
  watch();
  play(2, 3, { ageMs: 40_000 });
  const said = 'stalled: the pictures come late, or a clock is wrong';
  assert.deepEqual(socket.words, ['stream door@server-1', 'init', 'stalled', '#0', '#1', said, '#2']);
  hub.publishTracks(camera, [videoTrack('boot-1.2')]);
  play(10, 11, { ageMs: 40_000 });
  assert.deepEqual(socket.words.slice(7), ['stream door@server-1', 'init', said, '#10']);
});

test('a camera with another date is not late', () => {
  const { socket, play, watch } = scene();
  play(0, 1);
  watch();
  play(1, 3, { ageMs: clocksDifferMs });
  play(3, 4, { ageMs: -clocksDifferMs });
  assert.deepEqual(socket.words.slice(3), ['#1', '#2', '#3']);
});

test('when the camera leaves, the viewer is told why and the socket closes normally', () => {
  const { clock, hub, socket, play, watch } = scene();
  play(0, 1);
  watch();
  hub.publishEnd(camera, 'moved to server-2');
  assert.equal(socket.words.at(-1), 'ended: moved to server-2');
  assert.equal(socket.end, 1000);
  assert.equal(clock.pending, 0);
});

test('a camera that went away during the handshake ends the viewer, who may try again', () => {
  const { hub, socket, watch } = scene();
  hub.publishEnd(camera, 'moved');
  watch();
  assert.match(socket.words[0] ?? '', /^ended: /);
  assert.equal(socket.end, 1013);
});

test('new tracks come with their own init segment', () => {
  const { hub, socket, play, watch } = scene();
  play(0, 2);
  watch();
  hub.publishTracks(camera, [videoTrack('boot-1.2')]);
  play(2, 12);
  assert.deepEqual(socket.words.slice(4), ['stream door@server-1', 'init', '#10', '#11']);
});

test('a viewer that leaves is no longer sent anything', () => {
  const { clock, hub, socket, play, watch } = scene();
  play(0, 1);
  const left = watch();
  left();
  left();
  const count = socket.delivered.length;
  play(1, 30);
  assert.equal(socket.delivered.length, count);
  assert.deepEqual([hub.viewers(camera), clock.pending], [0, 0]);
});
