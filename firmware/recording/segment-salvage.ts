/**
 * Copies what is whole behind damage in the middle of a segment to segments of its own.
 *
 * Invariants: the copy is durable and known to the ledger before anything is taken from the original; each hole
 * becomes a gap `damaged`. Done twice (the power may go in between) it makes copies twice, of which readers see one:
 * samples are known by capture, track and sequence. Bounded: `runsMax` holes, `chunkBytes` in memory.
 */
import { dirname } from 'node:path';
import { Failure } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { wholeStretches } from '../media/fragment-search.ts';
import type { Gap, TrackDescription } from '../media/sample.ts';
import type { Disk, RecordingFile } from './disk.ts';
import type { Ledger } from './ledger.ts';
import { formatSegmentName } from './segment-name.ts';
import { removeFile, segmentPath, syncPath } from './segment-writer.ts';
import type { Volume } from './volumes.ts';

/** A recorder writes 4,000 fragments to a segment at the most: there are never more stretches between holes. */
const runsMax = 2_048;
/** Names say the start to the millisecond: what is missing before it is no hole. */
const nameTickUs = 1_000;
const namesMax = 1_000;
const chunkBytes = 4 * 1024 * 1024;

export interface SalvageGround {
  readonly disk: Disk;
  readonly ledger: Ledger;
  readonly addGap: (gap: Gap) => Promise<void>;
  readonly volume: Volume;
  readonly camera: string;
  readonly epoch: number;
}

export interface Salvaged {
  readonly fragments: number;
  readonly bytes: number;
  /** false: there are more than are copied at a time */
  readonly all: boolean;
}

export const nothingSalvaged: Salvaged = { fragments: 0, bytes: 0, all: true };

interface Original {
  readonly path: string;
  readonly size: number;
  /** the init segment that each copy gets, and the tracks that it describes */
  readonly head: Buffer;
  readonly tracks: readonly TrackDescription[];
  /** the whole fragments before the first damage, which stay where they are, and where that is */
  readonly before: readonly FragmentListing[];
  readonly from: number;
  /** the start that its name says, µs UTC */
  readonly nameUs: number;
}

/** Copies the whole fragments behind the first damage. Rejects with a Failure when the disk fails. */
export async function copyWhole(ground: SalvageGround, original: Original): Promise<Salvaged> {
  const { disk, camera } = ground;
  const { path, size, from, tracks, before, nameUs } = original;
  const salvaged = { fragments: 0, bytes: 0, all: true };
  let holeFromUs = endOfRun(before) ?? nameUs;
  let runs = 0;
  const read = (offset: number, length: number): Promise<Buffer> => disk.read(path, offset, length);
  for await (const run of wholeStretches(read, size, { from, trackCount: tracks.length })) {
    runs += 1;
    if (runs > runsMax) return { ...salvaged, all: false };
    const first = run[0];
    const last = run.at(-1) ?? first;
    const fromUs = first.fromPtsUs + first.mapping.offsetUs;
    // Bytes that only look like a fragment of ours: no time to file it under.
    const toUs = endOfRun(run) ?? fromUs;
    if (!Number.isSafeInteger(fromUs) || !Number.isSafeInteger(toUs) || fromUs < 0) continue;
    await copyRun(ground, original, run, { fromUs, toUs });
    if (fromUs >= holeFromUs + nameTickUs)
      await ground.addGap({ camera, fromUs: holeFromUs, toUs: fromUs, reason: 'damaged' });
    holeFromUs = toUs;
    salvaged.fragments += run.length;
    salvaged.bytes += last.offset + last.bytes - first.offset;
  }
  return salvaged;
}

export function endOfRun(fragments: readonly FragmentListing[]): number | undefined {
  let toUs: number | undefined;
  for (const { toPtsUs, mapping } of fragments) {
    toUs = Math.max(toUs ?? Number.NEGATIVE_INFINITY, toPtsUs + mapping.offsetUs);
  }
  return toUs;
}

async function copyRun(
  ground: SalvageGround,
  { path, head, tracks }: Original,
  run: readonly FragmentListing[],
  { fromUs, toUs }: { fromUs: number; toUs: number },
): Promise<void> {
  const { disk, ledger, volume, camera, epoch } = ground;
  const { name, file } = await createCopy(ground, fromUs);
  const target = segmentPath(volume, camera, name);
  const [first, last] = [run[0] as FragmentListing, run.at(-1) as FragmentListing];
  try {
    await file.append([head]);
    await copyBytes(disk, path, file, { from: first.offset, to: last.offset + last.bytes });
    await file.sync();
    await file.close();
    await syncPath(disk, volume, camera, name);
  } catch (error) {
    await file.close().catch(() => undefined);
    await removeFile(disk, target);
    await ledger.notOpened(volume, camera, name);
    throw error;
  }
  const initBytes = head.length;
  const shift = initBytes - first.offset;
  const fragments = run.map((fragment) => ({ ...fragment, offset: fragment.offset + shift }));
  const bytes = last.offset + last.bytes + shift;
  const captureId = tracks[0]?.captureId ?? '';
  await ledger.seal(
    volume,
    { camera, name, fromUs, toUs, bytes, captureId, epoch, open: false },
    { initBytes, tracks, fragments },
  );
}

async function createCopy(
  { disk, ledger, volume, camera, epoch }: SalvageGround,
  fromUs: number,
): Promise<{ name: string; file: RecordingFile }> {
  for (let sequence = 0; sequence < namesMax; sequence++) {
    const name = formatSegmentName({ fromUs, epoch, sequence });
    if (!(await ledger.opening(volume, camera, name, epoch))) continue;
    const path = segmentPath(volume, camera, name);
    await disk.createDirectory(dirname(path));
    const file = await disk.createFile(path);
    if (file !== undefined) return { name, file };
    await ledger.notOpened(volume, camera, name);
  }
  throw new Failure('FILE_IO', `${camera}: ${namesMax} names of segments are taken`, {
    advice: 'Run `starling check`.',
  });
}

async function copyBytes(
  disk: Disk,
  path: string,
  file: RecordingFile,
  { from, to }: { from: number; to: number },
): Promise<void> {
  for (let at = from; at < to; ) {
    const bytes = await disk.read(path, at, Math.min(chunkBytes, to - at));
    if (bytes.length === 0) {
      throw new Failure('FILE_IO', `${path}: ended while it was read`, { advice: 'Check the disk.' });
    }
    await file.append([bytes]);
    at += bytes.length;
  }
}
