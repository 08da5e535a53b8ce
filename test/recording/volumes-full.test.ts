/**
 * Disks that are full: small ext4 file systems on loop devices under real servers. What retention deletes is told as a
 * gap; nothing else may be missing, and files of other programs stay as they are.
 */
import assert from 'node:assert';
import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { LoopVolume, loopVolumesMissing } from '../support/loop-volume.ts';
import { namespacesMissing } from '../support/namespaces.ts';
import { managersOf } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { RecordingField } from '../support/recording-field.ts';

/** Samples of a camera. */
const twoSegments = 500;
const mebibyte = 1024 * 1024;
const reserveMb = 4;
/** About 300 kB/s for each camera. */
const heavy = { sampleBytes: 20_000 };

const missing = namespacesMissing('nsenter', 'losetup', 'mkfs.ext4') || loopVolumesMissing();
if (missing === false) describe('servers on small disks that fill up', suite);
else test('servers on small disks that fill up', { skip: missing }, () => undefined);

function suite(): void {
  test('a disk that is full of recordings loses the oldest, and recording goes on', async () => {
    using disk = new LoopVolume(20);
    using site = await RecordingField.open({
      servers: 1,
      cameras: 3,
      load: heavy,
      settings: { volumes: [disk.folder], retention: { reserveMb } },
    });
    await until('more was captured than fits', () => capturedBytes(site) > 32 * mebibyte, 90_000);
    await site.untilDurable('a full disk');
    await Promise.all(site.cams.map((one) => one.stop()));
    // What it still deletes between two readings would be missed in the second.
    await until('retention has its reserve', () => disk.freeBytes >= reserveMb * 1e6);
    const verdicts = await site.verifyAll();
    const explained = verdicts.reduce((sum, one) => sum + one.explained, 0);
    assert.notEqual(explained, 0, 'something was deleted');
    for (const { captured, found, camera } of verdicts) {
      assert(found > captured / 8, `${camera}: of ${captured} samples only ${found} are left`);
    }
  });

  test('a disk that other programs fill is left alone, and the cameras go elsewhere', async () => {
    using disk = new LoopVolume(64);
    using site = await RecordingField.open({
      servers: 2,
      cameras: 3,
      settingsOf: (number) => (number === 1 ? { volumes: [disk.folder], retention: { reserveMb } } : {}),
    });
    const written = new Map([['foreign-0', disk.addForeignFile('foreign-0', 30 * mebibyte)]]);
    await site.untilDurable('a disk that is half full');
    // What retention makes room for is taken, too, until nothing of ours is left to be deleted.
    await until(
      'the server says that its disk is full',
      async () => {
        const name = `foreign-${written.size}`;
        if (disk.freeBytes > mebibyte) written.set(name, disk.addForeignFile(name));
        return (await alarmsOf(site, 1)).includes('volume-full');
      },
      60_000,
    );
    await site.untilLater(twoSegments);
    await site.untilDurable('on the other server');
    const left = [...written.keys()].map((name) => [name, readFileSync(join(disk.folder, name)).length]);
    assert.deepEqual(
      new Map(left as [string, number][]),
      written,
      'files of other programs are as they were',
    );
    await site.verifyAll();
  });

  test('a server whose only disk was filled to the last byte while it was off starts, makes room and records', async () => {
    using disk = new LoopVolume(96);
    using site = await RecordingField.open({
      servers: 1,
      cameras: 3,
      load: heavy,
      settings: { retention: { reserveMb } },
      beforeStart: ({ rig }) => symlinkSync(disk.folder, join(rig.folder, 'ss-1', 'data')),
    });
    await until('there is something to delete', () => capturedBytes(site) > 32 * mebibyte, 90_000);
    await until('there is ballast', () => disk.entries.includes('ballast'));
    await site.untilDurable('before');
    await site.server(1).kill();
    for (let number = 0; disk.freeBytes > 0; number++) disk.addForeignFile(`foreign-${number}`);
    site.server(1).start();
    await site.untilLater(twoSegments);
    await site.untilDurable('though nothing was free', 90_000);
    await Promise.all(site.cams.map((one) => one.stop()));
    await until('retention has its reserve', () => disk.freeBytes >= reserveMb * 1e6);
    await site.verifyAll();
  });

  test('a server whose index has no room says so, its cameras go elsewhere, and it takes them again', async () => {
    using disk = new LoopVolume(16);
    using recordings = new LoopVolume(128);
    using site = await RecordingField.open({
      servers: 2,
      cameras: 3,
      asleep: [2],
      settingsOf: (number) => (number === 1 ? { volumes: [recordings.folder] } : {}),
      beforeStart: ({ rig }) => symlinkSync(disk.folder, join(rig.folder, 'ss-1', 'data')),
    });
    site.server(2).start();
    await site.untilWhole('ss-2 is there');
    assert.equal((await managersOf([site.server(1)])).size, 3);
    const foreign: string[] = [];
    await until('it says that its index refuses', async () => {
      const name = `foreign-${foreign.length}`;
      if (disk.freeBytes > 0) foreign.push(name);
      if (foreign.at(-1) === name) disk.addForeignFile(name);
      return (await alarmsOf(site, 1)).includes('index-failed');
    });
    await until('ss-2 has all cameras', async () => (await managersOf([site.server(2)])).size === 3);
    await site.untilLater(twoSegments);
    await site.untilDurable('on the other server');
    for (const name of foreign) rmSync(join(disk.folder, name));
    await until('it is well again', async () => !(await alarmsOf(site, 1)).includes('index-failed'));
    await site.server(2).kill();
    await site.untilDurable('on the first server again');
    await site.verifyAll();
  });
}

/** Kinds of the alarms that a server raises. */
async function alarmsOf(site: RecordingField, server: number): Promise<string> {
  return (await site.status(server)).alarms.map(({ kind }) => kind).join(', ');
}

/** Pictures only; one in five has four times the bytes. */
function capturedBytes(site: RecordingField): number {
  const pictures = site
    .histories()
    .flatMap(({ tracks }) => tracks.filter(({ trackId }) => trackId === 1))
    .reduce((sum, { samples }) => sum + samples.length, 0);
  return pictures * heavy.sampleBytes * 1.6;
}
