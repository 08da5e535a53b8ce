/**
 * What the recorder needs of a disk. The real one is io/disk.ts; anything that stands in for it passes the same
 * contract suite. Paths are absolute; every rejection is a Failure FILE_IO or FILE_MISSING that names the path.
 */

/** A file being written at its end. */
export interface RecordingFile {
  /** Appends the parts with one writev; resolves with the bytes written, which is all of them. */
  append(parts: readonly Uint8Array[]): Promise<number>;
  /** Data and size are on the medium when it resolves (fdatasync). */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Creates a directory and its parents, and makes their entries durable. */
  createDirectory(path: string): Promise<void>;
  /** Creates a file that must not exist (O_EXCL): undefined when it does. */
  createFile(path: string): Promise<RecordingFile | undefined>;
  /** Makes the entries of a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Up to `length` bytes from `offset`; shorter at the end. */
  read(path: string, offset: number, length: number): Promise<Buffer>;
  /** Size in bytes; undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Cuts a file and makes the new size durable. */
  truncate(path: string, size: number): Promise<void>;
  remove(path: string): Promise<void>;
}
