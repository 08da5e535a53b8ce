/** What is left after a crash, and what is made of it. */
import assert from 'node:assert/strict';
import { appendFile, mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { encode } from '../../firmware/base/codec.ts';
import { keys, openRow } from '../../firmware/recording/index-rows.ts';
import { pathOf, segmentsOf, sequencesIn, upTo } from '../support/recorded-files.ts';
import { RecorderRig } from '../support/recorder-rig.ts';

describe('after a crash', () => {
  test('the torn tail is cut, what is whole is listed, and everything that was durable is there', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(4);
    await door.written();
    const [before] = await segmentsOf(rig);
    assert(before !== undefined);
    const torn = (await readFile(pathOf(rig, before))).subarray(before.bytes - 700, before.bytes - 100);
    await using next = await rig.afterCrash((folder) => appendFile(pathOf({ folder }, before), torn));
    const { recovery } = next.recorder;
    assert.deepEqual([recovery.recovered, recovery.cutBytes, recovery.removed], [1, 600, 0]);
    assert.match(recovery.notes.join(), /cut 600 torn bytes/);
    const [after] = await segmentsOf(next);
    assert.deepEqual(after, { ...before, open: false });
    assert.deepEqual(await sequencesIn(pathOf(next, before)), upTo(30));
    assert((door.through ?? 99) <= 29);
    assert.equal((await next.recorder.archive.detail('door', before.name))?.fragments.length, 3);
    assert.equal((await next.index.range({ from: 'o/', to: 'o/\uffff', limit: 9 })).length, 0);
  });

  test('a tail torn at any byte costs no whole fragment', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(3);
    await door.written();
    const [segment] = await segmentsOf(rig);
    assert(segment !== undefined);
    const detail = await rig.recorder.archive.detail('door', segment.name);
    const second = detail?.fragments[1];
    assert(second !== undefined);
    for (const into of [1, 8, 40, 200, second.bytes - 1]) {
      await using next = await rig.afterCrash(async (folder) => {
        const file = await open(pathOf({ folder }, segment), 'r+');
        await file.truncate(second.offset + into);
        await file.close();
      });
      assert.deepEqual(
        await sequencesIn(pathOf(next, segment)),
        upTo(10),
        `torn ${into} bytes into a fragment`,
      );
    }
  });

  test('a segment without a whole fragment is removed, and one that never came to be is forgotten', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(3);
    await door.written();
    const [segment] = await segmentsOf(rig);
    assert(segment !== undefined);
    const initBytes = (await rig.recorder.archive.detail('door', segment.name))?.initBytes ?? 0;
    for (const size of [0, 10, initBytes, initBytes + 300]) {
      await using next = await rig.afterCrash(async (folder) => {
        const file = await open(pathOf({ folder }, segment), 'r+');
        await file.truncate(size);
        await file.close();
      });
      assert.equal(next.recorder.recovery.removed, 1);
      assert.match(next.recorder.recovery.notes.join(), /no whole fragment/);
      await assert.rejects(stat(pathOf(next, segment)));
      assert.deepEqual(await segmentsOf(next), []);
    }
    await using gone = await rig.afterCrash((folder) => rm(pathOf({ folder }, segment)));
    assert.deepEqual([gone.recorder.recovery.recovered, gone.recorder.recovery.removed], [0, 0]);
    assert.equal((await gone.index.range({ from: 'o/', to: 'o/\uffff', limit: 9 })).length, 0);
  });

  test('damage that is no torn tail is left for a person to look at', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(4);
    await door.written();
    const [segment] = await segmentsOf(rig);
    assert(segment !== undefined);
    const detail = await rig.recorder.archive.detail('door', segment.name);
    const hole = 70 * 1024 * 1024;
    const damage = (offset: number) => async (folder: string) => {
      const file = await open(pathOf({ folder }, segment), 'r+');
      await file.write(Buffer.alloc(64), 0, 64, offset);
      await file.truncate(hole);
      await file.close();
    };
    await using next = await rig.afterCrash(damage(detail?.fragments[1]?.offset ?? 0));
    assert.equal((await stat(pathOf(next, segment))).size, hole, 'not cut');
    assert.deepEqual([next.recorder.recovery.recovered, next.recorder.recovery.cutBytes], [1, 0]);
    assert.equal(
      (await segmentsOf(next))[0]?.bytes,
      detail?.fragments[1]?.offset,
      'the whole fragment before is listed',
    );

    await using worse = await rig.afterCrash(damage(0));
    assert.equal((await stat(pathOf(worse, segment))).size, hole, 'not removed');
    assert.match(worse.recorder.recovery.notes.join(), /damaged at its start/);
  });

  test('one bad row or file keeps no other from being recovered', async () => {
    await using rig = await RecorderRig.open();
    const [door, gate] = [rig.record('door'), rig.record('gate')];
    for (const recording of [door, gate]) {
      recording.gops(3);
      await recording.written();
    }
    const [bad] = await segmentsOf(rig, 'door');
    assert(bad !== undefined);
    const foreign = { volume: 7, epoch: 1 };
    await rig.index.commit([
      { type: 'put', key: keys.open('aaa', 'nonsense'), value: Buffer.from('junk') },
      { type: 'put', key: keys.open('aab', '2026-11-22/120000.000Z-1-0'), value: encode(openRow, foreign) },
      {
        type: 'put',
        key: keys.open('aac', '../../etc/passwd'),
        value: encode(openRow, { volume: 0, epoch: 1 }),
      },
    ]);
    await using next = await rig.afterCrash(async (folder) => {
      // A folder where the file was: reading it is an I/O error.
      await rm(pathOf({ folder }, bad));
      await mkdir(pathOf({ folder }, bad));
    });
    const { recovered, notes } = next.recorder.recovery;
    assert.equal(recovered, 1);
    assert.equal((await segmentsOf(next, 'gate')).length, 1);
    assert.match(notes.join('\n'), /not a segment/);
    assert.match(notes.join('\n'), /its volume is not there/);
    assert.match(notes.join('\n'), /EISDIR.*left as it is/);
  });

  test('a foreign file is never touched', async () => {
    await using rig = await RecorderRig.open();
    const door = rig.record();
    door.gops(2);
    await door.close();
    await using next = await rig.afterCrash((folder) =>
      writeFile(join(folder, 'recordings', 'door', 'notes.mp4'), 'mine'),
    );
    assert.deepEqual((await readdir(join(next.folder, 'recordings', 'door'))).includes('notes.mp4'), true);
    assert.deepEqual(next.recorder.recovery.notes, []);
  });
});
