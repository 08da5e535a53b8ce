/**
 * Makes the index of a server anew from its recordings: into `index.rebuilding`; when it is whole it is renamed to
 * `index.rebuilt` and takes the place of `index`. The old one is kept as `index.old-<time>`.
 *
 * Invariants: an interrupted rebuild leaves the old index in place, or the new one to be found; what no file can tell (gaps and their reasons,
 * protected ranges, volumes, what the network remembers) is taken over from the old index as far as it can be read.
 */
import { access, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';
import { openLevelStore, rebuiltPath, syncPath } from '../io/level-store.ts';
import { readPages } from '../recording/index-pages.ts';
import type { IndexChange, IndexStore } from '../recording/index-store.ts';

/** Rows that files tell. */
const derived = ['s/', 'f/', 't/', 'o/', 'g/', 'b/', 'c/', 'format'];
const rowsPerBatch = 1_000;

export interface IndexFolder {
  readonly path: string;
  /** whether there is one */
  readonly exists: boolean;
}

export async function indexFolder(data: string): Promise<IndexFolder> {
  const path = join(data, 'index');
  // One that was just rebuilt and is not in its place yet gets there when it is opened.
  const places = await Promise.allSettled([path, rebuiltPath(path)].map((place) => access(place)));
  return { path, exists: places.some(({ status }) => status === 'fulfilled') };
}

/** Opens the index of a server that does not run. Rejects with a Failure that says what to do. */
export async function openStoppedIndex(path: string): Promise<IndexStore> {
  try {
    return await openLevelStore(path);
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    if (isLocked(thrown)) {
      throw new Failure('USAGE', `the server is running: its index ${path} is in use`, {
        advice:
          'Stop it first (Ctrl-C, or systemctl stop starling); its cameras go to other servers meanwhile.',
        cause: thrown,
      });
    }
    throw new Failure(thrown.code, thrown.message, {
      advice:
        'Run starling check --rebuild: it makes a new index from the recordings, which are not affected.',
      cause: thrown,
    });
  }
}

function isLocked(failure: Failure): boolean {
  const opened = failure.cause as { code?: string; cause?: { code?: string } } | undefined;
  return opened?.cause?.code === 'LEVEL_LOCKED';
}

/** What a rebuild has to tell. */
export interface Rebuilt {
  readonly notes: readonly string[];
  /** why some of what no file can tell is lost */
  readonly unread: readonly string[];
}

/** The new index while `fill` works on it, then in place. */
export async function rebuildIndex(
  folder: IndexFolder,
  nowMs: number,
  fill: (index: IndexStore) => Promise<void>,
): Promise<Rebuilt> {
  const fresh = `${folder.path}.rebuilding`;
  const rebuilt = rebuiltPath(folder.path);
  const notes: string[] = [];
  const unread: string[] = [];
  const old = folder.exists ? await openOld(folder.path, unread) : undefined;
  try {
    for (const path of [fresh, rebuilt]) await rm(path, { recursive: true, force: true });
    const index = await openLevelStore(fresh);
    try {
      if (old !== undefined) await takeOver(old, index, { notes, unread });
      await fill(index);
    } finally {
      await index[Symbol.asyncDispose]();
    }
  } finally {
    await old?.[Symbol.asyncDispose]();
  }
  // From here on it is whole: whoever opens the index and finds none in its place takes this one.
  await rename(fresh, rebuilt);
  await syncPath(dirname(rebuilt));
  if (folder.exists) {
    const time = new Date(nowMs).toISOString().replaceAll(':', '-').slice(0, 19);
    const kept = `${folder.path}.old-${time}Z`;
    await rename(folder.path, kept);
    notes.push(`the old index is kept as ${kept}; delete it when all is well`);
  }
  await rename(rebuilt, folder.path);
  await syncPath(dirname(folder.path));
  return { notes, unread };
}

/** A damaged one is no reason not to make a new one; one in use is. */
async function openOld(path: string, unread: string[]): Promise<IndexStore | undefined> {
  try {
    return await openStoppedIndex(path);
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.code === 'USAGE') throw thrown;
    unread.push(thrown.message);
    return undefined;
  }
}

async function takeOver(
  old: IndexStore,
  fresh: IndexStore,
  { notes, unread }: { notes: string[]; unread: string[] },
): Promise<void> {
  let changes: IndexChange[] = [];
  let count = 0;
  try {
    for await (const { key, value } of readPages(old, '', '\uffff')) {
      if (derived.some((prefix) => key.startsWith(prefix))) continue;
      changes.push({ type: 'put', key, value });
      count += 1;
      if (changes.length < rowsPerBatch) continue;
      await fresh.commit(changes);
      changes = [];
    }
  } catch (thrown) {
    unread.push(`the old index cannot be read to its end: ${messageOf(thrown)}`);
  }
  await fresh.commit(changes);
  notes.push(`${count} rows that no file can tell were taken over from the old index`);
}
