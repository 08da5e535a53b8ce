/**
 * The archive over a server's index and the segments that are being written.
 *
 * Invariants: every read of the index is bounded at both ends; what is sealed or deleted while a list is made is in it
 * once or not at all; a time of which nothing is left because retention deleted it is explained, as far as nothing
 * else explains it.
 */
import { decode } from '../base/codec.ts';
import { Failure } from '../base/failure.ts';
import type { Gap } from '../media/sample.ts';
import type { Archive, NearSegments, SegmentDetail, SegmentListing } from './archive.ts';
import type { Disk } from './disk.ts';
import { readPages } from './index-pages.ts';
import { decodeDetail, deletedRow, endOf, eventRow, eventUsMax, keys, segmentUsMax } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { joinRanges, type RecordedDays, seamUs } from './recorded-days.ts';
import { decodeListing, findListing } from './segment-lookup.ts';
import { segmentPath } from './segment-writer.ts';
import type { Volume } from './volumes.ts';

/** Gaps one answer lists at the most. */
const gapsMax = 10_000;
/** Listings that are read at a time. */
const listingsPerRead = { min: 256, max: 2_048 } as const;

/** A segment that is being written. */
export interface OpenSegment {
  /** of the volume */
  readonly volume: number;
  readonly detail: SegmentDetail;
}

export interface IndexArchiveOptions {
  readonly disk: Pick<Disk, 'read'>;
  readonly index: Pick<IndexStore, 'get' | 'range'>;
  readonly days: Pick<RecordedDays, 'of'>;
  readonly volumes: { byNumber(volume: number): Volume | undefined };
  /** those of a camera, or of all */
  readonly openSegments: (camera?: string) => Iterable<OpenSegment>;
}

interface TimeRange {
  readonly fromUs: number;
  readonly toUs: number;
}

export class IndexArchive implements Archive {
  private readonly options: IndexArchiveOptions;

  constructor(options: IndexArchiveOptions) {
    this.options = options;
  }

  async cameras(): Promise<string[]> {
    const ids = new Set<string>();
    for await (const { key } of readPages(this.options.index, 'c/', endOf('c/'))) ids.add(key.slice(2));
    for (const { detail } of this.options.openSegments()) ids.add(detail.listing.camera);
    return [...ids].sort();
  }

  async segments(camera: string, range: TimeRange & { limit: number }): Promise<SegmentListing[]> {
    // Before the index is read: a segment that is sealed meanwhile is then seen twice, not missed.
    const open = this.openOf(camera).map(({ listing }) => listing);
    const listings = await this.sealedIn(camera, range, range.limit);
    const sealed = new Set(listings.map(({ name }) => name));
    listings.push(...open.filter((listing) => overlaps(listing, range) && !sealed.has(listing.name)));
    return listings.sort((a, b) => a.fromUs - b.fromUs).slice(0, range.limit);
  }

  async gaps(camera: string, range: TimeRange): Promise<Gap[]> {
    const from = keys.eventAt(camera, range.fromUs - eventUsMax);
    const to = keys.eventAt(camera, range.toUs);
    // the newest, where there are too many
    const rows = await this.options.index.range({ from, to, limit: gapsMax, reverse: true });
    const gaps = rows.reverse().flatMap(({ value }) => {
      const gap = decode(eventRow, value);
      return gap.ok && overlaps(gap.value, range) ? [gap.value] : [];
    });
    const deleted = await this.deletedIn(camera, range, gaps);
    return [...gaps, ...deleted].sort((a, b) => a.fromUs - b.fromUs).slice(-gapsMax);
  }

  async coverage(camera: string, range: TimeRange): Promise<TimeRange[]> {
    const open = this.openOf(camera).map(({ listing }) => listing);
    const ranges = [
      ...(await this.options.days.of(camera, range)),
      ...open.filter((one) => overlaps(one, range)),
    ]
      .map(({ fromUs, toUs }) => ({
        fromUs: Math.max(fromUs, range.fromUs),
        toUs: Math.min(toUs, range.toUs),
      }))
      .sort((a, b) => a.fromUs - b.fromUs);
    return joinRanges(ranges, seamUs);
  }

  async near(camera: string, atUs: number): Promise<NearSegments> {
    const { index } = this.options;
    const open = this.openOf(camera).map(({ listing }) => listing);
    const next = keys.listingAt(camera, atUs + 1);
    const listings = `s/${camera}/`;
    const [earlier, later] = await Promise.all([
      index.range({ from: listings, to: next, limit: 1, reverse: true }),
      index.range({ from: next, to: endOf(listings), limit: 1 }),
    ]);
    const sealed = [...earlier, ...later].flatMap((row) => decodeListing(camera, row)?.listing ?? []);
    const all = [...sealed, ...open].sort((a, b) => a.fromUs - b.fromUs);
    return {
      before: all.findLast(({ fromUs }) => fromUs <= atUs),
      after: all.find(({ fromUs }) => fromUs > atUs),
    };
  }

