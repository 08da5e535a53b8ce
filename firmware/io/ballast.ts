/**
 * Ballast: a file in the data folder that only takes room, and is given up when nothing else is left.
 *
 * Why: a disk that is full to the last byte would stop a server for good. What retention deletes is written to the index
 * first, and LevelDB writes even when it is opened.
 */
import { randomFillSync } from 'node:crypto';
import { mkdir, open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** LevelDB writes 4 MiB at a time, and what it had begun before that. */
const bytesMax = 16 * 1024 * 1024;
/** Of the file system, on a small one. */
const shareMax = 1 / 32;
const partBytes = 256 * 1024;

export class Ballast {
  private readonly folder: string;
  private readonly path: string;

  constructor(folder: string) {
    this.folder = folder;
    this.path = join(folder, 'ballast');
  }

  /** Lays it when it is not there and half as much again is free. Never rejects. */
  async lay(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true });
      const { bytes, freeBytes } = await this.room();
      if ((await this.size()) >= bytes || freeBytes < bytes * 1.5) return;
      await using file = await open(this.path, 'w', 0o600);
      // Random, because a file system that compresses would keep next to nothing.
      const part = Buffer.alloc(partBytes);
      for (let at = 0; at < bytes; at += partBytes) await file.writeFile(randomFillSync(part));
      await file.sync();
    } catch {
      await rm(this.path, { force: true }).catch(() => undefined);
    }
  }

  /** Gives it up when less than half of its size is free. Resolves with whether it did. Never rejects. */
  async giveWay(): Promise<boolean> {
    try {
      const { bytes, freeBytes } = await this.room();
      if (freeBytes >= bytes / 2 || (await this.size()) === 0) return false;
      await rm(this.path);
      return true;
    } catch {
      return false;
    }
  }

  private async room(): Promise<{ bytes: number; freeBytes: number }> {
    const { blocks, bavail, bsize } = await statfs(this.folder);
    const bytes = Math.min(bytesMax, Math.floor(blocks * bsize * shareMax));
    return { bytes: bytes - (bytes % partBytes), freeBytes: bavail * bsize };
  }

  private size(): Promise<number> {
    return stat(this.path).then(
      ({ size }) => size,
      () => 0,
    );
  }
}
