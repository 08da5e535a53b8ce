/** How long the writes and syncs of recordings take, at the disk itself: what waited for a lane is not in it. */
import type { Clock } from '../base/clock.ts';
import type { Disk, RecordingFile } from './disk.ts';

/** Takes each duration, in seconds. */
export interface DiskTimings {
  wrote(seconds: number): void;
  synced(seconds: number): void;
}

/** The same disk, which tells what its files' writes and syncs took. A call that failed is told, too. */
export function withTimings(disk: Disk, clock: Clock, timings: DiskTimings): Disk {
  const timed = async <T>(call: () => Promise<T>, tell: (seconds: number) => void): Promise<T> => {
    const beganMs = clock.monotonicMs();
    try {
      return await call();
    } finally {
      tell((clock.monotonicMs() - beganMs) / 1000);
    }
  };
  const timedFile = (file: RecordingFile): RecordingFile => ({
    append: (parts) =>
      timed(
        () => file.append(parts),
        (seconds) => timings.wrote(seconds),
      ),
    sync: () =>
      timed(
        () => file.sync(),
        (seconds) => timings.synced(seconds),
      ),
    close: () => file.close(),
  });
  return {
    createFile: async (path) => {
      const file = await disk.createFile(path);
      return file === undefined ? undefined : timedFile(file);
    },
    createDirectory: (path) => disk.createDirectory(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    truncate: (path, size) => disk.truncate(path, size),
    remove: (path) => disk.remove(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    read: (path, offset, length) => disk.read(path, offset, length),
    size: (path) => disk.size(path),
    list: (path) => disk.list(path),
    usage: (path) => disk.usage(path),
  };
}
