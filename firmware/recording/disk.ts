/**
 * What the recorder needs of a disk. The real one is io/disk.ts; anything that stands in for it passes the same
 * contract suite. Paths are absolute; every rejection is a Failure that names the path: FILE_MISSING, DISK_FULL (nothing
 * can be added until something goes), or FILE_IO.
 */

/** What a directory holds. */
export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
}

/** How much a file system holds, in bytes; `freeBytes` is what this program may still fill. */
export interface DiskUsage {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** tells file systems of one machine apart until it is started anew */
  readonly device: string;
}

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
  /** Cuts a file, and makes what is left durable: data and size, whoever wrote them. */
  truncate(path: string, size: number): Promise<void>;
  /** Removes a file; durable after `syncDirectory`. */
  remove(path: string): Promise<void>;
  /** What a directory holds, by name; nothing when there is no such directory. */
  list(path: string): Promise<DirectoryEntry[]>;
  /** Removes an empty directory: false when it is not empty; true also when it was not there. */
  removeDirectory(path: string): Promise<boolean>;
  /** Of the file system that `path` is on. */
  usage(path: string): Promise<DiskUsage>;
}
