/**
 * Deletes the files of segments that the ledger has discarded: unlink → sync of their directories → the garbage rows
 * go → directories that are empty now go.
 *
 * Invariants: only files whose names are those of segments are ever removed, and only on volumes that prove to be what
 * the index means; a row goes after its file, so that a crash anywhere leaves the file known as garbage, and the next
 * call finishes. One volume that fails keeps no other from being done, and no file that the system refuses to remove
 * keeps others: it stays garbage and is tried again, but not at once.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { Disk } from './disk.ts';
import type { SegmentRef } from './index-rows.ts';
import type { Ledger } from './ledger.ts';
import { parseSegmentName } from './segment-name.ts';
import type { Volume } from './volumes.ts';

/** Files between two syncs of their directories. */
const filesPerRound = 32;
/** A file that was refused is left alone for so long; and how many are remembered, those above it not for long. */
const refusedMs = 600_000;
const refusedMax = 10_000;

/** The files that the system would not remove: of another owner, protected by a flag, damaged, or no files at all. */
export class RefusedFiles {
  private readonly clock: Clock;
  private readonly tell: (failure: Failure) => void;
  /** when each was refused, by its path */
  private readonly atMs = new Map<string, number>();

  /** `tell` hears of the first, and of none while that is left alone. */
  constructor(clock: Clock, tell: (failure: Failure) => void) {
    this.clock = clock;
    this.tell = tell;
  }

  isLeft(path: string): boolean {
    const atMs = this.atMs.get(path);
    if (atMs === undefined) return false;
    if (this.clock.monotonicMs() < atMs + refusedMs) return true;
    this.atMs.delete(path);
    return false;
  }

  add(path: string, failure: Failure): void {
    if (this.atMs.size === 0) this.tell(failure);
    const [first] = this.atMs.keys();
    if (this.atMs.size >= refusedMax && first !== undefined) this.atMs.delete(first);
    this.atMs.set(path, this.clock.monotonicMs());
  }
}

export interface DeletionOptions {
  readonly disk: Pick<Disk, 'remove' | 'syncDirectory' | 'removeDirectory'>;
  readonly ledger: Ledger;
  /** remembers files that are refused; without it they are just left */
  readonly refused?: RefusedFiles;
  readonly volumes: {
    byNumber(number: number): Volume | undefined;
    verify(volume: Volume): Promise<void>;
    failed(volume: Volume, failure: Failure): void;
  };
}

/** Finishes whatever is discarded on volumes that are there. Resolves with how much that was. */
export async function finishDeletions(
  options: DeletionOptions,
  only: (volume: number) => boolean = () => true,
): Promise<{ segments: number; bytes: number }> {
  const done = { segments: 0, bytes: 0 };
  const garbage = (await options.ledger.garbage()).filter(({ volume }) => only(volume));
  for (const number of new Set(garbage.map(({ volume }) => volume))) {
    const refs = garbage.filter(({ volume }) => volume === number);
    for (let at = 0; at < refs.length; at += filesPerRound) {
      const gone = await deleteRound(options, refs.slice(at, at + filesPerRound));
      if (gone === undefined) break;
      done.segments += gone.length;
      for (const { bytes } of gone) done.bytes += bytes;
    }
  }
  return done;
}

/** What is gone; undefined when the volume is not there or fails. */
async function deleteRound(
  options: DeletionOptions,
  refs: readonly SegmentRef[],
): Promise<readonly SegmentRef[] | undefined> {
  const { ledger, volumes } = options;
  const volume = volumes.byNumber(refs[0]?.volume ?? -1);
  if (volume === undefined) return undefined;
  let gone: readonly SegmentRef[];
  try {
    await volumes.verify(volume);
    gone = await removeFiles(options, volume, refs);
    // It may have gone meanwhile, and then nothing was removed.
    await volumes.verify(volume);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    volumes.failed(volume, error);
    return undefined;
  }
  if (gone.length === 0) return gone;
  await ledger.discarded(gone);
  await removeEmptyFolders(options, volume, gone);
  return gone;
}

async function removeFiles(
  { disk, refused }: DeletionOptions,
  volume: Volume,
  refs: readonly SegmentRef[],
): Promise<readonly SegmentRef[]> {
  const gone: SegmentRef[] = [];
  const folders = new Set<string>();
  for (const ref of refs) {
    const { camera, name } = ref;
    // A damaged row must not lead anywhere else.
    if (isId(camera) && parseSegmentName(name).ok) {
      const path = join(volume.folder, camera, `${name}.mp4`);
      if (refused?.isLeft(path) === true) continue;
      try {
        await disk.remove(path);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.code === 'FILE_REFUSED') {
          refused?.add(path, error);
          continue;
        }
        // Whoever removed it may have been killed before the folder was synced.
        if (error.code !== 'FILE_MISSING') throw error;
      }
      folders.add(folderOf(volume, camera, name));
    }
    gone.push(ref);
  }
  for (const folder of folders) {
    try {
      await disk.syncDirectory(folder);
    } catch (error) {
      // It may have been removed, too.
      if (!(error instanceof Failure) || error.code !== 'FILE_MISSING') throw error;
    }
  }
  return gone;
}

/** A folder of a day that nothing is being recorded to, and the camera's when nothing of it is left there. */
async function removeEmptyFolders(
  { disk, ledger }: DeletionOptions,
  volume: Volume,
  refs: readonly SegmentRef[],
): Promise<void> {
  const days = new Map(refs.map(({ camera, name }) => [`${camera}/${dayOf(name)}`, { camera, name }]));
  const open = await ledger.unsealed();
  for (const { camera, name } of days.values()) {
    if (!isId(camera) || !parseSegmentName(name).ok) continue;
    const busy = open.filter((segment) => segment.camera === camera);
    if (busy.some((segment) => dayOf(segment.name) === dayOf(name))) continue;
    // Whether it is empty, the file system knows best: it removes no other. Failing to tidy up harms nothing.
    const empty = await disk.removeDirectory(folderOf(volume, camera, name)).catch(() => false);
    const more = busy.length > 0 || ledger.totals().has(`${volume.number}/${camera}`);
    if (empty && !more) await disk.removeDirectory(join(volume.folder, camera)).catch(() => false);
  }
}

function dayOf(name: string): string {
  return name.slice(0, name.indexOf('/'));
}

function folderOf(volume: Volume, camera: string, name: string): string {
  return join(volume.folder, camera, dayOf(name));
}
