/**
 * The ledger: the only writer of the rows that make segments known, and of how much there is of each camera on each
 * volume.
 *
 * Invariants: everything that belongs together is one batch: a segment is listed, found by retention and counted, or
 * none of these; what is in memory changes only after its batch is on the medium, so a failed commit leaves it right.
 * Batches are written one after another, and what is asked meanwhile goes into the next together, for each costs a
 * sync. A name that is being written or deleted is taken on every volume: a file is never deleted in place of another.
 */
import { decode } from '../base/codec.ts';
import type { SegmentListing } from './archive.ts';
import { readPages } from './index-pages.ts';
import {
  decodeExtent,
  deletedRow,
  encodeDetail,
  endOf,
  eventRow,
  extentRow,
  keys,
  listingRow,
  openRow,
  placeOfKey,
  put,
  type SegmentInside,
  type SegmentRef,
  totalsRow,
} from './index-rows.ts';
import type { IndexChange, IndexStore } from './index-store.ts';
import { findListing } from './segment-lookup.ts';

/** Requests that one batch takes at the most: insides may be large. */
const requestsPerBatch = 64;

/** What is known of a volume here: its number in the index. */
interface Numbered {
  readonly number: number;
}

/** A segment that was being written. */
export interface UnsealedSegment {
  readonly volume: number;
  readonly camera: string;
  readonly name: string;
  readonly epoch: number;
}

/** Sealed segments of one camera on one volume. */
export interface SegmentTotals {
  readonly segments: number;
  readonly bytes: number;
}

interface TimeRange {
  readonly fromUs: number;
  readonly toUs: number;
}

/** What a batch would change in memory. */
class Draft {
  readonly totals = new Map<string, SegmentTotals>();
  readonly deleted = new Map<string, TimeRange>();
  readonly changes: IndexChange[] = [];
}

interface Request {
  readonly prepare: (draft: Draft) => void;
  readonly settle: (error: unknown) => void;
}

export class Ledger {
  private readonly index: IndexStore;
  private readonly sums = new Map<string, SegmentTotals>();
  private readonly ranges = new Map<string, TimeRange>();
  private readonly open = new Map<string, UnsealedSegment>();
  private readonly doomed = new Map<string, SegmentRef>();
  private readonly queue: Request[] = [];
  private writing = false;

  private constructor(index: IndexStore) {
    this.index = index;
  }

  /** Reads what is open, being deleted, and how much there is; damaged rows are left out. */
  static async open(index: IndexStore): Promise<Ledger> {
    const ledger = new Ledger(index);
    for await (const { key, value } of readPages(index, 'b/', endOf('b/'))) {
      const row = decode(totalsRow, value);
      const { volume, camera } = placeOfKey(key, 2);
      if (row.ok) ledger.sums.set(sumKey(volume, camera), row.value);
    }
    for await (const { key, value } of readPages(index, 'r/', endOf('r/'))) {
      const row = decode(deletedRow, value);
      if (row.ok) ledger.ranges.set(key.slice(2), row.value);
    }
    for await (const { key, value } of readPages(index, 'o/', endOf('o/'))) {
      const row = decode(openRow, value);
      const [, camera = '', ...name] = key.split('/');
      if (row.ok) ledger.open.set(key.slice(2), { ...row.value, camera, name: name.join('/') });
    }
    for await (const row of readPages(index, 'g/', endOf('g/'))) {
      const ref = decodeExtent(row, 2);
      if (ref !== undefined) ledger.doomed.set(segmentKey(ref), ref);
    }
    return ledger;
  }

  /** Says that a file is about to be created. False: the name is taken. */
  async opening(volume: Numbered, camera: string, name: string, epoch: number): Promise<boolean> {
    const key = segmentKey({ camera, name });
    if (this.open.has(key) || this.doomed.has(key)) return false;
    const segment = { volume: volume.number, camera, name, epoch };
    // Reserved at once: two that ask for one name must not both get it.
    this.open.set(key, segment);
    try {
      const known = await this.index.get(keys.detail(camera, name));
      if (known === undefined) {
        const row = put(keys.open(camera, name), openRow, { volume: volume.number, epoch });
        await this.write(({ changes }) => changes.push(row));
        return true;
      }
      this.open.delete(key);
      return false;
    } catch (error) {
      this.open.delete(key);
      throw error;
    }
  }

  /** The file could not be created: nothing is there. */
  notOpened(volume: Numbered, camera: string, name: string): Promise<void> {
    return this.forget(volume.number, camera, name);
  }

  /** An unsealed segment turned out to be nothing. */
  async forget(_volume: number, camera: string, name: string): Promise<void> {
    await this.write(({ changes }) => changes.push({ type: 'delete', key: keys.open(camera, name) }));
    this.open.delete(segmentKey({ camera, name }));
  }

