/** What other servers and people say about media, however wrong; and what keeps pictures from piling up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import { gstreamerDecoder, PictureSplitter } from '../../firmware/io/frame-decoder.ts';
import { readCoverage } from '../../firmware/viewing/coverage.ts';
import { FramePictures } from '../../firmware/viewing/frame-pictures.ts';
import { Gate } from '../../firmware/viewing/gate.ts';
import { parsePartFile } from '../../firmware/viewing/hls-part-files.ts';
import {
  type Keyframe,
  keyframeHeaders,
  keyframeMp4,
  readAnswer,
} from '../../firmware/viewing/nearest-keyframe.ts';
import { parseMonth, secondsByDay } from '../../firmware/viewing/recorded-month.ts';
import { Unsent } from '../../firmware/viewing/unsent.ts';
import { videoTrack } from '../support/media-samples.ts';

const keyframe: Keyframe = {
  track: videoTrack(),
  atUs: Date.parse('2026-11-22T12:00:00.123Z') * 1000 + 456,
  durationUs: 40_000,
  uncertaintyUs: 900,
  sequence: 250,
  payload: Buffer.from('0000000165', 'hex'),
  continuous: true,
};
const nearest = { keyframe, nextUs: keyframe.atUs + 1_000_000, unreachable: [] };

test('a keyframe of another server is what that server has, to the microsecond', () => {
  const answer = { status: 200, headers: keyframeHeaders(nearest), bytes: keyframeMp4(keyframe) };
  const read = readAnswer('door', answer);
  assert.deepEqual(read?.keyframe, keyframe);
  assert.equal(read?.nextUs, Math.floor(nearest.nextUs / 1000) * 1000);
  assert.equal(readAnswer('gate', answer), undefined, 'of another camera');
});

test('whatever another server answers, it is a keyframe or nothing', () => {
  const good = keyframeMp4(keyframe);
  const headers = fc.dictionary(
    fc.constantFrom('x-starling-at', 'x-starling-next', 'x-starling-continuous'),
    fc.oneof(fc.string(), fc.constant(keyframeHeaders(nearest)['x-starling-at'] ?? '')),
  );
  const spoil = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 });
  fc.assert(
    fc.property(
      fc.constantFrom(200, 404, 500),
      headers,
      spoil,
      fc.nat(good.length),
      (status, said, changes, end) => {
        const bytes = Buffer.from(good.subarray(0, end));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const read = readAnswer('door', { status, headers: said, bytes });
        if (read?.keyframe !== undefined) assert.ok(read.keyframe.payload.length <= good.length, 'bounded');
      },
    ),
    { numRuns: 2_000 },
  );
});

test('whatever another server says is covered, it is ranges or nothing', () => {
  const good = {
    resolution: 60,
    covered: [{ from: '2026-11-22T12:00:00Z', to: '2026-11-22T13:00:00Z' }],
    gaps: [{ from: '2026-11-22T11:00:00Z', to: '2026-11-22T12:00:00Z', reason: 'camera-off' }],
  };
  assert.equal(readCoverage('door', good)?.ranges.length, 1);
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom('resolution', 'covered', 'gaps'), (value, key) => {
      const read = readCoverage('door', { ...good, [key]: value });
      for (const { fromUs, toUs } of [...(read?.ranges ?? []), ...(read?.gaps ?? [])]) {
        assert.ok(Number.isSafeInteger(fromUs) && Number.isSafeInteger(toUs), 'times');
      }
    }),
  );
  fc.assert(fc.property(fc.anything(), (value) => void readCoverage('door', value)));
});

test('whatever is asked for as a month, it is refused with a reason or has all its days', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^\d{4}-\d{2}$/));
  const offset = fc.oneof(fc.string(), fc.integer({ min: -2000, max: 2000 }).map(String));
  fc.assert(
    fc.property(text, offset, (month, east) => {
      const parsed = parseMonth(month, east);
      if (!parsed.ok) assert.ok(parsed.reason.length > 10);
      else assert.ok(parsed.value.days.length >= 28 && parsed.value.days.length <= 31);
    }),
  );
});

test('the seconds of a month’s days are those of its ranges, each once, whatever the zone', () => {
  const november = Date.parse('2026-11-01T00:00:00Z') * 1000;
  const second = fc.integer({ min: -200_000, max: 2_800_000 });
  const ranges = fc.array(fc.tuple(second, fc.integer({ min: 1, max: 300_000 })), { maxLength: 12 });
  fc.assert(
    fc.property(ranges, fc.integer({ min: -840, max: 840 }), (list, offset) => {
      const month = parseMonth('2026-11', String(offset));
      assert.ok(month.ok, 'a month');
      const covered = list.map(([from, length]) => ({
        fromUs: november + from * 1_000_000,
        toUs: november + (from + length) * 1_000_000,
      }));
      const { fromUs, toUs } = month.value.range;
      const seconds = new Set<number>();
      for (const one of covered) {
        const last = Math.min(one.toUs, toUs);
        for (let us = Math.max(one.fromUs, fromUs); us < last; us += 60_000_000)
          seconds.add(Math.floor(us / 60_000_000));
      }
      const days = secondsByDay(month.value, covered);
      assert.deepEqual(
        days,
        [...days].sort((a, b) => (a.day < b.day ? -1 : 1)),
      );
      const sum = days.reduce((total, day) => total + day.seconds, 0);
      assert.ok(Math.abs(sum / 60 - seconds.size) <= list.length + 2, `${sum} s, ${seconds.size} min`);
      assert.ok(days.every((day) => day.seconds <= 86_400));
    }),
    { numRuns: 50 },
  );
});

test('names of parts are two numbers in order, or init', () => {
  assert.equal(parsePartFile('init.mp4'), 'init');
  assert.deepEqual(parsePartFile('3-8.mp4'), { first: 3, last: 8 });
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^\d{0,6}-\d{0,6}\.mp4$/)), (name) => {
      const part = parsePartFile(name);
      if (part !== undefined && part !== 'init')
        assert.ok(part.last >= part.first && part.last - part.first < 256);
    }),
  );
});

test('of pictures one after another only the last whole one is kept, however they are cut', () => {
  const picture = (mark: number): Buffer => Buffer.from([0xff, 0xd8, mark, 0xff, 0x00, mark, 0xff, 0xd9]);
  const all = Buffer.concat([1, 2, 3].map(picture));
  fc.assert(
    fc.property(fc.array(fc.nat(all.length), { maxLength: 6 }), fc.nat(all.length), (cuts, end) => {
      const splitter = new PictureSplitter();
      const places = [0, ...cuts.filter((cut) => cut < end).sort((a, b) => a - b), end];
      for (const [place, from] of places.entries())
        splitter.push(all.subarray(from, places[place + 1] ?? end));
      const whole = Math.floor(end / 8);
      assert.deepEqual(splitter.last, whole === 0 ? undefined : picture(whole));
    }),
  );
});

test('what is not a picture is refused by the decoder, with what it said', async () => {
  const decoder = gstreamerDecoder();
  await assert.rejects(
    decoder.jpeg(Buffer.from('this is no video, and no pipeline either ! fakesink'), {
      width: 64,
      height: 36,
    }),
    (thrown) => thrown instanceof Failure && thrown.code === 'SERVER_FAILED' && thrown.message.length > 30,
  );
});

test('a gate lets so many through, the others in order, and refuses when too many wait', async () => {
  const gate = new Gate('tests', { atOnce: 2, waitingMax: 2 });
  const done: number[] = [];
  const opens: (() => void)[] = [];
  const tasks = [0, 1, 2, 3].map((number) =>
    gate.run(async () => {
      await new Promise<void>((resolve) => opens.push(resolve));
      done.push(number);
      if (number === 1) throw new Error('broken');
    }),
  );
  const settled = Promise.allSettled(tasks);
  assert.equal(opens.length, 2);
  await assert.rejects(
    gate.run(async () => undefined),
    (thrown) => thrown instanceof Failure && thrown.code === 'BUSY',
  );
  while (done.length < 4) {
    opens.shift()?.();
    await new Promise(setImmediate);
  }
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  assert.deepEqual(done, [0, 1, 2, 3]);
  await gate.run(async () => undefined);
});

test('a picture that many ask for is made once, one that failed is tried again, and old ones go', async () => {
  let made = 0;
  let fails = true;
  const pictures = new FramePictures({
    jpeg: async () => {
      made += 1;
      if (fails) throw new Failure('SERVER_FAILED', 'no', { advice: 'yes' });
      return Buffer.alloc(3 * 1024 * 1024);
    },
  });
  const source = (number: number) => ({
    id: `c-${number}`,
    atUs: 0,
    track: videoTrack(),
    stream: Buffer.alloc(1),
  });
  await assert.rejects(pictures.picture(source(1), 100));
  fails = false;
  await Promise.all([1, 1, 1].map((number) => pictures.picture(source(number), 100)));
  assert.equal(made, 2);
  for (let number = 2; number < 8; number++) await pictures.picture(source(number), 100);
  made = 0;
  await pictures.picture(source(7), 100);
  assert.equal(made, 0, 'the newest is there');
  await pictures.picture(source(1), 100);
  assert.equal(made, 1, 'the oldest had to go');
});

test('how long messages wait is told from the bytes that a socket holds', () => {
  const unsent = new Unsent();
  unsent.add(0, 100, 10);
  unsent.look(0, 20);
  assert.deepEqual([unsent.waitedMs(500), unsent.stuckMs(500)], [0, 0], 'sent');
  unsent.add(0, 100, 1_000);
  unsent.add(100, 200, 1_500);
  assert.equal(unsent.waitedMs(2_000), 1_000);
  unsent.look(200, 2_000);
  assert.deepEqual([unsent.waitedMs(2_500), unsent.stuckMs(2_500)], [1_000, 500], 'the first is gone');
  unsent.look(150, 3_000);
  assert.deepEqual([unsent.waitedMs(3_500), unsent.stuckMs(3_500)], [2_000, 500], 'half of the second');
  unsent.add(0, 10, 4_000);
  assert.deepEqual([unsent.waitedMs(4_500), unsent.stuckMs(9_000)], [500, 5_000], 'only the newest is left');
  let added = 1;
  while (added < 20_000 && unsent.add(added * 10, 10, 5_000)) added += 1;
  assert.ok(added > 16_000 && added < 20_000, 'it refuses in the end');
});
