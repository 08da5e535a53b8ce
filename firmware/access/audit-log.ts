/**
 * The audit log of one server, in its index: a row for each entry, keyed by time.
 *
 * Invariants: an entry waits at most `batchMs` for its write, and nobody waits for it: no request, no recording; at
 * most `pendingMax` wait, then new ones are dropped and counted in an entry of their own; the log holds `rowsMax` entries
 * of the last `ageMsMax`. An index that refuses is tried again and told of once.
 *
 * Dates: no two entries of a server have the same time. While the machine's clock is not set, an entry's time is not
 * before that of the entry before it; so after a start in 1970 the log goes on where it was, and nothing is too old.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { IndexStore } from '../recording/index-store.ts';
import type { Log } from '../runtime/log.ts';
import type { AccessClock } from './access-clock.ts';
import { type AuditEntry, auditKey, auditPrefix, decodeEntry, encodeEntry } from './audit-trail.ts';

const batchMs = 1_000;
const pendingMax = 1_024;
const auditBounds = { rowsMax: 50_000, ageMsMax: 90 * 24 * 3_600_000 } as const;
/** How often what is too old or too much is looked for. */
const pruneMs = 600_000;
const rowsPerBatch = 512;
/** Rows that one question looks at, however few of them fit. */
const scannedMax = 8_192;
/** Entries are at least 1 ms apart; a clock that was set back by more than this is followed. */
const setBackMs = 3_600_000;
const end = `${auditPrefix}\uffff`;

export interface AuditQuery {
  /** entries before this, ms UTC */
  readonly beforeMs: number;
  readonly limit: number;
  readonly user?: string | undefined;
  readonly camera?: string | undefined;
}

/** Newest first. `nextMs`: ask for those before it; undefined when there are no more. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  readonly nextMs: number | undefined;
}

export interface AuditLogOptions {
  readonly index: Pick<IndexStore, 'commit' | 'range'>;
  readonly clock: Clock;
  readonly accessClock: AccessClock;
  readonly log: Log;
  readonly bounds?: { readonly rowsMax: number; readonly ageMsMax: number };
}

/** Opens the log; what cannot be read of it does not keep a server from starting. */
export async function openAuditLog(options: AuditLogOptions): Promise<AuditLog> {
  const audit = new AuditLog(options);
  await audit.open();
  return audit;
}

export class AuditLog implements AsyncDisposable {
  private readonly options: AuditLogOptions;
  private pending: AuditEntry[] = [];
  private dropped = 0;
  private lastMs = 0;
  /** rows on the medium, as far as is known */
  private rows = 0;
  private writing: Promise<void> | undefined;
  private pruning: Promise<void> | undefined;
  private refused = false;
  private closed = false;
  private cancelWrite: (() => void) | undefined;
  private cancelPrune: (() => void) | undefined;

  constructor(options: AuditLogOptions) {
    this.options = options;
  }

  async open(): Promise<void> {
    const { index, accessClock, log } = this.options;
    try {
      const [newest] = await index.range({ from: auditPrefix, to: end, limit: 1, reverse: true });
      this.lastMs = Number(newest?.key.slice(auditPrefix.length) ?? 0) || 0;
      accessClock.observe(this.lastMs);
      this.rows = await this.count();
    } catch (error) {
      log('warn', `audit log: ${messageOf(error)}; it goes on without what was there`);
    }
    this.armPrune();
  }

  /** Is written within a second or so. */
  add(entry: Omit<AuditEntry, 'atMs'>): void {
    if (this.closed) return;
    if (this.pending.length >= pendingMax) {
      this.dropped += 1;
      return;
    }
    this.pending.push({ ...entry, atMs: this.nextMs() });
    this.arm();
  }

  async read({ beforeMs, limit, user, camera }: AuditQuery): Promise<AuditPage> {
    const fits = (entry: AuditEntry): boolean =>
      entry.atMs < beforeMs &&
      (user === undefined || entry.user === user) &&
      (camera === undefined || entry.camera === camera);
    // What waits to be written is newer than what was.
    const entries = this.pending.filter(fits).sort((a, b) => b.atMs - a.atMs);
    const oldestPending = Math.min(beforeMs, ...this.pending.map(({ atMs }) => atMs));
    let to = auditKey(oldestPending);
    for (let scanned = 0; entries.length <= limit && scanned < scannedMax; ) {
      const page = await this.page(to);
      entries.push(...page.entries.filter(fits));
      if (page.to === undefined) return cutTo(entries, limit);
      to = page.to;
      scanned += rowsPerBatch;
    }
    const cut = cutTo(entries, limit);
    return cut.nextMs === undefined ? { ...cut, nextMs: Number(to.slice(auditPrefix.length)) } : cut;
  }

