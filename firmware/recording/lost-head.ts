/**
 * Segments whose head is damaged: `ftyp moov`, which alone says what the tracks are. What whole fragments there are is
 * seen without it, and the tracks are found elsewhere: those of a capture are the same in all its segments.
 *
 * Invariant: tracks are taken for those of a segment only when they are of its camera and of the capture that its own
 * fragments name. Bounded: `neighboursMax` other files are looked at, of the same day, the one before and the one after.
 */
import { dirname, join } from 'node:path';
import { Failure } from '../base/failure.ts';
import { wholeStretches } from '../media/fragment-search.ts';
import { parseInit, readFragmentHead } from '../media/mp4-scanner.ts';
import type { TrackDescription } from '../media/sample.ts';
import type { Disk } from './disk.ts';
import { parseSegmentName } from './segment-name.ts';
import { endOfRun } from './segment-salvage.ts';
import { segmentPath } from './segment-writer.ts';
import type { Volume } from './volumes.ts';

const neighboursMax = 64;
/** The longest init segment, see mp4-scanner.ts. */
const headBytes = 256 * 1024;
const ending = '.mp4';

/** What is whole in a file without a head. */
export interface Headless {
  readonly fragments: number;
  /** end of the last one, µs UTC */
  readonly toUs: number;
  readonly captureId: string | undefined;
}

/** Undefined when no fragment is whole. Rejects with a Failure when the disk fails. */
export async function lookInside(
  disk: Pick<Disk, 'read'>,
  path: string,
  size: number,
): Promise<Headless | undefined> {
  const read = (offset: number, length: number): Promise<Buffer> => disk.read(path, offset, length);
  let inside: Headless | undefined;
  for await (const stretch of wholeStretches(read, size, { from: 0, trackCount: undefined })) {
    const toUs = Math.max(inside?.toUs ?? 0, endOfRun(stretch) ?? 0);
    const fragments = (inside?.fragments ?? 0) + stretch.length;
    if (inside !== undefined) inside = { ...inside, fragments, toUs };
    else {
      const first = await readFragmentHead(read, size, stretch[0].offset);
      inside = { fragments, toUs, captureId: first.ok ? first.value.captureId : undefined };
    }
  }
  return inside;
}

/** The tracks of a capture, if they are those that are guessed or a neighbour of the segment has them. */
export async function findTracks(
  disk: Pick<Disk, 'read' | 'list'>,
  volume: Pick<Volume, 'folder'>,
  segment: { readonly camera: string; readonly name: string },
  { captureId, guess }: { captureId: string | undefined; guess: readonly TrackDescription[] | undefined },
): Promise<readonly TrackDescription[] | undefined> {
  if (captureId === undefined) return undefined;
  const fits = (tracks: readonly TrackDescription[]): boolean =>
    tracks.length > 0 &&
    tracks.every((track) => track.camera === segment.camera && track.captureId === captureId);
  if (guess !== undefined && fits(guess)) return guess;
  for (const name of await neighbours(disk, volume, segment)) {
    const tracks = await tracksIn(disk, segmentPath(volume, segment.camera, name));
    if (tracks !== undefined && fits(tracks)) return tracks;
  }
  return undefined;
}

/** Other segments of a camera on a volume, the nearest first. */
async function neighbours(
  disk: Pick<Disk, 'list'>,
  volume: Pick<Volume, 'folder'>,
  { camera, name }: { readonly camera: string; readonly name: string },
): Promise<string[]> {
  const own = parseSegmentName(name);
  if (!own.ok) return [];
  const folder = join(volume.folder, camera);
  const day = dirname(name);
  const days = (await disk.list(folder))
    .filter(({ kind }) => kind === 'directory')
    .map((entry) => entry.name);
  const near = [days.findLast((one) => one < day), day, days.find((one) => one > day)];
  const found: { name: string; awayUs: number }[] = [];
  for (const one of near.filter((each) => each !== undefined)) {
    for (const { name: file } of await disk.list(join(folder, one))) {
      const other = `${one}/${file.endsWith(ending) ? file.slice(0, -ending.length) : ''}`;
      const parsed = parseSegmentName(other);
      if (!parsed.ok || other === name) continue;
      found.push({ name: other, awayUs: Math.abs(parsed.value.fromUs - own.value.fromUs) });
    }
  }
  found.sort((a, b) => a.awayUs - b.awayUs);
  return found.slice(0, neighboursMax).map((one) => one.name);
}

/** A file that cannot be read, or has no head either, tells nothing. */
async function tracksIn(
  disk: Pick<Disk, 'read'>,
  path: string,
): Promise<readonly TrackDescription[] | undefined> {
  try {
    const head = parseInit(await disk.read(path, 0, headBytes));
    return head.ok ? head.value.tracks : undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return undefined;
  }
}
