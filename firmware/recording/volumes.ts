/**
 * The volumes of a server: which folders may be recorded to, what is wrong with the others, and which one takes the
 * next segment of a camera.
 *
 * Invariants: nothing is written to a folder whose marker does not name this site, this server and the volume that the
 * index knows there; that is looked at again for every new segment, because a mount can vanish. A volume that failed
 * is used again only after a probe file was written, synced and removed there. No volume that hangs keeps the others
 * waiting. A camera stays on its volume while that is usable. Bytes and µs UTC.
 */
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import type { Disk } from './disk.ts';
import { whenHanging } from './disk-deadline.ts';
import type { IndexStore } from './index-store.ts';
import { type Adoption, type Volume, VolumeBook, type VolumeOwner } from './volume-book.ts';
import { probeVolume } from './volume-probe.ts';

/** A volume that does not answer for so long has failed. */
export const volumeAnswerMs = 10_000;
/** A failed volume is probed after this, then after twice as long, up to `retryMsMax`. */
const retryMsMin = 5_000;
const retryMsMax = 600_000;
/** While no other can be recorded to: the cameras that wait keep a minute, or less at a high bit rate. */
const aloneRetryMsMax = 20_000;
/** Cameras whose last volume is remembered. */
const stickyMax = 4096;
/** What must be free at least before a full volume is used again; less on one that is small. */
const freeBytesMin = 32 * 1024 * 1024;

export type { Volume };

export type VolumeState =
  | { readonly is: 'ok' }
  | { readonly is: 'missing' | 'failed' | 'full'; readonly reason: string; readonly sinceUtcUs: number };

export interface VolumeStatus extends Volume {
  readonly state: VolumeState;
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly recordedBytes: number;
  readonly reserveBytes: number;
}

export interface VolumesOptions {
  readonly disk: Disk;
  readonly index: IndexStore;
  /** absolute, in the order of the configuration */
  readonly folders: readonly string[];
  readonly owner: VolumeOwner;
  /** a fresh random id, 16 hexadecimal digits */
  readonly newId: () => string;
  /** rejects with a Failure when the disk of a folder is not there, whatever can still be read of it */
  readonly present?: (folder: string) => Promise<void>;
  /** how long a call has been under way on the disk of a folder; without it, what takes long is not waited for */
  readonly hangsMs?: (folder: string) => number;
  /** what stays free on a volume of this size */
  readonly reserveBytes: (totalBytes: number) => number;
  readonly clock: Clock;
  /** bytes recorded on a volume, for the status */
  readonly recordedBytes?: (number: number) => number;
  /** told when the first volume becomes usable, and when none is any longer */
  readonly onUsable?: (usable: boolean) => void;
  /** told when a write found no room: something has to go at once */
  readonly onFull?: (volume: Volume) => void;
}

interface Entry {
  volume: Volume;
  state: VolumeState;
  totalBytes: number;
  freeBytes: number;
  openSegments: number;
  /** of the last failure, and how long to wait after it */
  failedAtMs: number;
  retryMs: number;
  checking: Promise<void> | undefined;
}

export class Volumes {
  private readonly options: VolumesOptions;
  private readonly book: VolumeBook;
  private readonly entries: Entry[] = [];
  private readonly sticky = new Map<string, number>();
  private wasUsable = true;

  private constructor(options: VolumesOptions, book: VolumeBook) {
    this.options = options;
    this.book = book;
  }

  /**
   * Looks at every folder and marks those that are new. Volumes that do not work are there with their state. Rejects
   * with a Failure when none is configured or the index does not work.
   */
  static async open(options: VolumesOptions): Promise<Volumes> {
    if (options.folders.length === 0) {
      throw new Failure('CONFIG_INVALID', 'no volume to record to', {
        advice: 'Name one under server.volumes.',
      });
    }
    const volumes = new Volumes(options, await VolumeBook.open(options));
    for (const folder of options.folders) {
      const entry: Entry = {
        volume: volumes.book.unread(folder),
        state: { is: 'failed', reason: 'not looked at yet', sinceUtcUs: volumes.nowUs() },
        totalBytes: 0,
        freeBytes: 0,
        openSegments: 0,
        failedAtMs: Number.NEGATIVE_INFINITY,
        retryMs: retryMsMin,
        checking: undefined,
      };
      volumes.entries.push(entry);
      await volumes.within(entry, volumes.look(entry));
    }
    volumes.tellUsable();
    return volumes;
  }