  async detail(camera: string, name: string): Promise<SegmentDetail | undefined> {
    const open = this.openOf(camera).find(({ listing }) => listing.name === name);
    if (open !== undefined) return open;
    const { index } = this.options;
    const [found, row] = await Promise.all([
      findListing(index, camera, name),
      index.get(keys.detail(camera, name)),
    ]);
    const inside = row === undefined ? undefined : decodeDetail(row);
    return found === undefined || !inside?.ok ? undefined : { listing: found.listing, ...inside.value };
  }

  async read(camera: string, name: string, offset: number, length: number): Promise<Buffer> {
    const { disk, volumes } = this.options;
    const number = await this.volumeOf(camera, name);
    if (number === undefined) {
      const advice = 'List the recordings again; retention may have deleted it.';
      throw new Failure('NOT_FOUND', `no segment ${name} of ${camera} here`, { advice });
    }
    const volume = volumes.byNumber(number);
    if (volume === undefined) {
      const advice = 'Its disk is missing: connect it, or put it back into `server.volumes`.';
      throw new Failure('FILE_MISSING', `${name} of ${camera} is on volume ${number}, which is not there`, {
        advice,
      });
    }
    return disk.read(segmentPath(volume, camera, name), offset, length);
  }

  private openOf(camera: string): SegmentDetail[] {
    return [...this.options.openSegments(camera)].map(({ detail }) => detail);
  }

  private async volumeOf(camera: string, name: string): Promise<number | undefined> {
    for (const { volume, detail } of this.options.openSegments(camera)) {
      if (detail.listing.name === name) return volume;
    }
    return (await findListing(this.options.index, camera, name))?.volume;
  }

  /**
   * Sealed segments that overlap a time, by start, `limit` at the most. A page at a time and not a row: a day has 1,440
   * rows, and a turn of the event loop for each would take longer than reading them.
   */
  private async sealedIn(camera: string, range: TimeRange, limit: number): Promise<SegmentListing[]> {
    const listings: SegmentListing[] = [];
    const to = keys.listingAt(camera, range.toUs);
    let from = keys.listingAt(camera, range.fromUs - segmentUsMax);
    for (let more = true; more && listings.length < limit; ) {
      const page = Math.max(listingsPerRead.min, Math.min(limit - listings.length, listingsPerRead.max));
      const rows = await this.options.index.range({ from, to, limit: page });
      for (const row of rows) {
        const listing = decodeListing(camera, row)?.listing;
        if (listing !== undefined && overlaps(listing, range) && listings.length < limit)
          listings.push(listing);
      }
      more = rows.length === page;
      from = `${rows.at(-1)?.key}\0`;
    }
    return listings;
  }

  /** What retention deleted of a time: without what is still there, and without what else explains it. */
  private async deletedIn(camera: string, range: TimeRange, explained: readonly Gap[]): Promise<Gap[]> {
    const row = await this.options.index.get(keys.deleted(camera));
    const deleted = row === undefined ? undefined : decode(deletedRow, row);
    if (deleted === undefined || !deleted.ok || !overlaps(deleted.value, range)) return [];
    const fromUs = Math.max(range.fromUs, deleted.value.fromUs);
    const toUs = Math.min(range.toUs, deleted.value.toUs);
    const left = await this.options.days.of(camera, { fromUs, toUs });
    return without({ fromUs, toUs }, [...explained, ...left]).map((rest) => ({
      camera,
      ...rest,
      reason: 'retention',
    }));
  }
}

function overlaps(one: TimeRange, range: TimeRange): boolean {
  return one.toUs > range.fromUs && one.fromUs < range.toUs;
}

/** What is left of a range when others are taken out, in order. */
function without(range: TimeRange, taken: readonly TimeRange[]): TimeRange[] {
  const rest: TimeRange[] = [];
  let at = range.fromUs;
  for (const { fromUs, toUs } of taken.toSorted((a, b) => a.fromUs - b.fromUs)) {
    if (fromUs > at) rest.push({ fromUs: at, toUs: Math.min(fromUs, range.toUs) });
    at = Math.max(at, toUs);
    if (at >= range.toUs) return rest;
  }
  if (at < range.toUs) rest.push({ fromUs: at, toUs: range.toUs });
  return rest;
}
