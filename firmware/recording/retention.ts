/**
 * Retention: what is too old or too much goes, the oldest first.
 *
 * Invariants: a protected recording is never deleted; neither is anything on a volume that is missing or has failed,
 * for nobody knows what is there; open segments count as recorded but are never deleted; whatever a disk says, one
 * pass deletes no more than is missing at its beginning, and none goes on while what was deleted does not become free
 * (freed-space.ts). Deleting is done in small rounds (deletion.ts), so recording
 * goes on meanwhile. Ages are not believed for a day after this machine's clock was set by more than an hour, because
 * a wrong date would make everything old. UTC in µs; bytes.
 */
import type { Clock } from '../base/clock.ts';
import type { Failure } from '../base/failure.ts';
import { finishDeletions, RefusedFiles } from './deletion.ts';
import type { Disk } from './disk.ts';
import { FreedSpace } from './freed-space.ts';
import type { SegmentRef } from './index-rows.ts';
import { type Ledger, placeOfSum } from './ledger.ts';
import {
  ageUsMaxOf,
  bytesMaxOf,
  bytesMaxOfAll,
  type RetentionSettings,
  reserveBytesOf,
  type SiteRetention,
  withSite,
} from './retention-rules.ts';
import { type SegmentSource, SegmentSources } from './segment-sources.ts';
import type { Volume, VolumeStatus } from './volumes.ts';

/** Segments that are discarded in one batch. */
const segmentsPerBatch = 32;
/** What a full disk is given at the least: a second of 150 cameras, or a share of a small one. */
const room = { bytesMin: 64_000_000, shareMax: 1 / 16 } as const;
/** Rounds of making room before a disk counts as full. */
const roomRoundsMax = 4;
/** The clock was set when it moved by more against the one that cannot be set. */
const clockStepMs = 3_600_000;
const clockDoubtMs = 86_400_000;
/** A board may wake with any date; whoever sets it right does so within minutes, and that is a step. */
const startDoubtMs = 3_600_000;

export interface RetentionOptions {
  readonly disk: Pick<Disk, 'remove' | 'syncDirectory' | 'removeDirectory' | 'usage'>;
  readonly ledger: Ledger;
  readonly volumes: {
    byNumber(number: number): Volume | undefined;
    verify(volume: Volume): Promise<void>;
    failed(volume: Volume, failure: Failure): void;
    full(volume: Volume, reason: string): void;
    status(): VolumeStatus[];
    check(): Promise<void>;
  };
  /** of `unit.yaml` */
  readonly settings: RetentionSettings;
  /** what people have set since; asked at each pass */
  readonly site?: (() => SiteRetention) | undefined;
  /** what is being written now */
  readonly openBytes: () => Iterable<{
    readonly volume: number;
    readonly camera: string;
    readonly bytes: number;
  }>;
  readonly protections: {
    /** changes with every change of what is protected */
    version(): number;
    isProtected(camera: string, range: { fromUs: number; toUs: number }): boolean;
  };
  readonly clock: Clock;
  /** whether the clock was set since this machine began */
  readonly clockTrusted: () => boolean;
  /** told of a file that the system does not remove; it is left, and tried again */
  readonly onRefused?: (failure: Failure) => void;
}

/** What one pass did. */
export interface RetentionReport {
  readonly segments: number;
  readonly bytes: number;
}

/** Volumes on one file system. */
interface Device {
  /** the file system */
  readonly id: string;
  readonly volumes: VolumeStatus[];
  /** free beyond what should be; below 0 something must go */
  spareBytes: number;
  /** free, or recordings; as of `atMs`, monotonic */
  levelBytes: number;
  atMs: number;
  reserveBytes: number;
  roomBytes: number;
}

