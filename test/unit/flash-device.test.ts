// Which disks may be flashed, judged from what lsblk said on real machines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BlockDevice,
  confirmSame,
  describeDevice,
  judge,
  parseReport,
} from '../../scripts/flash/device.ts';
import { progressText } from '../../scripts/flash/progress-line.ts';
import { Refusal, refusalCodes } from '../../scripts/flash/refusal.ts';

const gigabyte = 1e9;

function disk(path: string, overrides: Partial<BlockDevice> = {}): BlockDevice {
  return {
    path,
    type: 'disk',
    size: 32 * gigabyte,
    model: 'STORAGE DEVICE',
    serial: '000000000821',
    tran: 'usb',
    ro: false,
    'log-sec': 512,
    mountpoints: [null],
    label: null,
    fstype: null,
    ...overrides,
  };
}

function partition(
  path: string,
  mountpoints: (string | null)[],
  overrides: Partial<BlockDevice> = {},
): BlockDevice {
  return disk(path, { type: 'part', size: gigabyte, mountpoints, ...overrides });
}

function refusal(device: BlockDevice, bytesMin = 4 * gigabyte): Refusal | undefined {
  try {
    judge(device, bytesMin);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return error;
  }
}

test('an empty card in a reader may be flashed', () => {
  assert.equal(refusal(disk('/dev/sdb')), undefined);
});

test('a disk with the root of this system is refused, whatever its removable flag says', () => {
  const usbSystem = disk('/dev/sda', {
    children: [partition('/dev/sda1', ['/boot/efi']), partition('/dev/sda2', ['/'])],
  });
  assert.equal(refusal(usbSystem)?.kind, 'system-disk');
});

test('a disk whose root lies in LVM on LUKS is refused as a system disk', () => {
  const volume = disk('/dev/mapper/vg-root', { type: 'lvm', mountpoints: ['/'] });
  const crypt = disk('/dev/mapper/luks', { type: 'crypt', children: [volume] });
  const nvme = disk('/dev/nvme0n1', {
    children: [partition('/dev/nvme0n1p3', [null], { children: [crypt] })],
  });
  const refused = refusal(nvme);
  assert.equal(refused?.kind, 'system-disk');
  assert.match(refused?.message ?? '', /holds \/$/);
});

test('a disk that this system swaps to is refused as a system disk', () => {
  assert.equal(
    refusal(disk('/dev/sdc', { children: [partition('/dev/sdc1', ['[SWAP]'])] }))?.kind,
    'system-disk',
  );
});

test('a card that a desktop has mounted is refused with where it is mounted', () => {
  const refused = refusal(disk('/dev/sdb', { children: [partition('/dev/sdb1', ['/media/ann/My Card'])] }));
  assert.equal(refused?.kind, 'mounted');
  assert.match(refused?.advice ?? '', /umount \/media\/ann\/My Card/);
});

test('a partition is refused: an image needs the whole disk', () => {
  const refused = refusal(partition('/dev/sdb1', [null], { size: 16 * gigabyte }));
  assert.equal(refused?.kind, 'not-a-disk');
  assert.match(refused?.message ?? '', /partition/);
});

test('an empty slot of a card reader is refused', () => {
  assert.match(refusal(disk('/dev/sdb', { size: 0 }))?.message ?? '', /holds no card/);
});

test('a disk with sectors of 4096 bytes is refused', () => {
  assert.match(refusal(disk('/dev/sdb', { 'log-sec': 4096 }))?.message ?? '', /sectors of 4096 bytes/);
});

test('a write-protected card is refused', () => {
  assert.equal(refusal(disk('/dev/sdb', { ro: true }))?.kind, 'read-only');
});

test('a card that is too small is refused with both sizes', () => {
  const refused = refusal(disk('/dev/sdb', { size: 4 * gigabyte - 512 }));
  assert.equal(refused?.kind, 'too-small');
  assert.equal(refusal(disk('/dev/sdb', { size: 4 * gigabyte })), undefined);
});

test('every refusal has an exit code of its own', () => {
  const codes = Object.values(refusalCodes);
  assert.equal(new Set(codes).size, codes.length);
  assert.ok(codes.every((code) => code >= 10 && code < 64));
});

test('what lsblk prints is read, with children and without a model', () => {
  const json = JSON.stringify({
    blockdevices: [
      { ...disk('/dev/mmcblk0', { model: null }), children: [partition('/dev/mmcblk0p1', [null])] },
    ],
  });
  const found = parseReport(json);
  assert.equal(found.children?.[0]?.path, '/dev/mmcblk0p1');
  assert.deepEqual(describeDevice(found)[0], '/dev/mmcblk0  32.0 GB  usb, serial 000000000821');
});

test('progress shows the rate and the time that is left', () => {
  assert.equal(
    progressText('writing', { done: 50e6, total: 200e6, seconds: 5 }),
    '  writing 25 % of 200 MB, 10.0 MB/s, 15 s left',
  );
  assert.equal(progressText('writing', { done: 1e6, total: 200e6, seconds: 0.1 }), '  writing 0 % of 200 MB');
});

test('a disk that took the place of the confirmed one is left as it is', () => {
  const card = disk('/dev/sdb', { children: [partition('/dev/sdb1', [null])] });
  confirmSame(card, disk('/dev/sdb'));
  for (const other of [{ serial: '1' }, { model: 'Other' }, { size: 31 * gigabyte }, { tran: 'sata' }])
    assert.throws(
      () => confirmSame(card, disk('/dev/sdb', other)),
      (error: Refusal) =>
        error.kind === 'not-confirmed' && /another disk is \/dev\/sdb now/.test(error.message),
    );
});
