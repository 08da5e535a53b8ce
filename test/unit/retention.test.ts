/** Retention: what goes, in which order, and what never does. */
import assert from 'node:assert/strict';
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encode } from '../../firmware/base/codec.ts';
import { extentRow, keys } from '../../firmware/recording/index-rows.ts';
import { ageUsMaxOf, bytesMaxOf, reserveBytesOf } from '../../firmware/recording/retention-rules.ts';
import { minuteUs, startUs } from '../support/index-rig.ts';
import { RetentionRig } from '../support/retention-rig.ts';

const dayMs = 86_400_000;
const megabyte = 1_000_000;

describe('retention', () => {
  test('keeps the reserve free by deleting the oldest, whatever camera they are of', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 5 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 8; minute++) {
      await rig.record(minute % 2 === 0 ? 'door' : 'yard', minute, megabyte);
    }
    const done = await rig.retention.keepReserve();
    assert.deepEqual(done, { segments: 3, bytes: 3 * megabyte });
    assert.deepEqual(
      [await rig.left('door'), await rig.left('yard')],
      [
        [4, 6],
        [3, 5, 7],
      ],
    );
    assert.equal((await rig.files()).filter((path) => path.endsWith('.mp4')).length, 5);
    assert.deepEqual((await rig.retention.keepReserve()).segments, 0);
  });

  test('a row goes first, then the file, then the directory is synced, then the garbage row goes', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 10 }, { sizes: [10 * megabyte] });
    const { name } = await rig.record('door', 0);
    const { index } = rig;
    const commit = index.index.commit.bind(index.index);
    index.index.commit = async (changes) => {
      await commit(changes);
      for (const { type, key } of changes) if (/^[sg]\//.test(key)) rig.log.push(`${type} ${key[0]}`);
    };
    await rig.retention.keepReserve();
    assert.deepEqual(rig.log, ['delete s', 'put g', 'remove', 'sync', 'delete g']);
    assert.deepEqual(await index.keys(), ['r/door'], name);
    assert.deepEqual(await rig.files(), [], 'the folders of the day and of the camera are gone, too');
  });

  test('a deletion that was interrupted anywhere is finished after a restart', async () => {
    for (const when of ['before the file goes', 'after it'] as const) {
      await using rig = await RetentionRig.open({ reserveMb: 0 });
      const { name } = await rig.record('door', 0);
      await rig.record('door', 1);
      await rig.index.ledger.discard(await rig.index.ledger.oldest(0, 1));
      if (when === 'after it') await rig.retention.keepReserve();
      await rig.restart();
      await rig.retention.keepReserve();
      assert.deepEqual(await rig.index.ledger.garbage(), []);
      assert.equal(
        (await rig.files()).some((path) => path.includes(name)),
        false,
        when,
      );
      assert.deepEqual(await rig.left('door'), [1]);
    }
  });

  test('a file that is gone already may not be so on the medium: its directory is synced before its row goes', async () => {
    await using rig = await RetentionRig.open();
    const { name } = await rig.record('door', 0);
    await rig.index.ledger.discard(await rig.index.ledger.oldest(0, 1));
    await rm(join(rig.index.folder, 'v0', 'door', `${name}.mp4`));
    await rig.retention.keepReserve();
    assert.deepEqual(rig.log, ['sync']);
    assert.deepEqual(await rig.index.ledger.garbage(), []);
  });

  test('what is protected stays, and a disk that holds nothing else is full', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 6 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 8; minute++) await rig.record('door', minute, megabyte);
    rig.protect('door', startUs + minuteUs + 1, startUs + 6 * minuteUs);
    await rig.retention.keepReserve();
    assert.deepEqual(await rig.left('door'), [1, 2, 3, 4, 5]);
    assert.equal(rig.state(0).is, 'ok', 'half of the reserve may be used up');
    await rig.record('door', 8, megabyte);
    rig.protect('door', 0, Number.MAX_SAFE_INTEGER);
    for (let minute = 9; minute < 11; minute++) await rig.record('door', minute, megabyte);
    await rig.retention.keepReserve();
    assert.equal(rig.state(0).is, 'full');
    assert.deepEqual(await rig.left('door'), [1, 2, 3, 4, 5, 8, 9, 10]);
    rig.protected.length = 0;
    rig.protectionVersion += 1;
    await rig.retention.keepReserve();
    assert.ok((await rig.retention.makeRoom(rig.volumes[0] ?? assert.fail('no volume'))).segments > 0);
  });

  test('a full disk is given room at once, unless nothing is left that may go', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 1 }, { sizes: [10 * megabyte] });
    for (let minute = 0; minute < 10; minute++) await rig.record('door', minute, megabyte);
    const [volume] = rig.volumes;
    assert.ok(volume);
    rig.protect('door', startUs + 5 * minuteUs, startUs + 99 * minuteUs);
    assert.equal((await rig.retention.makeRoom(volume)).segments, 1);
    assert.deepEqual((await rig.left('door'))[0], 1);
    assert.equal((await rig.retention.makeRoom(volume)).segments, 1, 'though the reserve is there');
    assert.deepEqual((await rig.left('door'))[0], 2);
    assert.equal(rig.state(0).is, 'ok');
    rig.protect('door', 0, Number.MAX_SAFE_INTEGER);
    assert.equal((await rig.retention.makeRoom(volume)).segments, 0);
    assert.equal(rig.state(0).is, 'full');
  });

  test('a volume that ran full is given more than its reserve before it is used again', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 0 }, { sizes: [16 * megabyte] });
    for (let minute = 0; minute < 16; minute++) await rig.record('door', minute, megabyte);
    await rig.retention.keepReserve();
    assert.equal((await rig.left('door')).length, 16);
    rig.states.set(0, { is: 'full', reason: 'no space left', sinceUtcUs: 0 });
    await rig.retention.keepReserve();
    assert.deepEqual([(await rig.left('door')).length, rig.checks], [15, 1]);
  });

  test('deletes what is older than a camera’s days, or than those of all', async () => {
    await using rig = await RetentionRig.open({ days: 3, cameras: [{ id: 'yard', days: 1 }] });
    const day = 24 * 60;
    for (const minute of [-4 * day, -2 * day, -10]) {
      await rig.record('door', minute + 10 * day);
      await rig.record('yard', minute + 10 * day);
    }
    rig.clock.advance(10 * dayMs);
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.left('door'), [8 * day, 10 * day - 10]);
    assert.deepEqual(await rig.left('yard'), [10 * day - 10]);
  });

  test('believes no age while the clock is not set, nor for a day after it jumped', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    await rig.record('door', 0);
    rig.clockTrusted = false;
    rig.clock.advance(3 * dayMs);
    assert.equal((await rig.retention.keepLimits()).segments, 0);
    rig.clockTrusted = true;
    let jumpMs = 0;
    const utcMs = rig.clock.utcMs.bind(rig.clock);
    rig.clock.utcMs = () => utcMs() + jumpMs;
    jumpMs = 2 * 3_600_000;
    assert.equal((await rig.retention.keepLimits()).segments, 0);
    rig.clock.advance(dayMs - 1);
    assert.equal((await rig.retention.keepLimits()).segments, 0);
    rig.clock.advance(2);
    assert.equal((await rig.retention.keepLimits()).segments, 1);
  });

  test('keeps a camera within its bytes, and all within theirs; what is being written counts', async () => {
    await using rig = await RetentionRig.open(
      { gigabytes: 0.01, cameras: [{ id: 'door', gigabytes: 0.003 }] },
      { sizes: [100 * megabyte, 100 * megabyte] },
    );
    for (let minute = 0; minute < 6; minute++) {
      await rig.record('door', minute, megabyte, minute % 2);
      await rig.record('yard', minute, megabyte, 0);
    }
    await rig.retention.keepLimits();
    assert.deepEqual([await rig.left('door'), (await rig.left('yard')).length], [[3, 4, 5], 6]);
    rig.open.push(
      { volume: 0, camera: 'door', bytes: megabyte },
      { volume: 1, camera: 'yard', bytes: megabyte },
    );
    await rig.retention.keepLimits();
    assert.deepEqual(
      [await rig.left('door'), await rig.left('yard')],
      [
        [4, 5],
        [0, 1, 2, 3, 4, 5],
      ],
    );
    rig.open.push({ volume: 0, camera: 'gate', bytes: 2 * megabyte });
    await rig.retention.keepLimits();
    assert.deepEqual(
      [await rig.left('door'), await rig.left('yard')],
      [
        [4, 5],
        [2, 3, 4, 5],
      ],
    );
  });

  test('touches no volume that is missing or failed, and does not count what is there', async () => {
    await using rig = await RetentionRig.open(
      { days: 1, cameras: [{ id: 'door', gigabytes: 0.002 }] },
      { sizes: [100 * megabyte, 100 * megabyte] },
    );
    await rig.record('door', 0, 2 * megabyte, 0);
    await rig.record('door', 1, megabyte, 1);
    rig.states.set(0, { is: 'missing', reason: 'gone', sinceUtcUs: 0 });
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.left('door'), [0, 1]);
    rig.clock.advance(5 * dayMs);
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.left('door'), [0]);
  });

  test('a mount that vanishes while it deletes keeps its garbage rows', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    await rig.record('door', 0);
    rig.clock.advance(5 * dayMs);
    rig.missing = 0;
    await rig.retention.keepLimits();
    assert.deepEqual([rig.failures, (await rig.index.ledger.garbage()).length], [['FILE_MISSING'], 1]);
    rig.missing = -1;
    rig.states.clear();
    await rig.retention.keepReserve();
    assert.deepEqual(await rig.files(), []);
  });

  test('a disk that refuses to delete loses no more than a batch from the lists', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    for (let minute = 0; minute < 100; minute++) await rig.record('door', minute);
    rig.clock.advance(5 * dayMs);
    rig.failRemove = 'v0/';
    await rig.retention.keepLimits();
    assert.deepEqual([rig.failures, (await rig.left('door')).length], [['FILE_IO'], 68]);
    rig.failRemove = '\0';
    rig.states.clear();
    await rig.retention.keepLimits();
    assert.deepEqual([await rig.left('door'), await rig.files()], [[], []]);
  });

  test('files that are not removed keep neither their volume nor other files; they are tried again later', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    const stuck = [];
    for (let minute = 0; minute < 100; minute++) {
      const { name } = await rig.record('door', minute);
      // A directory in the place of a file: unlink says EISDIR.
      if (minute % 10 === 0) stuck.push(join(rig.index.folder, 'v0', 'door', `${name}.mp4`));
    }
    for (const path of stuck) {
      await rm(path);
      await mkdir(path);
    }
    rig.clock.advance(5 * dayMs);
    await rig.retention.keepLimits();
    await rig.retention.keepReserve();
    const garbage = async (): Promise<number> => (await rig.index.ledger.garbage()).length;
    assert.deepEqual([rig.failures, await rig.left('door'), await garbage()], [[], [], 10]);
    assert.equal(rig.refused.length, 1, 'the first is told');
    assert.ok(rig.refused[0]?.startsWith(stuck[0] ?? ''));
    for (const path of stuck) await rmdir(path);
    await rig.retention.keepReserve();
    assert.equal(await garbage(), 10, 'they are left alone for a while');
    rig.clock.advance(600_000);
    await rig.retention.keepReserve();
    assert.deepEqual([await garbage(), await rig.files()], [0, []]);
  });

  test('volumes that share a file system delete for a shortage once, the oldest of both', async () => {
    await using rig = await RetentionRig.open({ reserveMb: 4 }, { sizes: [10 * megabyte, 10 * megabyte] });
    rig.devices = new Map([
      [0, 'same'],
      [1, 'same'],
    ]);
    for (let minute = 0; minute < 8; minute++) await rig.record('door', minute, megabyte, minute % 2);
    await rig.retention.keepReserve();
    assert.deepEqual(await rig.left('door'), [2, 3, 4, 5, 6, 7]);
  });

  test('believes no age in its first hour: a board may wake with any date', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    await rig.record('door', 0);
    rig.clock.advance(10 * 365 * dayMs);
    await rig.restart({ days: 1 });
    for (let minutes = 0; minutes < 60; minutes++) {
      await rig.retention.keepLimits();
      rig.clock.advance(60_000);
    }
    assert.equal((await rig.left('door')).length, 1);
    await rig.retention.keepLimits();
    assert.equal((await rig.left('door')).length, 0);
  });

  test('never removes what is not a recording, nor a folder that holds something else', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    const { name } = await rig.record('door', 0);
    const [day = ''] = name.split('/');
    await writeFile(join(rig.index.folder, 'v0', 'door', day, 'notes.txt'), 'mine');
    await writeFile(join(rig.index.folder, 'v0', 'precious.mp4'), 'mine');
    const bad = { fromUs: 0, toUs: 1, bytes: 1 };
    await rig.index.index.commit([
      { type: 'put', key: keys.garbage(0, '..', 'v0/precious'), value: encode(extentRow, bad) },
      { type: 'put', key: keys.garbage(0, 'door', '../precious'), value: encode(extentRow, bad) },
    ]);
    await rig.restart({ days: 1 });
    await rig.retention.keepLimits();
    rig.clock.advance(5 * dayMs);
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.files(), [
      'v0/door',
      `v0/door/${day}`,
      `v0/door/${day}/notes.txt`,
      'v0/precious.mp4',
    ]);
    assert.deepEqual(await rig.index.ledger.garbage(), []);
  });

  test('leaves the folder of a day that something is being recorded to', async () => {
    await using rig = await RetentionRig.open({ days: 1 });
    const { name } = await rig.record('door', 0);
    await rig.index.ledger.opening({ number: 0 }, 'door', `${name}9`, 1);
    rig.clock.advance(5 * dayMs);
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.files(), ['v0/door', `v0/door/${name.split('/')[0]}`]);
  });

  test('without settings nothing goes but for the reserve', async () => {
    await using rig = await RetentionRig.open({}, { sizes: [1_000 * megabyte] });
    await rig.record('door', 0);
    rig.clock.advance(10_000 * dayMs);
    await rig.retention.keepLimits();
    assert.deepEqual(await rig.left('door'), [0]);
  });

  test('whatever is recorded and protected, the reserve is kept or nothing more may go', async () => {
    const segment = fc.record({
      camera: fc.constantFrom('door', 'yard'),
      minute: fc.integer({ min: 0, max: 30 }),
      // Twenty of them fit into the volume.
      bytes: fc.integer({ min: 1, max: 5_000 }),
    });
    const kept = fc.record({
      camera: fc.constantFrom('door', 'yard'),
      from: fc.integer({ min: 0, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(segment, { maxLength: 20 }),
        fc.array(kept, { maxLength: 3 }),
        async (all, keep) => {
          await using rig = await RetentionRig.open({ reserveMb: 0.05 }, { sizes: [100_000] });
          for (const { camera, from } of keep) {
            rig.protect(camera, startUs + from * minuteUs, startUs + (from + 5) * minuteUs);
          }
          const recorded = new Map<string, { camera: string; minute: number; bytes: number }>();
          for (const one of all) recorded.set(`${one.camera} ${one.minute}`, one);
          for (const { camera, minute, bytes } of recorded.values()) await rig.record(camera, minute, bytes);
          await rig.retention.keepReserve();
          let bytes = 0;
          let deletable = 0;
          for (const [key, one] of recorded) {
            const isProtected = keep.some(
              ({ camera, from }) => camera === one.camera && one.minute >= from && one.minute < from + 5,
            );
            const isLeft = (await rig.left(one.camera)).includes(one.minute);
            assert.ok(isLeft || !isProtected, `${key} was protected`);
            if (isLeft) bytes += one.bytes;
            if (isLeft && !isProtected) deletable += 1;
          }
          assert.ok(bytes <= 50_000 || deletable === 0, `${bytes} bytes, ${deletable} deletable`);
          assert.equal(
            (await rig.files()).filter((path) => path.endsWith('.mp4')).length,
            rig.index.ledger.totals().size === 0
              ? 0
              : [...rig.index.ledger.totals().values()].reduce((sum, { segments }) => sum + segments, 0),
          );
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('the rules of retention', () => {
  test('the reserve is 2 % of a volume, 256 MB to 10 GB, and never more than a tenth of it', () => {
    const gigabyte = 1e9;
    for (const [total, reserve] of [
      [gigabyte / 10, gigabyte / 100],
      [5 * gigabyte, 0.256 * gigabyte],
      [100 * gigabyte, 2 * gigabyte],
      [8_000 * gigabyte, 10 * gigabyte],
    ] as const) {
      assert.equal(reserveBytesOf(total), reserve);
    }
    assert.equal(reserveBytesOf(gigabyte, 3), 3e6);
  });

  test('a camera’s own days count before those of all', () => {
    const settings = {
      days: 30,
      cameras: [
        { id: 'door', days: 2 },
        { id: 'yard', gigabytes: 1 },
      ],
    };
    assert.deepEqual(
      ['door', 'yard', 'gate'].map((camera) => (ageUsMaxOf(settings, camera) ?? 0) / 86_400e6),
      [2, 30, 30],
    );
    assert.deepEqual([bytesMaxOf(settings, 'yard'), bytesMaxOf(settings, 'door')], [1e9, undefined]);
  });
});
