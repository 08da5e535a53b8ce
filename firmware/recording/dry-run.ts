/** A disk and an index that are read but never changed: for looking at what a repair would find. */
import { dirname } from 'node:path';
import { Failure } from '../base/failure.ts';
import type { Disk, DiskUsage, RecordingFile } from './disk.ts';
import type { IndexStore } from './index-store.ts';

const done = (): Promise<void> => Promise.resolve();

const nothing: RecordingFile = {
  append: (parts) => Promise.resolve(parts.reduce((sum, { length }) => sum + length, 0)),
  sync: done,
  close: done,
};

/** Says yes to every change and makes none. */
export function dryDisk(disk: Disk): Disk {
  return {
    read: (path, offset, length) => disk.read(path, offset, length),
    size: (path) => disk.size(path),
    list: (path) => disk.list(path),
    usage: (path) => usageAbove(disk, path),
    createDirectory: done,
    createFile: () => Promise.resolve(nothing),
    syncDirectory: done,
    truncate: done,
    remove: done,
    removeDirectory: () => Promise.resolve(false),
  };
}

/** Of a folder that is not there, because it was only said to be created, its parent's. */
async function usageAbove(disk: Disk, path: string): Promise<DiskUsage> {
  try {
    return await disk.usage(path);
  } catch (thrown) {
    const parent = dirname(path);
    if (!(thrown instanceof Failure) || thrown.code !== 'FILE_MISSING' || parent === path) throw thrown;
    return usageAbove(disk, parent);
  }
}

/** Says yes to every change and makes none; does not close the store. */
export function dryIndex(index: IndexStore): IndexStore {
  return {
    get: (key) => index.get(key),
    range: (range) => index.range(range),
    commit: done,
    [Symbol.asyncDispose]: done,
  };
}
