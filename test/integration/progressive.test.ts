/** A progressive file against the fragmented one that it is made of: the same samples at the same times, by ffprobe. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import { writeProgressive } from '../../firmware/media/progressive-mp4.ts';
import type { Sample } from '../../firmware/media/sample.ts';
import { describeTrack, encodeAudio, encodeVideo, run } from '../support/gst.ts';

const mapping = { offsetUs: Date.parse('2026-11-22T12:00:00Z') * 1000, uncertaintyUs: 0 };

interface Made {
  readonly fragmented: Buffer;
  readonly progressive: Buffer;
}

/** Video and sound in fragments of 15 frames; those from frame `gapAt` on come `gapUs` later. */
async function made(options: { bFrames?: boolean; gapUs?: number } = {}): Promise<Made> {
  const { gapUs = 0, bFrames = false } = options;
  const video = await encodeVideo({ frames: 60, gopFrames: 15 });
  const audio = await encodeAudio({ buffers: 93 });
  const originUs = Math.min(video.samples[0]?.ptsUs ?? 0, audio.samples[0]?.ptsUs ?? 0);
  const moved = (samples: readonly Sample[], trackId: number): Sample[] => {
    return samples.map((sample, place) => {
      const late = sample.ptsUs - (samples[0]?.ptsUs ?? 0) >= 1_000_000 ? gapUs : 0;
      // Times as B-frames have them; ffprobe does not ask whether the pictures were coded so.
      const compositionUs = bFrames && trackId === 1 ? [33_333, 100_000, 0, 0][place % 4] : 0;
      return {
        ...sample,
        ptsUs: sample.ptsUs + 70_000 + late + (compositionUs ?? 0),
        compositionUs: compositionUs ?? 0,
      };
    });
  };
  const tracks = [describeTrack(video.format), describeTrack(audio.format)];
  const parts: Uint8Array[] = [initSegment(tracks)];
  const [v, a] = [moved(video.samples, 1), moved(audio.samples, 2)];
  for (let first = 0; first < v.length; first += 15) {
    const decodeUs = (sample: Sample | undefined): number =>
      sample === undefined ? Number.POSITIVE_INFINITY : sample.ptsUs - sample.compositionUs;
    const [fromUs, toUs] = [first === 0 ? 0 : decodeUs(v[first]), decodeUs(v[first + 15])];
    const sound = a.filter(({ ptsUs }) => ptsUs >= fromUs && ptsUs < toUs);
    const batches = [
      { trackId: 1, samples: v.slice(first, first + 15) },
      { trackId: 2, samples: sound },
    ];
    parts.push(
      ...fragment({ sequenceNumber: first + 1, batches, mapping, originUs, captureId: 'boot.0' }).parts,
    );
  }
  const fragmented = Buffer.concat(parts);
  const pieces: Buffer[] = [];
  await writeProgressive({
    read: (offset, length) => Promise.resolve(fragmented.subarray(offset, offset + length)),
    size: fragmented.length,
    write: (bytes) => {
      pieces.push(Buffer.from(bytes));
      return Promise.resolve();
    },
  });
  return { fragmented, progressive: Buffer.concat(pieces) };
}

/** Every packet: stream, times in µs, size, flags and a hash of its bytes. */
async function packets(file: Buffer, decodable: boolean): Promise<string[][]> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'starling-progressive-'));
  try {
    const name = path.join(folder, 'x.mp4');
    await writeFile(name, file);
    const fields = 'packet=stream_index,pts_time,dts_time,size,flags,data_hash';
    const probed = await run('ffprobe', [
      '-v',
      'error',
      '-show_data_hash',
      'md5',
      '-show_entries',
      fields,
      '-of',
      'csv=p=0',
      name,
    ]);
    assert.deepEqual([probed.stderr, probed.code], ['', 0]);
    if (decodable) {
      const decoded = await run('ffmpeg', ['-v', 'error', '-i', name, '-f', 'null', '-']);
      assert.deepEqual([decoded.stderr, decoded.code], ['', 0]);
    }
    const lines = probed.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    return lines.sort((x, y) => Number(x[0]) - Number(y[0]) || Number(x[2]) - Number(y[2]));
  } finally {
    await rm(folder, { recursive: true });
  }
}

for (const [what, options, precisionS] of [
  ['picture and sound', {}, 0],
  ['pictures that are shown in another order', { bFrames: true }, 0],
  ['a gap of ten minutes', { gapUs: 600_000_000 }, 0],
  ['a gap of two hours, to 1/90,000 s', { gapUs: 7_200_000_000 }, 1 / 90_000],
  ['a gap of three days, to the millisecond', { gapUs: 3 * 86_400_000_000 }, 0.001],
] as const) {
  test(`${what}: the same samples at the same times`, async () => {
    const { fragmented, progressive } = await made(options);
    assert.equal(progressive.indexOf('moof'), -1);
    const decodable = !('bFrames' in options);
    const expected = await packets(fragmented, decodable);
    const found = await packets(progressive, decodable);
    assert.equal(found.length, expected.length);
    for (const [place, [stream, pts, dts, ...rest]] of expected.entries()) {
      const [gotStream, gotPts, gotDts, ...got] = found[place] ?? [];
      assert.deepEqual([gotStream, ...got], [stream, ...rest], `packet ${place}`);
      for (const [one, other] of [
        [pts, gotPts],
        [dts, gotDts],
      ] as const) {
        assert.ok(
          Math.abs(Number(one) - Number(other)) <= precisionS + 1e-9,
          `packet ${place}: ${one} is ${other}`,
        );
      }
    }
  });
}
