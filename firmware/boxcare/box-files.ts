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

/** The number a file holds; undefined when it holds none. */
export async function readNumber(files: BoxFiles, path: string): Promise<number | undefined> {
  const text = await files.read(path);
  return text !== undefined && /^-?\d{1,18}$/.test(text) ? Number(text) : undefined;
}