  /** Where the next segment of a camera goes; undefined when no volume is usable. */
  choose(camera: string): Volume | undefined {
    const last = this.sticky.get(camera);
    const kept = this.entries.find(({ volume, state }) => volume.number === last && state.is === 'ok');
    const chosen = kept ?? this.emptiest();
    if (chosen === undefined) return undefined;
    this.sticky.delete(camera);
    this.sticky.set(camera, chosen.volume.number);
    const [oldest] = this.sticky.keys();
    if (this.sticky.size > stickyMax && oldest !== undefined) this.sticky.delete(oldest);
    return chosen.volume;
  }

  /** A segment is open on a volume from now on; call the result when it is not any longer. */
  occupy(volume: Volume): () => void {
    const entry = this.entryOf(volume);
    let open = true;
    if (entry !== undefined) entry.openSegments += 1;
    return () => {
      if (open && entry !== undefined) entry.openSegments -= 1;
      open = false;
    };
  }

  /** Rejects with a Failure when the folder is not the volume any longer, which is then out. */
  async verify(volume: Volume): Promise<void> {
    try {
      await this.book.verify(volume);
    } catch (error) {
      if (error instanceof Failure) this.failed(volume, error);
      throw error;
    }
  }

  /** Whether a volume may be written to. */
  works(volume: Volume): boolean {
    return this.entryOf(volume)?.state.is === 'ok';
  }

  byNumber(number: number): Volume | undefined {
    return this.entries.find(({ volume }) => volume.number === number)?.volume;
  }

  /** Takes a volume out after an error, until `check` finds it working. */
  failed(volume: Volume, failure: Failure): void {
    const entry = this.entryOf(volume);
    if (entry === undefined) return;
    const is = { FILE_MISSING: 'missing', DISK_FULL: 'full' } as const;
    this.out(
      entry,
      failure.code === 'FILE_MISSING' || failure.code === 'DISK_FULL' ? is[failure.code] : 'failed',
      failure.message,
    );
    if (failure.code === 'DISK_FULL') this.options.onFull?.(entry.volume);
  }

  /** A file was refused there: takes the volume out unless others can be written. Never rejects. */
  async doubt(volume: Volume): Promise<void> {
    if (!this.works(volume)) return;
    try {
      await probeVolume(this.options.disk, volume.folder);
    } catch (error) {
      if (error instanceof Failure) this.failed(volume, error);
    }
  }

  /** Takes a volume out that retention could not make room on, or says why it is still full. */
  full(volume: Volume, reason: string): void {
    const entry = this.entryOf(volume);
    if (entry?.state.is === 'ok' || entry?.state.is === 'full') this.out(entry, 'full', reason);
  }

  all(): readonly Volume[] {
    return this.entries.map(({ volume }) => volume);
  }

  /** Whether anything can be recorded. */
  usable(): boolean {
    return this.entries.some(({ state }) => state.is === 'ok');
  }

  status(): VolumeStatus[] {
    const { reserveBytes, recordedBytes = () => 0 } = this.options;
    return this.entries.map(({ volume, state, totalBytes, freeBytes }) => ({
      ...volume,
      state,
      totalBytes,
      freeBytes,
      recordedBytes: recordedBytes(volume.number),
      reserveBytes: reserveBytes(totalBytes),
    }));
  }

  /** Looks at every volume again; never rejects, and waits for none whose disk hangs for `volumeAnswerMs`. */
  async check(): Promise<void> {
    // One that hangs is asked once.
    const due = this.entries.filter((entry) => entry.checking === undefined && this.isDue(entry));
    await Promise.all(due.map((entry) => this.within(entry, this.look(entry))));
  }

  private isDue(entry: Entry): boolean {
    return entry.state.is !== 'failed' || this.options.clock.monotonicMs() >= this.retryAtMs(entry);
  }

  private retryAtMs({ failedAtMs, retryMs }: Entry): number {
    return failedAtMs + (this.usable() ? retryMs : Math.min(retryMs, aloneRetryMsMax));
  }

