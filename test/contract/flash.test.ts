// Flashing for real, onto loop devices: what must be refused is refused with its own words and exit code, and what is
// written is what was meant.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { initSite } from '../../firmware/io/site-folder.ts';
import { inspectDevice, judge } from '../../scripts/flash/device.ts';
import { Refusal } from '../../scripts/flash/refusal.ts';
import { LoopDisk, loopDisksMissing, sh } from '../support/loop-disk.ts';
import { makeSmallImage, type SmallImage } from '../support/small-image.ts';

const missing = loopDisksMissing();
const mebibyte = 1024 * 1024;
const diskBytes = 192 * mebibyte;
const image: SmallImage | undefined = missing === false ? await makeSmallImage() : undefined;
after(() => image?.[Symbol.dispose]());

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function runFlash(file: string, device: string, ...more: readonly string[]): Outcome {
  const args = ['--import', 'tsx', resolve('scripts/flash.ts'), '--image', file, '--device', device, ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 120_000,
    input: '',
  });
  return { code: status, out: stdout, err: stderr };
}

function flashTest(title: string, run: (image: SmallImage) => void | Promise<void>): void {
  test(title, { skip: missing }, async () => {
    if (image === undefined) throw new Error('the image was not made');
    await run(image);
  });
}

/** Reads a part of a disk. */
function bytesAt(path: string, offset: number, length: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(length);
    readSync(descriptor, bytes, 0, length, offset);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

flashTest(
  'a used disk holds exactly the image afterwards, wherever that has something, and the settings of the unit',
  async (made) => {
    using disk = new LoopDisk(diskBytes);
    // What was there before must not show through.
    const junk = Buffer.alloc(diskBytes, 0xa5);
    writeFileSync(disk.file, junk);
    const folder = mkdtempSync(join(tmpdir(), 'starling-flash-site-'));
    try {
      await initSite(join(folder, 'home'), 'home');
      const site = join(folder, 'home');
      const { code, out, err } = runFlash(
        made.file,
        disk.device,
        '--yes',
        '--json',
        '--unit',
        'cam-1',
        '--site',
        site,
        '--pin',
        '2468',
        '--ntp',
        '10.0.0.1',
      );
      assert.equal(code, 0, err);
      const result = JSON.parse(out) as { ok: boolean; unit: string; writtenBytes: number };
      assert.equal(result.ok, true);
      assert.equal(result.unit, 'cam-1');
      assert.ok(result.writtenBytes < made.manifest.diskBytesMin, 'more was written than is used');

      const config = made.manifest.partitions.find(({ name }) => name === 'CONFIG');
      assert.notEqual(config, undefined);
      for (const { offset, bytes } of made.manifest.map) {
        if (config !== undefined && offset + bytes > config.offset && offset < config.offset + config.bytes)
          continue;
        assert.ok(
          bytesAt(disk.device, offset, bytes).equals(bytesAt(made.file, offset, bytes)),
          `other bytes at ${offset}`,
        );
      }
      const listing = sh('mdir', '-b', '-i', `${disk.device}@@${config?.offset}`, '::');
      for (const name of [
        'unit.yaml',
        'unit.key',
        'unit.crt',
        'ca.crt',
        'seal.key',
        'network.yaml',
        'console.pin',
      ])
        assert.match(listing, new RegExp(`^::/${name.replace('.', '\\.')}$`, 'm'));
      assert.match(sh('mtype', '-i', `${disk.device}@@${config?.offset}`, '::unit.yaml'), /unit: cam-1/);
      assert.doesNotMatch(sh('mtype', '-i', `${disk.device}@@${config?.offset}`, '::console.pin'), /2468/);
      assert.match(sh('sfdisk', '--dump', disk.device), /name="root-a"/);
      assert.equal(
        sh('blkid', '--probe', '--output', 'value', '--match-tag', 'LABEL', disk.partition(3)).trim(),
        'root-a',
      );
      sh('e2fsck', '-f', '-n', disk.partition(3));
      const data = disk.partition(5);
      const found = sh('blkid', '--probe', '--output', 'value', '--match-tag', 'TYPE', data);
      assert.equal(found, '', 'an old file system is found in data');
      // A second card of the same unit gets the same key, not a new one.
      const key = readFileSync(join(site, 'units', 'cam-1', 'unit.key'), 'utf8');
      assert.equal(
        sh('mtype', '-i', `${disk.device}@@${config?.offset}`, '::unit.key').replaceAll('\r\n', '\n'),
        key,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

flashTest('a compressed image gives the same disk', (made) => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-flash-zst-'));
  try {
    const packed = join(folder, 'small.img.zst');
    sh('zstd', '-q', made.file, '-o', packed);
    copyFileSync(`${made.file}.json`, join(folder, 'small.img.json'));
    using disk = new LoopDisk(diskBytes);
    const { code, err } = runFlash(packed, disk.device, '--yes');
    assert.equal(code, 0, err);
    for (const { offset, bytes } of made.manifest.map)
      assert.ok(
        bytesAt(disk.device, offset, bytes).equals(bytesAt(made.file, offset, bytes)),
        `other bytes at ${offset}`,
      );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

flashTest('the disk that this machine runs from is refused with 11', async () => {
  const root = sh('findmnt', '--noheadings', '--output', 'SOURCE', '/').trim();
  if (!existsSync(root)) return;
  const parent = sh('lsblk', '--noheadings', '--nodeps', '--output', 'PKNAME', root).trim();
  // Only looked at: what is tested is the guard, so nothing may rely on it.
  const found = await inspectDevice(parent === '' ? root : `/dev/${parent}`);
  assert.throws(
    () => judge(found, 0),
    (error) => error instanceof Refusal && error.exitCode === 11 && /disk of this system/.test(error.message),
  );
});

flashTest('a disk of which something is mounted is refused with 12, and stays as it is', (made) => {
  using disk = new LoopDisk(diskBytes);
  sh('mkfs.ext4', '-q', disk.device);
  const folder = mkdtempSync(join(tmpdir(), 'starling-mounted-'));
  sh('mount', disk.device, folder);
  try {
    const { code, err } = runFlash(made.file, disk.device, '--yes');
    assert.equal(code, 12, err);
    assert.match(err, new RegExp(`is mounted at ${folder}\\nUnmount it first: umount ${folder}`));
    writeFileSync(join(folder, 'still-there'), 'yes');
  } finally {
    sh('umount', folder);
    rmSync(folder, { recursive: true });
  }
});

flashTest('a disk that is too small is refused with 13', (made) => {
  using disk = new LoopDisk(32 * mebibyte);
  const { code, err } = runFlash(made.file, disk.device, '--yes');
  assert.equal(code, 13, err);
  assert.match(err, /has 33\.6 MB, and the image needs/);
});

flashTest('a file, a terminal and a device that is not there are refused with 10', (made) => {
  for (const [device, words] of [
    [made.file, /is not a disk/],
    ['/dev/null', /is not a disk/],
    ['/dev/starling-none', /there is no \/dev\/starling-none/],
  ] as const) {
    const { code, err } = runFlash(made.file, device, '--yes');
    assert.equal(code, 10, err);
    assert.match(err, words);
  }
});

flashTest('a partition is refused with 10', (made) => {
  using disk = new LoopDisk(2 * diskBytes);
  sh('bash', '-c', `printf 'label: gpt\\nsize=300MiB\\n' | sfdisk -q ${disk.device} 2>/dev/null || true`);
  const { code, err } = runFlash(made.file, disk.partition(1), '--yes');
  assert.equal(code, 10, err);
  assert.match(err, /is a partition, not a whole disk/);
});

flashTest('a write-protected disk is refused with 19', (made) => {
  using disk = new LoopDisk(diskBytes, '--read-only');
  const { code, err } = runFlash(made.file, disk.device, '--yes');
  assert.equal(code, 19, err);
  assert.match(err, /write-protected/);
});

flashTest('without --yes and without a person nothing is written, and the code is 17', (made) => {
  using disk = new LoopDisk(diskBytes);
  writeFileSync(disk.file, Buffer.alloc(mebibyte, 7), { flag: 'r+' });
  const { code, err } = runFlash(made.file, disk.device);
  assert.equal(code, 17, err);
  assert.match(err, /left as it is/);
  assert.equal(bytesAt(disk.device, 0, 1)[0], 7);
});

flashTest('an image with one wrong byte is refused with 16, and the disk does not start', (made) => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-flash-bad-'));
  try {
    const bad = join(folder, 'bad.img');
    sh('cp', '--sparse=always', made.file, bad);
    copyFileSync(`${made.file}.json`, `${bad}.json`);
    const descriptor = openSync(bad, 'r+');
    writeSync(descriptor, Buffer.from('x'), 0, 1, (made.manifest.map.at(-2)?.offset ?? 0) + 17);
    closeSync(descriptor);
    using disk = new LoopDisk(diskBytes);
    const { code, err } = runFlash(bad, disk.device, '--yes');
    assert.equal(code, 16, err);
    assert.match(err, /is damaged: the bytes from \d+ are not those of its manifest/);
    assert.equal(bytesAt(disk.device, 510, 2).readUInt16LE(), 0, 'its first sector was written');

    truncateSync(bad, made.manifest.bytes - 512);
    assert.equal(runFlash(bad, disk.device, '--yes').code, 16);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

flashTest('a refusal is JSON for programs', (made) => {
  const { code, out } = runFlash(made.file, '/dev/null', '--yes', '--json');
  assert.equal(code, 10);
  const answer = JSON.parse(out) as { ok: boolean; refusal: string; exitCode: number };
  assert.deepEqual([answer.ok, answer.refusal, answer.exitCode], [false, 'not-a-disk', 10]);
});

flashTest(
  'a unit without a site, and an image without a manifest, are refused as usage and as not found',
  (made) => {
    assert.equal(runFlash(made.file, '/dev/null', '--yes', '--unit', 'cam-1').code, 2);
    assert.equal(runFlash(join(tmpdir(), 'starling-no-such.img'), '/dev/null', '--yes').code, 3);
  },
);
