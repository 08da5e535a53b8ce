/**
 * The disk that is written, held alone: nobody can mount anything of it meanwhile.
 *
 * Invariant: after `flush`, reads come from the medium and not from this machine's memory. (What a card reader remembers
 * is beyond anybody's reach; hence the nonces.)
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { messageOf } from '../../firmware/base/failure.ts';
import { hasErrno } from '../../firmware/io/text-files.ts';
import { runTool } from '../image/run-tool.ts';
import { mountedRefusal } from './device.ts';
import { Refusal } from './refusal.ts';

export interface Medium {
  readonly path: string;
  readonly bytes: number;
  /** Fills `bytes` from `offset`. Throws the Refusal write-failed when the disk does not answer. */
  read(bytes: Buffer, offset: number): Promise<void>;
  /** Throws the Refusal write-failed. */
  write(bytes: Buffer, offset: number): Promise<void>;
  /** All written bytes are on the medium, and none of them in memory any more. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a disk of `bytes`. Throws the Refusals mounted, read-only and not-a-disk. */
export async function openMedium(path: string, bytes: number): Promise<Medium> {
  const file = await open(path, constants.O_RDWR | constants.O_EXCL).catch((cause: unknown) => {
    if (hasErrno(cause, 'EBUSY')) throw mountedRefusal(path);
    if (hasErrno(cause, 'EROFS'))
      throw new Refusal('read-only', `${path} is write-protected`, 'Move the switch of the card.', cause);
    const advice = hasErrno(cause, 'EACCES')
      ? 'Run it as root: sudo npm run flash -- …'
      : 'Look with `lsblk` whether it is still there.';
    throw new Refusal('not-a-disk', `cannot open ${path}: ${messageOf(cause)}`, advice, cause);
  });
  return new DiskMedium(path, bytes, file);
}

class DiskMedium implements Medium {
  readonly path: string;
  readonly bytes: number;
  private readonly file: FileHandle;

  constructor(path: string, bytes: number, file: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.file = file;
  }

  async read(bytes: Buffer, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.guarded(
        'read',
        this.file.read(bytes, at, bytes.length - at, offset + at),
      );
      if (bytesRead === 0) throw this.gone('read', new Error(`it ends at ${offset + at}`));
      at += bytesRead;
    }
  }

  async write(bytes: Buffer, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.guarded(
        'written',
        this.file.write(bytes, at, bytes.length - at, offset + at),
      );
      at += bytesWritten;
    }
  }

  async flush(): Promise<void> {
    await this.guarded('written', this.file.sync());
    await this.guarded('written', runTool('blockdev', ['--flushbufs', this.path]));
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async guarded<T>(what: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw this.gone(what, cause);
    }
  }

  private gone(what: string, cause: unknown): Refusal {
    const advice = 'Try another reader or port, then another card: this one is failing, or was pulled.';
    return new Refusal(
      'write-failed',
      `${this.path} could not be ${what}: ${messageOf(cause)}`,
      advice,
      cause,
    );
  }
}
