/**
 * Everything that will happen, in one binary heap keyed (time, sequence): of two things due at one time the one that
 * was planned first happens first. Times are ms of virtual time, with fractions.
 */

/** Something that will happen, unless it is cancelled. */
export interface Planned {
  readonly at: number;
  readonly sequence: number;
  task: (() => void) | undefined;
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

export class EventHeap {
  private readonly heap: Planned[] = [];
  private sequence = 0;

  get size(): number {
    return this.heap.length;
  }

  plan(at: number, task: () => void): Planned {
    const planned: Planned = { at, sequence: this.sequence++, task };
    this.heap.push(planned);
    this.rise(this.heap.length - 1);
    return planned;
  }

  /** Takes out the next event that is due by `until`; cancelled ones are dropped on the way. */
  take(until: number): Planned | undefined {
    for (let next = this.heap[0]; next !== undefined && next.at <= until; next = this.heap[0]) {
      this.dropFirst();
      if (next.task !== undefined) return next;
    }
    return undefined;
  }

  private dropFirst(): void {
    const last = this.heap.pop() as Planned;
    if (this.heap.length === 0) return;
    this.heap[0] = last;
    this.sink();
  }

  private rise(from: number): void {
    const item = this.heap[from] as Planned;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.heap[parent] as Planned;
      if (!isBefore(item, above)) break;
      this.heap[place] = above;
      place = parent;
    }
    this.heap[place] = item;
  }

  private sink(): void {
    const item = this.heap[0] as Planned;
    const size = this.heap.length;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(this.heap[child + 1] as Planned, this.heap[child] as Planned)) child++;
      const below = this.heap[child] as Planned;
      if (!isBefore(below, item)) break;
      this.heap[place] = below;
      place = child;
    }
    this.heap[place] = item;
  }
}
