/**
 * What the page reads of fragments, against the muxer that writes them: times of pictures, the camera's clock, what of a
 * file has arrived. Anything else is nothing, and never an exception or an endless loop.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import { readRanges } from '../../firmware/viewing/web/export-ranges.ts';
import { firstDecodeTime, readInit } from '../../firmware/viewing/web/fmp4-boxes.ts';
import { clockOrigin, frameTimes } from '../../firmware/viewing/web/fragment-samples.ts';
import { missingOf, StoredFileScan } from '../../firmware/viewing/web/stored-file-scan.ts';
import { audioTrack, frame, videoTrack } from '../support/media-samples.ts';

const tracks = [videoTrack(), audioTrack()];
const init = initSegment(tracks);
const summary = readInit(init);
const captureStartUs = 5_000_000;

/** A fragment of ten pictures, the first a keyframe, from a number on. */
function built(first: number): Buffer {
  const samples = Array.from({ length: 10 }, (_, place) => frame(first + place));
  const { parts } = fragment({
    sequenceNumber: 1 + first / 10,
    batches: [{ trackId: 1, samples }],
    mapping: { offsetUs: 1_700_000_000_000_000, uncertaintyUs: 1_000 },
    captureId: 'boot-1.1',
    originUs: captureStartUs,
  });
  return Buffer.concat(parts);
}

describe('fragments as the page reads them', () => {
  it('tell when each picture is shown, which is a keyframe, and what the camera’s clock said at time 0', () => {
    assert.ok(summary !== undefined, 'our own init segment is read');
    const bytes = built(1_000);
    const expected = Array.from({ length: 10 }, (_, place) => ({
      time: ((frame(1_000 + place).ptsUs - captureStartUs) / 1e6).toFixed(6),
      keyframe: frame(1_000 + place).keyframe,
    }));
    const read = frameTimes(bytes, summary).map(({ time, keyframe }) => ({
      time: time.toFixed(6),
      keyframe,
    }));
    assert.deepEqual(read, expected);
    assert.equal(clockOrigin(bytes), captureStartUs / 1e6);
  });

  it('say nothing when they are of somebody else, or cut anywhere', () => {
    assert.ok(summary !== undefined, 'our own init segment is read');
    const bytes = built(1_000);
    const moofEnd = bytes.indexOf('mdat') - 4;
    for (let length = 0; length < moofEnd; length += 1) {
      assert.deepEqual(frameTimes(bytes.subarray(0, length), summary), []);
    }
    assert.equal(clockOrigin(bytes.subarray(0, 40)), undefined);
    assert.equal(clockOrigin(init), undefined);
  });

  it('never throw, whatever the bytes are', () => {
    assert.ok(summary !== undefined, 'our own init segment is read');
    const whole = Buffer.concat([init, built(1_000)]);
    const mutation = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(mutation, fc.nat(whole.length), (changes, from) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        const part = bytes.subarray(from);
        readInit(part);
        firstDecodeTime(part, summary);
        assert.ok(frameTimes(part, summary).length <= 40_000, 'bounded');
        clockOrigin(part);
        new StoredFileScan(0).push(part);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a file as it arrives', () => {
  const startMs = 1_700_000_000_000;

  it('tells which stretches are in it, whatever pieces it comes in', () => {
    const file = Buffer.concat([init, built(200), built(210), built(500)]);
    const at = (number: number) => startMs + (frame(number).ptsUs - captureStartUs) / 1_000;
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }), (sizes) => {
        const scan = new StoredFileScan(startMs);
        let from = 0;
        for (let piece = 0; from < file.length; piece += 1) {
          const size = sizes[piece % sizes.length] ?? 1;
          scan.push(file.subarray(from, from + size));
          from += size;
        }
        assert.ok(scan.whole, 'it ends where a box ends');
        assert.deepEqual(
          scan.covered.map(({ fromMs, toMs }) => [Math.round(fromMs), Math.round(toMs)]),
          [
            [at(200), at(219)],
            [at(500), at(509)],
          ].map((times) => times.map(Math.round)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('is not whole while something of it is missing', () => {
    const file = Buffer.concat([init, built(200)]);
    for (const length of [init.length, file.length - 1, file.length - 300]) {
      const scan = new StoredFileScan(startMs);
      scan.push(file.subarray(0, length));
      assert.equal(scan.whole, false, `${length} of ${file.length} bytes`);
    }
  });

  it('lacks what was recorded and is not in it, but for seams', () => {
    const missing = missingOf(
      [
        { fromMs: 0, toMs: 10_000 },
        { fromMs: 60_000, toMs: 90_000 },
      ],
      [
        { fromMs: -500, toMs: 9_000 },
        { fromMs: 62_000, toMs: 70_000 },
        { fromMs: 80_000, toMs: 90_000 },
      ],
    );
    assert.deepEqual(missing, [{ fromMs: 70_000, toMs: 80_000 }]);
  });

  it('has missing ranges named by a header, of which only sensible ones count', () => {
    assert.deepEqual(readRanges('2026-11-22T12:00:00.000Z/2026-11-22T12:01:00.000Z, nonsense, 2/1'), [
      { fromMs: Date.parse('2026-11-22T12:00:00Z'), toMs: Date.parse('2026-11-22T12:01:00Z') },
    ]);
    assert.deepEqual(readRanges(null), []);
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const { fromMs, toMs } of readRanges(text)) assert.ok(toMs > fromMs, 'a range');
      }),
    );
  });
});
