/** The ledger: what belongs together is one batch, and what is in memory is what is on the medium. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../firmware/base/codec.ts';
import { prepareFormat } from '../../firmware/recording/index-format.ts';
import { endOf, formatRow, keys, listingRow, put, totalsRow } from '../../firmware/recording/index-rows.ts';
import { IndexRig, listingOf, minuteUs, noInside, startUs } from '../support/index-rig.ts';

const disk0 = { number: 0 };
const disk1 = { number: 1 };

/** What the rows say of the totals, counted from the listings. */
async function countedTotals(rig: IndexRig): Promise<Record<string, { segments: number; bytes: number }>> {
  const totals: Record<string, { segments: number; bytes: number }> = {};
  for (const { key, value } of await rig.index.range({ from: 's/', to: endOf('s/'), limit: 10_000 })) {
    const row = decode(listingRow, value);
    assert.equal(row.ok, true, key);
    if (!row.ok) continue;
    const sum = (totals[`${row.value.volume}/${key.split('/')[1]}`] ??= { segments: 0, bytes: 0 });
    sum.segments += 1;
    sum.bytes += row.value.bytes;
  }
  return totals;
}

async function storedTotals(rig: IndexRig): Promise<Record<string, { segments: number; bytes: number }>> {
  const totals: Record<string, { segments: number; bytes: number }> = {};
  for (const { key, value } of await rig.index.range({ from: 'b/', to: endOf('b/'), limit: 10_000 })) {
    const row = decode(totalsRow, value);
    if (row.ok) totals[`${Number(key.split('/')[1])}/${key.split('/')[2]}`] = row.value;
  }
  return totals;
}

