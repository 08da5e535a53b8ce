/** Servers that begin to answer and then say nothing: nobody waits for them without an end, and nothing stays open. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import type { PeerClient, PeerRequest, ServerEntry } from '../../firmware/viewing/directory.ts';
import { type BareViewing, bareViewing, cameraEntry } from '../support/bare-viewing.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const servers: ServerEntry[] = [
  { id: 's1', state: 'self', hops: 0, pageUrl: '', cameras: [] },
  { id: 's2', state: 'reachable', hops: 1, pageUrl: '', cameras: ['door'] },
];
const directory = {
  site: 'demo',
  self: 's1',
  servers: () => servers,
  cameras: () => [cameraEntry('door', 's2')],
};
const file = '/api/cameras/door/segments/s2/2026-11-22/120000.000Z-1-0.mp4';

interface SilentServer extends BareViewing {
  readonly clock: VirtualClock;
  /** its answers, which end only when the test says so */
  readonly bodies: PassThrough[];
  readonly asked: PeerRequest[];
}

/** s2 sends headers and one byte; an answer that is given up ends as one of the real client does. */
function silentServer(): SilentServer {
  const clock = new VirtualClock();
  const bodies: PassThrough[] = [];
  const asked: PeerRequest[] = [];
  const peers: PeerClient = {
    async get(_server, _path, request) {
      const body = new PassThrough();
      body.on('error', () => undefined);
      body.write('x');
      request.signal?.addEventListener('abort', () => body.destroy(new Error('no longer wanted')));
      bodies.push(body);
      asked.push(request);
      return { status: 200, headers: { 'content-type': 'video/mp4', 'content-length': '1000' }, body };
    },
    webSocket: () => assert.fail('a live picture was asked for'),
  };
  return { ...bareViewing({ clock, peers, directory }), clock, bodies, asked };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a request that is passed on ends at its limit, though the answer has begun', async () => {
  const { ask, clock, bodies, errors } = silentServer();
  const answer = ask('/api/status?server=s2');
  await turn();
  clock.advance(3_000);
  assert.equal((await answer).status, 502);
  assert.equal(bodies[0]?.destroyed, true);
  assert.equal(clock.pending, 0);
  assert.deepEqual(errors, []);
});

test('what is only read is given up when whoever asked has left', async () => {
  const { ask, bodies } = silentServer();
  const left = new AbortController();
  const answer = ask('/api/status?server=s2', { signal: left.signal });
  await turn();
  left.abort();
  assert.equal((await answer).status, 502);
  assert.equal(bodies[0]?.destroyed, true);
});

test('a file that nobody wants any longer is let go of at once, while its server is silent', async () => {
  const { ask, bodies, clock } = silentServer();
  const reader = (await ask(file)).body?.getReader();
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'x');
  const pending = reader?.read();
  await turn();
  const cancelled = reader?.cancel();
  assert.equal(bodies[0]?.destroyed, true);
  await cancelled;
  assert.deepEqual(await pending, { done: true, value: undefined });
  await turn();
  assert.equal(clock.pending, 0);
});

test('a file is not asked for any longer when whoever wanted it has left before it came', async () => {
  const { ask, asked } = silentServer();
  const left = new AbortController();
  const response = await ask(file, { signal: left.signal });
  left.abort();
  assert.equal(asked[0]?.signal?.aborted, true);
  await response.body?.cancel().catch(() => undefined);
});

test('a server that is silent for 20 s in the middle of a file is given up; a slow reader is not', async () => {
  const { ask, bodies, clock, errors } = silentServer();
  let aborted = 0;
  const reader = (await ask(file, {}, { abort: () => (aborted += 1) })).body?.getReader();
  const [body] = bodies;
  await turn();
  body?.write('y');
  await turn();
  clock.advance(60_000);
  assert.equal(body?.destroyed, false, 'it was the reader who took nothing');
  await reader?.read();
  await turn();
  await reader?.read();
  const last = reader?.read();
  await turn();
  clock.advance(19_000);
  assert.equal(body?.destroyed, false);
  clock.advance(1_000);
  assert.equal(body?.destroyed, true);
  assert.equal((await last)?.done, true);
  assert.equal(aborted, 1, 'the answer does not look finished');
  assert.deepEqual(errors, []);
});

test('another server has 12 s for its newest picture, which it may have to decode, and 2 s for a file', async () => {
  const clock = new VirtualClock();
  const peers: PeerClient = {
    get: (server, _path, { timeoutMs }) =>
      new Promise((resolve, reject) => {
        const advice = 'Wait.';
        clock.after(timeoutMs, () => reject(new Failure('UNREACHABLE', `${server} is late`, { advice })));
        clock.after(10_500, () => resolve({ status: 200, headers: {}, body: new PassThrough().end('x') }));
      }),
    webSocket: () => assert.fail('a live picture was asked for'),
  };
  const decoder = { jpeg: () => assert.fail('nothing is decoded here') };
  const { ask } = bareViewing({ clock, peers, directory, decoder });
  const answers = ['/api/cameras/door/frame.jpg', file].map((path) => ask(path));
  await turn();
  clock.advance(2_000);
  assert.equal((await answers[1])?.status, 502);
  clock.advance(10_000);
  assert.equal((await answers[0])?.status, 200);
});
