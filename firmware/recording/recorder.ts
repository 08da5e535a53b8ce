/**
 * The recorder of a server: one CameraRecorder per camera that is attached, sync rounds over all of them, and the
 * archive that readers see.
 *
 * Invariants: the index is opened, and what an earlier run left open is recovered, before anything is recorded;
 * closing seals every open segment.
 */
import type { Clock } from '../base/clock.ts';
import { decode } from '../base/codec.ts';
import { Failure } from '../base/failure.ts';
import type { Gap } from '../media/sample.ts';
import type { Archive, SegmentDetail, SegmentListing } from './archive.ts';
import { CameraRecorder, type DurablePoint } from './camera-recorder.ts';
import type { Disk } from './disk.ts';
import {
  decodeDetail,
  endOf,
  eventRow,
  keys,
  listingRow,
  nameOfListingKey,
  put,
  segmentUsMax,
} from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { type RecoveryReport, recoverSegments } from './recovery.ts';
import { parseSegmentName } from './segment-name.ts';
import { segmentPath, type Volume } from './segment-writer.ts';

/** Gaps one answer lists at the most. */
const gapsMax = 10_000;
/** How far before a time an event over it may have begun: a day. Longer gaps are stored in pieces. */
const eventUsMax = 86_400_000_000;
/** Of a gap that is longer than so many days only the last of them are stored. */
const gapDaysMax = 1_000;
/** Listings that are read at a time. */
const listingsPerRead = 256;

export interface RecorderOptions {
  readonly disk: Disk;
  readonly index: IndexStore;
  /** absolute folders, in the order of the configuration */
  readonly volumes: readonly string[];
  readonly segmentSeconds: number;
  readonly syncIntervalMs: number;
  readonly clock: Clock;
}

/** What is asked of the recorder when a camera is attached. */
interface RecordOptions {
  readonly camera: string;
  readonly epoch: number;
  readonly onDurable: (point: DurablePoint) => void;
  readonly onFailed: (reason: string) => void;
}

export interface Recorder extends AsyncDisposable {
  readonly archive: Archive;
  readonly recovery: RecoveryReport;
  /** Begins to record a camera; one recorder a camera and epoch. */
  record(options: RecordOptions): CameraRecorder;
  /** Ends a recorder: writes what is left and seals. */
  finish(recorder: CameraRecorder): Promise<void>;
  /** Stores an explained gap. */
  addGap(gap: Gap): Promise<void>;
}

/** Opens the recorder: creates the volumes' folders, recovers, starts the sync rounds. */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  const { disk, index, clock } = options;
  const volumes = options.volumes.map((folder, number): Volume => ({ number, folder }));
  for (const volume of volumes) await disk.createDirectory(volume.folder);
  const recovery = await recoverSegments(disk, index, volumes);
  const active = new Set<CameraRecorder>();
  const volume = volumes[0];
  if (volume === undefined) {
    throw new Failure('CONFIG_INVALID', 'no volume to record to', {
      advice: 'Name one under server.volumes.',
    });
  }

  // Every camera at once; one whose sync takes longer than a round misses rounds, and holds no other camera back.
  const syncing = new Set<CameraRecorder>();
  let cancel = (): void => undefined;
  const round = (): void => {
    for (const recorder of active) {
      if (syncing.has(recorder)) continue;
      syncing.add(recorder);
      void recorder.sync().finally(() => syncing.delete(recorder));
    }
    cancel = clock.after(options.syncIntervalMs, round);
  };
  cancel = clock.after(options.syncIntervalMs, round);

  const finish = async (recorder: CameraRecorder): Promise<void> => {
    await recorder.close();
    active.delete(recorder);
  };
  return {
    archive: openArchive(disk, index, volumes, active),
    recovery,
    record: ({ camera, epoch, onDurable, onFailed }) => {
      const segmentUs = options.segmentSeconds * 1_000_000;
      const recorder = new CameraRecorder({
        camera,
        epoch,
        disk,
        index,
        volume,
        segmentUs,
        onDurable,
        onFailed,
      });
      active.add(recorder);
      return recorder;
    },
    finish,
    addGap: (gap) =>
      index.commit(
        piecesOf(gap).map((piece) => put(keys.event(gap.camera, piece.fromUs, gap.reason), eventRow, piece)),
      ),
    [Symbol.asyncDispose]: async () => {
      cancel();
      await Promise.all([...active].map(finish));
      await index[Symbol.asyncDispose]();
    },
  };
}

/** A gap in pieces of at most `eventUsMax`. */
function piecesOf(gap: Gap): Gap[] {
  const pieces: Gap[] = [];
  for (let toUs = gap.toUs; pieces.length < gapDaysMax; toUs -= eventUsMax) {
    const fromUs = Math.max(gap.fromUs, toUs - eventUsMax);
    pieces.push({ ...gap, fromUs, toUs });
    if (fromUs === gap.fromUs) break;
  }
  return pieces;
}

