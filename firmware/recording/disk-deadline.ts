/**
 * A disk whose calls fail after a while, for whoever must go on when a volume hangs: looking at volumes, recovery,
 * deletion, and reading. A late answer is of no use to anybody; what it did is done, and does no harm when it is done
 * again.
 *
 * Recording has its own: it must know when a disk that hangs no longer reads its memory.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import type { Disk, RecordingFile } from './disk.ts';
import type { LanedDisk } from './disk-lanes.ts';

/**
 * Calls `late` after `ms`, but not before something of the disk has been under way for so long; until the result is
 * called. Many callers may wait for their turn at a disk that works.
 */
export function whenHanging(clock: Clock, ms: number, hangsMs: () => number, late: () => void): () => void {
  let cancel = (): void => undefined;
  const arm = (inMs: number): void => {
    cancel = clock.after(inMs, () => {
      const leftMs = ms - hangsMs();
      if (leftMs > 0) arm(leftMs);
      else late();
    });
  };
  arm(ms);
  return () => cancel();
}

/** `disk`, whose calls reject with Failure FILE_IO when it hangs for `ms`. */
export function withDeadline(disk: LanedDisk, clock: Clock, ms: number): Disk {
  const within = <T>(path: string, call: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const hangsMs = (): number => disk.hangsMs(path);
      const cancel = whenHanging(clock, ms, hangsMs, () => {
        const advice = 'Check the disk and its cable.';
        reject(new Failure('FILE_IO', `${path}: the disk does not answer`, { advice }));
      });
      call.then(resolve, reject).finally(cancel);
    });
  const fileIn = (path: string, file: RecordingFile): RecordingFile => ({
    append: (parts) => within(path, file.append(parts)),
    sync: () => within(path, file.sync()),
    close: () => within(path, file.close()),
  });
  return {
    createDirectory: (path) => within(path, disk.createDirectory(path)),
    createFile: async (path) => {
      const creating = disk.createFile(path);
      try {
        const file = await within(path, creating);
        return file === undefined ? undefined : fileIn(path, file);
      } catch (error) {
        // One that comes late is nobody's.
        void creating.then((file) => file?.close()).catch(() => undefined);
        throw error;
      }
    },
    syncDirectory: (path) => within(path, disk.syncDirectory(path)),
    truncate: (path, size) => within(path, disk.truncate(path, size)),
    remove: (path) => within(path, disk.remove(path)),
    removeDirectory: (path) => within(path, disk.removeDirectory(path)),
    read: (path, offset, length) => within(path, disk.read(path, offset, length)),
    size: (path) => within(path, disk.size(path)),
    list: (path) => within(path, disk.list(path)),
    usage: (path) => within(path, disk.usage(path)),
  };
}
