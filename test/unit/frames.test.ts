/** Length-prefixed frames: any chunking, hostile prefixes, and how little is copied. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FrameReader,
  frameBodyBytesMax,
  framePrefix,
  joinParts,
  splitParts,
} from '../../firmware/base/frames.ts';

interface Frame {
  kind: number;
  body: Buffer;
}

const frames: fc.Arbitrary<Frame[]> = fc.array(
  fc.record({
    kind: fc.integer({ min: 0, max: 0xffff }),
    body: fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  }),
  { maxLength: 6 },
);

function streamOf(list: readonly Frame[]): Buffer {
  return Buffer.concat(list.flatMap(({ kind, body }) => [framePrefix(kind, body.length), body]));
}

function collector(): { reader: FrameReader; got: Frame[]; parts: number[] } {
  const got: Frame[] = [];
  const parts: number[] = [];
  const reader = new FrameReader((kind, body) => {
    got.push({ kind, body: Buffer.concat(body) });
    parts.push(body.length);
  });
  return { reader, got, parts };
}

/** Cuts at the places, which may be any numbers. */
function chunksOf(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  return [...places, stream.length].map((end, place) => stream.subarray(places[place - 1] ?? 0, end));
}

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat()), (list, cuts) => {
      const { reader, got } = collector();
      for (const chunk of chunksOf(streamOf(list), cuts)) assert(reader.push(chunk));
      assert.equal(got.length, list.length);
      for (const [place, { kind, body }] of list.entries()) {
        assert.equal(got[place]?.kind, kind);
        assert(got[place]?.body.equals(body));
      }
    }),
  );
});

test('a body that arrives in one chunk is handed over without a copy', () => {
  const stream = streamOf([{ kind: 7, body: Buffer.from('payload') }]);
  new FrameReader((_, parts) => {
    assert.equal(parts.length, 1);
    assert.equal(parts[0]?.buffer, stream.buffer);
  }).push(stream);
});

test('where chunks are passing, frames come out as they went in though the memory of each chunk is used again', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat()), (list, cuts) => {
      const got: Frame[] = [];
      const reader = new FrameReader((kind, parts) => {
        assert(parts.length <= 1, `${parts.length} parts`);
        got.push({ kind, body: Buffer.concat(parts) });
      }, 'passing');
      const memory = Buffer.alloc(4_096);
      for (const chunk of chunksOf(streamOf(list), cuts)) {
        chunk.copy(memory);
        assert(reader.push(memory.subarray(0, chunk.length)));
        memory.fill(0xee);
      }
      assert.equal(got.length, list.length);
      for (const [place, { kind, body }] of list.entries()) {
        assert.equal(got[place]?.kind, kind);
        assert(got[place]?.body.equals(body));
      }
    }),
  );
});

test('the longest body passes, one byte more ends the stream for good', () => {
  const { reader, got } = collector();
  assert(reader.push(framePrefix(1, frameBodyBytesMax)));
  assert(reader.push(Buffer.alloc(frameBodyBytesMax)));
  assert.equal(got[0]?.body.length, frameBodyBytesMax);

  assert(!reader.push(framePrefix(1, frameBodyBytesMax + 1)));
  assert.equal(reader.reason, 'over-long packet');
  assert(!reader.push(streamOf([{ kind: 1, body: Buffer.from('sound') }])));
  assert.equal(got.length, 1);
});

test('a length that does not even cover the kind ends the stream', () => {
  for (const length of [0, 1]) {
    const { reader, got } = collector();
    const prefix = Buffer.alloc(6);
    prefix.writeUInt32BE(length);
    assert(!reader.push(prefix));
    assert.equal(reader.reason, 'frame shorter than its kind');
    assert.equal(got.length, 0);
  }
});

test('any bytes at all hold no more memory than one body', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 })), (chunks) => {
      const { reader } = collector();
      let sound = true;
      for (const chunk of chunks) {
        const still = reader.push(Buffer.from(chunk));
        assert(sound || !still, 'a stream that was given up is never taken up again');
        sound = still;
      }
    }),
  );
});

test('a peer that sends byte by byte does not leave a part for every byte', () => {
  const body = Buffer.alloc(frameBodyBytesMax, 5);
  const { reader, got, parts } = collector();
  reader.push(framePrefix(1, body.length));
  for (let at = 0; at < body.length; at++) reader.push(body.subarray(at, at + 1));
  assert(got[0]?.body.equals(body));
  assert((parts[0] ?? 0) <= 65, `${parts[0]} parts`);
});

test('parts are split anywhere, copying no more than a head that was torn apart', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 9 }), { minLength: 1 }),
      fc.nat(100),
      (lists, at) => {
        const parts = lists.map((list) => Buffer.from(list));
        const whole = Buffer.concat(parts);
        const { head, tail } = splitParts(parts, at);
        assert(head.equals(whole.subarray(0, at)));
        assert(Buffer.concat(tail).equals(whole.subarray(at)));
        const owned = new Set<ArrayBufferLike>(parts.map((part) => part.buffer));
        for (const part of tail) assert(owned.has(part.buffer), 'the tail is a view of what was given');
      },
    ),
  );
});

test('parts are joined without a copy when there is only one', () => {
  const only = Buffer.from('only');
  assert.equal(joinParts([only]), only);
  assert.equal(joinParts([Buffer.from('a'), Buffer.from('b')]).toString(), 'ab');
  assert.equal(joinParts([]).length, 0);
});
