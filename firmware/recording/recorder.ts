/**
 * The recorder of a server: one CameraRecorder per camera that is attached, sync rounds over all of them, its volumes
 * and ledger, and the archive that readers see.
 *
 * Invariants: the index is opened, and what an earlier run left open is recovered, before anything is recorded;
 * closing seals every open segment, but does not wait for a disk that hangs.
 */
import type { Clock } from '../base/clock.ts';
import type { Gap } from '../media/sample.ts';
import type { Archive } from './archive.ts';
import { CameraRecorder, type DurablePoint, type RecordingGround } from './camera-recorder.ts';
import type { Disk } from './disk.ts';
import { withDeadline } from './disk-deadline.ts';
import { laneWidths, withLanes } from './disk-lanes.ts';
import { IndexArchive, type OpenSegment } from './index-archive.ts';
import { prepareFormat } from './index-format.ts';
import { eventRow, eventUsMax, keys, put } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { Ledger } from './ledger.ts';
import { RecordedDays } from './recorded-days.ts';
import {
  type RecoveryGround,
  type RecoveryProgress,
  type RecoveryReport,
  recoverSegments,
  recoverThese,
} from './recovery.ts';
import { SyncRounds } from './sync-rounds.ts';
import { Volumes, type VolumesOptions, volumeAnswerMs } from './volumes.ts';

/** Of a gap that is longer than so many days only the last of them are stored. */
const gapDaysMax = 1_000;
/** How often the volumes are looked at. */
const checkMs = 5_000;
/** What may wait for the disk, of all cameras together and of each. */
const pendingBytesMax = 512 * 1024 * 1024;
const pendingShareMin = 4 * 1024 * 1024;
const pendingShareMax = 16 * 1024 * 1024;

export interface RecorderOptions
  extends Pick<VolumesOptions, 'owner' | 'newId' | 'present' | 'reserveBytes' | 'onUsable' | 'onFull'> {
  readonly disk: Disk;
  readonly index: IndexStore;
  /** absolute folders, in the order of the configuration */
  readonly volumes: readonly string[];
  readonly segmentSeconds: number;
  readonly syncIntervalMs: number;
  readonly clock: Clock;
  /** threads that wait for disks; all volumes and the index share them */
  readonly threads: number;
  /** told of each gap that was stored */
  readonly onGap?: (gap: Gap) => void;
  /** told of each segment that start-up has looked at */
  readonly onRecovery?: (progress: RecoveryProgress) => void;
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
  readonly ledger: Ledger;
  readonly volumes: Volumes;
  /** the disk with lanes and a deadline; whoever else works on the volumes goes through it */
  readonly disk: Disk;
  /** Whether any volume can be recorded to. */
  usable(): boolean;
  /** What one camera may have waiting for the disk, in bytes; above it its link is paused. */
  pendingShareBytes(): number;
  /** Begins to record a camera; one recorder a camera and epoch. */
  record(options: RecordOptions): CameraRecorder;
  /** Ends a recorder: writes what is left and seals. */
  finish(recorder: CameraRecorder): Promise<void>;
  /** The segments that are being written, of a camera or of all. */
  openSegments(camera?: string): Iterable<OpenSegment>;
  /** Stores an explained gap. */
  addGap(gap: Gap): Promise<void>;
}

/**
 * Opens the recorder: looks at the volumes, recovers, starts the sync rounds. Rejects with a Failure when the index
 * does not work; volumes that do not are left out until they do.
 */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  const { clock } = options;
  const { index, days } = RecordedDays.watching(options.index);
  const widths = laneWidths(options.threads, options.volumes.length);
  const lanes = withLanes(options.disk, options.volumes, widths);
  const disk = withDeadline(lanes, clock, volumeAnswerMs);
  await prepareFormat(index);
  const ledger = await Ledger.open(index);
  const volumes = await Volumes.open({
    ...options,
    index,
    disk,
    folders: options.volumes,
    recordedBytes: (number) => recordedOn(ledger, number),
  });
  const storeGap = async (gap: Gap): Promise<void> => {
    await addGap(index, gap);
    options.onGap?.(gap);
  };
  const unfinished: RecoveryGround = { disk, ledger, volumes, addGap: storeGap };
  const recovery = await recoverSegments(unfinished, options.onRecovery);
  let { waiting } = recovery;
  const check = async (): Promise<void> => {
    await volumes.check();
    const back = waiting.some(({ volume }) => worksNow(volumes, volume));
    // A volume that was not there at the start is, and with it what was being written on it.
    // When the index fails it is tried again the next time.
    if (back) ({ waiting } = await recoverThese(unfinished, waiting).catch(() => ({ waiting })));
  };
  const active = new Set<CameraRecorder>();
  const rounds = new SyncRounds(clock, options.syncIntervalMs, active);
  const stopChecks = every(clock, checkMs, check);
  const segmentUs = options.segmentSeconds * 1_000_000;
  const ground: RecordingGround = {
    disk: lanes,
    ledger,
    volumes,
    clock,
    segmentUs,
    syncedFolders: new Set(),
  };

  const openSegments = function* (camera?: string): Iterable<OpenSegment> {
    for (const recorder of active) {
      const writer = camera === undefined || recorder.camera === camera ? recorder.openSegment() : undefined;
      if (writer !== undefined && writer.fragmentCount > 0) {
        yield { volume: writer.volume.number, detail: writer.detail };
      }
    }
  };
  const finish = async (recorder: CameraRecorder): Promise<void> => {
    await within(clock, 2 * volumeAnswerMs, recorder.close());
    active.delete(recorder);
  };
  return {
    archive: new IndexArchive({ disk, index, days, volumes, openSegments }),
    recovery,
    ledger,
    volumes,
    disk,
    usable: () => volumes.usable(),
    pendingShareBytes: () =>
      Math.max(pendingShareMin, Math.min(pendingShareMax, pendingBytesMax / Math.max(1, active.size))),
    record: (wanted) => {
      const recorder = new CameraRecorder({ ...wanted, ground });
      active.add(recorder);
      return recorder;
    },
    finish,
    openSegments,
    addGap: storeGap,
    [Symbol.asyncDispose]: async () => {
      stopChecks();
      await Promise.all([...active].map(finish));
      rounds.stop();
      await index[Symbol.asyncDispose]();
    },
  };
}

function addGap(index: IndexStore, gap: Gap): Promise<void> {
  return index.commit(
    piecesOf(gap).map((piece) => put(keys.event(gap.camera, piece.fromUs, gap.reason), eventRow, piece)),
  );
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

function worksNow(volumes: Volumes, number: number): boolean {
  const volume = volumes.byNumber(number);
  return volume !== undefined && volumes.works(volume);
}

function recordedOn(ledger: Ledger, volume: number): number {
  let sum = 0;
  for (const [key, { bytes }] of ledger.totals()) if (key.startsWith(`${volume}/`)) sum += bytes;
  return sum;
}

/** Runs a task, and again so long after it ended, until the result is called. */
function every(clock: Clock, delayMs: number, task: () => Promise<void>): () => void {
  let stopped = false;
  let cancel = (): void => undefined;
  const arm = (): void => {
    if (stopped) return;
    cancel = clock.after(delayMs, () => void task().then(arm));
  };
  arm();
  return () => {
    stopped = true;
    cancel();
  };
}

/** Waits for a task, but not longer than so long. */
function within(clock: Clock, ms: number, task: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, resolve);
    task.then(resolve, reject).finally(cancel);
  });
}
