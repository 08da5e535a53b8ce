/** The scanner and the demuxer against every truncation and random damage. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fragment, fragmentSamplesMax, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import { parseFragment, parseInit, type SegmentScan, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import type { Sample, TrackFormat } from '../../firmware/media/sample.ts';
import { describeTrack } from '../support/gst.ts';

const noFormat = { width: 0, height: 0, sampleRate: 0, channels: 0 };
const h264: TrackFormat = {
  ...noFormat,
  codec: 'h264',
  config: Buffer.alloc(30, 1),
  width: 640,
  height: 360,
};
const aac: TrackFormat = {
  ...noFormat,
  codec: 'aac',
  config: Buffer.from([0x11, 0x88]),
  sampleRate: 48000,
  channels: 1,
};
const tracks = [describeTrack(h264), describeTrack(aac)];
const mapping = { offsetUs: 1_795_350_896_789_000, uncertaintyUs: 4_000 };

function sample(sequence: number, bytes: number, stepUs: number): Sample {
  const payload = [Buffer.alloc(bytes, sequence)];
  const keyframe = sequence % 3 === 0;
  return {
    sequence,
    ptsUs: 5e9 + sequence * stepUs,
    durationUs: stepUs,
    compositionUs: 0,
    keyframe,
    payload,
    bytes,
  };
}

/** A file of `count` fragments, and where each of them ends. */
function smallFile(count: number): { file: Buffer; initBytes: number; ends: number[] } {
  const init = initSegment(tracks);
  const parts: Uint8Array[] = [init];
  const ends: number[] = [];
  let end = init.length;
  for (let i = 0; i < count; i++) {
    const video = [0, 1, 2].map((place) => sample(i * 3 + place, 5 + place, 33_000));
    const audio = [0, 1].map((place) => ({ ...sample(i * 2 + place, 3, 50_000), keyframe: true }));
    const batches = [
      { trackId: 1, samples: video },
      { trackId: 2, samples: audio },
    ];
    const built = fragment({ sequenceNumber: i + 1, batches, mapping, captureId: 'boot-1.1' });
    parts.push(...built.parts);
    end += built.bytes;
    ends.push(end);
  }
  return { file: Buffer.concat(parts), initBytes: init.length, ends };
}

/** Scans bytes as if they were a file; also how much of it was read. */
async function scan(file: Buffer): Promise<SegmentScan & { readBytes: number }> {
  let readBytes = 0;
  const result = await scanSegment(async (offset, length) => {
    assert(offset >= 0 && length >= 0 && offset + length <= file.length, 'read beyond the file');
    readBytes += length;
    return file.subarray(offset, offset + length);
  }, file.length);
  return { ...result, readBytes };
}

test('a file that is cut anywhere keeps exactly the fragments before the cut', async () => {
  const { file, initBytes, ends } = smallFile(3);
  const whole = await scan(file);
  assert.equal(whole.damage, undefined);
  assert.equal(whole.fragments.length, 3);
  for (let length = 0; length < file.length; length++) {
    const cut = await scan(file.subarray(0, length));
    const kept = ends.filter((end) => end <= length);
    assert.equal(cut.validBytes, length < initBytes ? 0 : (kept.at(-1) ?? initBytes), `cut at ${length}`);
    assert.deepEqual(cut.fragments, whole.fragments.slice(0, kept.length));
    const clean = length === initBytes || ends.includes(length);
    assert.equal(cut.damage === undefined, clean, `cut at ${length}: ${cut.damage}`);
    if (length > initBytes && !clean) assert.equal(cut.damage, 'torn fragment');
  }
});

test('random damage never throws, and whatever lies before it is still listed', async () => {
  const { file, initBytes, ends } = smallFile(3);
  const whole = await scan(file);
  const damage = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(file.length), async (changes, length) => {
      const damaged = Buffer.from(file);
      for (const [at, byte] of changes) damaged[at] = byte;
      const firstDamage = Math.min(...changes.map(([at]) => at), length);
      const result = await scan(damaged.subarray(0, length));
      assert(result.validBytes <= length);
      if (firstDamage >= initBytes) {
        const intact = ends.filter((end) => end <= firstDamage).length;
        assert.deepEqual(result.fragments.slice(0, intact), whole.fragments.slice(0, intact));
      }
      for (const { offset, bytes } of result.fragments) {
        assert(parseFragment(damaged.subarray(offset, offset + bytes)).ok, 'what the scan lists can be read');
      }
    }),
    { numRuns: 2000 },
  );
});

