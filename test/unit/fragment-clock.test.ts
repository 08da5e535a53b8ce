/** Fragments on the camera's clock, and access units as byte streams; and both against bytes that make no sense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parameterSets, toByteStream } from '../../firmware/media/annex-b.ts';
import { moveToCameraClock } from '../../firmware/media/fragment-clock.ts';
import { fragment } from '../../firmware/media/fragmented-mp4.ts';
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import { frame } from '../support/media-samples.ts';

const originUs = 86_400_000_000;

function stored(): Buffer {
  const samples = [0, 1, 2].map((sequence) => ({ ...frame(sequence), ptsUs: originUs + sequence * 100_000 }));
  const batches = [{ trackId: 1, samples }];
  const mapping = { offsetUs: 1_700_000_000_000_000, uncertaintyUs: 5 };
  return Buffer.concat(
    fragment({ sequenceNumber: 7, batches, mapping, captureId: 'boot.1', originUs }).parts,
  );
}

test('a stored fragment is moved to the camera’s clock, and is as long as before', () => {
  const bytes = stored();
  const length = bytes.length;
  const before = parseFragment(bytes);
  assert.ok(before.ok && before.value.batches[0]?.samples[0]?.ptsUs === originUs, 'as it is stored');
  const moved = moveToCameraClock(bytes);
  assert.deepEqual(moved, { ok: true, value: originUs });
  assert.equal(bytes.length, length);
  // Without our own box it says what every player reads.
  const parsed = parseFragment(bytes);
  assert.ok(parsed.ok, 'still a fragment');
  assert.deepEqual(
    parsed.value.batches[0]?.samples.map(({ ptsUs }) => ptsUs),
    [0, 1, 2].map((place) => originUs + place * 100_000),
  );
  assert.equal(parsed.value.captureId, undefined);
});

test('bytes that are no fragment are refused and stay as they are', () => {
  const good = stored();
  const spoil = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(spoil, fc.nat(good.length), (changes, end) => {
      const bytes = Buffer.from(good.subarray(0, end));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      const before = Buffer.from(bytes);
      if (!moveToCameraClock(bytes).ok) assert.deepEqual(bytes, before);
    }),
    { numRuns: 2_000 },
  );
});

const config = Buffer.from('0164002affe100056764002aac01000468ee3cb0', 'hex');

test('the parameter sets of a decoder configuration come out with start codes', () => {
  const sets = parameterSets(config);
  assert.ok(sets.ok, 'readable');
  assert.equal(sets.value.toString('hex'), '000000016764002aac0000000168ee3cb0');
});

test('lengths become start codes, and the payload itself is not touched', () => {
  const payload = Buffer.from('0000000209f00000000365aabb', 'hex');
  const copy = Buffer.from(payload);
  const stream = toByteStream([payload.subarray(0, 5), payload.subarray(5)]);
  assert.ok(stream.ok, 'readable');
  assert.equal(stream.value.toString('hex'), '0000000109f00000000165aabb');
  assert.deepEqual(payload, copy);
});

test('whatever a configuration or an access unit holds, it is read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 60 }), (one, other) => {
      parameterSets(Buffer.from(one));
      const spoiled = Buffer.concat([config.subarray(0, other.length % config.length), Buffer.from(one)]);
      const sets = parameterSets(spoiled);
      if (sets.ok) assert.ok(sets.value.length <= spoiled.length * 3, 'bounded by what came in');
      const stream = toByteStream([one, other]);
      if (stream.ok) assert.equal(stream.value.length, one.length + other.length);
    }),
    { numRuns: 2_000 },
  );
});
