/**
 * Recovery: every segment that was being written when the power (or the process) went is scanned, its torn tail cut
 * off, and what is whole is made durable and indexed; deletions that were interrupted are finished.
 *
 * Invariants: nothing whole is deleted. Fragments behind damage in the middle of a file are copied to a segment of
 * their own before the file is cut, and the hole becomes an explained gap. So are those of a file whose head is damaged,
 * when its tracks are known elsewhere (lost-head.ts); when they are not, the file stays where it is, without a row, and
 * its time is explained. More damage than can be lost between two syncs, with nothing whole behind it, is left as it is
 * for a person to look at. One bad file keeps no other from being recovered, and a volume that does not work keeps its
 * rows until it does.
 */
import { Failure, messageOf } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { initSegment } from '../media/fragmented-mp4.ts';
import { type SegmentScan, scanSegment } from '../media/mp4-scanner.ts';
import type { Gap, TrackDescription } from '../media/sample.ts';
import { finishDeletions } from './deletion.ts';
import type { Disk } from './disk.ts';
import type { Ledger, UnsealedSegment } from './ledger.ts';
import { findTracks, type Headless, lookInside } from './lost-head.ts';
import { parseSegmentName } from './segment-name.ts';
import { copyWhole, nothingSalvaged, type Salvaged, type SalvageGround } from './segment-salvage.ts';
import { removeFile, segmentPath } from './segment-writer.ts';
import type { Volume, Volumes } from './volumes.ts';

/** How many segments one start looks at; more means that something else is wrong. */
const openSegmentsMax = 10_000;
/** What may have been written after the last sync, with a slow disk. */
const tornBytesMax = 64 * 1024 * 1024;
/** Of what was not readable, the time is only guessed: no longer than a segment. */
const guessUsMax = 600_000_000;

/** What recovery works with. */
export interface RecoveryGround {
  readonly disk: Disk;
  readonly ledger: Ledger;
  readonly volumes: Pick<Volumes, 'byNumber' | 'works' | 'verify' | 'failed'>;
  readonly addGap: (gap: Gap) => Promise<void>;
}

/** A segment to recover, and what somebody believes to be its tracks: needed when its head is damaged. */
export interface BrokenSegment extends UnsealedSegment {
  readonly tracks?: readonly TrackDescription[] | undefined;
}

export interface RecoveryProgress {
  readonly done: number;
  readonly total: number;
}

export interface RecoveryReport {
  /** segments indexed, torn bytes cut off them, files removed because nothing in them was whole */
  readonly recovered: number;
  readonly cutBytes: number;
  readonly removed: number;
  /** for the log, one line for each segment that was not simply whole */
  readonly notes: readonly string[];
  /** segments of volumes that do not work now: for when they do */
  readonly waiting: readonly UnsealedSegment[];
}

interface Outcome {
  readonly kind: 'recovered' | 'removed' | 'missing' | 'left' | 'kept';
  readonly cutBytes: number;
  readonly note?: string;
}

/** Recovers every segment that has an open row, and finishes what retention began to delete. */
export async function recoverSegments(
  ground: RecoveryGround,
  onProgress: (progress: RecoveryProgress) => void = () => undefined,
): Promise<RecoveryReport> {
  const unsealed = await ground.ledger.unsealed();
  const report = await recoverThese(ground, unsealed.slice(0, openSegmentsMax), onProgress);
  const notes = [...report.notes];
  await finishDeletions(ground, (number) => {
    const volume = ground.volumes.byNumber(number);
    return volume !== undefined && ground.volumes.works(volume);
  });
  const late = unsealed.length - openSegmentsMax;
  if (late > 0) notes.push(`${late} more unsealed segments are left for the next start`);
  return { ...report, notes };
}

/** Recovers these segments; nobody may be writing them. */
export async function recoverThese(
  ground: RecoveryGround,
  segments: readonly BrokenSegment[],
  onProgress: (progress: RecoveryProgress) => void = () => undefined,
): Promise<RecoveryReport> {
  const report = { recovered: 0, cutBytes: 0, removed: 0 };
  const notes: string[] = [];
  const waiting: UnsealedSegment[] = [];
  for (const [done, segment] of segments.entries()) {
    onProgress({ done, total: segments.length });
    const volume = ground.volumes.byNumber(segment.volume);
    if (volume === undefined) {
      notes.push(`${segment.camera}/${segment.name}: its volume is not there, left as it is`);
      waiting.push(segment);
      continue;
    }
    if (!ground.volumes.works(volume)) {
      waiting.push(segment);
      notes.push(`${segment.camera}/${segment.name}: waits for its volume ${volume.folder}`);
      continue;
    }
    const outcome = await recoverSegment(ground, volume, segment).catch(leave);
    if (outcome.kind === 'left') {
      // Is it the file, or the volume, on which all others wait, too?
      await ground.volumes.verify(volume).catch(() => undefined);
      if (!ground.volumes.works(volume)) waiting.push(segment);
    }
    report.cutBytes += outcome.cutBytes;
    if (outcome.kind === 'recovered') report.recovered += 1;
    if (outcome.kind === 'removed') report.removed += 1;
    if (outcome.note !== undefined) notes.push(outcome.note);
  }
  if (segments.length > 0) onProgress({ done: segments.length, total: segments.length });
  return { ...report, notes, waiting };
}

