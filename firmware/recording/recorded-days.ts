/**
 * What is recorded of each camera, day by day, as few stretches of time: a calendar and a timeline of a year ask for
 * this and not for half a million segments. Read from the listings, and kept until the listings of that day change.
 *
 * Invariants: a day (UTC) holds the sealed segments that begin in it, holes shorter than `seamUs` closed; whatever a
 * commit changes is read again; what was read while a commit was under way is not kept; at most `rangesMax` stretches
 * are held, those that were used longest ago go first. Times are µs UTC.
 */
import { decode } from '../base/codec.ts';
import { endOf, keys, listingSpan, listingSpanBytes, segmentUsMax } from './index-rows.ts';
import type { IndexChange, IndexStore } from './index-store.ts';

const dayUs = 86_400_000_000;
/** From the end of one segment to the start of the next, without a frame between them. */
export const seamUs = 1_000_000;
/** Stretches (and days) that are held, of all cameras: about 40 bytes each. */
const rangesMax = 200_000;
/** Days that are read at a time, by the threads that read for LevelDB. */
const daysAtATime = 8;
/** A day of segments of a minute in one read. */
const rowsPerRead = 2_048;

interface TimeRange {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Stretches that overlap or follow one another within `holeUs` as one; `ranges` by start. */
export function joinRanges(ranges: readonly TimeRange[], holeUs: number): TimeRange[] {
  const joined: TimeRange[] = [];
  for (const range of ranges) addRange(joined, range, holeUs);
  return joined;
}

/** Adds a stretch that begins no earlier than those before it. */
function addRange(joined: TimeRange[], { fromUs, toUs }: TimeRange, holeUs: number): void {
  const last = joined.at(-1);
  if (last === undefined || fromUs - last.toUs > holeUs) joined.push({ fromUs, toUs });
  else if (toUs > last.toUs) joined[joined.length - 1] = { fromUs: last.fromUs, toUs };
}

export class RecordedDays {
  private readonly index: Pick<IndexStore, 'range'>;
  private readonly rangesMax: number;
  /** by camera and number of the day; the last used at the end */
  private readonly days = new Map<string, readonly TimeRange[]>();
  private held = 0;
  /** commits that changed listings, begun or done */
  private changes = 0;

  constructor(index: Pick<IndexStore, 'range'>, most: number = rangesMax) {
    this.index = index;
    this.rangesMax = most;
  }

  /** The same index, with every commit looked at. Whoever changes listings must go through it. */
  static watching(store: IndexStore, most?: number): { index: IndexStore; days: RecordedDays } {
    const days = new RecordedDays(store, most);
    const index: IndexStore = {
      get: (key) => store.get(key),
      range: (range) => store.range(range),
      commit: async (changes) => {
        // Both: who reads while it is written may see it or not.
        days.changed(changes);
        try {
          await store.commit(changes);
        } finally {
          days.changed(changes);
        }
      },
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
    return { index, days };
  }

  /** Sealed stretches that overlap a range, by start, not cut to it. */
  async of(camera: string, range: TimeRange): Promise<TimeRange[]> {
    const first = dayOf(range.fromUs - segmentUsMax);
    const last = dayOf(range.toUs - 1);
    const found: TimeRange[] = [];
    for (let [day, count] = [first, 1]; day <= last; ) {
      const days = Array.from({ length: Math.min(count, last - day + 1) }, (_, place) => day + place);
      const read = await Promise.all(days.map((one) => this.rangesOf(camera, one)));
      const ranges = read.flat();
      for (const one of ranges) if (one.toUs > range.fromUs && one.fromUs < range.toUs) found.push(one);
      day += days.length;
      // Where one day is recorded, the next ones are; of a camera that was away for a year no day is looked at.
      count = ranges.length > 0 ? Math.min(2 * count, daysAtATime) : 1;
      if (ranges.length === 0) day = await this.nextDay(camera, day, last + 1);
    }
    return joinRanges(found, seamUs);
  }

  private changed(changes: readonly IndexChange[]): void {
    for (const { key } of changes) {
      if (!key.startsWith('s/')) continue;
      const [, camera = '', start] = key.split('/');
      this.changes += 1;
      this.drop(placeOf(camera, dayOf(Number(start))));
    }
  }

  private async rangesOf(camera: string, day: number): Promise<readonly TimeRange[]> {
    return this.known(camera, day) ?? this.read(camera, day);
  }

  private known(camera: string, day: number): readonly TimeRange[] | undefined {
    const place = placeOf(camera, day);
    const ranges = this.days.get(place);
    if (ranges === undefined) return undefined;
    this.days.delete(place);
    this.days.set(place, ranges);
    return ranges;
  }

  private async read(camera: string, day: number): Promise<readonly TimeRange[]> {
    const before = this.changes;
    let from = keys.listingAt(camera, day * dayUs);
    const to = keys.listingAt(camera, (day + 1) * dayUs);
    const ranges: TimeRange[] = [];
    for (let more = true; more; ) {
      const rows = await this.index.range({ from, to, limit: rowsPerRead });
      for (const { value } of rows) {
        const row = decode(listingSpan, value.subarray(0, listingSpanBytes));
        if (row.ok) addRange(ranges, row.value, seamUs);
      }
      more = rows.length === rowsPerRead;
      from = `${rows.at(-1)?.key}\0`;
    }
    if (before === this.changes) this.keep(placeOf(camera, day), ranges);
    return ranges;
  }

  /** The first day from `day` on that has anything, `end` if there is none before. */
  private async nextDay(camera: string, day: number, end: number): Promise<number> {
    if (day >= end || this.days.has(placeOf(camera, day))) return day;
    const from = keys.listingAt(camera, day * dayUs);
    const [row] = await this.index.range({ from, to: endOf(`s/${camera}/`), limit: 1 });
    return row === undefined ? end : Math.min(end, dayOf(Number(row.key.split('/')[2])));
  }

  private keep(place: string, ranges: readonly TimeRange[]): void {
    this.drop(place);
    this.days.set(place, ranges);
    this.held += 1 + ranges.length;
    for (const oldest of this.days.keys()) {
      if (this.held <= this.rangesMax) return;
      this.drop(oldest);
    }
  }

  private drop(place: string): void {
    const ranges = this.days.get(place);
    if (ranges === undefined) return;
    this.days.delete(place);
    this.held -= 1 + ranges.length;
  }
}

function dayOf(us: number): number {
  return Math.max(0, Math.floor(us / dayUs));
}

function placeOf(camera: string, day: number): string {
  return `${camera}/${day}`;
}
