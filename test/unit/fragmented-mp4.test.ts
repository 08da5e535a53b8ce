/** The muxer against ffprobe, ffmpeg and mediabunny, with media that GStreamer encodes while the test runs. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import {
  type Batch,
  codecString,
  compatible,
  type FragmentOptions,
  fragment,
  initSegment,
  mimeType,
} from '../../firmware/media/fragmented-mp4.ts';
import { parseFragment, parseInit, scanSegment } from '../../firmware/media/mp4-scanner.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import { describeTrack, type Encoded, encodeAudio, encodeVideo, run } from '../support/gst.ts';

const originUs = 7_654_321_987;
const mapping = { offsetUs: 1_795_350_896_789_000, uncertaintyUs: 4_000 };
const captureId = 'boot-1.1';

let folder: string;
let video: Encoded;
let audio: Encoded;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fragmented-mp4-'));
  video = await encodeVideo({ frames: 60, gopFrames: 30, originUs, firstSequence: 1000 });
  // the microphone opened 40 ms after the camera
  audio = await encodeAudio({ buffers: 94, originUs: originUs + 40_000, firstSequence: 7 });
});

after(() => rm(folder, { recursive: true }));

/** One fragment for each stretch of `perFragment` samples of a single track. */
function fragmentsOf(
  samples: readonly Sample[],
  perFragment: number,
  options: Partial<FragmentOptions> = {},
): Buffer[] {
  const fragments: Buffer[] = [];
  for (let i = 0; i < samples.length; i += perFragment) {
    const batch = {
      trackId: 1,
      samples: samples.slice(i, i + perFragment),
      endPtsUs: samples[i + perFragment]?.ptsUs,
    };
    const { parts, bytes } = fragment({ sequenceNumber: fragments.length + 1, batches: [batch], ...options });
    fragments.push(Buffer.concat(parts));
    assert.equal(fragments.at(-1)?.length, bytes);
  }
  return fragments;
}

/** GOP by GOP, with the audio that begins inside each. */
function audioVideoBatches(): Batch[][] {
  const keyframes = video.samples.filter((sample) => sample.keyframe).map((sample) => sample.ptsUs);
  return keyframes.map((fromUs, place) => {
    const toUs = keyframes[place + 1];
    const from = place === 0 ? Number.NEGATIVE_INFINITY : fromUs;
    const inside = ({ ptsUs }: Sample) => ptsUs >= from && ptsUs < (toUs ?? Number.POSITIVE_INFINITY);
    const nextAudio = audio.samples.find((sample) => sample.ptsUs >= (toUs ?? Number.POSITIVE_INFINITY));
    return [
      { trackId: 1, samples: video.samples.filter(inside), endPtsUs: toUs },
      { trackId: 2, samples: audio.samples.filter(inside), endPtsUs: nextAudio?.ptsUs },
    ];
  });
}

function audioVideoFile(): { file: Buffer; tracks: TrackDescription[] } {
  const tracks = [describeTrack(video.format), describeTrack(audio.format)];
  const fragments = audioVideoBatches().map((batches, place) =>
    Buffer.concat(fragment({ sequenceNumber: place + 1, batches, mapping, captureId }).parts),
  );
  return { file: Buffer.concat([initSegment(tracks), ...fragments]), tracks };
}

interface Packet {
  ptsUs: number;
  dtsUs: number;
  durationUs: number | undefined;
  bytes: number;
  keyframe: boolean;
}

/** Writes the file, has ffmpeg decode all of it without a word, and returns the packets that ffprobe sees. */
async function oracle(name: string, file: Uint8Array): Promise<Map<number, Packet[]>> {
  const path = join(folder, name);
  await writeFile(path, file);
  const decoded = await run('ffmpeg', ['-v', 'error', '-i', path, '-f', 'null', '-']);
  assert.deepEqual({ stderr: decoded.stderr, code: decoded.code }, { stderr: '', code: 0 });
  const entries = 'packet=stream_index,pts,dts,duration,size,flags:stream=time_base';
  const probed = await run('ffprobe', ['-v', 'error', '-show_entries', entries, '-of', 'json', path]);
  assert.equal(probed.stderr, '');
  const answer = JSON.parse(probed.stdout.toString()) as {
    packets: {
      stream_index: number;
      pts: number;
      dts: number;
      duration?: number;
      size: string;
      flags: string;
    }[];
    streams: { time_base: string }[];
  };
  for (const stream of answer.streams) assert.equal(stream.time_base, '1/1000000');
  const tracks = new Map<number, Packet[]>();
  for (const { stream_index, pts, dts, duration, size, flags } of answer.packets) {
    const packets = tracks.get(stream_index) ?? [];
    packets.push({
      ptsUs: pts,
      dtsUs: dts,
      durationUs: duration,
      bytes: Number(size),
      keyframe: flags.startsWith('K'),
    });
    tracks.set(stream_index, packets);
  }
  return tracks;
}

