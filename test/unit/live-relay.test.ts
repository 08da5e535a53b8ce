/** Live through another server: order, slow viewers, and either side going away, in virtual time. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'node:test';
import {
  type ManagerSocket,
  relayedBytesMax,
  relayedMsMax,
  relayLive,
  silenceMs,
} from '../../firmware/viewing/live-relay.ts';
import { noProgressMs } from '../../firmware/viewing/live-socket.ts';
import { QueueSocket } from '../support/viewer-sockets.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** The events that a WebSocket to the manager would give; nothing of its network is imitated. */
class ManagerEvents extends EventEmitter {
  paused = false;
  terminated = false;
  readonly pongs: string[] = [];
  pong(data: Buffer): void {
    this.pongs.push(data.toString());
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  terminate(): void {
    this.terminated = true;
  }
  give(data: string | Uint8Array): void {
    this.emit('message', Buffer.from(data as string), typeof data !== 'string');
  }
}

function scene(): { clock: VirtualClock; viewer: QueueSocket; source: ManagerEvents; left: () => void } {
  const clock = new VirtualClock();
  const viewer = new QueueSocket();
  const source = new ManagerEvents();
  const left = relayLive({ manager: 'server-2', viewer, source: source as unknown as ManagerSocket, clock });
  return { clock, viewer, source, left };
}

const state = (word: string): string => JSON.stringify({ type: 'state', state: word, lastFrameAt: null });

test('messages are passed on as they are and in order', () => {
  const { viewer, source } = scene();
  source.give(state('stalled'));
  source.give(Buffer.from([1, 2, 3]));
  source.give(state('live'));
  assert.deepEqual(viewer.delivered, [state('stalled'), Buffer.from([1, 2, 3]), state('live')]);
});

test('the manager’s ping is answered by the viewer, when it has read what came before, and only once', () => {
  const { viewer, source } = scene();
  viewer.blocked = true;
  source.give('one');
  source.emit('ping', Buffer.from('a'));
  assert.deepEqual(source.pongs, [], 'the viewer has not heard it');
  viewer.blocked = false;
  viewer.flush();
  assert.deepEqual(source.pongs, ['a']);
  viewer.pong(Buffer.from('a'));
  viewer.pong(Buffer.from('b'));
  assert.deepEqual(source.pongs, ['a'], 'what nobody asked is not passed on');
});

test('for a slow viewer the manager is not read, until half of what waits has left', () => {
  const { viewer, source } = scene();
  viewer.blocked = true;
  source.give(Buffer.alloc(relayedBytesMax / 2));
  source.give(Buffer.alloc(relayedBytesMax / 2));
  assert.equal(source.paused, false);
  source.give(Buffer.alloc(10));
  assert.equal(source.paused, true);
  viewer.flush(1);
  assert.equal(source.paused, true);
  viewer.flush(1);
  assert.equal(source.paused, false);
});

test('the manager is not read while a message has waited too long, however few bytes wait', () => {
  const { clock, viewer, source } = scene();
  // 500 kbit/s in 20 messages a second, of which the viewer takes half.
  const message = Buffer.alloc(3_125);
  viewer.blocked = true;
  let sent = 0;
  let longest = 0;
  for (let turn = 0; turn < 400; turn++) {
    if (!source.paused) {
      source.give(message);
      sent += 1;
    }
    clock.advance(50);
    if (turn % 2 === 1) viewer.flush(1);
    longest = Math.max(longest, sent - viewer.delivered.length);
  }
  // What waits has come within the limit: ten messages, the one that showed it, and one more.
  assert.ok(longest <= relayedMsMax / 50 + 2, `${longest} messages waited`);
  assert.ok(sent < 220, `${sent} messages were read`);
  assert.equal(viewer.end, undefined);
});

test('a message that leaves in time stops nothing, and the manager is read again when none waits long', () => {
  const { clock, viewer, source } = scene();
  viewer.blocked = true;
  for (let turn = 0; turn < 20; turn++) {
    source.give(Buffer.alloc(100));
    clock.advance(relayedMsMax / 2);
    if (turn > 0) viewer.flush(1);
    assert.equal(source.paused, false);
  }
  clock.advance(relayedMsMax);
  source.give(Buffer.alloc(100));
  assert.equal(source.paused, true);
  viewer.flush(1);
  assert.equal(source.paused, false, 'what waits now has only just come');
});

test('a viewer without progress for five seconds is cut off, and the manager is let go', () => {
  const { clock, viewer, source } = scene();
  viewer.blocked = true;
  source.give(Buffer.alloc(2 * relayedBytesMax));
  clock.advance(noProgressMs - 1000);
  assert.equal(viewer.end, undefined);
  clock.advance(2000);
  assert.equal(viewer.end, 'terminated');
  assert.equal(source.terminated, true);
  assert.equal(clock.pending, 0);
});

test('a manager that falls silent is given up, and the viewer is told to look elsewhere', () => {
  const { clock, viewer, source } = scene();
  for (let i = 0; i < 10; i++) {
    clock.advance(2000);
    source.give(state('stalled'));
  }
  assert.equal(viewer.end, undefined);
  clock.advance(silenceMs + 1000);
  assert.equal(viewer.words.at(-1), 'ended: the managing server server-2 does not answer');
  assert.equal(viewer.end, 1013);
  assert.equal(source.terminated, true);
});

test('a manager that dies ends the viewer with the reason', () => {
  const { viewer, source, clock } = scene();
  source.emit('error', new Error('ECONNRESET'));
  source.emit('close');
  assert.deepEqual(viewer.words, ['ended: the managing server server-2 cannot be reached (ECONNRESET)']);
  assert.equal(viewer.end, 1013);
  assert.equal(clock.pending, 0);
});

test('a manager that refuses is not said to be out of reach: the viewer is told what it said', async () => {
  const refusals = [
    ['{"error":"door has 256 viewers","advice":"Try again later."}', 'door has 256 viewers'],
    ['<html>', 'status 429'],
    [`{"error":"${'x'.repeat(5_000)}"}`, 'status 429'],
  ] as const;
  for (const [body, told] of refusals) {
    const { viewer, source, clock } = scene();
    const response = Object.assign(Readable.from([Buffer.from(body)]), { statusCode: 429 });
    source.emit('unexpected-response', {}, response);
    await finished(response).catch(() => undefined);
    await new Promise(setImmediate);
    assert.deepEqual(viewer.words, [`ended: the managing server server-2 refuses: ${told}`]);
    assert.deepEqual([viewer.end, source.terminated, clock.pending], [1013, true, 0]);
  }
});

test('an end that the manager told is not told twice', () => {
  const { viewer, source } = scene();
  source.give(state('ended'));
  source.emit('close');
  assert.deepEqual(viewer.words, ['ended']);
  assert.equal(viewer.end, 1000);
});

test('when the viewer leaves, the manager is let go and nothing more is sent', () => {
  const { clock, viewer, source, left } = scene();
  left();
  source.give(state('live'));
  source.emit('error', new Error('late'));
  assert.equal(source.terminated, true);
  assert.deepEqual([viewer.words, viewer.end, clock.pending], [[], undefined, 0]);
});