export class Retention {
  private readonly options: RetentionOptions;
  private readonly sources: SegmentSources;
  private readonly freed = new FreedSpace();
  private readonly refused: RefusedFiles;
  private last: Promise<unknown> = Promise.resolve();
  private clockOffsetMs: number | undefined;
  private doubtUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: RetentionOptions) {
    this.options = options;
    this.refused = new RefusedFiles(options.clock, (failure) => options.onRefused?.(failure));
    this.sources = new SegmentSources(options.ledger, options.protections, () => options.clock.monotonicMs());
  }

  /** Finishes deletions and restores the reserve of every volume; often. */
  keepReserve(): Promise<RetentionReport> {
    return this.alone(async () => {
      const done = await this.finish();
      for (const device of await this.devices()) {
        if (device.spareBytes >= 0) {
          this.observe(device);
          continue;
        }
        const deleted = await this.give(device, -device.spareBytes);
        add(done, deleted);
        // Without anything left to delete, half of the reserve may be used up.
        device.spareBytes += deleted.bytes;
        if (device.spareBytes < -device.reserveBytes / 2) this.tellFull(device);
      }
      if (done.segments > 0 && this.usable().some(({ state }) => state.is === 'full')) {
        await this.options.volumes.check();
      }
      return done;
    });
  }

  /** Deletes what is too old, and what is too much of a camera or of all; seldom. */
  keepLimits(): Promise<RetentionReport> {
    return this.alone(async () => {
      const done = await this.deleteBeyondLimits();
      for (const { id, levelBytes, atMs } of await this.devices()) this.freed.rebase(id, levelBytes, atMs);
      return done;
    });
  }

  /**
   * A volume is full: makes room on it at once. When nothing unprotected is left there, or what was deleted just before
   * has not become free, the volume is told that it is full and nothing is deleted.
   */
  makeRoom(volume: Volume): Promise<RetentionReport> {
    return this.alone(async () => {
      const done = await this.finish();
      for (let round = 0; round < roomRoundsMax; round++) {
        const device = (await this.devices()).find(({ volumes }) =>
          volumes.some(({ number }) => number === volume.number),
        );
        if (device === undefined || (round > 0 && device.spareBytes >= 0)) break;
        const deleted = await this.give(device, Math.max(-device.spareBytes, device.roomBytes));
        add(done, deleted);
        if (deleted.segments === 0 && round === 0) this.tellFull(device);
        if (deleted.segments === 0 || this.freed.owes(device.id)) break;
      }
      if (done.segments > 0) await this.options.volumes.check();
      return done;
    });
  }

  private async deleteBeyondLimits(): Promise<RetentionReport> {
    const done = { segments: 0, bytes: 0 };
    const usable = this.usableNumbers();
    const cameras = new Set([...this.options.ledger.totals().keys()].map((key) => placeOfSum(key).camera));
    const nowUs = this.believedUs();
    const settings = this.settingsNow();
    for (const camera of cameras) {
      const source = this.sources.ofCamera(camera, (volume) => usable.has(volume));
      const ageUs = ageUsMaxOf(settings, camera);
      if (ageUs !== undefined && nowUs !== undefined) {
        add(done, await this.deleteWhile(source, ({ toUs }) => toUs < nowUs - ageUs));
      }
      const bytesMax = bytesMaxOf(settings, camera);
      const excess = bytesMax === undefined ? 0 : this.recordedBytes(usable, camera) - bytesMax;
      if (excess > 0) add(done, await this.deleteBytes(source, excess));
    }
    const bytesMax = bytesMaxOfAll(settings);
    const excess = bytesMax === undefined ? 0 : this.recordedBytes(usable) - bytesMax;
    if (excess > 0) add(done, await this.deleteBytes(this.sources.ofVolumes([...usable]), excess));
    return done;
  }

  /** Deletes so many bytes of a file system, as far as that is of use. */
  private async give({ id }: Device, missing: number): Promise<RetentionReport> {
    const { clock } = this.options;
    // Others may have been deleted from for long.
    const before = await this.device(id);
    if (before === undefined) return { segments: 0, bytes: 0 };
    this.observe(before);
    const bytes = this.freed.allowed(id, { missing, trial: before.roomBytes }, clock.monotonicMs());
    if (bytes === 0) return { segments: 0, bytes: 0 };
    const deleted = await this.deleteBytes(this.sourceOf(before), bytes);
    const after = await this.device(id);
    if (after !== undefined) this.freed.deleted(id, deleted.bytes, after.levelBytes, clock.monotonicMs());
    return deleted;
  }

  private observe({ id, levelBytes: level, spareBytes, atMs }: Device): void {
    this.freed.observe(id, { level, enough: spareBytes >= 0 }, atMs);
  }

  private async device(id: string): Promise<Device | undefined> {
    return (await this.devices()).find((one) => one.id === id);
  }

  private settingsNow(): RetentionSettings {
    const { settings, site } = this.options;
    return site === undefined ? settings : withSite(settings, site());
  }

  /** One pass after another: two would delete for the same shortage. */
  private alone<T>(task: () => Promise<T>): Promise<T> {
    const done = this.last.then(task, task);
    this.last = done.catch(() => undefined);
    return done;
  }

  private finish(): Promise<{ segments: number; bytes: number }> {
    const usable = this.usableNumbers();
    return finishDeletions({ ...this.options, refused: this.refused }, (volume) => usable.has(volume));
  }

  /** Volumes that share a file system share its free space. */
  private async devices(): Promise<Device[]> {
    const { clock, disk, settings } = this.options;
    const devices = new Map<string, Device>();
    for (const volume of this.usable()) {
      const usage = await disk.usage(volume.folder).catch(() => undefined);
      if (usage === undefined) continue;
      const { totalBytes, freeBytes } = usage;
      const reserveBytes = reserveBytesOf(totalBytes, settings.reserveMb);
      const roomBytes = Math.min(room.bytesMin, totalBytes * room.shareMax);
      const device = devices.get(usage.device) ?? {
        id: usage.device,
        volumes: [],
        spareBytes: freeBytes - reserveBytes,
        levelBytes: freeBytes,
        atMs: clock.monotonicMs(),
        reserveBytes,
        roomBytes,
      };
      // One that is full needs more than the last bytes before it is used again.
      if (volume.state.is === 'full') device.spareBytes = freeBytes - Math.max(reserveBytes, roomBytes);
      device.volumes.push(volume);
      device.levelBytes += this.recordedBytes(new Set([volume.number]));
      devices.set(usage.device, device);
    }
    return [...devices.values()];
  }

  private usable(): VolumeStatus[] {
    return this.options.volumes.status().filter(({ state }) => state.is === 'ok' || state.is === 'full');
  }

  private usableNumbers(): Set<number> {
    return new Set(this.usable().map(({ number }) => number));
  }

  private sourceOf({ volumes }: Device): SegmentSource {
    return this.sources.ofVolumes(volumes.map(({ number }) => number));
  }

  private tellFull(device: Device): void {
    const why = this.freed.owes(device.id)
      ? 'what was deleted does not become free; snapshots may keep it: delete those, or keep fewer'
      : 'nothing is left that may be deleted';
    for (const volume of device.volumes)
      this.options.volumes.full(volume, `${volume.folder}: full, and ${why}`);
  }

  /** Sealed and open, on these volumes, of one camera or of all. */
  private recordedBytes(volumes: ReadonlySet<number>, camera?: string): number {
    let sum = 0;
    const counts = (place: { volume: number; camera: string }): boolean =>
      volumes.has(place.volume) && (camera === undefined || place.camera === camera);
    for (const [key, { bytes }] of this.options.ledger.totals()) if (counts(placeOfSum(key))) sum += bytes;
    for (const open of this.options.openBytes()) if (counts(open)) sum += open.bytes;
    return sum;
  }

  private deleteBytes(source: SegmentSource, bytes: number): Promise<RetentionReport> {
    let missing = bytes;
    return this.deleteWhile(source, (ref) => {
      if (missing <= 0) return false;
      missing -= ref.bytes;
      return true;
    });
  }

  /** Deletes from the oldest on, up to the first that `isDue` does not want to go. */
  private async deleteWhile(
    source: SegmentSource,
    isDue: (ref: SegmentRef) => boolean,
  ): Promise<RetentionReport> {
    const done = { segments: 0, bytes: 0 };
    let batch: SegmentRef[] = [];
    for await (const ref of source) {
      if (!isDue(ref)) break;
      batch.push(ref);
      if (batch.length < segmentsPerBatch) continue;
      const deleted = await this.deleteBatch(batch);
      add(done, deleted);
      batch = [];
      // A disk that fails to delete these will not delete others.
      if (deleted.segments === 0) return done;
    }
    add(done, await this.deleteBatch(batch));
    return done;
  }

  private async deleteBatch(batch: readonly SegmentRef[]): Promise<RetentionReport> {
    if (batch.length === 0) return { segments: 0, bytes: 0 };
    // It may have become protected while others were deleted.
    const { ledger, protections } = this.options;
    await ledger.discard(batch.filter((ref) => !protections.isProtected(ref.camera, ref)));
    return this.finish();
  }

  /** The time by which ages are told; undefined while it is in doubt. */
  private believedUs(): number | undefined {
    const { clock, clockTrusted } = this.options;
    const nowMs = clock.monotonicMs();
    const offsetMs = clock.utcMs() - nowMs;
    if (this.clockOffsetMs === undefined) this.doubtUntilMs = nowMs + startDoubtMs;
    else if (Math.abs(offsetMs - this.clockOffsetMs) > clockStepMs) this.doubtUntilMs = nowMs + clockDoubtMs;
    this.clockOffsetMs = offsetMs;
    return clockTrusted() && nowMs >= this.doubtUntilMs ? clock.utcMs() * 1000 : undefined;
  }
}

function add(sum: { segments: number; bytes: number }, more: RetentionReport): void {
  sum.segments += more.segments;
  sum.bytes += more.bytes;
}
