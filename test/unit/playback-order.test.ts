/**
 * Playback over holders whose recordings overlap in every way: two managers at once, streams that were resumed, GOPs
 * that were sent again, tails that were lost. Every sample that anybody has comes out once, in order.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FragmentStream } from '../../firmware/media/fragment-stream.ts';
import type { Sample } from '../../firmware/media/sample.ts';
import { openPlayback } from '../../firmware/viewing/playback.ts';
import { gops, holdersOf, noonUs, type StoredSegment, store } from '../support/stored-segments.ts';

/** What a player is owed: all that anybody has, but pictures whose keyframe nobody has, and sound before the first. */
function owed(stored: readonly StoredSegment[], capture: number): string[] {
  const own = stored.filter(({ detail }) => detail.listing.captureId === `boot.${capture}`);
  const union = (kind: 'video' | 'audio'): Sample[] => {
    const bySequence = new Map(
      own.flatMap(({ samples }) => samples[kind].map((each) => [each.sequence, each])),
    );
    return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
  };
  const video: Sample[] = [];
  let last: number | undefined;
  for (const sample of union('video')) {
    const follows = sample.sequence - 1 === last;
    if (sample.keyframe || follows) {
      video.push(sample);
      last = sample.sequence;
    }
  }
  const firstUs = video[0]?.ptsUs ?? Number.POSITIVE_INFINITY;
  const audio = union('audio').filter(({ ptsUs }) => ptsUs >= firstUs);
  const text = (kind: string, list: Sample[]): string =>
    `${capture}${kind}${list.map(({ sequence }) => sequence).join()}`;
  return [text('v', video), text('a', audio)];
}

async function played(stored: readonly StoredSegment[]): Promise<string[]> {
  const holders = holdersOf(stored);
  const range = { fromUs: noonUs - 3_600_000_000, toUs: noonUs + 86_400_000_000 };
  const playback = await openPlayback('door', range, { holders, unreachable: [], nowUs: range.toUs });
  const stream = new FragmentStream();
  const seen = new Map<string, number[]>();
  const clock = new Map<string, number>();
  for await (const chunk of playback.chunks) {
    for (const { parsed } of stream.push(chunk)) {
      for (const { trackId, samples } of parsed.batches) {
        const capture = parsed.captureId?.slice(5) ?? '';
        const kind = trackId === 1 ? 'v' : 'a';
        const list = seen.get(capture + kind) ?? [];
        for (const { sequence, payload, ptsUs, compositionUs } of samples) {
          list.push(sequence);
          const [held] = payload;
          assert.deepEqual(
            [...(held ?? [])],
            [trackId, sequence >> 8, sequence & 0xff],
            'whose payload it is',
          );
          const decodeUs = ptsUs - compositionUs;
          assert.ok(
            decodeUs >= (clock.get(kind) ?? 0),
            `time runs backwards at ${capture}${kind}${sequence}`,
          );
          clock.set(kind, decodeUs);
        }
        seen.set(capture + kind, list);
      }
    }
  }
  assert.deepEqual(playback.missing(), []);
  return [...seen].map(([key, list]) => `${key}${list.join()}`);
}

const delivery = fc.record(
  {
    holder: fc.nat(3),
    capture: fc.nat(1),
    gop: fc.nat(gops - 1),
    frames: fc.integer({ min: 1, max: gops * 10 }),
    soundLate: fc.integer({ min: -3, max: 25 }),
    soundEarly: fc.integer({ min: -25, max: 3 }),
    perSegment: fc.integer({ min: 1, max: 9 }),
    clockOffUs: fc.integer({ min: -400_000, max: 400_000 }),
    lostTail: fc.nat(2),
  },
  { noNullPrototype: true },
);

for (const bFrames of [false, true]) {
  const order = bFrames ? 'decoded in another order than shown' : 'shown as they are decoded';
  test(`pictures ${order}: whatever overlaps, every sample comes out once, in order`, async () => {
    const deliveries = fc.array(delivery, { minLength: 1, maxLength: 7 });
    await fc.assert(
      fc.asyncProperty(deliveries, async (list) => {
        const stored = list.flatMap((each, place) => store(each, place, bFrames));
        const expected = [0, 1].flatMap((capture) => owed(stored, capture));
        assert.deepEqual(
          (await played(stored)).sort(),
          expected.filter((text) => /\d[va]\d/.test(text)).sort(),
        );
      }),
      { numRuns: 600, includeErrorInReport: true },
    );
  });
}
