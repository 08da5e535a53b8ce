/**
 * An index store in memory: a commit is on the medium when it resolves; when the machine stops during one, it has
 * happened or not. Survives power cuts and closing.
 */
import type { IndexChange, IndexStore } from '../../firmware/recording/index-store.ts';
import type { SimulatedMachine } from './simulated-machine.ts';

export class SimulatedIndex {
  private readonly machine: SimulatedMachine;
  private readonly rows = new Map<string, Buffer>();

  constructor(machine: SimulatedMachine) {
    this.machine = machine;
  }

  /** A store over the rows; closing it leaves them. */
  open(): IndexStore {
    let open = true;
    const guard = (): void => {
      if (!open) throw new Error('the store is closed');
    };
    return {
      get: async (key) => {
        guard();
        return this.machine.look('index', () => this.rows.get(key));
      },
      commit: async (changes) => {
        guard();
        // What is asked must not change while it waits.
        const copy = [...changes];
        await this.machine.step('commit', copy.map(({ key }) => key).join(' '), () => this.apply(copy));
      },
      range: async ({ from, to, limit, reverse = false }) => {
        guard();
        return this.machine.look('index', () => {
          const found = [...this.rows.keys()].filter((key) => key >= from && key < to).sort();
          if (reverse) found.reverse();
          return found.slice(0, limit).map((key) => ({ key, value: this.rows.get(key) as Buffer }));
        });
      },
      [Symbol.asyncDispose]: async () => {
        open = false;
      },
    };
  }

  /** The keys that there are, sorted. */
  keys(prefix: string): string[] {
    return [...this.rows.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  private apply(changes: readonly IndexChange[]): void {
    for (const change of changes) {
      if (change.type === 'put') this.rows.set(change.key, Buffer.from(change.value));
      else this.rows.delete(change.key);
    }
  }
}