  /** Makes a segment known whose file is whole and synced. Sealing what is known already replaces it. */
  async seal(volume: Numbered, listing: SegmentListing, inside: SegmentInside): Promise<void> {
    const { camera, name, fromUs, toUs, bytes, epoch, captureId } = listing;
    const key = segmentKey(listing);
    const before = this.open.has(key) ? undefined : await findListing(this.index, camera, name);
    const row = { fromUs, toUs, bytes, epoch, volume: volume.number, captureId };
    const detail = encodeDetail(inside);
    await this.write((draft) => {
      if (before !== undefined) this.take(draft, { ...before.listing, volume: before.volume });
      this.count(draft, volume.number, camera, { segments: 1, bytes });
      draft.changes.push(
        put(keys.listing(camera, fromUs, name), listingRow, row),
        { type: 'put', key: keys.detail(camera, name), value: detail },
        put(keys.byTime(volume.number, fromUs, camera, name), extentRow, { fromUs, toUs, bytes }),
        { type: 'put', key: keys.camera(camera), value: Buffer.alloc(0) },
        { type: 'delete', key: keys.open(camera, name) },
      );
    });
    this.open.delete(key);
  }

  /** Segments that were being written and are neither sealed nor forgotten yet, by camera and name. */
  async unsealed(): Promise<UnsealedSegment[]> {
    const order = (a: string, b: string): number => (a < b ? -1 : 1);
    return [...this.open].sort(([a], [b]) => order(a, b)).map(([, segment]) => segment);
  }

  /** Sealed segments of a volume, oldest first; the next ones after the last one of these, given as `after`. */
  async oldest(volume: number, limit: number, after?: SegmentRef): Promise<SegmentRef[]> {
    const prefix = keys.byTimeOf(volume);
    const last =
      after === undefined ? undefined : keys.byTime(volume, after.fromUs, after.camera, after.name);
    const from = last === undefined ? prefix : `${last}\0`;
    const rows = await this.index.range({ from, to: endOf(prefix), limit });
    return rows.flatMap((row) => decodeExtent(row, 3) ?? []);
  }

  /** The same of a camera, on all volumes. */
  async oldestOf(camera: string, limit: number, after?: SegmentRef): Promise<SegmentRef[]> {
    const prefix = `s/${camera}/`;
    const last = after === undefined ? undefined : keys.listing(camera, after.fromUs, after.name);
    const from = last === undefined ? prefix : `${last}\0`;
    const rows = await this.index.range({ from, to: endOf(prefix), limit });
    return rows.flatMap(({ key, value }) => {
      const row = decode(listingRow, value);
      if (!row.ok) return [];
      const { fromUs, toUs, bytes, volume } = row.value;
      return [{ volume, camera, name: placeOfKey(key, 2).name, fromUs, toUs, bytes }];
    });
  }

  /**
   * Segments become garbage: nobody sees them any more, and their files may be removed. The time is explained as
   * deleted by retention, or as damaged. Those that are unknown are left out; the others are returned.
   */
  async discard(
    segments: readonly SegmentRef[],
    why: 'retention' | 'damaged' = 'retention',
  ): Promise<SegmentRef[]> {
    const fresh = segments.filter((ref) => !this.doomed.has(segmentKey(ref)));
    for (const ref of fresh) this.doomed.set(segmentKey(ref), ref);
    const known: SegmentRef[] = [];
    try {
      for (const ref of fresh) {
        const row = await this.index.get(keys.listing(ref.camera, ref.fromUs, ref.name));
        if (row !== undefined) known.push(ref);
        else this.doomed.delete(segmentKey(ref));
      }
      if (known.length > 0) await this.write((draft) => this.doom(draft, known, why));
      return known;
    } catch (error) {
      for (const ref of fresh) this.doomed.delete(segmentKey(ref));
      throw error;
    }
  }

  /** Segments whose files may still be there and must go. */
  async garbage(): Promise<SegmentRef[]> {
    return [...this.doomed.values()];
  }

  /** Their files are gone, and their directories say so on the medium. */
  async discarded(segments: readonly SegmentRef[]): Promise<void> {
    if (segments.length === 0) return;
    await this.write(({ changes }) => {
      for (const { volume, camera, name } of segments)
        changes.push({ type: 'delete', key: keys.garbage(volume, camera, name) });
    });
    for (const ref of segments) this.doomed.delete(segmentKey(ref));
  }

  /** Sealed segments and their bytes, by `<volume>/<camera>`. */
  totals(): ReadonlyMap<string, SegmentTotals> {
    return this.sums;
  }