describe('the ledger', () => {
  test('lists, orders and counts a segment in one batch, which takes its open row away', async () => {
    await using rig = await IndexRig.open();
    const listing = listingOf('door', 0);
    assert.equal(await rig.ledger.opening(disk1, 'door', listing.name, 1), true);
    assert.deepEqual(await rig.keys(), [`o/door/${listing.name}`]);
    const before = rig.batches.length;
    await rig.ledger.seal(disk1, listing, noInside);
    assert.equal(rig.batches.length, before + 1);
    assert.deepEqual(await rig.keys(), [
      'b/001/door',
      'c/door',
      `f/door/${listing.name}`,
      `s/door/${listing.fromUs}/${listing.name}`,
      `t/001/${listing.fromUs}/door/${listing.name}`,
    ]);
    assert.deepEqual([...rig.ledger.totals()], [['1/door', { segments: 1, bytes: 1_000 }]]);
  });

  test('remembers over a restart what is open, what is being deleted and how much there is', async () => {
    await using rig = await IndexRig.open();
    for (const minute of [0, 1, 2]) await rig.seal(0, listingOf('door', minute));
    await rig.ledger.opening(disk1, 'yard', listingOf('yard', 7).name, 4);
    const [oldest] = await rig.ledger.oldest(0, 1);
    assert.ok(oldest);
    await rig.ledger.discard([oldest]);
    await rig.reopen();
    assert.deepEqual(await rig.ledger.unsealed(), [
      { volume: 1, camera: 'yard', name: listingOf('yard', 7).name, epoch: 4 },
    ]);
    assert.deepEqual(await rig.ledger.garbage(), [oldest]);
    assert.deepEqual([...rig.ledger.totals()], [['0/door', { segments: 2, bytes: 2_000 }]]);
    await rig.ledger.discarded([oldest]);
    await rig.reopen();
    assert.deepEqual(await rig.ledger.garbage(), []);
  });

  test('gives a name once, on whatever volume: open, sealed, or while its file is being deleted', async () => {
    await using rig = await IndexRig.open();
    const { name } = listingOf('door', 0);
    const both = await Promise.all([
      rig.ledger.opening(disk0, 'door', name, 1),
      rig.ledger.opening(disk1, 'door', name, 1),
    ]);
    assert.deepEqual(both, [true, false]);
    await rig.ledger.seal(disk0, listingOf('door', 0), noInside);
    assert.equal(await rig.ledger.opening(disk1, 'door', name, 1), false);
    const refs = await rig.ledger.oldest(0, 10);
    await rig.ledger.discard(refs);
    assert.equal(await rig.ledger.opening(disk1, 'door', name, 1), false);
    await rig.ledger.discarded(refs);
    assert.equal(await rig.ledger.opening(disk1, 'door', name, 1), true);
    await rig.ledger.notOpened(disk1, 'door', name);
    assert.equal(await rig.ledger.opening(disk0, 'door', name, 1), true, 'a file that was never created');
  });

  test('a commit that fails changes nothing in memory', async () => {
    await using rig = await IndexRig.open();
    await rig.seal(0, listingOf('door', 0));
    const open = listingOf('door', 1);
    await rig.ledger.opening(disk0, 'door', open.name, 1);
    const refs = await rig.ledger.oldest(0, 10);
    const totals = [...rig.ledger.totals()];
    rig.failCommits = true;
    await assert.rejects(rig.ledger.seal(disk0, open, noInside));
    await assert.rejects(rig.ledger.discard(refs));
    await assert.rejects(rig.ledger.opening(disk0, 'door', listingOf('door', 2).name, 1));
    await assert.rejects(rig.ledger.forget(0, 'door', open.name));
    rig.failCommits = false;
    assert.deepEqual([...rig.ledger.totals()], totals);
    assert.deepEqual(await rig.ledger.garbage(), []);
    assert.deepEqual(
      (await rig.ledger.unsealed()).map(({ name }) => name),
      [open.name],
    );
    await rig.ledger.seal(disk0, open, noInside);
    assert.equal(await rig.ledger.opening(disk0, 'door', listingOf('door', 2).name, 1), true);
    assert.deepEqual(await rig.ledger.discard(refs), refs);
    assert.deepEqual([...rig.ledger.totals()], [['0/door', { segments: 1, bytes: 1_000 }]]);
  });

  test('what is asked while a batch is written goes into the next one together', async () => {
    await using rig = await IndexRig.open();
    const before = rig.batches.length;
    const cameras = Array.from({ length: 50 }, (_, n) => `cam-${n}`);
    await Promise.all(cameras.map((camera) => rig.seal(0, listingOf(camera, 0))));
    assert.ok(rig.batches.length - before <= 8, `${rig.batches.length - before} batches`);
    assert.equal(rig.ledger.totals().size, 50);
  });

  test('lists the oldest of a volume first, and goes on after the last one', async () => {
    await using rig = await IndexRig.open();
    for (const [volume, camera, minute] of [
      [0, 'yard', 3],
      [0, 'door', 1],
      [1, 'door', 0],
      [0, 'door', 2],
      [0, 'yard', 1],
    ] as const) {
      await rig.seal(volume, listingOf(camera, minute));
    }
    const first = await rig.ledger.oldest(0, 3);
    const at = ({ camera, fromUs }: { camera: string; fromUs: number }): string =>
      `${camera} ${(fromUs - startUs) / minuteUs}`;
    assert.deepEqual(first.map(at), ['door 1', 'yard 1', 'door 2']);
    assert.deepEqual((await rig.ledger.oldest(0, 3, first.at(-1))).map(at), ['yard 3']);
    const [ofDoor] = await rig.ledger.oldestOf('door', 1);
    assert.ok(ofDoor);
    assert.deepEqual([at(ofDoor), ofDoor.volume], ['door 0', 1]);
    assert.deepEqual((await rig.ledger.oldestOf('door', 9, ofDoor)).map(at), ['door 1', 'door 2']);
  });

  test('a segment is discarded once, however often it is asked, and never when it is unknown', async () => {
    await using rig = await IndexRig.open();
    await rig.seal(0, listingOf('door', 0));
    await rig.seal(0, listingOf('door', 1));
    const [ref] = await rig.ledger.oldest(0, 1);
    assert.ok(ref);
    const done = await Promise.all([rig.ledger.discard([ref]), rig.ledger.discard([ref])]);
    assert.deepEqual(
      done.map(({ length }) => length),
      [1, 0],
    );
    await rig.ledger.discarded([ref]);
    assert.deepEqual(await rig.ledger.discard([ref]), []);
    assert.deepEqual([...rig.ledger.totals()], [['0/door', { segments: 1, bytes: 1_000 }]]);
  });

  test('sealing again replaces, so that rebuilding counts nothing twice', async () => {
    await using rig = await IndexRig.open();
    const listing = listingOf('door', 0);
    await rig.seal(0, listing);
    await rig.ledger.seal(disk1, { ...listing, bytes: 700 }, noInside);
    assert.deepEqual([...rig.ledger.totals()], [['1/door', { segments: 1, bytes: 700 }]]);
    assert.deepEqual(
      (await rig.keys()).filter((key) => key.startsWith('t/')),
      [`t/001/${listing.fromUs}/door/${listing.name}`],
    );
  });

  test('a camera is there as long as anything of it is, on any volume', async () => {
    await using rig = await IndexRig.open();
    await rig.seal(0, listingOf('door', 0));
    await rig.seal(1, listingOf('door', 1));
    await rig.ledger.discard(await rig.ledger.oldest(0, 9));
    assert.ok((await rig.keys()).includes('c/door'));
    await rig.ledger.discard(await rig.ledger.oldest(1, 9));
    assert.equal((await rig.keys()).includes('c/door'), false);
  });

  test('after any history the totals are those of the listings, in memory and in the index', async () => {
    const act = fc.record({
      act: fc.constantFrom('seal', 'discard', 'fail', 'restart'),
      volume: fc.integer({ min: 0, max: 1 }),
      camera: fc.constantFrom('door', 'yard'),
      minute: fc.integer({ min: 0, max: 9 }),
      bytes: fc.integer({ min: 0, max: 9_999 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 25 }), async (acts) => {
        await using rig = await IndexRig.open();
        for (const { act: what, volume, camera, minute, bytes } of acts) {
          rig.failCommits = what === 'fail';
          const done =
            what === 'discard'
              ? rig.ledger.discard(await rig.ledger.oldest(volume, 2))
              : what === 'restart'
                ? rig.reopen()
                : rig.seal(volume, listingOf(camera, minute, { bytes }));
          await done.catch(() => undefined);
          rig.failCommits = false;
        }
        const counted = await countedTotals(rig);
        assert.deepEqual(Object.fromEntries(rig.ledger.totals()), counted);
        assert.deepEqual(await storedTotals(rig), counted);
      }),
      { numRuns: 25 },
    );
  });
});

