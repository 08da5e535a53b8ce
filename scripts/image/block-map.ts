/**
 * Which blocks of an image have to be written: all but those that its file systems call free. Zeros are no sign of a
 * free block: on a card that was used before, a table that must be empty would keep what was there.
 *
 * What has to be empty is written as zeros: the beginnings of root-b and data, where an older file system would be
 * found, and the gap before the first partition.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Manifest } from './manifest.ts';

const blockBytes = 65_536;
/** Progress and errors have this grain. */
const rangeBytesMax = 16 * 1024 * 1024;

/** Bytes from `offset`, not from `end` on. */
export interface Span {
  readonly offset: number;
  readonly end: number;
}

/** Spans of an ext4 file system (a file of its own) that are in use, widened to whole blocks of the map. */
export function usedOfExt4(file: string): Span[] {
  const text = execFileSync('dumpe2fs', [file], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { blocks, size, free } = parseFreeBlocks(text);
  return complement(
    free.map(({ offset, end }) => ({ offset: offset * size, end: end * size })),
    blocks * size,
  );
}

/** Reads what dumpe2fs prints; spans count blocks. Throws when it prints something else. */
export function parseFreeBlocks(text: string): { blocks: number; size: number; free: Span[] } {
  const blocks = Number(/^Block count: +(\d+)$/m.exec(text)?.[1]);
  const size = Number(/^Block size: +(\d+)$/m.exec(text)?.[1]);
  const lines = [...text.matchAll(/^ {2}Free blocks: ?(.*)$/gm)].map((found) => found[1] ?? '');
  if (!(blocks > 0 && size > 0) || lines.length === 0)
    throw new Error('dumpe2fs said nothing about free blocks');
  const free = lines
    .flatMap((line) => line.split(',').map((part) => part.trim()))
    .filter((part) => part !== '')
    .map((part) => {
      const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
      if (first === undefined)
        throw new Error(`dumpe2fs said ${JSON.stringify(part)} where blocks were expected`);
      return { offset: Number(first), end: Number(last ?? first) + 1 };
    });
  return { blocks, size, free: free.sort((a, b) => a.offset - b.offset) };
}

/** What `free` leaves of `length` bytes, widened to whole blocks. */
export function complement(free: readonly Span[], length: number): Span[] {
  const used: Span[] = [];
  let at = 0;
  for (const { offset, end } of [...free, { offset: length, end: length }]) {
    if (offset > at) used.push(widened({ offset: at, end: offset }, length));
    at = Math.max(at, end);
  }
  return merged(used);
}

/** The same spans in order, those that touch made one. */
export function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.offset - b.offset)) {
    const last = result.at(-1);
    if (last !== undefined && span.offset <= last.end)
      result[result.length - 1] = { offset: last.offset, end: Math.max(last.end, span.end) };
    else result.push(span);
  }
  return result;
}

function widened({ offset, end }: Span, length: number): Span {
  return {
    offset: Math.floor(offset / blockBytes) * blockBytes,
    end: Math.min(length, Math.ceil(end / blockBytes) * blockBytes),
  };
}

/** Where the content of a file ends: the last byte that is not zero, rounded up to whole blocks. */
export function contentEnd(file: string, length: number): number {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(1024 * 1024);
    for (let end = length; end > 0; end -= buffer.length) {
      const offset = Math.max(0, end - buffer.length);
      const size = readSync(descriptor, buffer, 0, end - offset, offset);
      const filled = buffer.subarray(0, size);
      const last = filled.findLastIndex((byte) => byte !== 0);
      if (last >= 0) return widened({ offset: 0, end: offset + last + 1 }, length).end;
    }
    return 0;
  } finally {
    closeSync(descriptor);
  }
}

/** The map of an image with its checksums, and the checksum of the whole, zeros where nothing is mapped. */
export function mapImage(
  file: string,
  spans: readonly Span[],
  length: number,
): Pick<Manifest, 'map' | 'sha256'> {
  const descriptor = openSync(file, 'r');
  const whole = createHash('sha256');
  const map: { offset: number; bytes: number; sha256: string }[] = [];
  const buffer = Buffer.alloc(rangeBytesMax);
  const zeros = Buffer.alloc(rangeBytesMax);
  let at = 0;
  const passOver = (end: number): void => {
    for (; at < end; at += zeros.length) whole.update(zeros.subarray(0, Math.min(zeros.length, end - at)));
    at = end;
  };
  try {
    for (const { offset, end } of merged(spans)) {
      passOver(offset);
      while (at < end) {
        const size = readSync(descriptor, buffer, 0, Math.min(buffer.length, end - at), at);
        if (size === 0) throw new Error(`${file} ends at ${at}, not at ${length}`);
        const bytes = buffer.subarray(0, size);
        whole.update(bytes);
        map.push({ offset: at, bytes: size, sha256: createHash('sha256').update(bytes).digest('hex') });
        at += size;
      }
    }
    passOver(length);
  } finally {
    closeSync(descriptor);
  }
  return { map, sha256: whole.digest('hex') };
}
