/** How the page asks its server: every request ends, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type TestContext, test } from 'node:test';
import { ApiFailure, getBytes, getJson } from '../../firmware/viewing/web/request.ts';

/** The body of an answer that comes when the test says so. */
interface Body {
  readonly send: (text: string) => void;
  readonly end: () => void;
}

/** A server whose answers have headers at once; time moves by `t.mock.timers`. */
function answering(t: TestContext, status = 200): Body[] {
  const bodies: Body[] = [];
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(globalThis, 'fetch', async (_path: string, { signal }: { signal: AbortSignal }) => {
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        signal.addEventListener('abort', () => controller.error(signal.reason));
        bodies.push({
          send: (text) => controller.enqueue(new TextEncoder().encode(text)),
          end: () => controller.close(),
        });
      },
    });
    return new Response(stream, { status });
  });
  return bodies;
}

/** After everything that can go on without time passing. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function passes(t: TestContext, ms: number): Promise<void> {
  await settled();
  t.mock.timers.tick(ms);
  await settled();
}

/** How a question ends; `open` while it has not. */
function endOf(question: Promise<unknown>): () => unknown {
  let end: unknown = 'open';
  question.then(
    (answer) => {
      end = answer;
    },
    (problem: unknown) => {
      end = problem instanceof ApiFailure ? problem.code : problem;
    },
  );
  return () => end;
}

test('a body that never ends is given up after the time limit', async (t) => {
  const bodies = answering(t);
  const end = endOf(getJson('/api/site', new AbortController().signal));
  await passes(t, 4_000);
  bodies[0]?.send('{');
  await passes(t, 999);
  assert.equal(end(), 'open');
  await passes(t, 1);
  assert.equal(end(), 'UNREACHABLE');
});

test('a refusal whose body never ends is a refusal after the time limit', async (t) => {
  answering(t, 503);
  const end = endOf(getJson('/api/site', new AbortController().signal));
  await passes(t, 5_000);
  assert.equal(end(), 'REFUSED');
});

test('a file may take its time as long as something arrives, and no longer', async (t) => {
  const bodies = answering(t);
  const range = { start: 0, length: 1_000 };
  const slow = endOf(getBytes('/slow.mp4', range, new AbortController().signal));
  const silent = endOf(getBytes('/silent.mp4', range, new AbortController().signal));
  for (const text of ['ab', 'cd', 'ef']) {
    await passes(t, 19_000);
    bodies[0]?.send(text);
  }
  await settled();
  assert.equal(silent(), 'UNREACHABLE');
  bodies[0]?.end();
  await settled();
  await settled();
  assert.deepEqual(slow(), { start: 0, bytes: new TextEncoder().encode('abcdef'), total: 6 });
});

test('whoever no longer wants an answer stops waiting for its body', async (t) => {
  answering(t);
  const stop = new AbortController();
  const end = endOf(getJson('/api/site', stop.signal));
  await settled();
  stop.abort();
  await settled();
  assert.equal(end(), 'ABORTED');
});

test('requests leave nothing behind at a signal that lives as long as the page', async (t) => {
  const bodies = answering(t);
  const { signal } = new AbortController();
  for (let turn = 0; turn < 3; turn += 1) {
    const question = getJson('/api/site', signal);
    await settled();
    bodies[turn]?.send('{}');
    bodies[turn]?.end();
    assert.deepEqual(await question, {});
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});
