/** Exports as they arrive, and as they are made progressive: in any pieces, and with any damage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import { FragmentStream } from '../../firmware/media/fragment-stream.ts';
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import { writeProgressive } from '../../firmware/media/progressive-mp4.ts';
import { audioTrack, frame, videoTrack } from '../support/media-samples.ts';

const mapping = { offsetUs: 1_795_350_896_789_000, uncertaintyUs: 0 };
const tracks = [videoTrack(), audioTrack()];
const file = Buffer.concat([
  initSegment(tracks),
  ...[0, 1, 2, 3].flatMap((n) => {
    const samples = Array.from({ length: 10 }, (_, i) => frame(n * 10 + i, { bytes: 20 }));
    const batches = [
      { trackId: 1, samples },
      { trackId: 2, samples: samples.map((sample) => ({ ...sample, keyframe: true })) },
    ];
    return fragment({ sequenceNumber: n + 1, batches, mapping, captureId: 'boot-1.1' }).parts;
  }),
]);

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, place) => bytes.subarray(places[place], end));
}

async function progressive(bytes: Buffer): Promise<Buffer> {
  const written: Buffer[] = [];
  await writeProgressive({
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    size: bytes.length,
    write: (piece) => {
      written.push(Buffer.from(piece));
      return Promise.resolve();
    },
  });
  return Buffer.concat(written);
}

const damage = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 6 });
function damaged(changes: readonly (readonly [number, number])[], length: number): Buffer {
  const bytes = Buffer.from(file);
  for (const [at, byte] of changes) bytes[at] = byte;
  return bytes.subarray(0, length);
}

test('however the bytes are cut into pieces, the same fragments come out', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 40 }), (cuts) => {
      const stream = new FragmentStream();
      const found = pieces(file, cuts).flatMap((piece) => stream.push(piece));
      assert.equal(found.length, 4);
      assert.deepEqual(stream.init?.tracks, tracks);
      const init = file.length - found.reduce((sum, { bytes }) => sum + bytes.length, 0);
      assert.ok(Buffer.concat(found.map(({ bytes }) => bytes)).equals(file.subarray(init)), 'byte for byte');
    }),
  );
});

test('a damaged stream is refused with a Failure, never with a bug', () => {
  fc.assert(
    fc.property(damage, fc.array(fc.nat(), { maxLength: 5 }), (changes, cuts) => {
      const stream = new FragmentStream();
      try {
        for (const piece of pieces(damaged(changes, file.length), cuts)) stream.push(piece);
      } catch (thrown) {
        assert.ok(thrown instanceof Failure, String(thrown));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a box that claims gigabytes is refused before they are waited for', () => {
  const huge = Buffer.from(file);
  huge.writeUInt32BE(0xf000_0000, huge.indexOf('mdat') - 4);
  assert.throws(() => new FragmentStream().push(huge), /impossible size/);
});

test('damage anywhere in a file makes no progressive file, and no crash', async () => {
  const whole = await progressive(file);
  assert.ok(whole.includes('stts'), 'tables');
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(file.length), async (changes, length) => {
      try {
        await progressive(damaged(changes, length));
      } catch (thrown) {
        assert.ok(thrown instanceof Failure, String(thrown));
      }
    }),
    { numRuns: 2000 },
  );
});
