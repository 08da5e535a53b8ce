/** Puts partitions together in the file of an image, and completes the root in its place. */
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Span } from './block-map.ts';
import { type Layout, sectorBytes } from './layout.ts';
import { runTool } from './run-tool.ts';

const chunkBytes = 4 * 1024 * 1024;

/** An empty disk with the partition table of the layout. */
export async function makeDisk(file: string, layout: Layout): Promise<void> {
  const descriptor = openSync(file, 'w');
  try {
    ftruncateSync(descriptor, layout.usedSectors * sectorBytes);
  } finally {
    closeSync(descriptor);
  }
  await runTool('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', file], { input: layout.script });
  extend(file, layout.sectors * sectorBytes);
}

function extend(file: string, bytes: number): void {
  const descriptor = openSync(file, 'r+');
  try {
    ftruncateSync(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
}

/** Copies spans of a file to a place in another one; zeros are left out, so that the target stays sparse. */
export function copyInto(source: string, target: string, offset: number, spans?: readonly Span[]): void {
  const from = openSync(source, 'r');
  const to = openSync(target, 'r+');
  const buffer = Buffer.alloc(chunkBytes);
  const zeros = Buffer.alloc(chunkBytes);
  try {
    for (const span of spans ?? [{ offset: 0, end: statSync(source).size }]) {
      for (let at = span.offset; at < span.end; ) {
        const size = readSync(from, buffer, 0, Math.min(chunkBytes, span.end - at), at);
        if (size === 0) break;
        const bytes = buffer.subarray(0, size);
        if (!bytes.equals(zeros.subarray(0, size))) writeSync(to, bytes, 0, size, offset + at);
        at += size;
      }
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

/**
 * Mounts a partition of the image while `work` runs on it, its file system grown to the whole of it; then what was freed
 * becomes holes, so that a free block of the image is zeros. Needs root. Throws the Failure FILE_IO.
 */
export async function withMounted<T>(
  file: string,
  span: Span,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'starling-root-'));
  const place = [`--offset=${span.offset}`, `--sizelimit=${span.end - span.offset}`];
  const device = (await runTool('losetup', ['--find', '--show', ...place, file])).trim();
  try {
    await runTool('resize2fs', [device]);
    await runTool('mount', ['-t', 'ext4', device, folder]);
    try {
      const result = await work(folder);
      await runTool('fstrim', [folder]);
      return result;
    } finally {
      await runTool('umount', [folder]);
    }
  } finally {
    await runTool('losetup', ['--detach', device]);
    rmdirSync(folder);
  }
}