function assertPackets(packets: readonly Packet[] | undefined, samples: readonly Sample[]): void {
  assert.deepEqual(
    packets?.map(({ ptsUs, dtsUs, bytes, keyframe }) => ({ ptsUs, dtsUs, bytes, keyframe })),
    samples.map(({ ptsUs, compositionUs, bytes, keyframe }) => {
      return { ptsUs, dtsUs: ptsUs - compositionUs, bytes, keyframe };
    }),
  );
  for (const [place, { durationUs, dtsUs }] of packets.slice(0, -1).entries()) {
    const next = packets[place + 1] as Packet;
    // ffprobe smooths durations by the frame rate and leaves those of audio out; mediabunny sees them as they are
    const difference = durationUs === undefined ? 0 : durationUs - (next.dtsUs - dtsUs);
    assert(Math.abs(difference) <= 1, `packet ${place} lasts ${durationUs} µs`);
  }
}

test('ffmpeg decodes our video without a word and ffprobe sees our times to the microsecond', async () => {
  const file = Buffer.concat([initSegment([describeTrack(video.format)]), ...fragmentsOf(video.samples, 30)]);
  const packets = (await oracle('video.mp4', file)).get(0);
  assertPackets(packets, video.samples);
  assert.equal(packets?.at(-1)?.durationUs, video.samples.at(-1)?.durationUs);
});

test('audio and video keep the difference of their starts', async () => {
  const packets = await oracle('audio-video.mp4', audioVideoFile().file);
  assertPackets(packets.get(0), video.samples);
  assertPackets(packets.get(1), audio.samples);
});

test('a fragment of a single sample is playable, so live video can leave frame by frame', async () => {
  const file = Buffer.concat([initSegment([describeTrack(video.format)]), ...fragmentsOf(video.samples, 1)]);
  assertPackets((await oracle('single.mp4', file)).get(0), video.samples);
});

test('B-frames keep decode and presentation times apart', async () => {
  const encoded = await encodeVideo({ frames: 40, bFrames: 2, gopFrames: 20, originUs });
  assert(encoded.samples.some((sample) => sample.compositionUs > 0));
  const file = Buffer.concat([
    initSegment([describeTrack(encoded.format)]),
    ...fragmentsOf(encoded.samples, 20),
  ]);
  assertPackets((await oracle('b-frames.mp4', file)).get(0), encoded.samples);
});

test('a file with an origin begins at 0 for players, and still says the camera’s clock', async () => {
  const options = { mapping, captureId, originUs: video.samples[0]?.ptsUs ?? 0 };
  const fragments = fragmentsOf(video.samples, 30, options);
  const file = Buffer.concat([initSegment([describeTrack(video.format)]), ...fragments]);
  const shifted = video.samples.map((sample) => ({ ...sample, ptsUs: sample.ptsUs - options.originUs }));
  assertPackets((await oracle('origin.mp4', file)).get(0), shifted);
  const parsed = parseFragment(fragments[1] as Buffer);
  assert(parsed.ok);
  assert.equal(parsed.value.batches[0]?.samples[0]?.ptsUs, video.samples[30]?.ptsUs);
  const scan = await scanSegment(
    async (offset, length) => file.subarray(offset, offset + length),
    file.length,
  );
  assert.equal(scan.fragments[1]?.fromPtsUs, video.samples[30]?.ptsUs);
  assert.equal(scan.damage, undefined);
});

