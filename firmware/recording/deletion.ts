/**
 * Deletes the files of segments that the ledger has discarded: unlink → sync of their directories → the garbage rows
 * go → directories that are empty now go.
 *
 * Invariants: only files whose names are those of segments are ever removed, and only on volumes that prove to be what
 * the index means; a row goes after its file, so that a crash anywhere leaves the file known as garbage, and the next
 * call finishes. One volume that fails keeps no other from being done.
 */
import { join } from 'node:path';
import { Failure } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import type { Disk } from './disk.ts';
import type { SegmentRef } from './index-rows.ts';
import type { Ledger } from './ledger.ts';
import { parseSegmentName } from './segment-name.ts';
import type { Volume } from './volumes.ts';

/** Files between two syncs of their directories. */
const filesPerRound = 32;

export interface DeletionOptions {
  readonly disk: Pick<Disk, 'remove' | 'syncDirectory' | 'removeDirectory'>;
  readonly ledger: Ledger;
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

/** Undefined when the volume is not there or fails. */
async function deleteRound(
  options: DeletionOptions,
  refs: readonly SegmentRef[],
): Promise<readonly SegmentRef[] | undefined> {
  const { ledger, volumes } = options;
  const volume = volumes.byNumber(refs[0]?.volume ?? -1);
  if (volume === undefined) return undefined;
  try {
    await volumes.verify(volume);
    await removeFiles(options.disk, volume, refs);
    // It may have gone meanwhile, and then nothing was removed.
    await volumes.verify(volume);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    volumes.failed(volume, error);
    return undefined;
  }
  await ledger.discarded(refs);
  await removeEmptyFolders(options, volume, refs);
  return refs;
}

async function removeFiles(
  disk: DeletionOptions['disk'],
  volume: Volume,
  refs: readonly SegmentRef[],
): Promise<void> {
  const folders = new Set<string>();
  for (const { camera, name } of refs) {
    // A damaged row must not lead anywhere else.
    if (!isId(camera) || !parseSegmentName(name).ok) continue;
    try {
      await disk.remove(join(volume.folder, camera, `${name}.mp4`));
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'FILE_MISSING') throw error;
      // Whoever removed it may have been killed before the folder was synced.
    }
    folders.add(folderOf(volume, camera, name));
  }
  for (const folder of folders) {
    try {
      await disk.syncDirectory(folder);
    } catch (error) {
      // It may have been removed, too.
      if (!(error instanceof Failure) || error.code !== 'FILE_MISSING') throw error;
    }
  }
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
