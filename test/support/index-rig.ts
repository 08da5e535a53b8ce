/** A ledger on a LevelDB in a folder of its own, whose commits can be made to fail, and segments to put into it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import type { SegmentListing } from '../../firmware/recording/archive.ts';
import { prepareFormat } from '../../firmware/recording/index-format.ts';
import type { SegmentInside } from '../../firmware/recording/index-rows.ts';
import type { IndexChange, IndexStore } from '../../firmware/recording/index-store.ts';
import { Ledger } from '../../firmware/recording/ledger.ts';
import { formatSegmentName } from '../../firmware/recording/segment-name.ts';

/** Where a rig's time begins. */
export const startUs = Date.parse('2026-11-22T12:00:00Z') * 1000;
export const minuteUs = 60_000_000;

/** A segment of one minute, `minute` minutes after the start. */
export function listingOf(
  camera: string,
  minute: number,
  more: Partial<SegmentListing> = {},
): SegmentListing {
  const fromUs = startUs + minute * minuteUs;
  return {
    camera,
    name: formatSegmentName({ fromUs, epoch: 1, sequence: minute }),
    fromUs,
    toUs: fromUs + minuteUs,
    bytes: 1_000,
    captureId: 'a1b2c3d4.0',
    epoch: 1,
    open: false,
    ...more,
  };
}

export const noInside: SegmentInside = { initBytes: 100, tracks: [], fragments: [] };

export class IndexRig implements AsyncDisposable {
  readonly folder: string;
  failCommits = false;
  /** batches that reached the index */
  readonly batches: (readonly IndexChange[])[] = [];
  private store: IndexStore;
  /** the store, with commits that fail on demand */
  readonly index: IndexStore = {
    get: (key) => this.store.get(key),
    range: (range) => this.store.range(range),
    commit: async (changes) => {
      if (this.failCommits) throw new Error('commit fails as the test wants');
      await this.store.commit(changes);
      this.batches.push(changes);
    },
    [Symbol.asyncDispose]: () => this.store[Symbol.asyncDispose](),
  };
  ledger!: Ledger;

  private constructor(folder: string, store: IndexStore) {
    this.folder = folder;
    this.store = store;
  }

  static async open(): Promise<IndexRig> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-index-'));
    const rig = new IndexRig(folder, await openLevelStore(join(folder, 'index')));
    await prepareFormat(rig.index);
    rig.ledger = await Ledger.open(rig.index);
    return rig;
  }

  /** As after a restart. */
  async reopen(): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    this.store = await openLevelStore(join(this.folder, 'index'));
    await prepareFormat(this.index);
    this.ledger = await Ledger.open(this.index);
  }

  /** Opens and seals a segment. */
  async seal(volume: number, listing: SegmentListing): Promise<void> {
    await this.ledger.opening({ number: volume }, listing.camera, listing.name, listing.epoch);
    await this.ledger.seal({ number: volume }, listing, noInside);
  }

  /** Every row but the format's, as `key` only. */
  async keys(): Promise<string[]> {
    const rows = await this.store.range({ from: 'a', to: 'zz', limit: 100_000 });
    return rows.map(({ key }) => key).filter((key) => key !== 'format');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true });
  }
}
