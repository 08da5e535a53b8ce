/**
 * What the care of a machine reads: small files of the kernel and of udev (`/proc`, `/sys`, `/run/udev`). The real one
 * is io/box-files.ts, which also reads a recorded tree from a folder. Nothing rejects: what cannot be read is not there.
 */
export interface BoxFiles {
  /** The text of a small file, without the white space around it. */
  read(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted. */
  list(path: string): Promise<readonly string[]>;
  /** Where a path leads when all its links are followed; absolute. */
  real(path: string): Promise<string | undefined>;
}

/** The number a file holds, of 13 digits at most: sectors of that many are still exact as bytes; else undefined. */
export async function readNumber(files: BoxFiles, path: string): Promise<number | undefined> {
  const text = await files.read(path);
  return text !== undefined && /^-?\d{1,13}$/.test(text) ? Number(text) : undefined;
}

/** The same of what is counted: a kernel that shows its counter as below 0 has told nothing. */
export async function readCount(files: BoxFiles, path: string): Promise<number | undefined> {
  const number = await readNumber(files, path);
  return number === undefined || number < 0 ? undefined : number;
}
