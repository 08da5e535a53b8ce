/** Samples into fragments: nothing lost, nothing twice, nothing torn, whatever a camera sends. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Sample } from '../../firmware/media/sample.ts';
import { type AssembledFragment, FragmentAssembler } from '../../firmware/recording/fragment-assembler.ts';
import { audioTrack, videoTrack } from '../support/media-samples.ts';
import { sampleOf } from '../support/synthetic-sample.ts';

const frameUs = 40_000;
const both = [videoTrack(), audioTrack()];

/** Frames with a keyframe every `gop`. */
function video(count: number, { gop = 25, from = 0, bytes = 100, startUs = 0 } = {}): Sample[] {
  return Array.from({ length: count }, (_, place) => {
    const keyframe = (from + place) % gop === 0;
    return sampleOf({ sequence: from + place, ptsUs: startUs + place * frameUs, keyframe, bytes });
  });
}

function audio(count: number, { from = 0, startUs = 0 } = {}): Sample[] {
  return Array.from({ length: count }, (_, place) =>
    sampleOf({
      sequence: from + place,
      ptsUs: startUs + place * 20_000,
      durationUs: 20_000,
      keyframe: true,
      bytes: 10,
    }),
  );
}

/** Pushes both tracks as a camera does: by time. */
function pushAll(assembler: FragmentAssembler, tracks: readonly (readonly Sample[])[]): AssembledFragment[] {
  const all = tracks.flatMap((samples, place) => samples.map((sample) => ({ trackId: place + 1, sample })));
  all.sort((a, b) => a.sample.ptsUs - b.sample.ptsUs);
  return all.flatMap(({ trackId, sample }) => assembler.push(trackId, sample));
}

/** Sequences of each track in a fragment, as first–last. */
function shape({ batches, startsOnKeyframe }: AssembledFragment): string {
  const parts = batches.map(
    ({ trackId, samples }) => `${trackId}:${samples[0]?.sequence}-${samples.at(-1)?.sequence}`,
  );
  return `${startsOnKeyframe ? 'K ' : ''}${parts.join(' ')}`;
}