  private doom(draft: Draft, segments: readonly SegmentRef[], why: 'retention' | 'damaged'): void {
    for (const ref of segments) {
      const { volume, camera, name, fromUs, toUs, bytes } = ref;
      this.take(draft, ref);
      draft.changes.push(put(keys.garbage(volume, camera, name), extentRow, { fromUs, toUs, bytes }));
      if (why === 'retention') this.widen(draft, camera, { fromUs, toUs });
      else {
        const gap = { camera, fromUs, toUs, reason: why };
        draft.changes.push(put(keys.event(camera, fromUs, why), eventRow, gap));
      }
    }
  }

  /** The rows of a sealed segment go. */
  private take(draft: Draft, { volume, camera, name, fromUs, bytes }: SegmentRef): void {
    this.count(draft, volume, camera, { segments: -1, bytes: -bytes });
    draft.changes.push(
      { type: 'delete', key: keys.listing(camera, fromUs, name) },
      { type: 'delete', key: keys.detail(camera, name) },
      { type: 'delete', key: keys.byTime(volume, fromUs, camera, name) },
    );
  }

  private count(draft: Draft, volume: number, camera: string, more: SegmentTotals): void {
    const key = sumKey(volume, camera);
    const sum = draft.totals.get(key) ?? this.sums.get(key) ?? { segments: 0, bytes: 0 };
    const next = {
      segments: Math.max(0, sum.segments + more.segments),
      bytes: Math.max(0, sum.bytes + more.bytes),
    };
    draft.totals.set(key, next);
  }

  private widen(draft: Draft, camera: string, { fromUs, toUs }: TimeRange): void {
    const range = draft.deleted.get(camera) ?? this.ranges.get(camera) ?? { fromUs, toUs };
    draft.deleted.set(camera, {
      fromUs: Math.min(range.fromUs, fromUs),
      toUs: Math.max(range.toUs, toUs),
    });
  }

  /** One request; resolves when its batch is on the medium. */
  private write(prepare: (draft: Draft) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.queue.push({ prepare, settle: (error) => (error === undefined ? resolve() : reject(error)) });
      if (!this.writing) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.writing = true;
    while (this.queue.length > 0) {
      const requests = this.queue.splice(0, requestsPerBatch);
      let failed: unknown;
      try {
        await this.commit(requests);
      } catch (error) {
        failed = error ?? new Error('the index failed');
      }
      for (const { settle } of requests) settle(failed);
    }
    this.writing = false;
  }

  private async commit(requests: readonly Request[]): Promise<void> {
    const draft = new Draft();
    for (const { prepare } of requests) prepare(draft);
    for (const [key, sum] of draft.totals) draft.changes.push(this.totalsChange(key, sum));
    for (const [camera, range] of draft.deleted) {
      draft.changes.push(put(keys.deleted(camera), deletedRow, range));
    }
    draft.changes.push(...this.goneCameras(draft));
    await this.index.commit(draft.changes);
    for (const [key, sum] of draft.totals) {
      if (sum.segments === 0) this.sums.delete(key);
      else this.sums.set(key, sum);
    }
    for (const [camera, range] of draft.deleted) this.ranges.set(camera, range);
  }

  private totalsChange(sum: string, value: SegmentTotals): IndexChange {
    const { volume, camera } = placeOfSum(sum);
    const key = keys.totals(volume, camera);
    return value.segments === 0 ? { type: 'delete', key } : put(key, totalsRow, value);
  }

  /** Cameras of which nothing is left on any volume. */
  private goneCameras(draft: Draft): IndexChange[] {
    const emptied = [...draft.totals].filter(([, { segments }]) => segments === 0).map(([key]) => key);
    const cameras = new Set(emptied.map((key) => placeOfSum(key).camera));
    for (const key of cameras.size === 0 ? [] : new Set([...this.sums.keys(), ...draft.totals.keys()])) {
      const { segments } = draft.totals.get(key) ?? this.sums.get(key) ?? { segments: 0 };
      if (segments > 0) cameras.delete(placeOfSum(key).camera);
    }
    return [...cameras].map((camera) => ({ type: 'delete', key: keys.camera(camera) }));
  }
}

function sumKey(volume: number, camera: string): string {
  return `${volume}/${camera}`;
}

/** The volume and camera of a key of `totals()`. */
export function placeOfSum(key: string): { volume: number; camera: string } {
  const slash = key.indexOf('/');
  return { volume: Number(key.slice(0, slash)), camera: key.slice(slash + 1) };
}

function segmentKey({ camera, name }: { camera: string; name: string }): string {
  return `${camera}/${name}`;
}
