/** Playback of a capture during which the camera's date was set back: its dates say nothing about the order then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FragmentStream } from '../../firmware/media/fragment-stream.ts';
import { openPlayback } from '../../firmware/viewing/playback.ts';
import { gops, holdersOf, noonUs, type StoredSegment, store } from '../support/stored-segments.ts';

const hourUs = 3_600_000_000;
const frames = gops * 10;

/** The first half of a capture, and the second, dated an hour earlier. */
function halves(holders: readonly [number, number]): [StoredSegment[], StoredSegment[]] {
  const half = { capture: 0, frames: frames / 2, soundLate: 0, soundEarly: 0, perSegment: 2, lostTail: 0 };
  return [
    store({ ...half, holder: holders[0], gop: 0, clockOffUs: 0 }, 0, false),
    store({ ...half, holder: holders[1], gop: gops / 2, clockOffUs: -hourUs }, 1, false),
  ];
}

async function videoIn(stored: readonly StoredSegment[]): Promise<number[]> {
  const range = { fromUs: noonUs - 2 * hourUs, toUs: noonUs + 2 * hourUs };
  const sources = { holders: holdersOf(stored), unreachable: [], nowUs: range.toUs };
  const playback = await openPlayback('door', range, sources);
  const stream = new FragmentStream();
  const sequences: number[] = [];
  for await (const chunk of playback.chunks) {
    for (const { parsed } of stream.push(chunk)) {
      const video = parsed.batches.find(({ trackId }) => trackId === 1);
      sequences.push(...(video?.samples.map(({ sequence }) => sequence) ?? []));
    }
  }
  return sequences;
}

const all = Array.from({ length: frames }, (_, sequence) => sequence);

test('a date that is set back by an hour under one manager loses nothing', async () => {
  const [before, after] = halves([0, 0]);
  // The same epoch, and the segments of the second half count on.
  const continued = after.map((segment, place) => {
    const name = `2026-11-22/110000.000Z-0-${before.length + place}`;
    const listing = { ...segment.detail.listing, name, epoch: 0 };
    return { ...segment, detail: { ...segment.detail, listing } };
  });
  assert.deepEqual(await videoIn([...before, ...continued]), all);
});

test('nor does one that is set back while one manager hands over to another', async () => {
  assert.deepEqual(await videoIn(halves([0, 1]).flat()), all);
});
