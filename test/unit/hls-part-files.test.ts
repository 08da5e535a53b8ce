/** Parts and playlists cost what is taken of them, however much is asked for at a time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moveToCameraClock } from '../../firmware/media/fragment-clock.ts';
import { fragment, initSegment } from '../../firmware/media/fragmented-mp4.ts';
import type { Archive, SegmentDetail } from '../../firmware/recording/archive.ts';
import { bareViewing, cameraEntry, emptyArchive } from '../support/bare-viewing.ts';
import { frame, videoTrack } from '../support/media-samples.ts';

const originUs = 86_400_000_000;
const path = '/api/cameras/door/parts/s1/2026-11-22/120000.000Z-1-0';
const directory = {
  site: 'demo',
  self: 's1',
  servers: () => [],
  cameras: () => [cameraEntry('door', 's1')],
};

/** A segment of four fragments of some 1.5 MB each. */
function stored(): { file: Buffer; detail: SegmentDetail } {
  const init = initSegment([videoTrack()]);
  const mapping = { offsetUs: 1_700_000_000_000_000, uncertaintyUs: 5 };
  const chunks: Uint8Array[] = [init];
  const fragments: SegmentDetail['fragments'][number][] = [];
  let offset = init.length;
  for (const first of [0, 3, 6, 9]) {
    const samples = [0, 1, 2].map((place) => {
      const one = frame(first + place, { bytes: 500_000 });
      return { ...one, ptsUs: originUs + one.ptsUs };
    });
    const batches = [{ trackId: 1, samples }];
    const built = fragment({ sequenceNumber: 1, batches, mapping, captureId: 'boot.1', originUs });
    chunks.push(...built.parts);
    const tracks = [{ trackId: 1, firstSequence: first, count: 3 }];
    const { bytes, fromPtsUs, toPtsUs } = built;
    fragments.push({ offset, bytes, fromPtsUs, toPtsUs, mapping, tracks });
    offset += bytes;
  }
  const listing = {
    camera: 'door',
    name: '2026-11-22/120000.000Z-1-0',
    fromUs: originUs,
    toUs: originUs + 1_200_000,
    bytes: offset,
    captureId: 'boot.1',
    epoch: 1,
    open: false,
  };
  return {
    file: Buffer.concat(chunks),
    detail: { listing, initBytes: init.length, tracks: [videoTrack()], fragments },
  };
}

const { file, detail } = stored();

/** What was read of the file, and how many bytes each time. */
function archiveOf(content: Buffer): { archive: Archive; reads: number[] } {
  const reads: number[] = [];
  const archive: Archive = {
    ...emptyArchive,
    detail: async () => detail,
    read: async (_camera, _name, offset, length) => {
      reads.push(length);
      return Buffer.from(content.subarray(offset, offset + length));
    },
  };
  return { archive, reads };
}

/** The fragments [first, last] on the camera's clock, moved as a whole. */
function expected(first: number, last: number): Buffer {
  const fragments = detail.fragments.slice(first, last + 1).map(({ offset, bytes }) => {
    const content = Buffer.from(file.subarray(offset, offset + bytes));
    assert.equal(moveToCameraClock(content).ok, true);
    return content;
  });
  return Buffer.concat(fragments);
}

test('a part is read as it is taken, a slice at a time', async () => {
  const { archive, reads } = archiveOf(file);
  const { ask, errors } = bareViewing({ archive, directory });
  const responses = await Promise.all([1, 2, 3].map(() => ask(`${path}/0-3.mp4`)));
  await new Promise(setImmediate);
  assert.equal(responses[0]?.headers.get('content-length'), String(expected(0, 3).length));
  assert.ok(reads.length <= 2 * responses.length, `${reads.length} slices were read, and nobody took them`);
  assert.ok(Math.max(...reads) <= 512 * 1024, 'a slice');
  for (const response of responses) await response.body?.cancel();
  const head = await ask(`${path}/0-3.mp4`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), String(expected(0, 3).length));
  assert.deepEqual(errors, []);
});

test('a part is its fragments on the camera’s clock, and so is every range of it', async () => {
  const { ask } = bareViewing({ ...archiveOf(file), directory });
  const whole = expected(1, 2);
  const answer = await ask(`${path}/1-2.mp4`);
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), whole);
  const second = detail.fragments[1]?.bytes ?? 0;
  for (const [start, end] of [
    [0, 1],
    [10, 300],
    [524_287, 524_290],
    [second - 5, second + 400],
    [whole.length - 3, whole.length],
  ] as const) {
    const part = await ask(`${path}/1-2.mp4`, { headers: { range: `bytes=${start}-${end - 1}` } });
    assert.equal(part.status, 206);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(start, end), `${start} to ${end}`);
  }
  const init = await ask(`${path}/init.mp4`);
  assert.deepEqual(Buffer.from(await init.arrayBuffer()), file.subarray(0, detail.initBytes));
  assert.equal((await ask(`${path}/2-4.mp4`)).status, 404);
});

test('a part of a damaged file breaks off', async () => {
  const { offset = 0 } = detail.fragments[1] ?? {};
  const damaged = Buffer.from(file);
  damaged.fill(0xee, offset, offset + 200);
  for (const content of [damaged, file.subarray(0, offset + 600_000)]) {
    let aborted = 0;
    const { ask, errors } = bareViewing({ ...archiveOf(content), directory });
    const answer = await ask(`${path}/0-1.mp4`, {}, { abort: () => (aborted += 1) });
    const bytes = await answer.arrayBuffer();
    assert.ok(bytes.byteLength < expected(0, 1).length, 'less than was said');
    assert.equal(aborted, 1);
    assert.deepEqual(errors, []);
  }
});

test('two playlists are made at a time, some wait, and more are refused', async () => {
  const begun: (() => void)[] = [];
  const archive: Archive = {
    ...emptyArchive,
    segments: () => new Promise((resolve) => begun.push(() => resolve([]))),
  };
  const { ask } = bareViewing({ archive, directory });
  const query = 'from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z';
  const answers = Array.from({ length: 30 }, () => ask(`/api/cameras/door/playlist.m3u8?${query}`));
  await new Promise(setImmediate);
  assert.equal(begun.length, 2);
  const statuses = Promise.all(answers).then((all) => all.map(({ status }) => status));
  let most = 0;
  for (let done = 0; done < 18; done++) {
    most = Math.max(most, begun.length);
    begun.shift()?.();
    await new Promise(setImmediate);
  }
  assert.equal(most, 2);
  const all = await statuses;
  assert.deepEqual(
    [404, 503].map((wanted) => all.filter((status) => status === wanted).length),
    [18, 12],
  );
});
