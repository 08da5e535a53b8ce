/** The index store on LevelDB. */
import { Level } from 'level';
import { Failure, messageOf } from '../base/failure.ts';
import type { IndexStore } from '../recording/index-store.ts';

/** Opens (or creates) the store. Rejects with Failure INDEX_DAMAGED when it cannot, also while another process has it. */
export async function openLevelStore(path: string): Promise<IndexStore> {
  const level = new Level<string, Buffer>(path, { keyEncoding: 'utf8', valueEncoding: 'buffer' });
  try {
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
  return {
    get: (key) => level.get(key),
    commit: (changes) =>
      level.batch(
        changes.map((change) => (change.type === 'put' ? change : { type: 'del' as const, key: change.key })),
        { sync: true },
      ),
    range: async ({ from, to, limit }) =>
      (await level.iterator({ gte: from, lt: to, limit }).all()).map(([key, value]) => ({ key, value })),
    [Symbol.asyncDispose]: () => level.close(),
  };
}
