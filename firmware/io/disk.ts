/** The real disk: node:fs/promises, one writev per append. */
import { type FileHandle, mkdir, open, readdir, rmdir, stat, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure, type FailureCode, messageOf } from '../base/failure.ts';
import type { DirectoryEntry, Disk, RecordingFile } from '../recording/disk.ts';

/** Linux takes at most this many parts in one writev (IOV_MAX); Node passes them on as they are. */
const partsMax = 1024;
/** What libuv starts when it is not told, and at the most. */
const threadsUsual = 4;
const threadsMax = 1024;

const codes: Readonly<Record<string, FailureCode>> = {
  ENOENT: 'FILE_MISSING',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  // This file or folder alone: its owner, its flags, what somebody put in its place. The disk works.
  EACCES: 'FILE_REFUSED',
  EPERM: 'FILE_REFUSED',
  EISDIR: 'FILE_REFUSED',
  ENOTDIR: 'FILE_REFUSED',
  EEXIST: 'FILE_REFUSED',
  // EUCLEAN, for which libuv has no name: the file system knows it to be damaged
  'Unknown system error -117': 'FILE_REFUSED',
};

const advices: Partial<Readonly<Record<FailureCode, string>>> = {
  DISK_FULL: 'The disk is full: free space or add a volume.',
  FILE_REFUSED: 'See who owns it with `ls -l`, and `lsattr`; the server must be able to change it.',
};

/** Threads of this process that wait for disks; fixed when it starts. */
export function diskThreads(): number {
  const threads = Number(process.env['UV_THREADPOOL_SIZE']);
  return Number.isSafeInteger(threads) && threads > 0 ? Math.min(threads, threadsMax) : threadsUsual;
}

function failure(path: string, error: unknown): Failure {
  const code = codes[codeOf(error)] ?? 'FILE_IO';
  const advice = advices[code] ?? 'Check the disk and its mount.';
  return new Failure(code, `${path}: ${messageOf(error)}`, { advice, cause: error });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
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
      if (codeOf(error) === 'EEXIST') return undefined;
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
      if (codeOf(error) === 'ENOENT') return undefined;
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
  remove: (path) => guarded(path, () => unlink(path)),
  list: async (path) => {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return entries
        .map((entry): DirectoryEntry => {
          const other = entry.isDirectory() ? 'directory' : 'other';
          return { name: entry.name, kind: entry.isFile() ? 'file' : other };
        })
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw failure(path, error);
    }
  },
  removeDirectory: async (path) => {
    try {
      await rmdir(path);
      return true;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      if (code === 'ENOENT') return true;
      throw failure(path, error);
    }
  },
  usage: (path) =>
    guarded(path, async () => {
      // One after the other: each takes a thread of its lane while the disk hangs.
      const { dev } = await stat(path);
      const { blocks, bavail, bsize } = await statfs(path);
      return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, device: String(dev) };
    }),
};