  /** Waits for a look at a volume, but not for ever. */
  private within(entry: Entry, look: Promise<void>): Promise<void> {
    entry.checking = look.finally(() => {
      entry.checking = undefined;
    });
    const { clock, hangsMs = () => volumeAnswerMs } = this.options;
    const { folder } = entry.volume;
    return new Promise((resolve) => {
      const cancel = whenHanging(
        clock,
        volumeAnswerMs,
        () => hangsMs(folder),
        () => {
          this.out(entry, 'failed', `${folder}: does not answer`);
          resolve();
        },
      );
      void entry.checking?.then(() => {
        cancel();
        resolve();
      });
    });
  }

  private async look(entry: Entry): Promise<void> {
    const { disk } = this.options;
    const before = entry.state;
    try {
      // First of all: an empty mount point must not be marked as a volume, and a disk that was pulled seems well.
      await this.options.present?.(entry.volume.folder);
      const { volume, problem } = await this.identify(entry);
      entry.volume = volume;
      if (problem !== undefined) return this.out(entry, problem.is, problem.reason);
      const { totalBytes, freeBytes } = await disk.usage(volume.folder);
      entry.totalBytes = totalBytes;
      entry.freeBytes = freeBytes;
      const reserveBytes = this.options.reserveBytes(totalBytes);
      const room = roomProblem({ ...volume, ...entry, reserveBytes });
      if (room !== undefined) return this.out(entry, 'full', room);
      if (before.is === 'failed') await probeVolume(disk, volume.folder);
      // Something went wrong there meanwhile: that is newer than what was seen here.
      if (entry.state === before) this.back(entry);
    } catch (error) {
      if (error instanceof Failure) this.failed(entry.volume, error);
      // The index, or a fault of ours: nothing was proved about the volume, so it stays out.
      else this.out(entry, 'failed', messageOf(error));
    }
    return undefined;
  }

  private async identify(entry: Entry): Promise<Adoption> {
    if (entry.state.is === 'failed' || entry.state.is === 'missing') {
      return this.book.adopt(entry.volume.folder);
    }
    await this.book.verify(entry.volume);
    return { volume: entry.volume };
  }

  private emptiest(): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of this.entries) {
      if (entry.state.is === 'ok' && (best === undefined || load(entry) < load(best))) best = entry;
    }
    return best;
  }

  private entryOf(wanted: Volume): Entry | undefined {
    return this.entries.find(({ volume }) => volume.number === wanted.number);
  }

  private out(entry: Entry, is: 'missing' | 'failed' | 'full', reason: string): void {
    const { state } = entry;
    const nowMs = this.options.clock.monotonicMs();
    // What all its cameras say at once is one failure.
    if (is === 'failed' && (state.is !== 'failed' || nowMs >= this.retryAtMs(entry))) {
      const again = nowMs < entry.failedAtMs + retryMsMax;
      entry.retryMs = again ? Math.min(entry.retryMs * 2, retryMsMax) : retryMsMin;
      entry.failedAtMs = nowMs;
    }
    const sinceUtcUs = state.is === is ? state.sinceUtcUs : this.nowUs();
    entry.state = { is, reason, sinceUtcUs };
    this.tellUsable();
  }

  private back(entry: Entry): void {
    entry.state = { is: 'ok' };
    this.tellUsable();
  }

  private tellUsable(): void {
    const usable = this.usable();
    if (usable === this.wasUsable) return;
    this.wasUsable = usable;
    this.options.onUsable?.(usable);
  }

  private nowUs(): number {
    return Math.round(this.options.clock.utcMs() * 1000);
  }
}

/**
 * Why there is too little room. Retention keeps the reserve free; where half of it is gone, it could not. A full volume
 * is used again when it has the reserve, and something beyond the last bytes.
 */
export function roomProblem({
  folder,
  state,
  totalBytes,
  freeBytes,
  reserveBytes,
}: Omit<VolumeStatus, 'recordedBytes'>): string | undefined {
  const enough = Math.max(reserveBytes, Math.min(freeBytesMin, totalBytes / 16));
  const needed = state.is === 'full' ? enough : reserveBytes / 2;
  if (freeBytes >= needed) return undefined;
  return state.is === 'full' ? state.reason : `${folder}: ${freeBytes} bytes are free`;
}

/** Open segments per byte of size. */
function load({ openSegments, totalBytes }: Entry): number {
  return (openSegments + 1) / Math.max(1, totalBytes);
}
