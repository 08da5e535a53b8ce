/** The GDP parser on real bytes of GStreamer: any chunking, truncation, bit flips, oversize. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { type GdpBuffer, type GdpPacket, GdpParser } from '../../firmware/media/gdp-parser.ts';
import { sampleBytesMax } from '../../firmware/media/sample.ts';
import { packetsOf, recordGdp } from '../support/gst.ts';

let video: Buffer;
let audio: Buffer;

before(async () => {
  video = await recordGdp(
    'videotestsrc num-buffers=5 ! video/x-raw,format=I420,width=160,height=96,framerate=30/1' +
      ' ! x264enc tune=zerolatency threads=1 ! h264parse ! video/x-h264,stream-format=avc,alignment=au',
  );
  audio = await recordGdp(
    'audiotestsrc num-buffers=10 ! audio/x-raw,rate=48000,channels=1' +
      ' ! avenc_aac ! aacparse ! audio/mpeg,stream-format=raw',
  );
});

/** Packets with their payloads in one piece, so that they compare. */
function flat(packets: readonly GdpPacket[]): unknown[] {
  return packets.map((packet) => {
    return packet.type === 'buffer'
      ? { ...packet, payload: Buffer.concat(packet.payload).toString('hex') }
      : packet;
  });
}

function buffersOf(gdp: Buffer): GdpBuffer[] {
  return packetsOf(gdp).filter((packet) => packet.type === 'buffer');
}

/** Pushes `stream` in pieces that end at `cuts`; the packets until the first refusal, and its reason. */
function feed(stream: Buffer, cuts: readonly number[]): { packets: GdpPacket[]; reason: string | undefined } {
  const parser = new GdpParser();
  const packets: GdpPacket[] = [];
  const ends = [...cuts].sort((a, b) => a - b);
  let at = 0;
  for (const end of [...ends, stream.length]) {
    const result = parser.push(stream.subarray(at, end));
    if (!result.ok) return { packets, reason: result.reason };
    packets.push(...result.value);
    at = end;
  }
  return { packets, reason: undefined };
}

/** A header of a buffer or event; `start` to `end` are ns. */
function header(type: number, length: number, pts = 0n): Buffer {
  const bytes = Buffer.alloc(62);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt16BE(type, 4);
  bytes.writeUInt32BE(length, 6);
  bytes.writeBigUInt64BE(pts, 10);
  bytes.writeBigUInt64BE(pts, 44);
  return bytes;
}

function event(type: number, text: string): Buffer {
  return Buffer.concat([header(type, text.length), Buffer.from(text)]);
}

const segmentType = 17_998;

test('caps come first, then the segment, then every access unit', () => {
  assert.deepEqual(
    packetsOf(video).map((packet) => packet.type),
    ['caps', 'segment', 'buffer', 'buffer', 'buffer', 'buffer', 'buffer'],
  );
  assert.deepEqual(
    buffersOf(video).map((buffer) => buffer.delta),
    [false, true, true, true, true],
  );
});

test('video that begins at 1000 hours and audio that begins at 0 share one running time', () => {
  assert.deepEqual(packetsOf(video)[1], { type: 'segment', startUs: 3_600_000_000_000 });
  assert.deepEqual(
    buffersOf(video).map(({ ptsUs, dtsUs, durationUs }) => [ptsUs, dtsUs, durationUs]),
    [0, 33_333, 66_666, 100_000, 133_333].map((timeUs) => [timeUs, timeUs, 33_333]),
  );
  assert.deepEqual(
    buffersOf(audio)
      .slice(0, 3)
      .map(({ ptsUs, delta }) => [ptsUs, delta]),
    [0, 21_333, 42_666].map((timeUs) => [timeUs, false]),
  );
});

test('running time is exact beyond 2^53 ns, counts the base, and is negative before the start', () => {
  const start = 3_599_999_985_868_906n * 1000n;
  const text = `GstEventSegment, segment=(GstSegment)"segment, format=(GstFormat)time, base=(guint64)5000000, start=(guint64)${start}, stop=(guint64)1;";`;
  const times = [start + 33_333_999n, start - 1_500n, 2n ** 64n - 1n];
  const { packets } = feed(
    Buffer.concat([event(segmentType, text), ...times.map((time) => header(1, 0, time))]),
    [],
  );
  assert.deepEqual(
    packets.map((packet) => (packet.type === 'buffer' ? packet.ptsUs : packet.type)),
    ['segment', 38_333, 4_998, undefined],
  );
});

test('any chunking of the stream gives the same packets', () => {
  const stream = Buffer.concat([audio, video]);
  const expected = flat(packetsOf(stream));
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 40 }), (cuts) => {
      assert.deepEqual(flat(feed(stream, cuts).packets), expected);
    }),
  );
  const everyByte = Array.from({ length: video.length }, (_, at) => at);
  assert.deepEqual(flat(feed(video, everyByte).packets), flat(packetsOf(video)));
});

test('payloads are views of what was pushed', () => {
  for (const { payload, bytes } of buffersOf(video)) {
    assert.equal(payload.length, 1);
    assert.equal(payload[0]?.buffer, video.buffer);
    assert.equal(payload[0].length, bytes);
  }
});

test('a stream that is cut gives the packets before the cut and no refusal', () => {
  const expected = flat(packetsOf(video));
  for (let length = 0; length < video.length; length += 7) {
    const { packets, reason } = feed(video.subarray(0, length), []);
    assert.equal(reason, undefined);
    assert.deepEqual(flat(packets), expected.slice(0, packets.length));
  }
});

test('a flipped bit in any header is refused, and flipped bits anywhere never throw', () => {
  for (let bit = 0; bit < 60 * 8; bit++) {
    // byte 2 holds the flag of the check itself, byte 3 is padding under the check
    if (bit === 23) continue;
    const broken = Buffer.from(video);
    broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
    assert.notEqual(feed(broken, []).reason, undefined, `bit ${bit}`);
  }
  fc.assert(
    fc.property(fc.array(fc.nat(video.length * 8 - 1), { minLength: 1, maxLength: 20 }), (bits) => {
      const broken = Buffer.from(video);
      for (const bit of bits) broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const { packets } = feed(broken, []);
      assert(packets.length <= 7);
    }),
  );
});

test('a packet larger than any access unit is refused at its header', () => {
  assert.equal(feed(header(1, sampleBytesMax), []).reason, undefined);
  assert.match(feed(header(1, sampleBytesMax + 1), []).reason ?? '', /packet of \d+ bytes/);
  assert.match(feed(header(segmentType, 1_000_000), []).reason ?? '', /packet of 1000000 bytes/);
});

test('after a refusal the parser refuses for good', () => {
  const parser = new GdpParser();
  assert(!parser.push(header(3, 0)).ok);
  assert.deepEqual(parser.push(video), { ok: false, reason: 'GDP packet of type 3' });
});

test('a segment that is not in time is refused', () => {
  const text = 'GstEventSegment, segment=(GstSegment)"segment, format=(GstFormat)bytes, start=(guint64)0;";';
  assert.match(feed(event(segmentType, text), []).reason ?? '', /segment without a start in time/);
});

test('a time that no clock reaches is refused', () => {
  assert.equal(feed(header(1, 0, 2n ** 64n - 2n), []).reason, 'GDP time out of range');
});

test('the end of the stream is told, other events are left out', () => {
  const { packets } = feed(Buffer.concat([event(41_030, 'GstEventGap;'), header(28_238, 0)]), []);
  assert.deepEqual(packets, [{ type: 'end' }]);
});
