/**
 * The index store on LevelDB.
 *
 * Invariant: an index is there whole or not at all. LevelDB (1.20) syncs every manifest but the first: after a power cut
 * soon after it made a store, `CURRENT` may name an empty file, and the store can never be opened again. So a new store
 * is made beside its place, put on the medium, and then moved there.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Level } from 'level';
import { Failure, messageOf } from '../base/failure.ts';
import type { IndexChange, IndexStore } from '../recording/index-store.ts';
import { hasErrno } from './text-files.ts';

/** What is fetched at a time: a page of listings in one turn of a thread, not in ten. */
const highWaterMarkBytes = 256 * 1024;

/** Makes room on a disk that is full; resolves with whether it did. */
export type GiveWay = () => Promise<boolean>;

/**
 * Opens (or creates) the store. `giveWay` is asked when it cannot be opened anew after a write failed. Rejects with
 * Failure INDEX_DAMAGED when it cannot, also while another process has it.
 */
export async function openLevelStore(
  path: string,
  giveWay: GiveWay = async () => false,
): Promise<IndexStore> {
  let level: Level<string, Buffer>;
  try {
    await createStore(path);
    // Not earlier: it opens its folder on its own, and makes it.
    level = new Level(path, { keyEncoding: 'utf8', valueEncoding: 'buffer' });
    await level.open();
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause;
    const locked = cause?.code === 'LEVEL_LOCKED';
    const advice = locked
      ? 'Another process uses this data folder: stop it, or choose another `data` in unit.yaml.'
      : 'Check the disk. Recordings themselves are ordinary MP4 files and are not affected.';
    throw new Failure('INDEX_DAMAGED', `index ${path}: ${messageOf(cause ?? error)}`, {
      advice,
      cause: error,
    });
  }
  return new LevelIndex(level, giveWay);
}

/**
 * LevelDB that is opened anew after a write failed. It has to be: what it had begun to write to its log is there, later
 * records behind that might not be found again, and after some failures it takes nothing more at all.
 */
class LevelIndex implements IndexStore {
  private readonly level: Level<string, Buffer>;
  private readonly giveWay: GiveWay;
  private failed = false;
  private closed = false;
  private mending: Promise<void> | undefined;

  constructor(level: Level<string, Buffer>, giveWay: GiveWay) {
    this.level = level;
    this.giveWay = giveWay;
  }

  async get(key: string): Promise<Buffer | undefined> {
    await this.mended();
    return this.level.get(key);
  }

  async commit(changes: readonly IndexChange[]): Promise<void> {
    await this.mended();
    try {
      await this.level.batch(
        changes.map((change) => (change.type === 'put' ? change : { type: 'del' as const, key: change.key })),
        { sync: true },
      );
    } catch (error) {
      this.failed = true;
      throw error;
    }
  }

  async range(range: Parameters<IndexStore['range']>[0]): ReturnType<IndexStore['range']> {
    const { from, to, limit, reverse = false } = range;
    await this.mended();
    const rows = await this.level.iterator({ gte: from, lt: to, limit, reverse, highWaterMarkBytes }).all();
    return rows.map(([key, value]) => ({ key, value }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    await this.mending?.catch(() => undefined);
    await this.level.close();
  }

  /** Opens it anew if a write has failed; rejects when it cannot be, and tries again the next time. */
  private mended(): Promise<void> | undefined {
    if (!this.failed || this.closed) return undefined;
    this.mending ??= this.openAnew().finally(() => {
      this.mending = undefined;
    });
    return this.mending;
  }

  private async openAnew(): Promise<void> {
    await this.level.close();
    try {
      await this.level.open();
    } catch (error) {
      if (!(await this.giveWay())) throw error;
      await this.level.open();
    }
    this.failed = false;
  }
}

/** Where a rebuilt store is kept, whole, until it takes the place of the old one. */
export function rebuiltPath(path: string): string {
  return `${path}.rebuilt`;
}

/** Makes a store where there is nothing, or an empty folder. What is there otherwise is LevelDB's to judge. */
async function createStore(path: string): Promise<void> {
  if ((await entriesOf(path)).length > 0) return;
  // A rebuilt one that a power cut kept from getting here.
  if ((await entriesOf(rebuiltPath(path))).length > 0) {
    await rename(rebuiltPath(path), path);
    return syncPath(dirname(path));
  }
  const next = `${path}.new`;
  // An attempt that a power cut ended.
  await rm(next, { recursive: true, force: true });
  await mkdir(dirname(path), { recursive: true });
  const level = new Level(next);
  await level.open();
  await level.close();
  for (const name of await readdir(next)) await syncPath(join(next, name));
  await syncPath(next);
  await rename(next, path);
  await syncPath(dirname(path));
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Puts a file, or the entries of a folder, on the medium. */
export async function syncPath(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