test('frames that are missing in between leave a longer duration, not a shifted time', async () => {
  const kept = video.samples.filter((sample, place) => place < 10 || place >= 25 || sample.keyframe);
  const fragments = [kept.slice(0, 10), kept.slice(10)].map((samples, place) =>
    Buffer.concat(
      fragment({
        sequenceNumber: place,
        batches: [{ trackId: 1, samples, endPtsUs: place === 0 ? kept[10]?.ptsUs : undefined }],
      }).parts,
    ),
  );
  const path = join(folder, 'sampled.mp4');
  await writeFile(path, Buffer.concat([initSegment([describeTrack(video.format)]), ...fragments]));
  const { stdout } = await run('ffprobe', [
    '-v',
    'error',
    '-show_entries',
    'packet=pts',
    '-of',
    'csv=p=0',
    path,
  ]);
  assert.deepEqual(
    stdout.toString().trim().split(/\D+/).map(Number),
    kept.map((sample) => sample.ptsUs),
  );
});

/** The packets that mediabunny sees in one track, and what they should be. */
async function assertSecondOracle(
  file: Buffer,
  kind: 'video' | 'audio',
  samples: readonly Sample[],
): Promise<void> {
  const input = new Input({ formats: ALL_FORMATS, source: new BufferSource(new Uint8Array(file)) });
  const track = kind === 'video' ? await input.getPrimaryVideoTrack() : await input.getPrimaryAudioTrack();
  assert(track);
  const us = (seconds: number) => Math.round(seconds * 1_000_000);
  const packets: object[] = [];
  for await (const { timestamp, duration, byteLength, type } of new EncodedPacketSink(track).packets()) {
    packets.push({
      ptsUs: us(timestamp),
      durationUs: us(duration),
      bytes: byteLength,
      keyframe: type === 'key',
    });
  }
  const expected = samples.map(({ ptsUs, durationUs, bytes, keyframe }, place) => {
    const next = samples[place + 1];
    return { ptsUs, durationUs: next === undefined ? durationUs : next.ptsUs - ptsUs, bytes, keyframe };
  });
  assert.deepEqual(packets, expected);
}

test('mediabunny, as a second oracle, agrees on every packet', async () => {
  await assertSecondOracle(audioVideoFile().file, 'video', video.samples);
  await assertSecondOracle(audioVideoFile().file, 'audio', audio.samples);
  const single = [initSegment([describeTrack(video.format)]), ...fragmentsOf(video.samples, 1)];
  await assertSecondOracle(Buffer.concat(single), 'video', video.samples);
});

test('what was muxed comes back: tracks, listings, samples, sequences, capture and mapping', async () => {
  const { file, tracks } = audioVideoFile();
  const init = parseInit(file);
  assert(init.ok);
  assert.deepEqual(init.value.tracks, tracks);

  const scan = await scanSegment(
    async (offset, length) => file.subarray(offset, offset + length),
    file.length,
  );
  assert.equal(scan.damage, undefined);
  assert.equal(scan.validBytes, file.length);
  assert.deepEqual(scan.tracks, tracks);
  const batches = audioVideoBatches();
  assert.equal(scan.fragments.length, batches.length);

  for (const [place, listing] of scan.fragments.entries()) {
    const muxed = batches[place] as Batch[];
    const samples = muxed.flatMap((batch) => batch.samples);
    const built = fragment({ sequenceNumber: place, batches: muxed, mapping, captureId });
    assert.deepEqual(listing.mapping, mapping);
    assert.deepEqual([listing.fromPtsUs, listing.toPtsUs], [built.fromPtsUs, built.toPtsUs]);
    assert.equal(listing.fromPtsUs, Math.min(...samples.map((sample) => sample.ptsUs)));
    assert.equal(listing.bytes, built.bytes);
    assert.deepEqual(
      listing.tracks,
      muxed.map(({ trackId, samples: of }) => ({
        trackId,
        firstSequence: of[0]?.sequence,
        count: of.length,
      })),
    );
    const parsed = parseFragment(file.subarray(listing.offset, listing.offset + listing.bytes));
    assert(parsed.ok);
    assert.deepEqual([parsed.value.captureId, parsed.value.mapping], [captureId, mapping]);
    for (const [i, batch] of parsed.value.batches.entries()) assertSamples(batch.samples, muxed[i] as Batch);
  }
});

/** Equal but for the duration, which is now the distance to the next sample. */
function assertSamples(actual: readonly Sample[], { samples, endPtsUs }: Batch): void {
  const plain = ({ payload, ...rest }: Sample) => ({
    ...rest,
    payload: Buffer.concat(payload).toString('base64'),
  });
  const expected = samples.map((sample, place) => {
    const nextUs = samples[place + 1]?.ptsUs ?? endPtsUs;
    return { ...sample, durationUs: nextUs === undefined ? sample.durationUs : nextUs - sample.ptsUs };
  });
  assert.deepEqual(actual.map(plain), expected.map(plain));
}

