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
import { findFragments } from '../media/fragment-search.ts';
import type { SegmentScan } from '../media/mp4-scanner.ts';
import type { Gap } from '../media/sample.ts';
import type { Disk, RecordingFile } from './disk.ts';
import type { Ledger } from './ledger.ts';
import { formatSegmentName } from './segment-name.ts';
import { removeFile, segmentPath, syncPath } from './segment-writer.ts';
import type { Volume } from './volumes.ts';

const runsMax = 64;
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
}

interface Original {
  readonly path: string;
  readonly size: number;
  readonly scan: SegmentScan;
  /** the start that its name says, µs UTC */
  readonly nameUs: number;
}

/** Copies all whole fragments behind the first damage; returns how many, and their bytes. Rejects with a Failure when the disk fails. */
export async function copyWhole(ground: SalvageGround, original: Original): Promise<Salvaged> {
  const { disk, camera } = ground;
  const { path, size, scan } = original;
  const salvaged = { fragments: 0, bytes: 0 };
  let from = scan.validBytes;
  let holeFromUs = endOfRun(scan.fragments) ?? original.nameUs;
  for (let runs = 0; runs < runsMax; runs++) {
    const run = await findFragments((offset, length) => disk.read(path, offset, length), size, {
      from,
      tracks: scan.tracks,
    });
    const last = run?.at(-1);
    if (run === undefined || last === undefined) break;
    const first = run[0] as FragmentListing;
    const fromUs = first.fromPtsUs + first.mapping.offsetUs;
    from = last.offset + last.bytes;
    // Bytes that only look like a fragment of ours: no time to file it under.
    const toUs = endOfRun(run) ?? fromUs;
    if (!Number.isSafeInteger(fromUs) || !Number.isSafeInteger(toUs) || fromUs < 0) continue;
    await copyRun(ground, original, run, { fromUs, toUs });
    if (fromUs > holeFromUs)
      await ground.addGap({ camera, fromUs: holeFromUs, toUs: fromUs, reason: 'damaged' });
    holeFromUs = toUs;
    salvaged.fragments += run.length;
    salvaged.bytes += last.offset + last.bytes - first.offset;
  }
  return salvaged;
}

function endOfRun(fragments: readonly FragmentListing[]): number | undefined {
  let toUs: number | undefined;
  for (const { toPtsUs, mapping } of fragments) {
    toUs = Math.max(toUs ?? Number.NEGATIVE_INFINITY, toPtsUs + mapping.offsetUs);
  }
  return toUs;
}

async function copyRun(
  ground: SalvageGround,
  { path, scan }: Original,
  run: readonly FragmentListing[],
  { fromUs, toUs }: { fromUs: number; toUs: number },
): Promise<void> {
  const { disk, ledger, volume, camera, epoch } = ground;
  const { name, file } = await createCopy(ground, fromUs);
  const target = segmentPath(volume, camera, name);
  const [first, last] = [run[0] as FragmentListing, run.at(-1) as FragmentListing];
  try {
    await copyBytes(disk, path, file, { from: 0, to: scan.initBytes });
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
  const shift = scan.initBytes - first.offset;
  const fragments = run.map((fragment) => ({ ...fragment, offset: fragment.offset + shift }));
  const bytes = last.offset + last.bytes + shift;
  const captureId = scan.tracks[0]?.captureId ?? '';
  await ledger.seal(
    volume,
    { camera, name, fromUs, toUs, bytes, captureId, epoch, open: false },
    { initBytes: scan.initBytes, tracks: scan.tracks, fragments },
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