describe('a fragment assembler', () => {
  test('makes a fragment of each GOP, with the sound that falls into it', () => {
    const assembler = new FragmentAssembler(both);
    const fragments = pushAll(assembler, [video(76), audio(152)]);
    assert.deepEqual(fragments.map(shape), ['K 1:0-24 2:0-49', 'K 1:25-49 2:50-99', 'K 1:50-74 2:100-149']);
    assert.equal(fragments[0]?.batches[0]?.endPtsUs, 25 * frameUs);
    assert.equal(fragments[0]?.batches[1]?.endPtsUs, 50 * 20_000);
    assert.deepEqual(assembler.flush().map(shape), ['K 1:75-75 2:150-151']);
    assert.deepEqual(assembler.flush(), []);
    assert.equal(assembler.heldBytes, 0);
  });

  test('cuts a long GOP by time; only its first fragment begins on the keyframe', () => {
    const assembler = new FragmentAssembler([videoTrack()]);
    const fragments = pushAll(assembler, [video(251, { gop: 250 })]);
    assert.deepEqual(fragments.map(shape), ['K 1:0-49', '1:50-99', '1:100-149', '1:150-199', '1:200-249']);
  });

  test('cuts a fat GOP by bytes', () => {
    const assembler = new FragmentAssembler([videoTrack()]);
    const fragments = pushAll(assembler, [video(26, { bytes: 300_000 })]);
    assert.deepEqual(fragments.map(shape).slice(0, 2), ['K 1:0-3', '1:4-7']);
    for (const { batches } of fragments) assert((batches[0]?.samples.length ?? 0) <= 4);
  });

  test('drops and counts video before the first keyframe, but no sound', () => {
    const assembler = new FragmentAssembler(both);
    pushAll(assembler, [video(5, { from: 20 }), audio(10)]);
    assert.equal(assembler.dropped, 5);
    const fragments = pushAll(assembler, [
      video(26, { from: 25, startUs: 200_000 }),
      audio(60, { from: 10, startUs: 200_000 }),
    ]);
    assert.deepEqual(fragments.map(shape), ['K 1:25-49 2:0-59']);
  });

  test('waits half a second for late sound, then closes without it', () => {
    const assembler = new FragmentAssembler(both);
    const fragments = pushAll(assembler, [video(60), []]);
    assert.deepEqual(fragments.map(shape), ['K 1:0-24']);
    const late = audio(100).flatMap((sample) => assembler.push(2, sample));
    assert.deepEqual([...late, ...assembler.flush()].map(shape), ['K 1:25-49 2:0-99', 'K 1:50-59']);
  });

  test('makes a fragment of each second of sound without a picture', () => {
    const assembler = new FragmentAssembler([audioTrack()]);
    assert.deepEqual(pushAll(assembler, [audio(101)]).map(shape), ['K 1:0-49', 'K 1:50-99']);
  });

  test('knows a keyframe start also when the sound was announced first', () => {
    const assembler = new FragmentAssembler([audioTrack(), videoTrack()]);
    const fragments = pushAll(assembler, [audio(60), video(26)]);
    assert.deepEqual(fragments.map(shape), ['K 1:0-49 2:0-24']);
  });

  test('does not let sound pile up when the picture stops, in the middle or before its first keyframe', () => {
    for (const frames of [10, 0]) {
      const assembler = new FragmentAssembler(both);
      const fragments = pushAll(assembler, [video(frames), audio(2_000)]);
      assert(fragments.length >= 9, `${fragments.length} fragments of 40 s of sound`);
      assert(assembler.heldBytes < 5_000);
      assert.equal(
        fragments.slice(1).some(({ startsOnKeyframe }) => startsOnKeyframe),
        false,
      );
    }
  });

  test('closes a fragment at a break in the sequences, and at a jump in time', () => {
    const first = video(10);
    for (const rest of [
      video(10, { from: 15, startUs: 10 * frameUs }),
      video(10, { from: 10, startUs: 3_600_000_000 }),
      video(10, { from: 10, startUs: -3_600_000_000 }),
    ]) {
      const assembler = new FragmentAssembler([videoTrack()]);
      const fragments = [...first, ...rest].flatMap((sample) => assembler.push(1, sample));
      assert.equal(shape(fragments[0] as AssembledFragment), 'K 1:0-9');
      assert.equal(fragments[0]?.batches[0]?.endPtsUs, undefined, 'no frame is shown until after the jump');
    }
  });

  test('goes on when the clock steps back a little between two keyframes', () => {
    const assembler = new FragmentAssembler([videoTrack()]);
    const samples = [
      ...video(25, { startUs: 5_000_000 }),
      ...video(25, { from: 25, startUs: 4_000_000 }),
      ...video(26, { from: 50, startUs: 6_000_000 }),
    ];
    const fragments = samples.flatMap((sample) => assembler.push(1, sample));
    assert.deepEqual(fragments.map(shape), ['K 1:0-24', 'K 1:25-49', 'K 1:50-74']);
  });

  test('keeps B-frames in the fragment of their GOP', () => {
    const order = [0, 3, 1, 2, 6, 4, 5];
    const gop = (from: number): Sample[] =>
      order.map((display, place) =>
        sampleOf({
          sequence: from + place,
          ptsUs: (from + display) * frameUs,
          keyframe: place === 0,
          compositionUs: 40_000,
        }),
      );
    const assembler = new FragmentAssembler([videoTrack()]);
    const fragments = [...gop(0), ...gop(7), ...gop(14)].flatMap((sample) => assembler.push(1, sample));
    assert.deepEqual(fragments.map(shape), ['K 1:0-6', 'K 1:7-13']);
  });

  test('ignores tracks that were not announced', () => {
    const assembler = new FragmentAssembler([videoTrack()]);
    for (const trackId of [0, 2, 255])
      assert.deepEqual(assembler.push(trackId, sampleOf({ sequence: 0, ptsUs: 0 })), []);
    assert.deepEqual(assembler.flush(), []);
    assert.deepEqual(new FragmentAssembler([]).push(1, sampleOf({ sequence: 0, ptsUs: 0 })), []);
  });

  test('holds no more than its bounds when time stands still and samples are empty', () => {
    const assembler = new FragmentAssembler(both);
    let held = 0;
    for (let sequence = 0; sequence < 20_000; sequence++) {
      const trackId = sequence === 0 ? 1 : 2;
      const place = sequence === 0 ? 0 : sequence - 1;
      held += 1;
      for (const { batches } of assembler.push(
        trackId,
        sampleOf({ sequence: place, ptsUs: 0, keyframe: true, bytes: 0 }),
      )) {
        for (const { samples } of batches) held -= samples.length;
      }
      assert(held <= 4_096, `${held} samples held`);
    }
  });

  test('holds no more than its bounds when sound claims to be far ahead and samples are huge', () => {
    const assembler = new FragmentAssembler(both);
    for (let sequence = 0; sequence < 100; sequence++) {
      assembler.push(1, sampleOf({ sequence, ptsUs: 0, keyframe: sequence === 0, bytes: 3_000_000 }));
      assembler.push(2, sampleOf({ sequence, ptsUs: 1e15, keyframe: true, bytes: 3_000_000 }));
      assert(assembler.heldBytes <= 20_000_000, `${assembler.heldBytes} bytes held`);
    }
  });
});

