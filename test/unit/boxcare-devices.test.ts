/** What is behind a folder: mounts, devices, disks and labels of recorded machines, and a real file system. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../firmware/base/failure.ts';
import {
  checkGround,
  groundOf,
  lifeTimePercent,
  readDisk,
  readMounts,
} from '../../firmware/boxcare/block-devices.ts';
import { volumeFindings } from '../../firmware/boxcare/disk-findings.ts';
import { mountOf, parseMountTable } from '../../firmware/boxcare/mount-table.ts';
import { boxFiles } from '../../firmware/io/box-files.ts';
import { LoopVolume, loopVolumesMissing } from '../support/loop-volume.ts';
import { diskTree, hc4, pi4, RecordedBox, type RecordedTree } from '../support/recorded-box.ts';

const ground = async (box: RecordedBox, folder: string) =>
  groundOf(box.files, await readMounts(box.files), folder);

const refusal = async (box: RecordedBox, folder: string): Promise<string | undefined> => {
  try {
    await checkGround(box.files, folder);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, 'FILE_MISSING');
    return error.message;
  }
};

describe('the table of mounts', () => {
  test('of this machine is read, and / is in it', () => {
    const mounts = parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));
    assert.equal(mountOf(mounts, '/')?.folder, '/');
    assert.equal(mountOf(mounts, '/proc/self')?.type, 'proc');
  });

  test('knows spaces in names, the last mount over others, and a file system that went read-only', () => {
    const mounts = parseMountTable(
      [
        '1 0 8:1 / / rw - ext4 /dev/sda1 rw',
        '2 1 8:2 / /my\\040disk rw shared:1 master:2 - ext4 /dev/sda2 ro,errors=remount-ro',
        '3 1 8:3 / /twice rw - ext4 /dev/sda3 rw',
        '4 1 8:4 / /twice rw - ext4 /dev/sda4 rw',
        '6 1 8:6 / /newer rw - ext4 /dev/sda6 rw,errors=remount-ro,emergency_ro',
        'nonsense',
        '5 1 8:5 / /no-dash rw ext4 /dev/sda5 rw',
      ].join('\n'),
    );
    assert.equal(mounts.length, 5);
    assert.equal(mountOf(mounts, '/newer')?.readOnly, true);
    assert.deepEqual(mountOf(mounts, '/my disk/a'), {
      device: '8:2',
      folder: '/my disk',
      type: 'ext4',
      source: '/dev/sda2',
      readOnly: true,
    });
    assert.equal(mountOf(mounts, '/twice')?.device, '8:4');
    assert.equal(mountOf(mounts, '/twice-not')?.device, '8:1');
  });

  test('may be any text', () => {
    const line = fc.array(fc.constantFrom('1', '8:1', '/', '/a', '-', 'rw', 'ext4', '\\040', '\\999', 'x'), {
      maxLength: 14,
    });
    const lines = fc.array(
      fc.oneof(
        fc.string(),
        line.map((words) => words.join(' ')),
      ),
    );
    fc.assert(
      fc.property(lines, fc.string(), (all, folder) => {
        for (const mount of parseMountTable(all.join('\n'))) assert.match(mount.folder, /^\//);
        mountOf(parseMountTable(all.join('\n')), folder);
      }),
    );
  });
});

describe('the ground of a folder', () => {
  test('is the disk with the label, and its whole disk', async () => {
    using box = new RecordedBox(hc4);
    const { device, disks, label, present, errors, mount } = await ground(box, '/volumes/starling-2/cam-1');
    assert.deepEqual(
      [device, disks, label, present, errors, mount?.readOnly],
      ['sdb1', ['sdb'], 'starling-2', true, 0, false],
    );
    assert.deepEqual((await ground(box, '/data/starling')).disks, ['mmcblk0']);
    assert.equal((await ground(box, '/etc')).mount?.readOnly, true);
    assert.equal(await refusal(box, '/volumes/starling-1'), undefined);
    assert.equal(await refusal(box, '/data/starling'), undefined);
  });

  test('is gone when the disk was pulled, though it is still mounted', async () => {
    using box = new RecordedBox(hc4);
    for (const path of [
      '/sys/dev/block/8:1',
      '/sys/dev/block/8:0',
      '/sys/class/block/sda',
      '/sys/class/block/sda1',
    ])
      box.remove(path);
    const { device, present } = await ground(box, '/volumes/starling-1');
    assert.deepEqual([device, present], ['sda1', false]);
    const said = await refusal(box, '/volumes/starling-1');
    assert.equal(said, '/volumes/starling-1: its disk (sda1) is gone, though it is still mounted');
    assert.equal(await refusal(box, '/volumes/starling-2'), undefined);
  });

  test('is gone though another disk has come under the same name', async () => {
    using box = new RecordedBox(hc4);
    box.remove('/sys/dev/block/8:1');
    const { device, present } = await ground(box, '/volumes/starling-1');
    assert.deepEqual([device, present], ['sda1', false]);
  });

  test('is none when the folder of a label has no disk, or another one', async () => {
    using box = new RecordedBox(hc4);
    const mounts = hc4['/proc/self/mountinfo'] ?? '';
    box.put('/proc/self/mountinfo', mounts.replace(/^40 .*$/m, ''));
    assert.equal(await refusal(box, '/volumes/starling-1'), '/volumes/starling-1: no disk is mounted there');
    box.put(
      '/proc/self/mountinfo',
      mounts.replace('8:1 / /volumes/starling-1', '8:17 / /volumes/starling-1'),
    );
    const other = '/volumes/starling-1: a disk of label starling-2 is mounted there';
    assert.equal(await refusal(box, '/volumes/starling-1'), other);
  });

  test('is all disks under a RAID or a mapping, and a link is followed', async () => {
    const raid: RecordedTree = {
      '/sys/devices/virtual/block/md0/dev': '9:0',
      '/sys/devices/virtual/block/md0/slaves/sda1': '-> ../../../../nowhere',
      '/sys/devices/virtual/block/md0/slaves/sdb1': '-> ../../../../nowhere',
      '/sys/class/block/md0': '-> ../../devices/virtual/block/md0',
      '/sys/dev/block/9:0': '-> ../../devices/virtual/block/md0',
      '/proc/self/mountinfo':
        '1 0 179:2 / / ro - ext4 /dev/root ro\n50 1 9:0 / /mnt/raid rw - xfs /dev/md0 rw',
      '/mnt/raid': '/',
      '/srv/video': '-> ../mnt/raid',
    };
    using box = new RecordedBox(hc4, raid);
    const { device, disks, errors } = await ground(box, '/srv/video');
    assert.deepEqual([device, disks, errors], ['md0', ['sda', 'sdb'], undefined]);
  });

  test('without a block device, or on a machine that shows none, is there', async () => {
    using box = new RecordedBox({
      '/proc/self/mountinfo': '1 0 0:5 / / rw - overlay overlay rw\n2 1 8:1 / /disk rw - ext4 /dev/sda1 rw',
      '/disk': '/',
    });
    assert.deepEqual((await ground(box, '/anything')).present, true);
    assert.equal(await refusal(box, '/disk'), undefined);
  });

  test('of btrfs is the device that is named, and gone when that is', async () => {
    const btrfs = { '/proc/self/mountinfo': '1 0 0:30 /@ / rw - btrfs /dev/sda1 rw', '/': '/' };
    using box = new RecordedBox(hc4, { '/proc/self/mountinfo': btrfs['/proc/self/mountinfo'] });
    assert.deepEqual((await ground(box, '/x')).disks, ['sda']);
    box.remove('/sys/class/block/sda1');
    assert.equal((await ground(box, '/x')).present, false);
  });
});

describe('a disk', () => {
  test('is told by model, serial, bus, size and kind', async () => {
    using box = new RecordedBox(hc4);
    assert.deepEqual(await readDisk(box.files, 'sda'), {
      name: 'sda',
      model: 'WDC WD40EFRX-68N',
      serial: 'WD-WCC7K0000001',
      bus: 'sata',
      bytes: 7_814_037_168 * 512,
      rotating: true,
      wearPercent: undefined,
      preEol: undefined,
    });
    const card = await readDisk(box.files, 'mmcblk0');
    assert.deepEqual([card?.bus, card?.model, card?.wearPercent, card?.preEol], ['mmc', 'DG4032', 20, 1]);
    using pi = new RecordedBox(pi4);
    assert.equal((await readDisk(pi.files, 'sda'))?.bus, 'usb');
    assert.equal((await readDisk(pi.files, 'mmcblk0'))?.wearPercent, undefined);
    assert.equal(await readDisk(pi.files, 'sdz'), undefined);
  });

  test('with cells tells the worse of the two kinds, and nonsense is none', () => {
    for (const [text, percent] of [
      ['0x01 0x01', 10],
      ['0x05 0x0B', 110],
      ['0x00 0x00', undefined],
      ['0x00 0x03', 30],
      ['', undefined],
      ['yes 0xff', undefined],
    ] as const)
      assert.equal(lifeTimePercent(text), percent, text);
  });
});

describe('links in a recorded tree', () => {
  test('that go round in a circle lead nowhere', async () => {
    using box = new RecordedBox({ '/a': '-> b', '/b': '-> a', '/c': '-> /d', '/d/e': 'x' });
    assert.equal(await box.files.real('/a'), undefined);
    assert.equal(await box.files.real('/c/e'), '/d/e');
    assert.equal(await box.files.real('/missing'), undefined);
    assert.equal(await box.files.read('/d/e'), 'x');
    assert.deepEqual(await box.files.list('/missing'), []);
    assert.ok(
      diskTree({ name: 'sdq', device: '65:0', at: 'x', sectors: 1, rotational: 0 })['/sys/class/block/sdq'],
    );
  });
});

describe('a real file system', { skip: loopVolumesMissing() }, () => {
  test('is found by its folder, with the errors that it has counted', async () => {
    using volume = new LoopVolume(16);
    const files = boxFiles();
    const before = await groundOf(files, await readMounts(files), volume.folder);
    assert.deepEqual([before.present, before.errors, before.mount?.type], [true, 0, 'ext4']);
    assert.match(before.device ?? '', /^loop\d+$/);
    assert.deepEqual(before.disks, [before.device]);
    await checkGround(files, volume.folder);
    volume.takeAway();
    // As e2fsck finds it after the kernel has met a damaged structure.
    execFileSync('debugfs', ['-w', '-R', 'set_super_value error_count 3', `/dev/${before.device}`], {
      stdio: 'pipe',
    });
    volume.bringBack();
    const after = await groundOf(files, await readMounts(files), volume.folder);
    assert.equal(after.errors, 3);
  });

  test('that the kernel finds damaged becomes read-only, with an error, and that is told', async () => {
    using volume = new LoopVolume(16);
    mkdirSync(join(volume.folder, 'cam-1'));
    volume.takeAway();
    const files = boxFiles();
    volume.bringBack();
    const { device } = await groundOf(files, await readMounts(files), volume.folder);
    volume.takeAway();
    // The name stays, and what it names is gone: a sector that was lost.
    execFileSync('debugfs', ['-w', '-R', 'clri /cam-1', `/dev/${device}`], { stdio: 'pipe' });
    volume.bringBack();
    execFileSync('mount', ['-o', 'remount,errors=remount-ro', volume.folder]);
    assert.throws(() => readdirSync(join(volume.folder, 'cam-1')));
    const damaged = await groundOf(files, await readMounts(files), volume.folder);
    assert.equal(damaged.mount?.readOnly, true);
    assert.ok((damaged.errors ?? 0) > 0, `${damaged.errors} errors`);
    const found = volumeFindings({ folder: volume.folder, totalBytes: 1, freeBytes: 1 }, damaged);
    assert.deepEqual(
      found.map(({ verdict }) => verdict),
      ['FAIL', 'WARN'],
    );
    assert.match(found[0]?.next ?? '', /e2fsck -f \/dev\/loop\d+/);
  });
});
