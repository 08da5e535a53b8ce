/** Finds out whether a disk that failed works again: a small file is written, synced and removed. */
import { join } from 'node:path';
import { Failure } from '../base/failure.ts';
import type { Disk } from './disk.ts';

const probeBytes = 4096;

/** Rejects with a Failure when anything does not work. */
export async function probeVolume(disk: Disk, folder: string): Promise<void> {
  const path = join(folder, '.starling-probe');
  // What an earlier probe left behind.
  if ((await disk.size(path)) !== undefined) await disk.remove(path);
  const file = await disk.createFile(path);
  if (file === undefined) {
    throw new Failure('FILE_IO', `${path}: came while it was written`, { advice: 'Check the disk.' });
  }
  try {
    await file.append([Buffer.alloc(probeBytes, 0x5a)]);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.remove(path);
  await disk.syncDirectory(folder);
}