interface Push {
  trackId: 1 | 2;
  stepUs: number;
  keyframe: boolean;
  skip: boolean;
  bytes: number;
}

const pushes: fc.Arbitrary<Push[]> = fc.array(
  fc.record({
    trackId: fc.constantFrom<(1 | 2)[]>(1, 2),
    stepUs: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 0, max: 200_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: -3_000_000, max: 9_000_000 }) },
      { weight: 1, arbitrary: fc.maxSafeInteger().map((us) => Math.trunc(us / 1_000)) },
    ),
    keyframe: fc.oneof(
      { weight: 1, arbitrary: fc.constant(true) },
      { weight: 6, arbitrary: fc.constant(false) },
    ),
    skip: fc.oneof(
      { weight: 1, arbitrary: fc.constant(true) },
      { weight: 20, arbitrary: fc.constant(false) },
    ),
    bytes: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 200_000, max: 700_000 })),
  }),
  { maxLength: 200, size: 'max' },
);
const payloads = Buffer.alloc(700_000);

for (const [name, tracks] of [
  ['picture and sound', both],
  ['sound and picture', [audioTrack(), videoTrack()]],
  ['picture alone', [videoTrack()]],
  ['sound alone', [audioTrack()]],
] as const) {
  test(`every sample of ${name} comes out once, in order, without a break inside a fragment`, () => {
    fc.assert(
      fc.property(pushes, (list) => {
        const assembler = new FragmentAssembler(tracks);
        const pushed: Sample[][] = [[], []];
        const fragments: AssembledFragment[] = [];
        const next = [0, 0];
        const atUs = [0, 0];
        let started = !tracks.some(({ kind }) => kind === 'video');
        let dropped = 0;
        for (const { trackId, stepUs, keyframe, skip, bytes } of list) {
          const place = trackId - 1;
          const kind = tracks[place]?.kind;
          if (kind === undefined) continue;
          const sequence = (next[place] ?? 0) + (skip ? 3 : 0);
          const ptsUs = (atUs[place] ?? 0) + stepUs;
          next[place] = sequence + 1;
          if (Math.abs(ptsUs) < 1e15) atUs[place] = ptsUs;
          const key = kind === 'audio' || keyframe;
          const payload = [payloads.subarray(0, bytes)];
          const sample: Sample = {
            sequence,
            ptsUs,
            durationUs: frameUs,
            compositionUs: 0,
            keyframe: key,
            payload,
            bytes,
          };
          fragments.push(...assembler.push(trackId, sample));
          if (kind === 'video' && key) started = true;
          if (kind === 'video' && !started) dropped += 1;
          else pushed[place]?.push(sample);
        }
        fragments.push(...assembler.flush());
        assert.equal(assembler.dropped, dropped);
        assert.equal(assembler.heldBytes, 0);

        const leaderId = tracks.findIndex(({ kind }) => kind === 'video') + 1 || 1;
        for (const [place] of tracks.entries()) {
          const out = fragments.flatMap(({ batches }) =>
            batches.filter(({ trackId }) => trackId === place + 1).flatMap(({ samples }) => samples),
          );
          assert.deepEqual(
            out.map(({ sequence }) => sequence),
            pushed[place]?.map(({ sequence }) => sequence),
          );
        }
        for (const { batches, startsOnKeyframe } of fragments) {
          assert(batches.length > 0);
          const ids = batches.map(({ trackId }) => trackId);
          assert.deepEqual(
            ids,
            [...new Set(ids)].sort((a, b) => a - b),
          );
          const leader = batches.find(({ trackId }) => trackId === leaderId);
          assert.equal(startsOnKeyframe, leader?.samples[0]?.keyframe === true);
          let bytes = 0;
          for (const { samples } of batches) {
            assert(samples.length > 0);
            for (const [at, sample] of samples.entries()) {
              assert.equal(sample.sequence, (samples[0]?.sequence ?? 0) + at, 'a break inside a fragment');
              bytes += sample.bytes;
            }
          }
          assert(bytes <= 11 * 1024 * 1024, `a fragment of ${bytes} bytes`);
        }
      }),
      { numRuns: 150 },
    );
  });
}
