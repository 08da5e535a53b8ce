/**
 * Whether the index takes what is written to it. A server whose index refuses, because its disk is full, read-only or
 * broken, records nothing that anybody would find: it says that it cannot, so that its cameras go elsewhere. So does one
 * whose index does not answer.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { IndexStore } from './index-store.ts';

/** An index that takes so long does not work. */
const answerMs = 10_000;
/** Nobody writes it; to delete it is a write like any other. */
const probeKey = 'probe';

export class IndexHealth {
  /** the index, watched */
  readonly index: IndexStore;
  private readonly store: IndexStore;
  private readonly clock: Clock;
  private readonly onChange: (works: boolean) => void;
  private why: string | undefined;
  /** commits that do not answer */
  private late = 0;

  constructor(store: IndexStore, clock: Clock, onChange: (works: boolean) => void) {
    this.store = store;
    this.clock = clock;
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
    if (this.why === undefined || this.late > 0) return;
    await this.commit([{ type: 'delete', key: probeKey }]).catch(() => undefined);
  }

  private async commit(changes: Parameters<IndexStore['commit']>[0]): Promise<void> {
    let late = 0;
    const cancel = this.clock.after(answerMs, () => {
      late = 1;
      this.late += 1;
      this.note('the index does not answer');
    });
    try {
      await this.store.commit(changes);
      this.late -= late;
      if (this.late === 0) this.note(undefined);
    } catch (error) {
      this.late -= late;
      this.note(messageOf(error));
      throw error;
    } finally {
      cancel();
    }
  }

  private note(why: string | undefined): void {
    const changed = (this.why === undefined) !== (why === undefined);
    this.why = why;
    if (changed) this.onChange(why === undefined);
  }
}
