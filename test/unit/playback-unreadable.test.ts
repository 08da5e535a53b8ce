/** Playback of a file that cannot be read everywhere: only what is there is lost, and it is named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { FragmentStream } from '../../firmware/media/fragment-stream.ts';
import type { Holder } from '../../firmware/viewing/holders.ts';
import { openPlayback } from '../../firmware/viewing/playback.ts';
import type { TimeRange } from '../../firmware/viewing/time-query.ts';
import { gops, holdersOf, noonUs, type StoredSegment, store } from '../support/stored-segments.ts';

const whole = {
  holder: 0,
  capture: 0,
  gop: 0,
  frames: gops * 10,
  soundLate: 0,
  soundEarly: 0,
  perSegment: 4,
  clockOffUs: 0,
  lostTail: 0,
};

interface Played {
  readonly sequences: number[];
  readonly missing: readonly TimeRange[];
  readonly reads: number;
}

/** Plays from `fromUs` on; reads that touch one of the places fail. */
async function play(
  stored: readonly StoredSegment[],
  bad: (name: string, offset: number, length: number) => boolean,
  fromUs = noonUs,
): Promise<Played> {
  let reads = 0;
  const holders = holdersOf(stored).map(
    (holder): Holder => ({
      ...holder,
      read: async (camera, name, offset, length) => {
        reads += 1;
        if (bad(name, offset, length)) throw new Failure('FILE_IO', 'EIO', { advice: '' });
        return holder.read(camera, name, offset, length);
      },
    }),
  );
  const range = { fromUs, toUs: noonUs + 600_000_000 };
  const playback = await openPlayback('door', range, { holders, unreachable: [], nowUs: range.toUs });
  const stream = new FragmentStream();
  const sequences: number[] = [];
  for await (const chunk of playback.chunks) {
    for (const { parsed } of stream.push(chunk)) {
      const video = parsed.batches.find(({ trackId }) => trackId === 1);
      sequences.push(...(video?.samples.map(({ sequence }) => sequence) ?? []));
    }
  }
  return { sequences, missing: playback.missing(), reads };
}

const stored = store(whole, 0, false);
const [segment] = stored;
assert.ok(segment !== undefined, 'nothing is stored');
const { fragments, listing: held } = segment.detail;
const touches =
  (...places: number[]) =>
  (name: string, offset: number, length: number): boolean =>
    name === held.name &&
    places.some((place) => {
      const { offset: at = 0, bytes = 0 } = fragments[place] ?? {};
      return offset < at + bytes && offset + length > at;
    });
const videoOf = (place: number): number[] => {
  const { firstSequence = 0, count = 0 } =
    fragments[place]?.tracks.find(({ trackId }) => trackId === 1) ?? {};
  return Array.from({ length: count }, (_, at) => firstSequence + at);
};
/** Sound of the fragments beside one reaches into it. */
const slackUs = 100_000;
const all = Array.from({ length: whole.frames }, (_, sequence) => sequence);

test('a fragment that cannot be read is lost, and those beside it are not', async () => {
  assert.ok(fragments.length >= 4, `${fragments.length} fragments`);
  const { sequences, missing } = await play(stored, touches(2));
  const lost = new Set(videoOf(2));
  // What follows within its GOP cannot be shown without it.
  const [next] = videoOf(3);
  assert.deepEqual(
    sequences.filter((sequence) => sequence < (lost.values().next().value ?? 0) || sequence >= (next ?? 0)),
    all.filter((sequence) => !lost.has(sequence)),
  );
  const { fromPtsUs = 0, toPtsUs = 0, mapping } = fragments[2] ?? {};
  const offsetUs = mapping?.offsetUs ?? 0;
  assert.equal(missing.length, 1);
  assert.ok(Math.abs((missing[0]?.fromUs ?? 0) - (fromPtsUs + offsetUs)) < slackUs);
  assert.ok(Math.abs((missing[0]?.toUs ?? 0) - (toPtsUs + offsetUs)) < slackUs);
});

test('to begin at a fragment that cannot be read is to begin before it', async () => {
  const { fromPtsUs = 0, mapping } = fragments[3] ?? {};
  const fromUs = fromPtsUs + (mapping?.offsetUs ?? 0) + 1_000;
  const { sequences } = await play(stored, touches(3), fromUs);
  assert.equal(sequences.at(-1), all.at(-1));
  assert.deepEqual(
    [videoOf(2)[0], videoOf(3)[0]].map((one) => sequences.includes(one ?? -1)),
    [true, false],
  );
});

test('a file of which three fragments in a row fail is not read further, and the next one is', async () => {
  const { sequences, missing, reads } = await play(stored, touches(...fragments.keys()));
  const after = stored.slice(1).flatMap(({ samples }) => samples.video.map(({ sequence }) => sequence));
  assert.deepEqual(sequences, after);
  assert.ok(Math.abs((missing[0]?.toUs ?? 0) - held.toUs) < slackUs);
  assert.ok(reads < 20, `${reads} reads`);
});
