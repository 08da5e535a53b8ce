/**
 * Whether the index takes what is written to it. A server whose index refuses, because its disk is full, read-only or
 * broken, records nothing that anybody would find: it says that it cannot, so that its cameras go elsewhere.
 */
import { messageOf } from '../base/failure.ts';
import type { IndexStore } from './index-store.ts';

/** Nobody writes it; to delete it is a write like any other. */
const probeKey = 'probe';

export class IndexHealth {
  /** the index, watched */
  readonly index: IndexStore;
  private readonly store: IndexStore;
  private readonly onChange: (works: boolean) => void;
  private why: string | undefined;

  constructor(store: IndexStore, onChange: (works: boolean) => void) {
    this.store = store;
    this.onChange = onChange;
    this.index = {
      get: (key) => store.get(key),
      range: (range) => store.range(range),
      commit: (changes) => this.commit(changes),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }

  /** Why it refuses; undefined while it does not. */
  get problem(): string | undefined {
    return this.why;
  }

  /** While it refuses, tries whether it still does. */
  async probe(): Promise<void> {
    if (this.why === undefined) return;
    await this.commit([{ type: 'delete', key: probeKey }]).catch(() => undefined);
  }

  private async commit(changes: Parameters<IndexStore['commit']>[0]): Promise<void> {
    try {
      await this.store.commit(changes);
      this.note(undefined);
    } catch (error) {
      this.note(messageOf(error));
      throw error;
    }
  }

  private note(why: string | undefined): void {
    const changed = (this.why === undefined) !== (why === undefined);
    this.why = why;
    if (changed) this.onChange(why === undefined);
  }
}
