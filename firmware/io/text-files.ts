/**
 * Small text files: read with a bound, written so that after a power cut there is either the whole file or none.
 *
 * Invariants: a reader never sees half a file; a new file's name is on disk before its writer goes on.
 */
import { randomBytes } from 'node:crypto';
import { link, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Whether `error` came from the operating system with this errno name, such as `ENOENT`. */
export function hasErrno(error: unknown, errno: string): boolean {
  return error instanceof Error && 'code' in error && error.code === errno;
}

/**
 * Reads a UTF-8 file of at most `bytesMax` bytes. Throws the Failures FILE_MISSING and FILE_IO, which name the path
 * and give `advice`.
 */
export async function readText(path: string, options: { bytesMax: number; advice: string }): Promise<string> {
  const { bytesMax, advice } = options;
  const bytes = await readStart(path, bytesMax + 1).catch((cause: unknown) => {
    if (hasErrno(cause, 'ENOENT')) throw new Failure('FILE_MISSING', `${path} is missing`, { advice, cause });
    throw new Failure('FILE_IO', `cannot read ${path}: ${messageOf(cause)}`, { advice, cause });
  });
  if (bytes.length > bytesMax)
    throw new Failure('FILE_IO', `${path} is larger than ${bytesMax} bytes`, { advice });
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Failure('FILE_IO', `${path} is not UTF-8 text`, { advice, cause });
  }
}

/** The file's first `size` bytes, or fewer if it is shorter. */
async function readStart(path: string, size: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const bytes = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

/**
 * Writes a file in one step. `mode` is the file's permissions, less the umask; with `exclusive` an existing file stays
 * as it is and the error has the errno EEXIST. Other errors are the Failure FILE_IO.
 */
export async function writeText(
  path: string,
  text: string,
  options: { mode?: number; exclusive?: boolean } = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeThrough(temporary, text, options.mode ?? 0o644);
    if (options.exclusive === true) await link(temporary, path);
    else await rename(temporary, path);
    if (options.exclusive === true) await unlink(temporary);
    await syncFolder(dirname(path));
  } catch (cause) {
    // The rename may have taken it away already; what is reported is the first error.
    await unlink(temporary).catch(() => undefined);
    if (hasErrno(cause, 'EEXIST')) throw cause;
    const advice = 'Check the free space and the permissions of the folder.';
    throw new Failure('FILE_IO', `cannot write ${path}: ${messageOf(cause)}`, { advice, cause });
  }
}

/**
 * Replaces a file that only this process writes, in one step. What a write that was cut off leaves behind is overwritten
 * by the next. Errors are the Failure FILE_IO.
 */
export async function replaceText(path: string, text: string): Promise<void> {
  const next = `${path}.next`;
  try {
    await writeThrough(next, text, 0o644, 'w');
    await rename(next, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    const advice = 'Check the free space and the permissions of the folder.';
    throw new Failure('FILE_IO', `cannot write ${path}: ${messageOf(cause)}`, { advice, cause });
  }
}

/** Removes a file, if it is there; it does not come back after a power cut. Throws what `node:fs` throws. */
export async function removeText(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return;
  }
  await syncFolder(dirname(path));
}

async function writeThrough(
  path: string,
  text: string,
  mode: number,
  flags: 'w' | 'wx' = 'wx',
): Promise<void> {
  await using file = await open(path, flags, mode);
  await file.writeFile(text);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