/** A file that the disk cannot read today is tried again at the next start. */
function leave(error: unknown): Outcome {
  if (!(error instanceof Failure)) throw error;
  return { kind: 'left', cutBytes: 0, note: `${messageOf(error)}; left as it is` };
}

/** Scans one file, cuts a torn tail, and indexes the rest. Rejects with a Failure when the disk fails. */
async function recoverSegment(
  ground: RecoveryGround,
  volume: Volume,
  segment: BrokenSegment,
): Promise<Outcome> {
  const { disk, ledger } = ground;
  const { camera, name } = segment;
  const path = segmentPath(volume, camera, name);
  const parsed = parseSegmentName(name);
  if (!parsed.ok) {
    await ledger.forget(volume.number, camera, name);
    return { kind: 'missing', cutBytes: 0, note: `${camera}/${name}: not a segment, its row is dropped` };
  }
  const size = await disk.size(path);
  if (size === undefined) {
    await removeFile(disk, path);
    // In an empty mount point nothing is there either.
    await ground.volumes.verify(volume);
    await ledger.forget(volume.number, camera, name);
    return { kind: 'missing', cutBytes: 0 };
  }
  const read = (offset: number, length: number): Promise<Buffer> => disk.read(path, offset, length);
  // Its boxes may be whole and its pictures not there: the length of a file is on the medium before its data may be.
  const scan = await scanSegment(read, size, { payload: true });
  if (!timesMakeSense(scan.fragments)) {
    return { kind: 'left', cutBytes: 0, note: `${path}: its times make no sense, left as it is` };
  }
  const found: Found = { path, size, scan, nameUs: parsed.value.fromUs };
  if (scan.initBytes === 0) return recoverHeadless(ground, volume, segment, found);
  const copied =
    scan.damage === undefined ? nothingSalvaged : await copyBehind(ground, volume, segment, found);
  if (scan.fragments.length === 0) return recoverNothing(ground, volume, segment, { ...found, copied });
  return recoverWhole(ground, volume, segment, { ...found, copied });
}

interface Found {
  readonly path: string;
  readonly size: number;
  readonly scan: SegmentScan;
  /** the start that the name says, µs UTC */
  readonly nameUs: number;
}

/** Copies what is whole behind the damage in a file that says what its tracks are. */
async function copyBehind(
  ground: RecoveryGround,
  volume: Volume,
  segment: UnsealedSegment,
  { scan, ...found }: Found,
): Promise<Salvaged> {
  const { tracks, fragments: before, validBytes: from } = scan;
  const head = await ground.disk.read(found.path, 0, scan.initBytes);
  return copyWhole(salvageGround(ground, volume, segment), { ...found, head, tracks, before, from });
}

function salvageGround(ground: RecoveryGround, volume: Volume, segment: UnsealedSegment): SalvageGround {
  const { disk, ledger, addGap } = ground;
  return { disk, ledger, addGap, volume, camera: segment.camera, epoch: segment.epoch };
}

/** A file that does not say what its tracks are. */
async function recoverHeadless(
  ground: RecoveryGround,
  volume: Volume,
  segment: BrokenSegment,
  found: Found,
): Promise<Outcome> {
  const { path, size } = found;
  const inside = await lookInside(ground.disk, path, size);
  if (inside === undefined) {
    return recoverNothing(ground, volume, segment, { ...found, copied: nothingSalvaged });
  }
  const { captureId } = inside;
  const tracks = await findTracks(ground.disk, volume, segment, { captureId, guess: segment.tracks });
  if (tracks === undefined) return keepHeadless(ground, segment, { ...found, inside });
  const source = { ...found, head: initSegment(tracks), tracks, before: [], from: 0 };
  const copied = await copyWhole(salvageGround(ground, volume, segment), source);
  if (copied.fragments === 0) return keepHeadless(ground, segment, { ...found, inside });
  const all = copied.fragments === inside.fragments;
  return recoverNothing(ground, volume, segment, { ...found, copied: { ...copied, all } });
}

