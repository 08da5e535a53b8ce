/**
 * Named alarms of one state machine. A name has one alarm at a time; setting it again moves it.
 *
 * Invariants: alarms run in the order of their time, then of their setting, so that a run can be replayed; an alarm is
 * gone before its task runs; bounded.
 */
import assert from 'node:assert';

interface Alarm {
  readonly name: string;
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A bug, not a load: every alarm belongs to a bounded table. */
const alarmsMax = 20_000;

function isBefore(a: Alarm, b: Alarm): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export class Timers {
  private readonly alarms = new Map<string, Alarm>();
  /** a binary heap of the alarms, the earliest first, and of some that were moved or cleared since */
  private heap: Alarm[] = [];
  private order = 0;

  set(name: string, at: number, run: () => void): void {
    assert(this.alarms.size < alarmsMax || this.alarms.has(name), 'too many alarms');
    this.order += 1;
    const alarm = { name, at, order: this.order, run };
    this.alarms.set(name, alarm);
    if (this.heap.length > 2 * this.alarms.size + 64) this.rebuild();
    else this.push(alarm);
  }

  /** Moves an alarm, if it is set. */
  delay(name: string, byMs: number): void {
    const alarm = this.alarms.get(name);
    if (alarm !== undefined) this.set(name, alarm.at + byMs, alarm.run);
  }

  has(name: string): boolean {
    return this.alarms.has(name);
  }

  clear(name: string): void {
    this.alarms.delete(name);
  }

  /** When the earliest alarm is due. */
  wakeAt(): number {
    return this.earliest()?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Runs what is due; what that sets anew runs next time, also when it is due at once. */
  run(now: number): void {
    const last = this.order;
    const later: Alarm[] = [];
    for (let next = this.earliest(); next !== undefined && next.at <= now; next = this.earliest()) {
      this.pop();
      if (next.order > last) {
        later.push(next);
        continue;
      }
      this.alarms.delete(next.name);
      next.run();
    }
    for (const alarm of later) if (this.alarms.get(alarm.name) === alarm) this.push(alarm);
  }

  /** Names of all alarms, for tests and status displays. */
  names(): string[] {
    return [...this.alarms.keys()].sort();
  }

  /** The first in the heap that still counts. */
  private earliest(): Alarm | undefined {
    for (let top = this.heap[0]; top !== undefined; top = this.heap[0]) {
      if (this.alarms.get(top.name) === top) return top;
      this.pop();
    }
    return undefined;
  }

  private rebuild(): void {
    this.heap = [...this.alarms.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  private push(alarm: Alarm): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(alarm);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Alarm;
      if (!isBefore(alarm, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = alarm;
  }

  private pop(): void {
    const { heap } = this;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Alarm, heap[below] as Alarm)) below += 1;
      const child = heap[below] as Alarm;
      if (!isBefore(child, moved)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = moved;
  }
}
