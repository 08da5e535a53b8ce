/**
 * One segment while it is written.
 *
 * Procedure: the volume is verified; the open row is committed; the file is created (O_EXCL), gets its init segment
 * and is synced, then its directory; the volume is verified once more. Each fragment is one writev. Sealing syncs the
 * file, then the ledger commits what makes it known and removes the open row. So a file without a listing always has
 * an open row, and start-up can find it.
 *
 * Invariant: after a failed write or sync the file is neither written nor synced again (what the system holds of it
 * may be lost though a later sync succeeds): `salvage` enters it with what the last successful sync covered, and cuts it
 * there, unless the disk refuses.
 */
import { dirname, join } from 'node:path';
import { Failure } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { type Fragment, initSegment } from '../media/fragmented-mp4.ts';
import type { TrackDescription, UtcMapping } from '../media/sample.ts';
import type { SegmentDetail, SegmentListing } from './archive.ts';
import type { Disk, RecordingFile } from './disk.ts';
import type { Ledger } from './ledger.ts';
import { formatSegmentName } from './segment-name.ts';
import type { Volume, Volumes } from './volumes.ts';

/** Names that are tried; each that is taken was a segment of the same millisecond and epoch. */
const namesMax = 1_000;
/** The directory may be removed, as an empty one, between its creation and that of the file. */
const createTriesMax = 5;
/** A camera has one a day. */
const syncedFoldersMax = 4096;

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

/** What a segment is written with. */
export interface SegmentPlace {
  readonly disk: Disk;
  readonly ledger: Ledger;
  readonly volumes: Pick<Volumes, 'verify'>;
  readonly volume: Volume;
  /** folders whose own entries this process knows to be durable */
  readonly syncedFolders: Set<string>;
}

/** The file of a segment. */
export function segmentPath(volume: Pick<Volume, 'folder'>, camera: string, name: string): string {
  return join(volume.folder, camera, `${name}.mp4`);
}

export class SegmentWriter {
  readonly volume: Volume;
  readonly name: string;
  readonly start: SegmentStart;
  private readonly place: SegmentPlace;
  private readonly file: RecordingFile;
  private readonly initBytes: number;
  private readonly fragments: FragmentListing[] = [];
  private bytes: number;
  private syncedBytes: number;
  private closed = false;

  private constructor(
    place: SegmentPlace,
    name: string,
    start: SegmentStart,
    created: { file: RecordingFile; initBytes: number },
  ) {
    this.place = place;
    this.volume = place.volume;
    this.name = name;
    this.start = start;
    this.file = created.file;
    this.initBytes = created.initBytes;
    this.bytes = created.initBytes;
    this.syncedBytes = created.initBytes;
  }

  /** Creates the file; a name that is taken moves on to the next sequence. */
  static async create(place: SegmentPlace, wanted: SegmentStart): Promise<SegmentWriter> {
    const { ledger, volume, volumes } = place;
    const init = initSegment(wanted.tracks);
    await volumes.verify(volume);
    for (let tried = 0; tried < namesMax; tried++) {
      const start = { ...wanted, sequence: wanted.sequence + tried };
      const name = formatSegmentName(start);
      if (!(await ledger.opening(volume, start.camera, name, start.epoch))) continue;
      const path = segmentPath(volume, start.camera, name);
      const file = await createFile(place.disk, path).catch((error: unknown) =>
        undo(place, start.camera, name, error),
      );
      if (file !== undefined) return SegmentWriter.begin(place, { file, name, start, init });
      // Somebody put a file there that no row knows; it stays.
      await ledger.notOpened(volume, start.camera, name);
    }
    throw new Failure('FILE_IO', `${wanted.camera}: ${namesMax} names of segments are taken`, {
      advice: 'Run `starling check`.',
    });
  }

  /** Puts the init segment on the medium. */
  private static async begin(
    place: SegmentPlace,
    segment: { file: RecordingFile; name: string; start: SegmentStart; init: Buffer },
  ): Promise<SegmentWriter> {
    const { file, name, start, init } = segment;
    try {
      await file.append([init]);
      await file.sync();
      await syncEntries(place, start.camera, name);
      await place.volumes.verify(place.volume);
      return new SegmentWriter(place, name, start, { file, initBytes: init.length });
    } catch (error) {
      await file.close().catch(() => undefined);
      return undo(place, start.camera, name, error);
    }
  }