/** Nobody knows the tracks: the file stays, for a person, or for a check when there is another file of the capture. */
async function keepHeadless(
  { ledger, addGap }: RecoveryGround,
  { volume, camera, name }: UnsealedSegment,
  { path, scan, nameUs, inside }: Found & { inside: Headless },
): Promise<Outcome> {
  const toUs = Math.min(inside.toUs, nameUs + guessUsMax);
  if (toUs > nameUs) await addGap({ camera, fromUs: nameUs, toUs, reason: 'damaged' });
  await ledger.forget(volume, camera, name);
  const why = `damaged at its start (${scan.damage ?? 'empty'}), and nothing tells its tracks`;
  const note = `${path}: ${why}; ${inside.fragments} whole fragments are left in it, not indexed`;
  return { kind: 'kept', cutBytes: 0, note };
}

/** A file that does not begin with a whole fragment. */
async function recoverNothing(
  { disk, ledger }: RecoveryGround,
  volume: Volume,
  { camera, name }: UnsealedSegment,
  { path, size, scan, copied }: Found & { copied: Salvaged },
): Promise<Outcome> {
  const damage = scan.damage ?? 'empty';
  const what = `${path}: damaged at its start (${damage})`;
  const copies = `${copied.fragments} whole fragments copied`;
  if (!copied.all || size - scan.validBytes - copied.bytes > tornBytesMax) {
    if (copied.fragments === 0) return { kind: 'left', cutBytes: 0, note: `${what}, left as it is` };
    // Without its row: the next start would copy them again.
    await ledger.forget(volume.number, camera, name);
    return { kind: 'kept', cutBytes: 0, note: `${what}; ${copies}, the file left as it is` };
  }
  await removeFile(disk, path);
  await ledger.forget(volume.number, camera, name);
  const note =
    copied.fragments === 0
      ? `${path}: no whole fragment (${damage}), removed`
      : `${what}; ${copies}, the file removed`;
  return { kind: 'removed', cutBytes: 0, note };
}

async function recoverWhole(
  { disk, ledger, addGap }: RecoveryGround,
  volume: Volume,
  { camera, name, epoch }: UnsealedSegment,
  { path, size, scan, nameUs, copied }: Found & { copied: Salvaged },
): Promise<Outcome> {
  const { fragments, tracks, validBytes } = scan;
  const tornBytes = size - validBytes;
  const cut = copied.all && tornBytes - copied.bytes <= tornBytesMax;
  const { fromUs, toUs } = extentOf(fragments);
  // Whoever wrote it may have been killed before its sync. Its name was durable before its first fragment.
  await disk.truncate(path, cut ? validBytes : size);
  if (!cut) {
    const lengthUs = Math.min(guessUsMax, ((toUs - fromUs) * tornBytes) / validBytes);
    await addGap({ camera, fromUs: toUs, toUs: toUs + Math.round(lengthUs), reason: 'damaged' });
  }
  const captureId = tracks[0]?.captureId ?? '';
  const listing = {
    camera,
    name,
    fromUs,
    toUs: Math.max(toUs, nameUs),
    bytes: validBytes,
    captureId,
    epoch,
    open: false,
  };
  await ledger.seal(volume, listing, scan);
  if (tornBytes === 0) return { kind: 'recovered', cutBytes: 0 };
  const torn = scan.damage ?? 'torn tail';
  if (cut && copied.fragments > 0) {
    const note = `${path}: damaged (${torn}); ${copied.fragments} whole fragments behind it copied, ${tornBytes} bytes cut`;
    return { kind: 'recovered', cutBytes: tornBytes, note };
  }
  return cut
    ? { kind: 'recovered', cutBytes: tornBytes, note: `${path}: cut ${tornBytes} torn bytes (${torn})` }
    : {
        kind: 'recovered',
        cutBytes: 0,
        note: `${path}: damaged (${torn}); the ${tornBytes} bytes after are not indexed`,
      };
}

/** From the first fragment's start to the last end, µs UTC. */
export function extentOf(fragments: readonly FragmentListing[]): { fromUs: number; toUs: number } {
  const first = fragments[0];
  const fromUs = first === undefined ? 0 : first.fromPtsUs + first.mapping.offsetUs;
  let toUs = fromUs;
  for (const { toPtsUs, mapping } of fragments) toUs = Math.max(toUs, toPtsUs + mapping.offsetUs);
  return { fromUs, toUs };
}

function timesMakeSense(fragments: readonly FragmentListing[]): boolean {
  const { fromUs, toUs } = extentOf(fragments);
  return Number.isSafeInteger(fromUs) && Number.isSafeInteger(toUs);
}