test('garbage is damage at 0', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
      const file = Buffer.from(bytes);
      const result = await scan(file);
      assert.deepEqual([result.validBytes, result.initBytes, result.fragments.length], [0, 0, 0]);
      assert.notEqual(result.damage, undefined);
      assert(!parseInit(file).ok);
      assert(!parseFragment(file).ok);
    }),
  );
});

test('zeros after a power cut end the scan where they begin', async () => {
  const { file } = smallFile(2);
  const result = await scan(Buffer.concat([file, Buffer.alloc(10_000)]));
  assert.equal(result.validBytes, file.length);
  assert.equal(result.fragments.length, 2);
  assert.match(result.damage ?? '', /impossible size/);
});

test('a scan does not read payloads', async () => {
  const init = initSegment(tracks);
  const payload = [Buffer.alloc(1_000_000)];
  const samples = [{ ...sample(0, 0, 33_000), payload, bytes: 1_000_000 }];
  const fragments = [1, 2, 3, 4].map((sequenceNumber) => {
    return Buffer.concat(fragment({ sequenceNumber, batches: [{ trackId: 1, samples }], mapping }).parts);
  });
  const result = await scan(Buffer.concat([init, ...fragments]));
  assert.equal(result.fragments.length, 4);
  assert(result.readBytes < 64_000, `read ${result.readBytes} bytes`);
});

test('an init segment that is larger than the first read is still found', async () => {
  const many = Array.from({ length: 16 }, () => describeTrack({ ...h264, config: Buffer.alloc(4096, 1) }));
  const init = initSegment(many);
  const result = await scan(init);
  assert.deepEqual([result.initBytes, result.damage], [init.length, undefined]);
  assert.deepEqual(result.tracks, many);
});

test('a run that claims a billion samples is refused before anything is allocated', async () => {
  const samples = [sample(0, 0, 0)];
  const bytes = Buffer.concat(
    fragment({ sequenceNumber: 1, batches: [{ trackId: 1, samples }], mapping }).parts,
  );
  const trun = bytes.indexOf('trun');
  // no fields of its own for any sample, so the box has room for any number of them
  bytes.writeUInt32BE(1, trun + 4);
  bytes.writeUInt32BE(1_000_000_000, trun + 8);
  const parsed = parseFragment(bytes);
  assert.match(parsed.ok ? '' : parsed.reason, new RegExp(`more than ${fragmentSamplesMax} samples`));
});

test('a sample that lies outside the payload is refused by scan and parser alike', async () => {
  const init = initSegment(tracks);
  const built = fragment({
    sequenceNumber: 1,
    batches: [{ trackId: 1, samples: [sample(0, 9, 1)] }],
    mapping,
  });
  for (const [field, value] of [
    [20, 10],
    [12, 0],
    [12, 0xffff_fff0],
  ] as const) {
    const bytes = Buffer.concat(built.parts);
    bytes.writeUInt32BE(value, bytes.indexOf('trun') + field);
    assert.deepEqual(parseFragment(bytes), { ok: false, reason: 'sample outside mdat' });
    const result = await scan(Buffer.concat([init, bytes]));
    assert.deepEqual([result.validBytes, result.damage], [init.length, 'sample outside mdat']);
  }
});

test('a foreign file is damage at 0 and a foreign fragment ends the scan', async () => {
  const { file, initBytes } = smallFile(1);
  const foreign = Buffer.from(file);
  foreign.write('free', foreign.indexOf('uuid'), 'latin1');
  assert.deepEqual((await scan(foreign)).damage, 'moov does not describe its tracks');
  const bare = Buffer.concat(
    fragment({ sequenceNumber: 1, batches: [{ trackId: 1, samples: [sample(0, 4, 1)] }] }).parts,
  );
  const result = await scan(Buffer.concat([file.subarray(0, initBytes), bare]));
  assert.deepEqual([result.validBytes, result.damage], [initBytes, 'fragment does not describe itself']);
});

test('a fragment of a track that the file does not have ends the scan', async () => {
  const batches = [{ trackId: 3, samples: [sample(0, 4, 1)] }];
  const third = Buffer.concat(fragment({ sequenceNumber: 1, batches, mapping }).parts);
  assert.equal((await scan(Buffer.concat([initSegment(tracks), third]))).damage, 'unknown track');
});
