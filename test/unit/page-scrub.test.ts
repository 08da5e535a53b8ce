/** What the page keeps of pictures: keyframes by the time they stand for, frames by their media time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrameIndex } from '../../firmware/viewing/web/frame-index.ts';
import { KeyframeCache } from '../../firmware/viewing/web/keyframe-cache.ts';

const picture = (atMs: number, nextMs: number, bytes = 10) => ({
  atMs,
  nextMs,
  bytes: new Uint8Array(bytes),
});

describe('keyframes that were fetched while scrubbing', () => {
  it('are found for every time up to the next one, and for no other', () => {
    const cache = new KeyframeCache({ entries: 8, bytes: 1_000 });
    cache.add(picture(1_000, 2_000));
    assert.equal(cache.find(999, 0), undefined);
    assert.equal(cache.find(1_000, 0)?.atMs, 1_000);
    assert.equal(cache.find(1_999, 0)?.atMs, 1_000);
    assert.equal(cache.find(2_000, 0), undefined);
  });

  it('give way to what is known better', () => {
    const cache = new KeyframeCache({ entries: 8, bytes: 1_000 });
    cache.add(picture(1_000, 9_000));
    cache.add(picture(3_000, 4_000));
    assert.equal(cache.find(3_500, 0)?.atMs, 3_000);
    assert.equal(cache.find(1_500, 0), undefined);
  });

  it('count for a while only, when nobody knows that they are the nearest, and never drive out what is known', () => {
    const cache = new KeyframeCache({ entries: 8, bytes: 1_000 });
    cache.add(picture(3_000, 4_000));
    cache.add({ ...picture(1_000, 9_000), staleAt: 100 });
    assert.equal(cache.find(3_500, 99)?.atMs, 3_000);
    assert.equal(cache.find(5_000, 99)?.atMs, 1_000);
    assert.equal(cache.find(5_000, 100), undefined);
    assert.equal(cache.find(3_500, 100)?.atMs, 3_000);
  });

  it('are bounded by number and by bytes; what was looked at last stays', () => {
    const cache = new KeyframeCache({ entries: 3, bytes: 35 });
    for (const at of [0, 1, 2]) cache.add(picture(at * 1_000, at * 1_000 + 1_000));
    cache.find(0, 0);
    cache.add(picture(5_000, 6_000));
    assert.equal(cache.find(1_500, 0), undefined);
    assert.equal(cache.find(500, 0)?.atMs, 0);
    cache.add(picture(7_000, 8_000, 30));
    assert.equal(cache.find(7_500, 0)?.atMs, 7_000);
    assert.equal(cache.find(500, 0), undefined);
  });
});

describe('the frames of a player', () => {
  const index = new FrameIndex();
  index.add([0, 0.04, 0.08, 0.12].map((time, place) => ({ time, keyframe: place === 0 })));
  index.add([0.16, 0.2].map((time, place) => ({ time, keyframe: place === 0 })));

  it('are stepped through one by one, and by keyframes', () => {
    assert.equal(index.beside(0.04, 1), 0.08);
    assert.equal(index.beside(0.04, -1), 0);
    assert.equal(index.beside(0, -1), undefined);
    assert.equal(index.beside(0.2, 1), undefined);
    assert.equal(index.keyframeBeside(0.04, 1), 0.16);
    assert.equal(index.keyframeBeside(0.16, -1), 0);
    assert.deepEqual(
      index.between(0.04, 0.12).map(({ time }) => time),
      [0.04, 0.08],
    );
  });

  it('of an overlap are replaced by those that came later', () => {
    const overlapped = new FrameIndex();
    overlapped.add([0, 0.04, 0.08].map((time) => ({ time, keyframe: time === 0 })));
    overlapped.add([0.04, 0.081, 0.12].map((time) => ({ time, keyframe: time === 0.04 })));
    assert.deepEqual(
      overlapped.between(0, 1).map(({ time }) => time),
      [0, 0.04, 0.081, 0.12],
    );
  });
});
