/**
 * An image as `npm run image` makes it, with the real layout, map and manifest, but small: text in place of a kernel, a
 * handful of files in the root. For tests of flashing.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyInto, makeDisk } from '../../scripts/image/assemble.ts';
import { contentEnd, mapImage, type Span, usedOfExt4 } from '../../scripts/image/block-map.ts';
import { makeConfigPartition } from '../../scripts/image/config-partition.ts';
import { makeFat } from '../../scripts/image/fat.ts';
import {
  type Layout,
  type PartitionName,
  partitionNamed,
  planLayout,
  sectorBytes,
} from '../../scripts/image/layout.ts';
import type { Manifest } from '../../scripts/image/manifest.ts';

const emptyBytes = 1024 * 1024;

export interface SmallImage extends Disposable {
  readonly file: string;
  readonly manifest: Manifest;
  readonly layout: Layout;
}

export async function makeSmallImage(
  table: Layout['table'] = 'gpt',
  role: Manifest['role'] = 'camera',
): Promise<SmallImage> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-small-image-'));
  const layout = planLayout(table, { bootMb: 16, rootMb: 16, dataMinMb: 8 });
  const disk = join(folder, 'small.img');
  const offset = (name: PartitionName): number => partitionNamed(layout, name).start * sectorBytes;
  await makeDisk(disk, layout);

  const boot = join(folder, 'boot');
  const stage = join(folder, 'stage');
  mkdirSync(stage);
  writeFileSync(join(stage, 'vmlinuz'), Buffer.alloc(300_000, 'kernel'));
  await makeFat({ file: boot, megabytes: 16, label: 'BOOT', folder: stage });
  copyInto(boot, disk, offset('boot'));
  const config = join(folder, 'config');
  await makeConfigPartition(config, new Map());
  copyInto(config, disk, offset('CONFIG'));
  const root = join(folder, 'root');
  execFileSync('mkfs.ext4', [
    '-q',
    '-L',
    'root-a',
    '-O',
    '^has_journal',
    '-E',
    'lazy_itable_init=0',
    '-d',
    stage,
    root,
    '16M',
  ]);
  copyInto(root, disk, offset('root-a'), usedOfExt4(root));

  const bytes = statSync(disk).size;
  const shift = (spans: readonly Span[], by: number): Span[] =>
    spans.map((span) => ({ offset: span.offset + by, end: span.end + by }));
  const spans = [
    { offset: 0, end: offset('boot') },
    ...shift([{ offset: 0, end: contentEnd(boot, statSync(boot).size) }], offset('boot')),
    { offset: offset('CONFIG') - emptyBytes, end: offset('CONFIG') + statSync(config).size },
    ...shift(usedOfExt4(root), offset('root-a')),
    { offset: offset('root-b') - emptyBytes, end: offset('root-b') + emptyBytes },
    { offset: offset('data'), end: offset('data') + emptyBytes },
    { offset: layout.usedSectors * sectorBytes - emptyBytes, end: layout.usedSectors * sectorBytes },
  ];
  const manifest: Manifest = {
    version: 1,
    board: 'virtual',
    boardName: 'Test',
    role,
    program: 'test',
    builtAt: '2026-01-01T00:00:00.000Z',
    rootKey: 'none',
    bytes,
    diskBytesMin: layout.usedSectors * sectorBytes,
    ...mapImage(disk, spans, bytes),
    partitions: layout.partitions.map(({ name, number, start, sectors }) => ({
      name,
      number,
      offset: start * sectorBytes,
      bytes: sectors * sectorBytes,
    })),
    boot: { cmdline: 'test' },
  };
  writeFileSync(`${disk}.json`, JSON.stringify(manifest));
  renameSync(boot, join(folder, 'boot.kept'));
  return {
    file: disk,
    manifest,
    layout,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
