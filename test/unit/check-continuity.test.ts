/** Holes and duplicates in sequences, against a plain set of numbers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Continuity, type Missing } from '../../firmware/recording/check-continuity.ts';
import { videoTrack } from '../support/media-samples.ts';

const frameUs = 100_000;

interface Piece {
  readonly from: number;
  readonly count: number;
  readonly epoch: number;
  readonly capture?: string;
  /** its clock is off by so much, µs */
  readonly offUs?: number;
}

/** Adds pieces as segments of one fragment each, by start. */
function missingOf(pieces: readonly Piece[]): { missing: Missing[]; duplicates: number } {
  const missing: Missing[] = [];
  const continuity = new Continuity((hole) => missing.push(hole));
  const startOf = ({ from, offUs = 0 }: Piece): number => from * frameUs + offUs;
  for (const piece of [...pieces].sort((a, b) => startOf(a) - startOf(b))) {
    const { from, count, epoch, capture = 'boot.0', offUs = 0 } = piece;
    const [fromPtsUs, toPtsUs] = [from * frameUs, (from + count) * frameUs];
    const mapping = { offsetUs: offUs, uncertaintyUs: 0 };
    const tracks = [{ trackId: 1, firstSequence: from, count }];
    const fragment = { offset: 0, bytes: 1, fromPtsUs, toPtsUs, mapping, tracks };
    const range = { fromUs: fromPtsUs + offUs, toUs: toPtsUs + offUs };
    const listing = { camera: 'door', name: 'x', bytes: 1, captureId: capture, epoch, open: false, ...range };
    continuity.add(listing, { tracks: [videoTrack(capture)], fragments: [fragment] });
  }
  continuity.finish();
  return { missing, duplicates: continuity.duplicates };
}

test('every hole is found once with its length, whatever overlaps; duplicates are counted', () => {
  const piece = fc.record(
    {
      from: fc.nat(40_000),
      count: fc.integer({ min: 1, max: 3_000 }),
      epoch: fc.constant(1),
      offUs: fc.integer({ min: -500_000, max: 500_000 }),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 30 }), (pieces) => {
      const copies = new Map<number, number>();
      for (const { from, count } of pieces) {
        for (let at = from; at < from + count; at++) copies.set(at, (copies.get(at) ?? 0) + 1);
      }
      const sequences = [...copies.keys()].sort((a, b) => a - b);
      const holes: number[] = [];
      for (const [place, sequence] of sequences.entries()) {
        const before = sequences[place - 1];
        if (before !== undefined && sequence !== before + 1) holes.push(sequence - before - 1);
      }
      const { missing, duplicates } = missingOf(pieces);
      assert.deepEqual(
        missing.map(({ samples }) => samples),
        holes,
      );
      assert.equal(
        duplicates,
        [...copies.values()].reduce((sum, count) => sum + count - 1, 0),
      );
    }),
    { numRuns: 500, includeErrorInReport: true },
  );
});

test('a hole tells its time, and whether the camera was handed over meanwhile', () => {
  const { missing } = missingOf([
    { from: 0, count: 10, epoch: 1 },
    { from: 15, count: 10, epoch: 1 },
    { from: 40, count: 10, epoch: 2 },
  ]);
  const common = { captureId: 'boot.0', track: 'video' };
  assert.deepEqual(missing, [
    { ...common, fromUs: 1_000_000, toUs: 1_500_000, samples: 5, sameEpoch: true },
    { ...common, fromUs: 2_500_000, toUs: 4_000_000, samples: 15, sameEpoch: false },
  ]);
});

test('between two captures only time tells', () => {
  const { missing } = missingOf([
    { from: 0, count: 10, epoch: 1 },
    { from: 100, count: 10, epoch: 1, capture: 'boot.1' },
    { from: 111, count: 10, epoch: 1, capture: 'boot.2' },
  ]);
  assert.deepEqual(missing, [
    { captureId: 'boot.1', track: 'all', fromUs: 1_000_000, toUs: 10_000_000, sameEpoch: true },
  ]);
});

test('a thousand captures and a hundred thousand holes are told as they come, not kept', () => {
  let told = 0;
  let toldWhileAdding = 0;
  const continuity = new Continuity(() => {
    told += 1;
  });
  const mapping = { offsetUs: 0, uncertaintyUs: 0 };
  for (let n = 0; n < 100_000; n++) {
    const [fromUs, toUs] = [n * 10_000_000, n * 10_000_000 + 1_000_000];
    const captureId = `boot.${Math.floor(n / 100)}`;
    const tracks = [{ trackId: 1, firstSequence: n * 100, count: 10 }];
    const fragment = { offset: 0, bytes: 1, fromPtsUs: fromUs, toPtsUs: toUs, mapping, tracks };
    const listing = { camera: 'door', name: 'x', fromUs, toUs, bytes: 1, captureId, epoch: 1, open: false };
    continuity.add(listing, { tracks: [videoTrack(captureId)], fragments: [fragment] });
    if (n === 99_999) toldWhileAdding = told;
  }
  continuity.finish();
  assert.equal(told, 99_999);
  assert.ok(told - toldWhileAdding < 100, `${told - toldWhileAdding} were kept to the end`);
});
