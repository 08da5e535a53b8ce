/** Samples over a link and back: sizes around a slice, any chunking, no copies; hostile frames. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../firmware/base/codec.ts';
import { type FrameParts, FrameReader, frameBodyBytesMax, framePrefix } from '../../firmware/base/frames.ts';
import {
  durableFrame,
  frameKinds,
  gapFrame,
  mappingFrame,
  pacingFrame,
  SampleAssembler,
  sampleFrames,
  sliceBytesMax,
  tracksFrame,
  tracksPerLinkMax,
} from '../../firmware/media/link-frames.ts';
import { type Sample, sampleBytesMax } from '../../firmware/media/sample.ts';
import { audioTrack, videoTrack } from '../support/media-samples.ts';

function sample(payload: readonly Uint8Array[], sequence = 5): Sample {
  let bytes = 0;
  for (const part of payload) bytes += part.length;
  return { sequence, ptsUs: -1_000, durationUs: 40_000, compositionUs: 3, keyframe: true, payload, bytes };
}

/** Bytes that tell their place, in parts that end where `cuts` says. */
function payloadOf(bytes: number, cuts: readonly number[] = []): Buffer[] {
  const whole = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) whole[at] = (at * 31 + (at >> 8)) & 0xff;
  const places = [0, ...cuts.map((cut) => cut % (bytes + 1)).sort((a, b) => a - b), bytes];
  return places.slice(1).map((end, place) => whole.subarray(places[place], end));
}

/** One chunk for each frame, as it would lie in a socket's buffer. */
function wire(track: number, of: Sample): Buffer[] {
  return sampleFrames(track, of).map(({ kind, parts }) => {
    const body = Buffer.concat(parts);
    assert(body.length <= frameBodyBytesMax);
    return Buffer.concat([framePrefix(kind, body.length), body]);
  });
}

interface Received {
  track: number;
  sample: Sample;
}

/** Feeds chunks through reader and assembler; throws on a refusal. */
function receive(chunks: readonly Buffer[]): Received[] {
  const assembler = new SampleAssembler();
  const received: Received[] = [];
  const reader = new FrameReader((kind, parts) => {
    const result = assembler.push(kind, parts);
    assert(result.ok, result.ok ? '' : result.reason);
    if (result.value !== undefined) received.push(result.value);
  });
  for (const chunk of chunks) assert(reader.push(chunk));
  return received;
}

const sizes = [0, 1, sliceBytesMax - 1, sliceBytesMax, sliceBytesMax + 1, 200 * 1024];

for (const bytes of sizes) {
  test(`a sample of ${bytes} bytes arrives as it was sent, however it lies in memory and on the wire`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1 }),
        (parts, chunkSizes) => {
          const sent = sample(payloadOf(bytes, parts));
          const frames = wire(3, sent);
          assert.equal(frames.length, Math.max(1, Math.ceil(bytes / sliceBytesMax)), 'full slices');
          const stream = Buffer.concat(frames);
          const chunks: Buffer[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const size = chunkSizes[turn % chunkSizes.length] as number;
            chunks.push(stream.subarray(at, at + size));
            at += size;
          }
          const [received, ...more] = receive(chunks);
          assert.equal(more.length, 0);
          assert.equal(received?.track, 3);
          const { payload, hold, ...header } = received.sample;
          assert.equal(hold === undefined, false, 'its memory is used again when it is released');
          const { payload: sentPayload, ...sentHeader } = sent;
          assert.deepEqual({ ...header }, { ...sentHeader });
          assert(Buffer.concat(payload).equals(Buffer.concat(sentPayload)));
        },
      ),
      { numRuns: 10 },
    );
  });
}

test('a payload is sent by reference', () => {
  const [part] = payloadOf(sliceBytesMax + 10);
  assert(part !== undefined);
  const sent = sampleFrames(0, sample([part]));
  assert.deepEqual(
    sent.map(({ kind }) => kind),
    [frameKinds.sample, frameKinds.slice],
  );
  // The first part of each frame is its header.
  for (const { parts } of sent) for (const view of parts.slice(1)) assert.equal(view.buffer, part.buffer);
});

test('a payload does not lie in the memory that it was received in, and is in one part', () => {
  const stream = Buffer.concat(wire(0, sample(payloadOf(sliceBytesMax + 10))));
  const [received] = receive([stream]);
  const before = Buffer.concat(received?.sample.payload ?? []);
  stream.fill(0);
  assert.equal(received?.sample.payload.length, 1);
  assert(
    before.equals(received.sample.payload[0] ?? before.subarray(1)),
    'what is received next must not change it',
  );
});

