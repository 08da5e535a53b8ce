// What a unit does with its data partition when it starts, on real block devices.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { type Layout, partitionNamed, planLayout } from '../../scripts/image/layout.ts';
import { LoopDisk, loopDisksMissing, sh } from '../support/loop-disk.ts';

const missing = loopDisksMissing();
const mebibyte = 1024 * 1024;
const script = resolve('boards/common/root/usr/lib/starling/prepare-disk');

interface Prepared {
  readonly disk: LoopDisk;
  readonly layout: Layout;
  readonly data: string;
  run(environment?: Record<string, string>): { code: number | null; text: string };
  mib(): number;
}

/** A disk of 256 MiB onto which an image with this table was flashed. */
function flashed(table: Layout['table']): Prepared & Disposable {
  const layout = planLayout(table, { bootMb: 4, rootMb: 4, dataMinMb: 8 });
  const disk = new LoopDisk(256 * mebibyte);
  const image = join(mkdtempSync(join(tmpdir(), 'starling-table-')), 'image');
  writeFileSync(image, Buffer.alloc(0));
  sh('truncate', '--size', String(layout.usedSectors * 512), image);
  const made = spawnSync('sfdisk', ['--quiet', image], { input: layout.script });
  assert.equal(made.status, 0, made.stderr.toString());
  sh('dd', `if=${image}`, `of=${disk.device}`, 'bs=1M', 'conv=notrunc', 'status=none');
  rmSync(join(image, '..'), { recursive: true });
  const number = partitionNamed(layout, 'data').number;
  const root = disk.partition(partitionNamed(layout, 'root-a').number);
  const data = `${disk.device}p${number}`;
  return {
    disk,
    layout,
    data,
    run: (environment = {}) => {
      const { status, stdout, stderr } = spawnSync(script, [root, String(number)], {
        encoding: 'utf8',
        timeout: 60_000,
        env: { ...process.env, ...environment },
      });
      return { code: status, text: `${stdout}${stderr}` };
    },
    mib: () => Number(readFileSync(`/sys/class/block/${data.replace('/dev/', '')}/size`, 'utf8')) / 2048,
    [Symbol.dispose]: () => disk[Symbol.dispose](),
  };
}

function fileSystemMib(device: string): number {
  const text = sh('dumpe2fs', '-h', device);
  return (
    (Number(/Block count: +(\d+)/.exec(text)?.[1]) * Number(/Block size: +(\d+)/.exec(text)?.[1])) / mebibyte
  );
}

for (const table of ['gpt', 'dos'] as const) {
  test(`${table}: the first start makes data as large as the disk, with a file system; the second changes nothing`, {
    skip: missing,
  }, () => {
    using unit = flashed(table);
    const first = unit.run();
    assert.equal(first.code, 0, first.text);
    assert.match(first.text, /grows the partition data by \d+ MiB\nstarling: makes the file system data/);
    assert.ok(unit.mib() > 190, `data has ${unit.mib()} MiB`);
    assert.ok(Math.abs(fileSystemMib(unit.data) - unit.mib()) < 1);
    assert.equal(
      sh('blkid', '--probe', '--output', 'value', '--match-tag', 'LABEL', unit.data).trim(),
      'data',
    );
    const uuid = sh('blkid', '--probe', '--output', 'value', '--match-tag', 'UUID', unit.data);
    const table1 = sh('sfdisk', '--dump', unit.disk.device);
    assert.match(sh('sfdisk', '--verify', unit.disk.device), /No errors detected/);
    const second = unit.run();
    assert.deepEqual([second.code, second.text], [0, '']);
    assert.equal(sh('blkid', '--probe', '--output', 'value', '--match-tag', 'UUID', unit.data), uuid);
    assert.equal(sh('sfdisk', '--dump', unit.disk.device), table1);
  });

  test(`${table}: the ids of the partitions stay, since the system is found by them`, {
    skip: missing,
  }, () => {
    using unit = flashed(table);
    const ids = (): string[] =>
      unit.layout.partitions.map(({ number }) =>
        sh(
          'partx',
          '--show',
          '--noheadings',
          '--output',
          'UUID',
          '--nr',
          String(number),
          unit.disk.device,
        ).trim(),
      );
    const before = ids();
    assert.deepEqual(
      before,
      unit.layout.partitions.map(({ partUuid }) => partUuid),
    );
    assert.equal(unit.run().code, 0);
    assert.deepEqual(ids(), before);
  });

  test(`${table}: a power cut after the partition grew is made good by the next start`, {
    skip: missing,
  }, () => {
    using unit = flashed(table);
    assert.equal(unit.run().code, 0);
    // As if mkfs had not come to anything.
    sh('dd', 'if=/dev/zero', `of=${unit.data}`, 'bs=1M', 'count=1', 'conv=notrunc', 'status=none');
    const next = unit.run();
    assert.equal(next.code, 0, next.text);
    assert.match(next.text, /makes the file system data/);
  });

  test(`${table}: an image that was copied to a larger disk grows with what it holds`, {
    skip: missing,
  }, () => {
    using unit = flashed(table);
    sh('mkfs.ext4', '-q', '-F', '-L', 'data', unit.data);
    const folder = mkdtempSync(join(tmpdir(), 'starling-data-'));
    sh('mount', unit.data, folder);
    writeFileSync(join(folder, 'recording'), 'kept');
    sh('umount', folder);
    const grown = unit.run();
    assert.equal(grown.code, 0, grown.text);
    assert.match(grown.text, /grows the file system data/);
    assert.ok(fileSystemMib(unit.data) > 190);
    sh('mount', unit.data, folder);
    try {
      assert.equal(readFileSync(join(folder, 'recording'), 'utf8'), 'kept');
    } finally {
      sh('umount', folder);
      rmSync(folder, { recursive: true });
    }
  });
}

