/** What playback writes: each sample once, nothing that cannot be decoded, time that never runs backwards. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFragment, parseInit } from '../../firmware/media/mp4-scanner.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import type { OrderedFragment } from '../../firmware/viewing/fragment-order.ts';
import { Remuxer } from '../../firmware/viewing/remuxer.ts';
import { audioTrack, frame, videoTrack } from '../support/media-samples.ts';

const noonUs = Date.parse('2026-11-22T12:00:00Z') * 1000;
const endOfTime = Number.MAX_SAFE_INTEGER;

interface Source {
  tracks?: readonly TrackDescription[];
  captureId?: string;
  offsetUs?: number;
  video?: readonly Sample[];
  audio?: readonly Sample[];
  /** by default nothing is still to come that could fill a hole */
  settledPtsUs?: number;
}

function source({
  tracks = [videoTrack()],
  captureId = 'boot-1.1',
  offsetUs = noonUs,
  video = [],
  audio = [],
  settledPtsUs = Number.POSITIVE_INFINITY,
}: Source): OrderedFragment {
  const mapping = { offsetUs, uncertaintyUs: 0 };
  const batches = [
    { trackId: 1, samples: [...video] },
    { trackId: 2, samples: [...audio] },
  ].filter(({ samples }) => samples.length > 0);
  const first = (video[0] ?? audio[0])?.ptsUs ?? 0;
  const listing = { offset: 0, bytes: 0, fromPtsUs: first, toPtsUs: first, mapping, tracks: [] };
  return { tracks, captureId, listing, parsed: { batches, captureId, mapping }, settledPtsUs };
}

const frames = (from: number, to: number): Sample[] =>
  Array.from({ length: to - from }, (_, i) => frame(from + i));

/** Adds sources one after another and lists file time in 0.1 s and sequence of the video. */
function play(remuxer: Remuxer, sources: Source[]): string {
  const written: string[] = [];
  for (const each of sources) {
    const { chunks, changed } = remuxer.add(source(each));
    for (const chunk of chunks) written.push(...samplesOf(chunk.bytes));
    if (changed) written.push('changed');
    else if (chunks.length === 0) written.push('nothing');
  }
  for (const { bytes } of remuxer.finish()) written.push(...samplesOf(bytes));
  return written.join(' ');
}

function samplesOf(bytes: Buffer): string[] {
  const init = parseInit(bytes);
  const parsed = parseFragment(bytes.subarray(init.ok ? init.value.initBytes : 0));
  assert(parsed.ok, parsed.ok ? '' : parsed.reason);
  return parsed.value.batches.flatMap(({ trackId, samples }) => {
    return samples.map(({ sequence, ptsUs }) => `${trackId === 1 ? '' : 'a'}${sequence}@${ptsUs / 1e5}`);
  });
}

test('the file begins at 0 with the init segment, at the first keyframe', () => {
  const remuxer = new Remuxer(endOfTime);
  assert.equal(play(remuxer, [{ video: frames(8, 12) }]), '10@0 11@1');
  assert.equal(remuxer.startUs, noonUs + 1_000_000);
});

test('what two holders have is written once, and a hole of one is filled by the other', () => {
  const remuxer = new Remuxer(endOfTime);
  const sources = [
    { video: frames(0, 4) },
    { video: frames(2, 7) },
    { video: frames(3, 5) },
    { video: frames(6, 9) },
  ];
  assert.equal(play(remuxer, sources), '0@0 1@1 2@2 3@3 4@4 5@5 6@6 nothing 7@7 8@8');
});

test('after a hole nothing is written before the next keyframe', () => {
  const remuxer = new Remuxer(endOfTime);
  assert.equal(play(remuxer, [{ video: frames(0, 3) }, { video: frames(5, 12) }]), '0@0 1@1 2@2 10@10 11@11');
});

