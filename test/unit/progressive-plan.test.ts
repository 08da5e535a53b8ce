/** A progressive video is planned for those who wait for it, and for nobody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Holder } from '../../firmware/viewing/holders.ts';
import { ProgressiveVideos } from '../../firmware/viewing/progressive-video.ts';
import { holdersOf, noonUs, type StoredSegment, store } from '../support/stored-segments.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const range = { fromUs: noonUs, toUs: noonUs + 60_000_000 };
const stored: readonly StoredSegment[] = store(
  {
    holder: 1,
    capture: 0,
    gop: 0,
    frames: 80,
    soundLate: 0,
    soundEarly: 0,
    perSegment: 2,
    clockOffUs: 0,
    lostTail: 0,
  },
  1,
  false,
);

/** Holders of which every read waits until it is let go. */
function slowHolders() {
  const waiting: (() => void)[] = [];
  let reads = 0;
  const holders: Holder[] = holdersOf(stored).map((holder) => ({
    ...holder,
    read: async (...asked) => {
      reads += 1;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return holder.read(...asked);
    },
  }));
  /** One read after the other, until nothing is read any more. */
  const letGo = async (): Promise<void> => {
    for (let quiet = 0; quiet < 20; quiet++) {
      await nextTurn();
      if (waiting.length > 0) quiet = 0;
      waiting.shift()?.();
    }
  };
  return { holders, letGo, reads: () => reads };
}

function scene() {
  const slow = slowHolders();
  const clock = new VirtualClock();
  const videos = new ProgressiveVideos(clock);
  const sources = { holders: slow.holders, unreachable: [], nowUs: range.toUs, own: false };
  const ask = (signal?: AbortSignal, toUs = range.toUs) =>
    videos.video('door', { ...range, toUs }, sources, signal ?? new AbortController().signal);
  /** Asks, and goes away before anything was read. */
  const askAndLeave = async (toUs?: number): Promise<void> => {
    const leaving = new AbortController();
    const asked = ask(leaving.signal, toUs);
    await nextTurn();
    leaving.abort();
    await assert.rejects(asked, /nobody waits/);
  };
  return { ...slow, clock, ask, askAndLeave };
}

test('a plan that nobody comes back to is given up after two minutes, and the next who asks gets a new one', async () => {
  const { clock, ask, askAndLeave, letGo, reads } = scene();
  await askAndLeave();
  clock.advance(120_000);
  await letGo();
  const givenUp = reads();
  const again = ask();
  await letGo();
  assert.ok((await again).bytes > 1_000);
  assert.ok(givenUp * 2 < reads() - givenUp, `${givenUp} reads for nobody, ${reads()} in all`);
});

test('who comes back within two minutes finds the plan that was begun', async () => {
  const { clock, ask, askAndLeave, letGo, reads } = scene();
  await askAndLeave();
  clock.advance(110_000);
  const again = ask();
  clock.advance(110_000);
  await letGo();
  await again;
  const all = reads();
  await ask();
  assert.equal(reads(), all, 'planned once');
});

test('as long as another waits for it, the plan goes on', async () => {
  const { clock, ask, letGo, reads } = scene();
  const leaving = new AbortController();
  const first = ask(leaving.signal);
  const second = ask();
  await nextTurn();
  leaving.abort();
  await assert.rejects(first, /nobody waits/);
  clock.advance(600_000);
  await letGo();
  const { etag } = await second;
  const all = reads();
  assert.equal((await ask()).etag, etag);
  assert.equal(reads(), all, 'planned once');
});

test('those who leave before their turn leave no trace: others find a place at once', async () => {
  const { ask, askAndLeave, letGo } = scene();
  const running = [ask(undefined, range.toUs + 1), ask(undefined, range.toUs + 2)];
  await nextTurn();
  for (let i = 0; i < 20; i++) await askAndLeave(range.toUs + 10 + i);
  const last = ask();
  await letGo();
  for (const plan of [...running, last]) assert.ok((await plan).bytes > 1_000);
});