test('a file system whose beginning cannot be recognised is never taken for none', { skip: missing }, () => {
  using unit = flashed('gpt');
  assert.equal(unit.run().code, 0);
  // The magic number of ext4, 0xef53 at 1080.
  sh('dd', 'if=/dev/zero', `of=${unit.data}`, 'bs=1', 'seek=1080', 'count=2', 'conv=notrunc', 'status=none');
  const { code, text } = unit.run();
  assert.equal(code, 1);
  assert.match(text, /holds something that is not known/);
  assert.doesNotMatch(text, /makes the file system/);
});

test('a disk that cannot be read is not formatted', { skip: missing }, () => {
  using unit = flashed('gpt');
  assert.equal(unit.run().code, 0);
  const folder = mkdtempSync(join(tmpdir(), 'starling-blkid-'));
  writeFileSync(join(folder, 'blkid'), '#!/bin/sh\n[ "$5" = PTTYPE ] && echo gpt && exit 0\nexit 4\n', {
    mode: 0o755,
  });
  const { code, text } = unit.run({ PATH: `${folder}:${process.env['PATH'] ?? ''}` });
  rmSync(folder, { recursive: true });
  assert.equal(code, 1, text);
  assert.doesNotMatch(text, /makes the file system/);
});

test('a file system with faults that ask for an answer is mended: nobody is there to give one', {
  skip: missing,
}, () => {
  using unit = flashed('gpt');
  sh('mkfs.ext4', '-q', '-F', '-L', 'data', unit.data);
  sh('debugfs', '-w', '-R', 'clri <2>', unit.data);
  const { code, text } = unit.run();
  assert.equal(code, 0, text);
  sh('e2fsck', '-fn', unit.data);
});

test('a file system that cannot grow is used as it is', { skip: missing }, () => {
  using unit = flashed('gpt');
  sh('mkfs.ext4', '-q', '-F', '-L', 'data', unit.data);
  const folder = mkdtempSync(join(tmpdir(), 'starling-tools-'));
  for (const tool of ['sfdisk', 'resize2fs'])
    writeFileSync(join(folder, tool), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const { code, text } = unit.run({ PATH: `${folder}:${process.env['PATH'] ?? ''}` });
  rmSync(folder, { recursive: true });
  assert.equal(code, 0, text);
  assert.match(text, /the partition data could not be grown/);
});

test('a partition with another file system is left as it is, with a reason', { skip: missing }, () => {
  using unit = flashed('gpt');
  sh('mkswap', unit.data);
  const { code, text } = unit.run();
  assert.equal(code, 1);
  assert.match(text, /holds swap, not ext4/);
  assert.equal(sh('blkid', '--probe', '--output', 'value', '--match-tag', 'TYPE', unit.data).trim(), 'swap');
});
