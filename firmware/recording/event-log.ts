/**
 * What sensors of cameras saw, in this server's index: a row for each event, keyed by its beginning.
 *
 *   d/<start>/<camera>/<kind>/<sensor>   an event and its end, if that is known
 *
 * Invariants: events are on the medium before they are confirmed; telling the same event again changes nothing, and
 * an end that is known is never forgotten; a camera that tells too much is not confirmed, and tells it again later; at
 * most `rowsMax` rows, the oldest go. Times are µs UTC in whole ms, as the API tells them; 16 decimal digits in keys.
 */
import type { Clock } from '../base/clock.ts';
import { decode, encode, i64, struct } from '../base/codec.ts';
import { cutEvents, type EventPage, eventStepUs, goOnUs } from '../base/event-page.ts';
import { messageOf } from '../base/failure.ts';
import type { CameraEvent } from '../overlay/event-packet.ts';
import { Allowance } from './allowance.ts';
import { keepLast } from './index-pages.ts';
import { eventUsMax } from './index-rows.ts';
import type { IndexChange, IndexStore } from './index-store.ts';

const prefix = 'd/';
const row = struct({ toUs: i64 });
const rowsMaxDefault = 500_000;
const rowsPerRead = 512;
/** Rows that one question looks at, however few of them fit. */
const scannedMax = 16_384;
/** How often what is too much is looked for. */
const pruneMs = 600_000;
/** What a camera may tell: so many at once, and so many a second. */
const rate = { burst: 128, perSecond: 4 } as const;
/** Digits of a time in the index. */
const timeUsMax = 9_000_000_000_000_000;

export interface StoredEvent extends CameraEvent {
  readonly camera: string;
}

export interface EventQuery {
  readonly fromUs: number;
  readonly toUs: number;
  readonly camera?: string | undefined;
  /** others are left out */
  readonly sees?: ((camera: string) => boolean) | undefined;
  readonly limit: number;
}

export interface EventLogOptions {
  readonly index: Pick<IndexStore, 'commit' | 'range' | 'get'>;
  readonly clock: Clock;
  readonly log: (level: 'warn', text: string) => void;
  readonly rowsMax?: number;
}

export class EventLog implements AsyncDisposable {
  private readonly options: EventLogOptions;
  private readonly allowance: Allowance;
  private last: Promise<unknown> = Promise.resolve();
  private cancelPrune = (): void => undefined;
  private closed = false;

  constructor(options: EventLogOptions) {
    this.options = options;
    this.allowance = new Allowance(rate, options.clock);
    this.armPrune();
  }

  /**
   * Keeps what a camera tells. Resolves with the events that are new or have changed once all are on the medium;
   * undefined when they are not kept and must be told again.
   */
  keep(camera: string, events: readonly CameraEvent[]): Promise<StoredEvent[] | undefined> {
    if (this.closed || !this.allowance.take(camera, events.length)) return Promise.resolve(undefined);
    const kept = this.last.then(() => this.store(camera, events));
    this.last = kept;
    return kept;
  }

  /** Events that overlap a time, down to where `limit` were found or `scannedMax` rows were looked at. */
  async read({ fromUs, toUs, camera, sees, limit }: EventQuery): Promise<EventPage<StoredEvent>> {
    const events: StoredEvent[] = [];
    const from = `${prefix}${timeKey(fromUs - eventUsMax)}`;
    let to = `${prefix}${timeKey(toUs)}`;
    for (let scanned = 0; scanned < scannedMax && events.length <= limit; scanned += rowsPerRead) {
      const rows = await this.options.index.range({ from, to, limit: rowsPerRead, reverse: true });
      for (const { key, value } of rows) {
        const event = eventOf(key, value);
        if (event === undefined || (camera !== undefined && event.camera !== camera)) continue;
        // One that has no end yet is where it began: nobody knows whether it goes on.
        if (sees?.(event.camera) === false || (event.fromUs < fromUs && event.toUs <= fromUs)) continue;
        events.push(event);
      }
      const lastKey = rows.at(-1)?.key;
      if (rows.length < rowsPerRead || lastKey === undefined) return cutEvents(events, limit);
      to = lastKey;
    }
    if (events.length > limit) return cutEvents(events, limit);
    const nextUs = goOnUs(timeOf(to), toUs - eventStepUs);
    return { events: events.filter((event) => event.fromUs >= nextUs), nextUs };
  }

  /** Waits for what is being kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    this.cancelPrune();
    await this.last;
  }

  private async store(camera: string, events: readonly CameraEvent[]): Promise<StoredEvent[] | undefined> {
    const { index, log } = this.options;
    const changes: IndexChange[] = [];
    const fresh: StoredEvent[] = [];
    try {
      for (const event of events) {
        if (event.fromUs < 0 || event.fromUs > timeUsMax) continue;
        const fromUs = wholeMs(event.fromUs);
        const toUs = Math.min(wholeMs(event.toUs + 999), fromUs + eventUsMax);
        if (toUs !== 0 && toUs <= fromUs) continue;
        const key = keyOf(camera, { ...event, fromUs });
        const before = await index.get(key);
        const known = before === undefined ? undefined : decode(row, before);
        if (known?.ok === true && (known.value.toUs !== 0 || toUs === 0)) continue;
        changes.push({ type: 'put', key, value: encode(row, { toUs }) });
        fresh.push({ ...event, fromUs, toUs, camera });
      }
      if (changes.length > 0) await index.commit(changes);
      return fresh;
    } catch (error) {
      log('warn', `events of ${camera} are not kept: ${messageOf(error)}; it will tell them again`);
      return undefined;
    }
  }

  private armPrune(): void {
    this.cancelPrune = this.options.clock.after(pruneMs, () => {
      this.last = this.last
        .then(() => this.prune())
        .finally(() => {
          if (!this.closed) this.armPrune();
        });
    });
  }

  private async prune(): Promise<void> {
    const { index, rowsMax = rowsMaxDefault, log } = this.options;
    try {
      await keepLast(index, prefix, rowsMax, () => this.closed);
    } catch (error) {
      log('warn', `events: ${messageOf(error)}; what is too much goes later`);
    }
  }
}

/** Finer times would make two events of one when other servers are asked. */
function wholeMs(us: number): number {
  return us - (us % eventStepUs);
}

function timeKey(us: number): string {
  return String(Math.max(0, Math.floor(us))).padStart(16, '0');
}

function keyOf(camera: string, { fromUs, kind, sensor }: CameraEvent): string {
  return `${prefix}${timeKey(fromUs)}/${camera}/${kind}/${sensor}`;
}

/** When the event of a row begins. */
function timeOf(key: string): number {
  return Number(key.split('/')[1]);
}

/** Undefined when the row is damaged. */
function eventOf(key: string, value: Uint8Array): StoredEvent | undefined {
  const [, , camera, kind, sensor] = key.split('/');
  const stored = decode(row, value);
  if (camera === undefined || kind === undefined || sensor === undefined || !stored.ok) return undefined;
  const fromUs = timeOf(key);
  return Number.isSafeInteger(fromUs) ? { camera, kind, sensor, fromUs, toUs: stored.value.toUs } : undefined;
}
