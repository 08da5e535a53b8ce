/**
 * Parts as files: `…/parts/{server}/{segment}/{first}-{last}.mp4` are the fragments of a stored segment with media
 * times on the camera's clock, so that parts of several files and servers follow one another; `init.mp4` is the
 * segment's beginning. They never change, whether the segment is still written or not.
 *
 * Invariants: a part is read as fast as it is taken, at most `sliceBytes` at a time; hostile numbers are refused.
 */
import { Failure } from '../base/failure.ts';
import { moveToCameraClock } from '../media/fragment-clock.ts';
import type { Archive } from '../recording/archive.ts';

const fragmentsPerPartMax = 256;
/** The boxes before the payload of any fragment fit: a `moof` of most samples has half of it. */
const sliceBytes = 512 * 1024;

/** Fragments of a segment, both inclusive; undefined: the init segment. */
export interface PartFile {
  readonly camera: string;
  /** of the segment */
  readonly name: string;
  readonly part: { readonly first: number; readonly last: number } | undefined;
}

/** A part of this server whose length is known and whose bytes are not read yet. */
interface OpenedPart {
  readonly bytes: number;
  /** Bytes [start, end). Rejects with a Failure when the file is not what its index says. */
  readonly read: (start: number, end: number) => AsyncGenerator<Buffer, void, void>;
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

/** A part of this server; undefined when there is no such part. */
export async function openPart(archive: Archive, wanted: PartFile): Promise<OpenedPart | undefined> {
  const { camera, name, part } = wanted;
  const detail = await archive.detail(camera, name);
  if (detail === undefined || (part !== undefined && part.last >= detail.fragments.length)) return undefined;
  const slices =
    part === undefined
      ? slicesOf({ offset: 0, bytes: detail.initBytes }, false)
      : detail.fragments.slice(part.first, part.last + 1).flatMap((fragment) => slicesOf(fragment, true));
  return {
    bytes: slices.reduce((sum, { bytes }) => sum + bytes, 0),
    read: (start, end) => readBetween(archive, wanted, slices, { start, end }),
  };
}

/** Bytes of a segment's file that are read at a time. */
interface Slice {
  readonly offset: number;
  readonly bytes: number;
  /** it begins a fragment, whose times are to be moved */
  readonly moved: boolean;
}

function slicesOf({ offset, bytes }: { offset: number; bytes: number }, fragment: boolean): Slice[] {
  return Array.from({ length: Math.ceil(bytes / sliceBytes) }, (_, place) => {
    const at = place * sliceBytes;
    return {
      offset: offset + at,
      bytes: Math.min(sliceBytes, bytes - at),
      moved: fragment && place === 0,
    };
  });
}

async function* readBetween(
  archive: Archive,
  { camera, name }: PartFile,
  slices: readonly Slice[],
  { start, end }: { start: number; end: number },
): AsyncGenerator<Buffer, void, void> {
  const damaged = (reason: string): Failure =>
    new Failure('FILE_IO', `${camera}/${name} ${reason}`, { advice: 'Run starling check on this server.' });
  let at = 0;
  for (const { offset, bytes, moved } of slices) {
    const [from, to] = [Math.max(start - at, 0), Math.min(end - at, bytes)];
    at += bytes;
    if (from >= to) continue;
    const content = await archive.read(camera, name, offset, bytes);
    if (content.length < bytes) throw damaged('is shorter than its index says');
    const result = moved ? moveToCameraClock(content) : undefined;
    if (result?.ok === false) throw damaged(`is damaged: ${result.reason}`);
    yield content.subarray(from, to);
  }
}
