/**
 * One segment while it is written.
 *
 * Procedure: the open row is committed, then the file is created (O_EXCL), gets its init segment, is synced, and its
 * directory too; each fragment is one writev; sealing syncs the file, then commits listing, detail and the removal of
 * the open row in one batch. So a file without a listing always has an open row, and start-up can find it.
 */
import { join } from 'node:path';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { type Fragment, initSegment } from '../media/fragmented-mp4.ts';
import type { TrackDescription, UtcMapping } from '../media/sample.ts';
import type { SegmentDetail, SegmentListing } from './archive.ts';
import type { Disk, RecordingFile } from './disk.ts';
import { encodeDetail, keys, listingRow, openRow, put, type SegmentInside } from './index-rows.ts';
import type { IndexChange, IndexStore } from './index-store.ts';
import { formatSegmentName } from './segment-name.ts';

/** Where segments go: the volume's number in the configuration and its folder. */
export interface Volume {
  readonly number: number;
  readonly folder: string;
}

export interface SegmentStart {
  readonly camera: string;
  readonly epoch: number;
  /** µs UTC of the first sample */
  readonly fromUs: number;
  /** media time 0 on the camera's clock: its first decode time */
  readonly originUs: number;
  readonly sequence: number;
  readonly captureId: string;
  readonly tracks: readonly TrackDescription[];
}

/** The file of a segment. */
export function segmentPath(volume: Volume, camera: string, name: string): string {
  return join(volume.folder, camera, `${name}.mp4`);
}

/** The rows that make a segment known; the open row goes. */
export function sealRows(volume: Volume, listing: SegmentListing, inside: SegmentInside): IndexChange[] {
  const { camera, name, fromUs, toUs, bytes, epoch, captureId } = listing;
  const row = { fromUs, toUs, bytes, epoch, volume: volume.number, captureId };
  return [
    put(keys.listing(camera, fromUs, name), listingRow, row),
    { type: 'put', key: keys.detail(camera, name), value: encodeDetail(inside) },
    { type: 'put', key: keys.camera(camera), value: Buffer.alloc(0) },
    { type: 'delete', key: keys.open(camera, name) },
  ];
}

export class SegmentWriter {
  readonly volume: Volume;
  readonly name: string;
  readonly start: SegmentStart;
  private readonly index: IndexStore;
  private readonly file: RecordingFile;
  private readonly initBytes: number;
  private readonly fragments: FragmentListing[] = [];
  private bytes: number;
  private toUs: number;

  private constructor(
    volume: Volume,
    name: string,
    start: SegmentStart,
    parts: { index: IndexStore; file: RecordingFile; initBytes: number },
  ) {
    this.volume = volume;
    this.name = name;
    this.start = start;
    this.index = parts.index;
    this.file = parts.file;
    this.initBytes = parts.initBytes;
    this.bytes = parts.initBytes;
    this.toUs = start.fromUs;
  }

  /** Creates the file; a name that is taken moves on to the next sequence. */
  static async create(
    disk: Disk,
    index: IndexStore,
    volume: Volume,
    wanted: SegmentStart,
  ): Promise<SegmentWriter> {
    for (let start = wanted; ; start = { ...start, sequence: start.sequence + 1 }) {
      const name = formatSegmentName(start);
      const path = segmentPath(volume, start.camera, name);
      const folder = join(path, '..');
      await disk.createDirectory(folder);
      const key = keys.open(start.camera, name);
      // A file of an earlier run may have both this name and this row: then the row must stay.
      const known = await index.get(key);
      if (known === undefined)
        await index.commit([put(key, openRow, { volume: volume.number, epoch: start.epoch })]);
      const file = known === undefined ? await disk.createFile(path) : undefined;
      if (file !== undefined) return SegmentWriter.begin(disk, file, { index, volume, name, start, folder });
      if (known === undefined) await index.commit([{ type: 'delete', key }]);
    }
  }

  /** Puts the init segment on the medium. */
  private static async begin(
    disk: Disk,
    file: RecordingFile,
    segment: { index: IndexStore; volume: Volume; name: string; start: SegmentStart; folder: string },
  ): Promise<SegmentWriter> {
    const { index, volume, name, start, folder } = segment;
    try {
      const init = initSegment(start.tracks);
      await file.append([init]);
      await file.sync();
      await disk.syncDirectory(folder);
      return new SegmentWriter(volume, name, start, { index, file, initBytes: init.length });
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  get listing(): SegmentListing {
    const { camera, fromUs, captureId, epoch } = this.start;
    return {
      camera,
      name: this.name,
      fromUs,
      toUs: this.toUs,
      bytes: this.bytes,
      captureId,
      epoch,
      open: true,
    };
  }

  get fragmentCount(): number {
    return this.fragments.length;
  }

  get detail(): SegmentDetail {
    const { initBytes } = this;
    return { listing: this.listing, initBytes, tracks: this.start.tracks, fragments: [...this.fragments] };
  }

  /** Appends one fragment. Not durable before `sync`. */
  async append(fragment: Fragment, tracks: FragmentListing['tracks'], mapping: UtcMapping): Promise<void> {
    await this.file.append(fragment.parts);
    const { bytes, fromPtsUs, toPtsUs } = fragment;
    this.fragments.push({ offset: this.bytes, bytes, fromPtsUs, toPtsUs, mapping, tracks });
    this.bytes += bytes;
    this.toUs = Math.max(this.toUs, toPtsUs + mapping.offsetUs);
  }

  sync(): Promise<void> {
    return this.file.sync();
  }

  /** Makes the segment known to the index; it is closed afterwards, also when this rejects. */
  async seal(): Promise<void> {
    try {
      await this.file.sync();
    } finally {
      await this.file.close();
    }
    await this.index.commit(sealRows(this.volume, this.listing, this.detail));
  }

  /** Gives the file up after an error; start-up will index what is sound. */
  abandon(): Promise<void> {
    return this.file.close();
  }
}
