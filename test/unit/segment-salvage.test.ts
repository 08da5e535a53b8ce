/** What becomes of a segment whose disk fails while it is written, or has failed in many places when it is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFragment } from '../../firmware/media/mp4-scanner.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import { frame } from '../support/media-samples.ts';
import { SimulatedRecorder } from '../support/simulated-recorder.ts';

const always = { fromUs: 0, toUs: 9_000_000_000_000_000, limit: 1_000 };

/** Records, syncs, records more, and fails at that; gives the segment that is listed and the length of its file. */
async function failing(
  bench: SimulatedRecorder,
  kind: 'sync' | 'write',
): Promise<{ listing: SegmentListing; bytes: number | undefined }> {
  const door = bench.record('door');
  door.gops(4);
  await bench.pass(1);
  const safe = bench.disk.files('/one');
  bench.machine.fail(kind, 'door');
  door.gops(4);
  await bench.pass(1);
  assert.equal(door.failures.length, 1);
  await door.close();
  const [listing] = await bench.recorder.archive.segments('door', always);
  assert(listing !== undefined && !listing.open);
  const path = `/one/door/${listing.name}.mp4`;
  assert.equal(listing.bytes, safe.get(path)?.length, 'what the last sync covered is listed');
  return { listing, bytes: bench.disk.files('/one').get(path)?.length };
}

for (const kind of ['sync', 'write'] as const) {
  test(`after a failed ${kind} the file is cut to what is listed`, async () => {
    const { listing, bytes } = await failing(await SimulatedRecorder.open(), kind);
    assert.equal(bytes, listing.bytes);
  });
}

test('what was safe is listed also when the disk does not let the file be cut', async () => {
  const bench = await SimulatedRecorder.open();
  bench.machine.fail('truncate', 'door');
  const { listing, bytes } = await failing(bench, 'sync');
  assert(bytes !== undefined && bytes > listing.bytes);
});

for (const lost of ['a fragment', 'the head'] as const) {
  test(`everything between two hundred holes is found again, of which the first is in ${lost}`, async () => {
    const bench = await SimulatedRecorder.open();
    const door = bench.record('door');
    for (let sequence = 0; sequence <= 400; sequence++) door.push(frame(sequence, { gop: 1 }));
    await bench.pass(1);
    const [segment] = await bench.recorder.archive.segments('door', always);
    const { fragments = [] } = (await bench.recorder.archive.detail('door', segment?.name ?? '')) ?? {};
    assert.equal(fragments.length, 400);
    bench.disk.damage(`/one/door/${segment?.name}.mp4`, (bytes) => {
      if (lost === 'the head') bytes.fill(0, 0, 40);
      for (const { offset } of fragments.filter((_, place) => place % 2 === 0))
        bytes.fill(0, offset, offset + 40);
      return bytes;
    });
    // Tells the tracks when the head is lost.
    const other = bench.record('door', 2);
    other.gops(1);
    await other.close();
    await bench.restart();
    const expected = Array.from({ length: 200 }, (_, place) => 2 * place + 1);
    assert.deepEqual(await sequencesOf(bench, 1), expected);
  });
}

/** Sequences that are listed of an epoch. */
async function sequencesOf({ recorder: { archive } }: SimulatedRecorder, epoch: number): Promise<number[]> {
  const sequences: number[] = [];
  for (const listing of await archive.segments('door', always)) {
    if (listing.epoch !== epoch) continue;
    for (const { offset, bytes } of (await archive.detail('door', listing.name))?.fragments ?? []) {
      const parsed = parseFragment(await archive.read('door', listing.name, offset, bytes));
      assert(parsed.ok);
      sequences.push(...(parsed.value.batches[0]?.samples.map(({ sequence }) => sequence) ?? []));
    }
  }
  return sequences;
}
