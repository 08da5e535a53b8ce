/** The script of server images that mounts a disk by its label, on real file systems. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loopVolumesMissing } from '../support/loop-volume.ts';

const script = fileURLToPath(
  new URL('../../boards/common/server/usr/lib/starling/mount-volume', import.meta.url),
);

describe('mount-volume', { skip: loopVolumesMissing() }, () => {
  const base = mkdtempSync(join(tmpdir(), 'starling-mount-'));
  const labels = join(base, 'labels');
  const volumes = join(base, 'volumes');
  const devices: string[] = [];

  const sh = (command: string, ...args: string[]): string =>
    execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    }).trim();

  /** A disk in a file, made by `mkfs`, and how udev would name it. */
  const disk = (label: string, ...mkfs: [string, ...string[]]): string => {
    const image = join(base, `${label}-${devices.length}`);
    writeFileSync(image, '');
    truncateSync(image, 24 * 1024 * 1024);
    const [command, ...args] = mkfs;
    sh(command, ...args, image);
    const device = sh('losetup', '--find', '--show', image);
    devices.push(device);
    rmSync(join(labels, label), { force: true });
    symlinkSync(device, join(labels, label));
    return device;
  };

  const run = (label: string) =>
    spawnSync('sh', [script, label], {
      encoding: 'utf8',
      env: { ...process.env, STARLING_LABELS: labels, STARLING_VOLUMES: volumes },
      timeout: 20_000,
    });

  const mounted = (label: string): string[] =>
    readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.split(' ')[1] === join(volumes, label));

  before(() => mkdirSync(labels));

  after(() => {
    for (const label of ['starling-1', 'starling-2', 'starling-3']) {
      while (mounted(label).length > 0) sh('umount', '--lazy', join(volumes, label));
    }
    for (const device of devices) sh('losetup', '--detach', device);
    rmSync(base, { recursive: true });
  });

  test('mounts ext4 so that an error makes it read-only, and nothing on it is run', () => {
    const device = disk('starling-1', 'mkfs.ext4', '-q', '-L', 'starling-1');
    const { status, stderr } = run('starling-1');
    assert.equal(status, 0, stderr);
    const [line = ''] = mounted('starling-1');
    assert.ok(line.startsWith(`${device} `), line);
    for (const option of ['rw', 'noexec', 'nodev', 'nosuid', 'noatime', 'errors=remount-ro']) {
      assert.ok(line.includes(option), `${option} is missing in ${line}`);
    }
  });

  test('takes away what a pulled disk has left, so that the new disk is what is seen', () => {
    const old = join(volumes, 'starling-1', 'of-the-old-disk');
    writeFileSync(old, 'x');
    const device = disk('starling-1', 'mkfs.ext4', '-q', '-L', 'starling-1');
    const { status, stderr } = run('starling-1');
    assert.equal(status, 0, stderr);
    const lines = mounted('starling-1');
    assert.deepEqual([lines.length, lines[0]?.split(' ')[0]], [1, device]);
    assert.throws(() => readFileSync(old), /ENOENT/);
  });

  test('mends what a power cut has left, and refuses what it cannot mend or does not know', () => {
    const dirty = disk('starling-2', 'mkfs.ext4', '-q', '-L', 'starling-2');
    sh('debugfs', '-w', '-R', 'set_super_value state 0', dirty);
    assert.equal(run('starling-2').status, 0);
    assert.equal(mounted('starling-2').length, 1);
    disk('starling-3', 'mkfs.fat', '-n', 'STARLING-3');
    const fat = run('starling-3');
    assert.equal(fat.status, 1);
    assert.match(fat.stderr, /type vfat is not recorded to; make one: mkfs\.ext4 -L starling-3/);
    assert.equal(mounted('starling-3').length, 0);
    assert.notEqual(run('starling-9').status, 0);
  });
});
