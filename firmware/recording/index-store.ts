/** What the index needs of a sorted key-value store. The real one is LevelDB (io/level-store.ts). */

export type IndexChange = { type: 'put'; key: string; value: Buffer } | { type: 'delete'; key: string };

/** A sorted range of keys, bounded at both ends. */
interface KeyRange {
  /** inclusive */
  readonly from: string;
  /** exclusive */
  readonly to: string;
  readonly limit: number;
  /** from the last key down; default from the first up */
  readonly reverse?: boolean;
}

export interface IndexStore extends AsyncDisposable {
  get(key: string): Promise<Buffer | undefined>;
  /** All or nothing, and on the medium when it resolves. */
  commit(changes: readonly IndexChange[]): Promise<void>;
  range(range: KeyRange): Promise<{ key: string; value: Buffer }[]>;
}