  get listing(): SegmentListing {
    return { ...this.listingOf(this.fragments, this.bytes), open: true };
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
  }

  async sync(): Promise<void> {
    const { bytes } = this;
    if (bytes === this.syncedBytes) return;
    await this.file.sync();
    this.syncedBytes = bytes;
  }

  /** Makes the segment known to the index. After a rejection only `salvage` is left. */
  async seal(): Promise<void> {
    await this.sync();
    await this.close();
    await this.enter(this.fragments, this.bytes);
  }

  /**
   * After an error: enters what the last successful sync covered. A file without anything safe is removed. Rejects
   * when that fails too; the open row then stays, and the next start tries again.
   */
  async salvage(): Promise<void> {
    const { disk, ledger } = this.place;
    await this.close().catch(() => undefined);
    const safe = this.fragments.filter(({ offset, bytes }) => offset + bytes <= this.syncedBytes);
    const { camera } = this.start;
    const path = segmentPath(this.volume, camera, this.name);
    if (safe.length > 0) {
      // A disk that fails may not even do that: then the file stays longer than its listing says.
      await disk.truncate(path, this.syncedBytes).catch(unlessFailure);
      return this.enter(safe, this.syncedBytes);
    }
    await removeFile(disk, path);
    return ledger.forget(this.volume.number, camera, this.name);
  }

  private async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.file.close();
  }

  private enter(fragments: readonly FragmentListing[], bytes: number): Promise<void> {
    const { initBytes, start } = this;
    const inside = { initBytes, tracks: start.tracks, fragments };
    return this.place.ledger.seal(this.volume, this.listingOf(fragments, bytes), inside);
  }

  private listingOf(fragments: readonly FragmentListing[], bytes: number): SegmentListing {
    const { camera, fromUs, captureId, epoch } = this.start;
    let toUs = fromUs;
    for (const { toPtsUs, mapping } of fragments) toUs = Math.max(toUs, toPtsUs + mapping.offsetUs);
    return { camera, name: this.name, fromUs, toUs, bytes, captureId, epoch, open: false };
  }
}

/** Removes a file for good, whether it is there or not. */
export async function removeFile(disk: Disk, path: string): Promise<void> {
  await disk.remove(path).catch(unlessMissing);
  // Also when it was not there: it may have gone with a process that was killed before this.
  await disk.syncDirectory(dirname(path)).catch(unlessMissing);
}

function unlessFailure(error: unknown): void {
  if (!(error instanceof Failure)) throw error;
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof Failure && error.code === 'FILE_MISSING')) throw error;
}

/** Makes the entries durable that lead from a volume's folder to a segment, whoever made them. */
export async function syncPath(
  disk: Disk,
  volume: Pick<Volume, 'folder'>,
  camera: string,
  name: string,
): Promise<void> {
  const day = dirname(segmentPath(volume, camera, name));
  for (const folder of [day, dirname(day), volume.folder]) await disk.syncDirectory(folder);
}

async function createFile(disk: Disk, path: string): Promise<RecordingFile | undefined> {
  for (let tries = 1; ; tries++) {
    await disk.createDirectory(dirname(path));
    try {
      return await disk.createFile(path);
    } catch (error) {
      const gone = error instanceof Failure && error.code === 'FILE_MISSING';
      if (!gone || tries >= createTriesMax) throw error;
    }
  }
}

/** The entry of a new file, and once those above it: a process that was killed may have made them and no more. */
async function syncEntries(
  { disk, volume, syncedFolders }: SegmentPlace,
  camera: string,
  name: string,
): Promise<void> {
  const folder = dirname(segmentPath(volume, camera, name));
  if (syncedFolders.has(folder)) return disk.syncDirectory(folder);
  await syncPath(disk, volume, camera, name);
  if (syncedFolders.size >= syncedFoldersMax) syncedFolders.clear();
  syncedFolders.add(folder);
}

/** Takes a file back that could not be begun; when that fails, the open row stays for the next start. */
async function undo(place: SegmentPlace, camera: string, name: string, error: unknown): Promise<never> {
  try {
    const path = segmentPath(place.volume, camera, name);
    await removeFile(place.disk, path);
    // Of a mount that vanished meanwhile the mount point should not keep what was made in it.
    if (await place.disk.removeDirectory(dirname(path)))
      await place.disk.removeDirectory(dirname(dirname(path)));
    await place.ledger.notOpened(place.volume, camera, name);
  } catch {
    // What failed first is what is told.
  }
  throw error;
}