test('the next capture comes at its distance in UTC', () => {
  const remuxer = new Remuxer(endOfTime);
  const next = { captureId: 'boot-1.2', tracks: [videoTrack('boot-1.2')], offsetUs: noonUs + 60_000_000 };
  assert.equal(
    play(remuxer, [{ video: frames(0, 2) }, { ...next, video: frames(0, 2) }]),
    '0@0 1@1 0@600 1@601',
  );
});

test('a capture whose clock stepped back follows right after the one before', () => {
  const remuxer = new Remuxer(endOfTime);
  const next = { captureId: 'boot-1.2', tracks: [videoTrack('boot-1.2')], offsetUs: noonUs - 60_000_000 };
  assert.equal(play(remuxer, [{ video: frames(0, 2) }, { ...next, video: frames(0, 2) }]), '0@0 1@1 0@2 1@3');
});

test('within a capture distances are those of the camera, whatever its mapping to UTC does', () => {
  const remuxer = new Remuxer(endOfTime);
  const sources = [{ video: frames(0, 2) }, { video: frames(2, 4), offsetUs: noonUs + 5_000_000 }];
  assert.equal(play(remuxer, sources), '0@0 1@1 2@2 3@3');
});

test('nothing is written from the wanted end on', () => {
  const remuxer = new Remuxer(noonUs + 350_000);
  assert.equal(play(remuxer, [{ video: frames(0, 10) }]), '0@0 1@1 2@2 3@3');
});

test('sound begins with the picture, wherever it stands among the tracks', () => {
  const audio = (from: number, to: number): Sample[] =>
    frames(from, to).map((sample) => ({ ...sample, keyframe: true }));
  const tracks = [videoTrack(), audioTrack()];
  const sources = [
    { tracks, video: frames(9, 10), audio: audio(5, 10) },
    { tracks, video: frames(10, 12), audio: audio(10, 12) },
  ];
  assert.equal(play(new Remuxer(endOfTime), sources), 'nothing 10@0 11@1 a10@0 a11@1');
});

test('tracks that do not fit the init segment end the file', () => {
  const other = { tracks: [videoTrack(), audioTrack()], video: frames(2, 4) };
  assert.equal(play(new Remuxer(endOfTime), [{ video: frames(0, 2) }, other]), '0@0 1@1 changed');
});

test('a hole is filled by whoever has it, even when that is read later', () => {
  const remuxer = new Remuxer(endOfTime);
  const sources = [
    { video: frames(0, 3), settledPtsUs: 300_000 },
    { video: frames(5, 8), settledPtsUs: 300_000 },
    { video: frames(3, 6), settledPtsUs: 800_000 },
  ];
  assert.equal(play(remuxer, sources), '0@0 1@1 2@2 nothing 3@3 4@4 5@5 6@6 7@7');
});

test('a hole that nobody can fill any more is believed, and each side is a fragment of its own', () => {
  const remuxer = new Remuxer(endOfTime);
  const sources = [
    { video: frames(0, 3), settledPtsUs: 300_000 },
    { video: frames(10, 12), settledPtsUs: 400_000 },
    { video: frames(4, 5), settledPtsUs: 1_200_000 },
    { video: frames(20, 22) },
  ];
  assert.equal(play(remuxer, sources), '0@0 1@1 2@2 nothing 10@10 11@11 20@20 21@21');
});

test('every fragment tells the UTC of its own samples, also when the clock was set in between', () => {
  const remuxer = new Remuxer(endOfTime);
  const starts = [{ video: frames(0, 2) }, { video: frames(2, 4), offsetUs: noonUs + 5_000_000 }].map(
    (each) => {
      const { bytes, holds } = remuxer.add(source(each)).chunks[0] ?? assert.fail('no chunk');
      const init = parseInit(bytes);
      const parsed = parseFragment(bytes.subarray(init.ok ? init.value.initBytes : 0));
      assert(parsed.ok);
      const utcUs = (parsed.value.batches[0]?.samples[0]?.ptsUs ?? 0) + (parsed.value.mapping?.offsetUs ?? 0);
      assert.equal(utcUs, holds.fromUs);
      return utcUs - noonUs;
    },
  );
  assert.deepEqual(starts, [0, 5_200_000]);
});
