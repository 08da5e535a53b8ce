/** The real disk: node:fs/promises, one writev per append. */
import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure, type FailureCode, messageOf } from '../base/failure.ts';
import type { Disk, RecordingFile } from '../recording/disk.ts';

/** Linux takes at most this many parts in one writev (IOV_MAX); Node passes them on as they are. */
const partsMax = 1024;

function failure(path: string, error: unknown): Failure {
  const system = (error as NodeJS.ErrnoException).code;
  const code: FailureCode = system === 'ENOENT' ? 'FILE_MISSING' : 'FILE_IO';
  const advice =
    system === 'ENOSPC' ? 'The disk is full: free space or add a volume.' : 'Check the disk and its mount.';
  return new Failure(code, `${path}: ${messageOf(error)}`, { advice, cause: error });
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Failure ? error : failure(path, error);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** writev may write less than it was given (a full disk, a signal): then the rest follows, part by part. */
async function appendAll(handle: FileHandle, parts: readonly Uint8Array[]): Promise<number> {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  let written = 0;
  for (let at = 0; at < parts.length; at += partsMax) {
    const some = parts.slice(at, at + partsMax);
    let expected = 0;
    for (const part of some) expected += part.length;
    const { bytesWritten } = await handle.writev(some);
    written += bytesWritten;
    if (bytesWritten < expected) {
      const rest = Buffer.concat(some).subarray(bytesWritten);
      await handle.writeFile(rest);
      written += rest.length;
    }
  }
  return written === bytes ? bytes : Promise.reject(new Error(`wrote ${written} of ${bytes} bytes`));
}

function recordingFile(path: string, handle: FileHandle): RecordingFile {
  return {
    append: (parts) => guarded(path, () => appendAll(handle, parts)),
    sync: () => guarded(path, () => handle.datasync()),
    close: () => guarded(path, () => handle.close()),
  };
}

/** The files of this machine. */
export const realDisk: Disk = {
  createDirectory: (path) =>
    guarded(path, async () => {
      const first = await mkdir(path, { recursive: true });
      // Every directory that is new, and the one that now lists the topmost of them.
      for (let at = path; first !== undefined; at = dirname(at)) {
        await syncDirectory(at);
        if (at === dirname(first)) break;
      }
    }),
  createFile: async (path) => {
    try {
      return recordingFile(path, await open(path, 'ax'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw failure(path, error);
    }
  },
  syncDirectory: (path) => guarded(path, () => syncDirectory(path)),
  read: (path, offset, length) =>
    guarded(path, async () => {
      const handle = await open(path, 'r');
      try {
        const buffer = Buffer.allocUnsafe(length);
        const { bytesRead } = await handle.read(buffer, 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    }),
  size: async (path) => {
    try {
      return (await stat(path)).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw failure(path, error);
    }
  },
  truncate: (path, size) =>
    guarded(path, async () => {
      const handle = await open(path, 'r+');
      try {
        await handle.truncate(size);
        await handle.datasync();
      } finally {
        await handle.close();
      }
    }),
  remove: (path) => guarded(path, () => rm(path)),
};
