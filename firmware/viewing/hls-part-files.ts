/**
 * Parts as files: `…/parts/{server}/{segment}/{first}-{last}.mp4` are the fragments of a stored segment with media
 * times on the camera's clock, so that parts of several files and servers follow one another; `init.mp4` is the
 * segment's beginning. They never change, whether the segment is still written or not.
 *
 * Invariants: at most `partBytesMax` are read and held for one answer; hostile numbers are refused.
 */
import { Failure } from '../base/failure.ts';
import { moveToCameraClock } from '../media/fragment-clock.ts';
import type { Archive } from '../recording/archive.ts';

const fragmentsPerPartMax = 256;
const partBytesMax = 64 * 1024 * 1024;

/** Fragments of a segment, both inclusive; undefined: the init segment. */
export interface PartFile {
  readonly camera: string;
  /** of the segment */
  readonly name: string;
  readonly part: { readonly first: number; readonly last: number } | undefined;
}

const filePattern = /^(?:init|(\d{1,5})-(\d{1,5}))\.mp4$/;

/** Reads the last piece of a path; undefined when it is none. */
export function parsePartFile(file: string): PartFile['part'] | 'init' | undefined {
  const match = filePattern.exec(file);
  if (match === null) return undefined;
  if (match[1] === undefined) return 'init';
  const [first, last] = [Number(match[1]), Number(match[2])];
  return first <= last && last - first < fragmentsPerPartMax ? { first, last } : undefined;
}

/** The bytes of a part of this server; undefined when there is no such part. Rejects with a Failure. */
export async function readPart(
  archive: Archive,
  { camera, name, part }: PartFile,
): Promise<Buffer | undefined> {
  const detail = await archive.detail(camera, name);
  if (detail === undefined) return undefined;
  if (part === undefined) return readWhole(archive, { camera, name, offset: 0, bytes: detail.initBytes });
  const fragments = detail.fragments.slice(part.first, part.last + 1);
  const [first, last] = [fragments[0], fragments.at(-1)];
  if (first === undefined || last === undefined || fragments.length <= part.last - part.first)
    return undefined;
  const bytes = last.offset + last.bytes - first.offset;
  if (bytes > partBytesMax) return undefined;
  const content = await readWhole(archive, { camera, name, offset: first.offset, bytes });
  for (const { offset, bytes: length } of fragments) {
    const at = offset - first.offset;
    const moved = moveToCameraClock(content.subarray(at, at + length));
    if (moved.ok) continue;
    const advice = 'Run starling check on this server.';
    throw new Failure('FILE_IO', `${camera}/${name}: ${moved.reason}`, { advice });
  }
  return content;
}

async function readWhole(
  archive: Archive,
  { camera, name, offset, bytes }: { camera: string; name: string; offset: number; bytes: number },
): Promise<Buffer> {
  const content = await archive.read(camera, name, offset, bytes);
  if (content.length === bytes) return content;
  const advice = 'Run starling check on this server.';
  throw new Failure('FILE_IO', `${camera}/${name} is shorter than its index says`, { advice });
}
