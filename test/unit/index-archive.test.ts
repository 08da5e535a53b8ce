/** The archive over the index alone: what retention deleted is explained, and volumes that are missing are told of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexArchive } from '../../firmware/recording/index-archive.ts';
import { eventRow, keys, put } from '../../firmware/recording/index-rows.ts';
import { RecordedDays } from '../../firmware/recording/recorded-days.ts';
import { IndexRig, listingOf, minuteUs, startUs } from '../support/index-rig.ts';

function archiveOf(rig: IndexRig): IndexArchive {
  const volume = { number: 0, id: '0', folder: '/disk' };
  return new IndexArchive({
    index: rig.index,
    days: new RecordedDays(rig.index),
    disk: { read: async (path) => Buffer.from(path) },
    volumes: { byNumber: (number) => (number === 0 ? volume : undefined) },
    openSegments: () => [],
  });
}

/** Gaps of `door` as `reason from-to`, in minutes. */
async function gapsOf(rig: IndexRig, fromMinute: number, toMinute: number): Promise<string[]> {
  const range = { fromUs: startUs + fromMinute * minuteUs, toUs: startUs + toMinute * minuteUs };
  const gaps = await archiveOf(rig).gaps('door', range);
  return gaps.map(
    ({ reason, fromUs, toUs }) => `${reason} ${(fromUs - startUs) / minuteUs}-${(toUs - startUs) / minuteUs}`,
  );
}

async function discardOf(rig: IndexRig, ...minutes: number[]): Promise<void> {
  const refs = await rig.ledger.oldestOf('door', 1_000);
  await rig.ledger.discard(refs.filter(({ fromUs }) => minutes.includes((fromUs - startUs) / minuteUs)));
}

test('what retention deleted is a gap with that reason, around what it has left', async () => {
  await using rig = await IndexRig.open();
  for (let minute = 0; minute < 8; minute++) await rig.seal(minute % 2, listingOf('door', minute));
  assert.deepEqual(await gapsOf(rig, 0, 8), []);
  await discardOf(rig, 0, 1, 2, 4);
  assert.deepEqual(await gapsOf(rig, 0, 8), ['retention 0-3', 'retention 4-5']);
  assert.deepEqual(await gapsOf(rig, 1, 2), ['retention 1-2'], 'only what was asked for');
  assert.deepEqual(await gapsOf(rig, 3, 4), []);
  assert.deepEqual(await gapsOf(rig, -5, 0), []);
});

test('what is explained otherwise is not retention’s doing, and a damaged file is said to be damaged', async () => {
  await using rig = await IndexRig.open();
  for (const minute of [0, 3, 4]) await rig.seal(0, listingOf('door', minute));
  const off = {
    camera: 'door',
    fromUs: startUs + minuteUs,
    toUs: startUs + 3 * minuteUs,
    reason: 'camera-off',
  } as const;
  await rig.index.commit([put(keys.event('door', off.fromUs, off.reason), eventRow, off)]);
  await discardOf(rig, 0, 3);
  assert.deepEqual(await gapsOf(rig, 0, 9), ['retention 0-1', 'camera-off 1-3', 'retention 3-4']);
  await rig.ledger.discard(await rig.ledger.oldest(0, 9), 'damaged');
  assert.deepEqual((await gapsOf(rig, 0, 9)).at(-1), 'damaged 4-5');
  assert.deepEqual(await archiveOf(rig).cameras(), [], 'nothing of it is left');
});

test('at any moment of a camera’s past there is a segment or a gap, whatever retention took', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 0, max: 19 })),
      fc.integer({ min: 0, max: 19 }),
      async (gone, at) => {
        await using rig = await IndexRig.open();
        for (let minute = 0; minute < 20; minute++) await rig.seal(0, listingOf('door', minute));
        await discardOf(rig, ...gone);
        const range = { fromUs: startUs + at * minuteUs + 7, toUs: startUs + at * minuteUs + 8 };
        const archive = archiveOf(rig);
        const segments = await archive.segments('door', { ...range, limit: 10 });
        const gaps = await archive.gaps('door', range);
        assert.deepEqual([segments.length, gaps.length], gone.includes(at) ? [0, 1] : [1, 0]);
      },
    ),
    { numRuns: 20 },
  );
});

test('a segment on a volume that is missing is listed, and reading it says which volume that is', async () => {
  await using rig = await IndexRig.open();
  await rig.seal(1, listingOf('door', 0));
  const archive = archiveOf(rig);
  const [segment] = await archive.segments('door', { fromUs: 0, toUs: startUs * 2, limit: 10 });
  assert.ok(segment);
  await assert.rejects(archive.read('door', segment.name, 0, 1), /volume 1, which is not there/);
  await rig.seal(0, listingOf('door', 1));
  const { name } = listingOf('door', 1);
  assert.equal((await archive.read('door', name, 0, 1)).toString(), `/disk/door/${name}.mp4`);
  await assert.rejects(archive.read('door', listingOf('door', 2).name, 0, 1), /no segment/);
});

test('a page of listings is not the end of a list', async () => {
  await using rig = await IndexRig.open();
  await Promise.all(Array.from({ length: 1_300 }, (_, minute) => rig.seal(0, listingOf('door', minute))));
  const archive = archiveOf(rig);
  const all = { fromUs: startUs, toUs: startUs + 1_300 * minuteUs };
  for (const limit of [1, 255, 256, 257, 1_024, 1_025, 2_000]) {
    const list = await archive.segments('door', { ...all, limit });
    assert.equal(list.length, Math.min(limit, 1_300), `${limit}`);
    assert.equal(list.at(-1)?.fromUs, startUs + (list.length - 1) * minuteUs);
  }
});
