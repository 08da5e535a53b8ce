/**
 * Writes an image to a disk and reads all of it back from the medium.
 *
 * Invariants: only ranges of the manifest's map are written; what is read from the image has the manifest's checksums
 * before it is written; the first sectors are zeros until everything else was verified, so that a disk that was flashed
 * by half does not start.
 */
import { createHash } from 'node:crypto';
import type { Manifest, MappedRange } from '../image/manifest.ts';
import { damaged, type ImageSource } from './image-source.ts';
import type { Medium } from './medium.ts';
import { NonceProbes } from './nonce-probes.ts';
import { Refusal } from './refusal.ts';

/** Held back: the table of an MBR, and that of a GPT with the protective MBR before it. */
const headBytes = 4096;

/** Bytes that take the place of the image's own: the partition CONFIG of one unit. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Buffer;
}

export type Phase = 'write' | 'verify';

export interface WriteOptions {
  readonly image: string;
  readonly manifest: Manifest;
  readonly source: ImageSource;
  readonly medium: Medium;
  readonly patch?: Patch | undefined;
  readonly onProgress?: (phase: Phase, doneBytes: number) => void;
}

/** Resolves when the disk holds the image. Throws Refusals. */
export async function writeImage(options: WriteOptions): Promise<void> {
  const { medium, manifest } = options;
  await medium.write(Buffer.alloc(headBytes), 0);
  const probes = new NonceProbes(medium);
  await probes.run();
  const { head, expected } = await writeRanges(options);
  await medium.flush();
  await verifyRanges(options, head, expected);
  await probes.check(manifest.diskBytesMin);
  await probes.remove(manifest.diskBytesMin);
  await medium.write(head, 0);
  await medium.flush();
  const found = Buffer.alloc(headBytes);
  await medium.read(found, 0);
  if (!found.equals(head)) throw differs(medium, 0);
}

/** What each range must read back as, by its offset; and the first sectors. */
async function writeRanges({ image, manifest, source, medium, patch, onProgress }: WriteOptions) {
  const expected = new Map<number, string>();
  let head: Buffer = Buffer.alloc(headBytes);
  let done = 0;
  for (const range of manifest.map) {
    const bytes = await source.read(range.offset, range.bytes);
    if (sha256(bytes) !== range.sha256)
      throw damaged(image, `the bytes from ${range.offset} are not those of its manifest`);
    expected.set(range.offset, applied(patch, bytes, range) ? sha256(bytes) : range.sha256);
    if (range.offset === 0) {
      head = Buffer.from(bytes.subarray(0, headBytes));
      bytes.fill(0, 0, headBytes);
    }
    await medium.write(bytes, range.offset);
    done += range.bytes;
    // Now and then for real: otherwise the progress is that of this machine's memory.
    if (expected.size % 4 === 0) await medium.flush();
    onProgress?.('write', done);
  }
  return { head, expected };
}

async function verifyRanges(
  options: WriteOptions,
  head: Buffer,
  expected: ReadonlyMap<number, string>,
): Promise<void> {
  const { manifest, medium, onProgress } = options;
  let done = 0;
  for (const { offset, bytes: size } of manifest.map) {
    const bytes = Buffer.alloc(size);
    await medium.read(bytes, offset);
    if (offset === 0) head.copy(bytes);
    if (sha256(bytes) !== expected.get(offset)) throw differs(medium, offset);
    done += size;
    onProgress?.('verify', done);
  }
}

/** Puts the patch over the bytes of a range; false when they have nothing in common. */
function applied(patch: Patch | undefined, bytes: Buffer, { offset }: MappedRange): boolean {
  if (patch === undefined) return false;
  const from = Math.max(offset, patch.offset);
  const to = Math.min(offset + bytes.length, patch.offset + patch.bytes.length);
  if (from >= to) return false;
  patch.bytes.copy(bytes, from - offset, from - patch.offset, to - patch.offset);
  return true;
}

function differs({ path }: Medium, offset: number): Refusal {
  const advice = 'The card or the reader is bad: try another reader, then another card.';
  return new Refusal(
    'verification-failed',
    `${path} reads back other bytes than were written, from ${offset} on`,
    advice,
  );
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