describe('the format of the index', () => {
  test('an older index gets the rows of retention and the totals, also when it is interrupted', async () => {
    await using rig = await IndexRig.open();
    for (const minute of [0, 1]) await rig.seal(0, listingOf('door', minute));
    await rig.seal(1, listingOf('yard', 5));
    const whole = await rig.keys();
    const lost = whole.filter((key) => /^[tb]\//.test(key));
    await rig.index.commit([
      ...lost.map((key) => ({ type: 'delete' as const, key })),
      { type: 'delete', key: keys.format },
    ]);
    rig.failCommits = true;
    await assert.rejects(prepareFormat(rig.index));
    rig.failCommits = false;
    await rig.reopen();
    assert.deepEqual(await rig.keys(), whole);
    assert.equal(rig.ledger.totals().get('0/door')?.bytes, 2_000);
  });

  test('an index of a newer program, or with a damaged number, is refused and left as it is', async () => {
    await using rig = await IndexRig.open();
    await rig.index.commit([put(keys.format, formatRow, { version: 99 })]);
    await assert.rejects(prepareFormat(rig.index), /layout 99, newer than this program/);
    await rig.index.commit([{ type: 'put', key: keys.format, value: Buffer.from('x') }]);
    await assert.rejects(prepareFormat(rig.index), /damaged/);
    assert.equal(encode(formatRow, { version: 1 }).length, 4);
  });
});