test('payloads travel by reference, into the fragment and out of it', () => {
  const built = fragment({ sequenceNumber: 1, batches: [{ trackId: 1, samples: video.samples }] });
  const given = video.samples.flatMap((sample) => sample.payload);
  assert.equal(built.parts[0], built.header);
  assert.equal(built.parts.length, given.length + 1);
  for (const [place, part] of given.entries()) assert.equal(built.parts[place + 1], part);

  const bytes = Buffer.concat(built.parts);
  const parsed = parseFragment(bytes);
  assert(parsed.ok);
  assert.equal(parsed.value.batches[0]?.samples[0]?.payload[0]?.buffer, bytes.buffer);
});

test('the fragment says when its first picture was taken, as NTP time', () => {
  const [bytes] = fragmentsOf(video.samples, 60, { mapping, captureId });
  assert(bytes);
  assert.equal(bytes.toString('latin1', 4, 8), 'prft');
  const utcUs = originUs + mapping.offsetUs;
  assert.equal(bytes.readUInt32BE(16) - 2_208_988_800, Math.floor(utcUs / 1_000_000));
  const fractionUs = (bytes.readUInt32BE(20) / 2 ** 32) * 1_000_000;
  assert(Math.abs(fractionUs - (utcUs % 1_000_000)) < 1);
  assert.equal(Number(bytes.readBigUInt64BE(24)), originUs);
});

for (const [name, times] of Object.entries({
  disordered: [500, 1_000, 400, 400, 2_000],
  early: [-500, 0, 1_000],
})) {
  test(`${name} samples keep their presentation times`, () => {
    const shape = { durationUs: 10, compositionUs: 0, keyframe: true, payload: [], bytes: 0 };
    const samples = times.map((ptsUs, sequence) => ({ ...shape, sequence, ptsUs }));
    const { parts } = fragment({ sequenceNumber: 1, batches: [{ trackId: 1, samples }] });
    const parsed = parseFragment(Buffer.concat(parts));
    assert(parsed.ok);
    assert.deepEqual(
      parsed.value.batches[0]?.samples.map((sample) => sample.ptsUs),
      times,
    );
  });
}

test('an end that is not later than the last sample is not believed', () => {
  const [sample] = video.samples;
  assert(sample);
  const batches = [{ trackId: 1, samples: [sample], endPtsUs: sample.ptsUs }];
  assert.equal(fragment({ sequenceNumber: 1, batches }).toPtsUs, sample.ptsUs + sample.durationUs);
});

test('a fragment without samples is a bug', () => {
  assert.throws(() => fragment({ sequenceNumber: 1, batches: [] }), assert.AssertionError);
  assert.throws(
    () => fragment({ sequenceNumber: 1, batches: [{ trackId: 1, samples: [] }] }),
    assert.AssertionError,
  );
});

test('codecs are named as browsers expect', () => {
  const tracks = [describeTrack(video.format), describeTrack(audio.format)];
  const sps = video.format.config.subarray(1, 4).toString('hex');
  assert.equal(mimeType(tracks), `video/mp4; codecs="avc1.${sps},mp4a.40.2"`);
  assert.equal(mimeType(tracks.slice(1)), 'audio/mp4; codecs="mp4a.40.2"');
  assert.equal(codecString({ ...audio.format, config: Buffer.from([0xf9, 0x46]) }), 'mp4a.40.42');
});

test('tracks are compatible over captures, not over sizes, configurations or order', () => {
  const tracks = [describeTrack(video.format), describeTrack(audio.format)];
  const [first, second] = tracks as [TrackDescription, TrackDescription];
  const changed = (format: Partial<TrackDescription['format']>): TrackDescription => {
    return { ...first, format: { ...first.format, ...format } };
  };
  assert(compatible(tracks, [describeTrack(video.format, 'boot-2.9'), second]));
  assert(!compatible(tracks, [first]));
  assert(!compatible(tracks, [second, first]));
  assert(!compatible(tracks, [changed({ width: 322 }), second]));
  assert(!compatible(tracks, [changed({ config: Buffer.from([1, 66]) }), second]));
});