function openArchive(
  disk: Disk,
  index: IndexStore,
  volumes: readonly Volume[],
  active: ReadonlySet<CameraRecorder>,
): Archive {
  const openOf = (camera: string): SegmentDetail[] => {
    const details: SegmentDetail[] = [];
    for (const recorder of active) {
      const writer = recorder.camera === camera ? recorder.openSegment() : undefined;
      if (writer !== undefined && writer.fragmentCount > 0) details.push(writer.detail);
    }
    return details;
  };

  const sealed = async (
    camera: string,
    name: string,
  ): Promise<{ listing: SegmentListing; volume: Volume } | undefined> => {
    const parsed = parseSegmentName(name);
    if (!parsed.ok) return undefined;
    // The name says the start to the millisecond, the row to the microsecond.
    const { fromUs } = parsed.value;
    const range = {
      from: keys.listingAt(camera, fromUs),
      to: keys.listingAt(camera, fromUs + 1000),
      limit: 100,
    };
    const row = (await index.range(range)).find(({ key }) => nameOfListingKey(key) === name);
    const listing = row === undefined ? undefined : listingOf(camera, row);
    const volume = listing === undefined ? undefined : volumes[listing.volume];
    return listing === undefined || volume === undefined ? undefined : { listing: listing.listing, volume };
  };

  const volumeOf = async (camera: string, name: string): Promise<Volume | undefined> => {
    for (const recorder of active) {
      const writer = recorder.camera === camera ? recorder.openSegment() : undefined;
      if (writer?.name === name) return writer.volume;
    }
    return (await sealed(camera, name))?.volume;
  };

  return {
    cameras: async () => {
      const rows = await index.range({ from: 'c/', to: endOf('c/'), limit: 10_000 });
      const ids = new Set(rows.map(({ key }) => key.slice(2)));
      for (const recorder of active) if (recorder.openSegment() !== undefined) ids.add(recorder.camera);
      return [...ids].sort();
    },
    segments: async (camera, { fromUs, toUs, limit }) => {
      const overlaps = (listing: SegmentListing): boolean => listing.toUs > fromUs && listing.fromUs < toUs;
      // Before the index is read: a segment that is sealed meanwhile is then seen twice, not missed.
      const open = openOf(camera).map(({ listing }) => listing);
      const listings: SegmentListing[] = [];
      const to = keys.listingAt(camera, toUs);
      let from = keys.listingAt(camera, fromUs - segmentUsMax);
      for (let more = true; more && listings.length < limit; ) {
        const rows = await index.range({ from, to, limit: listingsPerRead });
        listings.push(...rows.flatMap((row) => listingOf(camera, row)?.listing ?? []).filter(overlaps));
        more = rows.length === listingsPerRead;
        from = `${rows.at(-1)?.key}\0`;
      }
      const sealed = new Set(listings.map(({ name }) => name));
      listings.push(...open.filter((listing) => overlaps(listing) && !sealed.has(listing.name)));
      return listings.sort((a, b) => a.fromUs - b.fromUs).slice(0, limit);
    },
    gaps: async (camera, { fromUs, toUs }) => {
      const from = keys.eventAt(camera, fromUs - eventUsMax);
      const rows = await index.range({ from, to: keys.eventAt(camera, toUs), limit: gapsMax });
      return rows.flatMap(({ value }) => {
        const gap = decode(eventRow, value);
        return gap.ok && gap.value.toUs > fromUs ? [gap.value] : [];
      });
    },
    detail: async (camera, name) => {
      const open = openOf(camera).find(({ listing }) => listing.name === name);
      if (open !== undefined) return open;
      const found = await sealed(camera, name);
      const row = found === undefined ? undefined : await index.get(keys.detail(camera, name));
      const inside = row === undefined ? undefined : decodeDetail(row);
      return found === undefined || !inside?.ok ? undefined : { listing: found.listing, ...inside.value };
    },
    read: async (camera, name, offset, length) => {
      const volume = await volumeOf(camera, name);
      if (volume === undefined) {
        const advice = 'List the recordings again; retention may have deleted it.';
        throw new Failure('NOT_FOUND', `no segment ${name} of ${camera} here`, { advice });
      }
      return disk.read(segmentPath(volume, camera, name), offset, length);
    },
  };
}

function listingOf(
  camera: string,
  row: { key: string; value: Buffer },
): { listing: SegmentListing; volume: number } | undefined {
  const decoded = decode(listingRow, row.value);
  if (!decoded.ok) return undefined;
  const { volume, ...listing } = decoded.value;
  return { listing: { camera, name: nameOfListingKey(row.key), ...listing, open: false }, volume };
}