test('samples of several tracks may alternate slice by slice', () => {
  const streams = [0, 1].map((track) => wire(track, sample(payloadOf(150_000), track)));
  const mixed = streams[0]?.flatMap((chunk, place) => [chunk, streams[1]?.[place] ?? Buffer.alloc(0)]) ?? [];
  assert.deepEqual(
    receive(mixed).map(({ track, sample: { sequence } }) => [track, sequence]),
    [
      [0, 0],
      [1, 1],
    ],
  );
});

const head = (bytes: number, track = 0): Buffer => {
  const [frame] = sampleFrames(track, { ...sample([]), bytes });
  return Buffer.from(frame?.parts[0] ?? []);
};

test('frames that break the rules are refused', () => {
  const hostile: [RegExp, [number, FrameParts][]][] = [
    [/truncated/, [[frameKinds.sample, []]]],
    [/truncated/, [[frameKinds.sample, [head(4).subarray(0, 20)]]]],
    [/longer than any/, [[frameKinds.sample, [head(sampleBytesMax + 1)]]]],
    [/too high/, [[frameKinds.sample, [head(4, tracksPerLinkMax)]]]],
    [
      /incomplete/,
      [
        [frameKinds.sample, [head(4)]],
        [frameKinds.sample, [head(4)]],
      ],
    ],
    [/more bytes/, [[frameKinds.sample, [head(4), Buffer.alloc(5)]]]],
    [
      /more bytes/,
      [
        [frameKinds.sample, [head(4)]],
        [frameKinds.slice, [Buffer.alloc(6)]],
      ],
    ],
    [/no sample before/, [[frameKinds.slice, [Buffer.of(0, 1)]]]],
    [/no sample before/, [[frameKinds.slice, []]]],
    [
      /no sample before/,
      [
        [frameKinds.sample, [head(4)]],
        [frameKinds.slice, [Buffer.of(1, 1)]],
      ],
    ],
  ];
  for (const [reason, frames] of hostile) {
    const assembler = new SampleAssembler();
    let last = '';
    for (const [kind, parts] of frames) {
      const result = assembler.push(kind, parts);
      last = result.ok ? '' : result.reason;
    }
    assert.match(last, reason);
  }
});

test('a sample that dribbles in countless slices is refused, empty slices too', () => {
  for (const slice of [Buffer.of(0), Buffer.of(0, 1)]) {
    const assembler = new SampleAssembler();
    let result = assembler.push(frameKinds.sample, [head(sampleBytesMax)]);
    let frames = 0;
    for (; result.ok && frames < 10_000; frames++) result = assembler.push(frameKinds.slice, [slice]);
    assert.deepEqual(result, { ok: false, reason: 'sample: in too many slices' });
  }
});

test('a link holds no more unfinished samples than two of the longest', () => {
  const assembler = new SampleAssembler();
  const results = [0, 1, 2].map(
    (track) => assembler.push(frameKinds.sample, [head(sampleBytesMax, track)]).ok,
  );
  assert.deepEqual(results, [true, true, false]);
});

test('a finished sample makes room for the next', () => {
  const assembler = new SampleAssembler();
  for (let round = 0; round < 5; round++) {
    assert(assembler.push(frameKinds.sample, [head(sampleBytesMax)]).ok);
    const slice = Buffer.alloc(sliceBytesMax + 1);
    for (let at = 0; at < sampleBytesMax; at += sliceBytesMax)
      assert(assembler.push(frameKinds.slice, [slice]).ok);
  }
});

test('any bytes at all are refused or taken, never an error', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 60 }))), (frames) => {
      const assembler = new SampleAssembler();
      for (const [first, body] of frames) {
        assembler.push(first ? frameKinds.sample : frameKinds.slice, [Buffer.from(body)]);
      }
    }),
  );
});

test('the small frames make the round trip', () => {
  const tracks = {
    camera: 'door',
    tracks: [
      { number: 4, description: videoTrack() },
      { number: 5, description: audioTrack() },
    ],
  };
  assert.deepEqual(decode(tracksFrame, encode(tracksFrame, tracks)), { ok: true, value: tracks });
  const mapping = { camera: 'door', mapping: { offsetUs: -5, uncertaintyUs: 7 } };
  assert.deepEqual(decode(mappingFrame, encode(mappingFrame, mapping)), { ok: true, value: mapping });
  const gap = { camera: 'door', fromUs: 1, toUs: 2, reason: 'outbox-overflow' } as const;
  assert.deepEqual(decode(gapFrame, encode(gapFrame, gap)), { ok: true, value: gap });
  const durable = { camera: 'door', captureId: 'boot-1.1', tracks: [{ trackId: 1, through: 2 ** 53 - 1 }] };
  assert.deepEqual(decode(durableFrame, encode(durableFrame, durable)), { ok: true, value: durable });
  const pacing = { camera: 'door', immediate: true };
  assert.deepEqual(decode(pacingFrame, encode(pacingFrame, pacing)), { ok: true, value: pacing });
});