  /** Writes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    this.cancelWrite?.();
    this.cancelPrune?.();
    await Promise.all([this.writing, this.pruning]);
    this.refused = false;
    while (this.pending.length > 0 && !this.refused) await this.write();
  }

  private async page(to: string): Promise<{ entries: AuditEntry[]; to: string | undefined }> {
    const { index } = this.options;
    const rows = await index.range({ from: auditPrefix, to, limit: rowsPerBatch, reverse: true });
    const entries = rows.flatMap(({ key, value }) => {
      const entry = decodeEntry(key, value);
      return entry.ok ? [entry.value] : [];
    });
    return { entries, to: rows.length < rowsPerBatch ? undefined : rows.at(-1)?.key };
  }

  private nextMs(): number {
    const { accessClock } = this.options;
    const nowMs = Math.floor(accessClock.nowMs());
    const follows = accessClock.isSet() && nowMs < this.lastMs - setBackMs;
    this.lastMs = follows ? nowMs : Math.max(nowMs, this.lastMs + 1);
    return this.lastMs;
  }

  private arm(): void {
    if (this.cancelWrite !== undefined || this.writing !== undefined) return;
    this.cancelWrite = this.options.clock.after(batchMs, () => {
      this.cancelWrite = undefined;
      this.writing = this.write().finally(() => {
        this.writing = undefined;
        if (this.pending.length > 0 && !this.closed) this.arm();
      });
    });
  }

  private async write(): Promise<void> {
    const { index, log } = this.options;
    const batch = this.pending.slice(0, rowsPerBatch);
    try {
      await index.commit(
        batch.map((entry) => ({ type: 'put', key: auditKey(entry.atMs), value: encodeEntry(entry) })),
      );
      this.pending = this.pending.slice(batch.length);
      this.rows += batch.length;
      this.refused = false;
      this.tellDropped();
    } catch (error) {
      if (!this.refused) log('error', `audit log: ${messageOf(error)}; it is tried again`);
      this.refused = true;
    }
  }

  /** Only once some have been written: before that there is no room for this entry either. */
  private tellDropped(): void {
    if (this.dropped === 0) return;
    const detail = `${this.dropped} entries were dropped here`;
    this.dropped = 0;
    const entry = { user: '-', action: 'delete', camera: undefined, detail, from: '' } as const;
    this.pending.push({ ...entry, atMs: this.nextMs() });
  }

  private armPrune(): void {
    this.cancelPrune = this.options.clock.after(pruneMs, () => {
      this.pruning = this.prune().finally(() => {
        if (!this.closed) this.armPrune();
      });
    });
  }

  /** Deletes what is too much, or too old by a clock that is set. */
  private async prune(): Promise<void> {
    const { index, accessClock, bounds = auditBounds, log } = this.options;
    try {
      const oldestMs = accessClock.isSet() ? accessClock.nowMs() - bounds.ageMsMax : 0;
      for (let excess = this.rows - bounds.rowsMax; !this.closed; excess = this.rows - bounds.rowsMax) {
        const rows = await index.range({ from: auditPrefix, to: end, limit: rowsPerBatch });
        const gone = rows.filter(({ key }, place) => place < excess || key < auditKey(oldestMs));
        if (gone.length === 0) return;
        await index.commit(gone.map(({ key }) => ({ type: 'delete', key })));
        this.rows -= gone.length;
      }
    } catch (error) {
      log('warn', `audit log: ${messageOf(error)}; what is too old goes later`);
    }
  }

  private async count(): Promise<number> {
    const { index, bounds = auditBounds } = this.options;
    let count = 0;
    for (let from = auditPrefix; count <= 2 * bounds.rowsMax; ) {
      const rows = await index.range({ from, to: end, limit: rowsPerBatch });
      count += rows.length;
      if (rows.length < rowsPerBatch) break;
      from = `${rows.at(-1)?.key}\0`;
    }
    return count;
  }
}

/** Sorted newest first already; a cut leaves a place to go on from. */
function cutTo(entries: readonly AuditEntry[], limit: number): AuditPage {
  const kept = entries.slice(0, limit);
  return { entries: kept, nextMs: entries.length > limit ? kept.at(-1)?.atMs : undefined };
}
