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
import { GapLog } from './gap-log.ts';
import { IndexArchive, type OpenSegment } from './index-archive.ts';
import { prepareFormat } from './index-format.ts';
import { IndexHealth } from './index-health.ts';
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
  /** told once of a camera that tells too many */
  readonly onGapRefused?: (camera: string) => void;
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
  /** Whether anything can be recorded: the index takes it, and any volume. */
  usable(): boolean;
  /** Why the index refuses what is written to it; undefined while it does not. */
  indexProblem(): string | undefined;
  /** What one camera may have waiting for the disk, in bytes; above it its link is paused. */
  pendingShareBytes(): number;
  /** Begins to record a camera; one recorder a camera and epoch. */
  record(options: RecordOptions): CameraRecorder;
  /** Ends a recorder: writes what is left and seals. */
  finish(recorder: CameraRecorder): Promise<void>;
  /** The segments that are being written, of a camera or of all. */
  openSegments(camera?: string): Iterable<OpenSegment>;
  /** Stores a gap that a camera explains; leaves out what is too much. */
  tellGap(gap: Gap): Promise<void>;
}

/**
 * Opens the recorder: looks at the volumes, recovers, starts the sync rounds. Rejects with a Failure when the index
 * does not work; volumes that do not are left out until they do.
 */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  const { clock } = options;
  const works = { index: true, volumes: true };
  const changed = (part: Partial<typeof works>): void => {
    const before = works.index && works.volumes;
    Object.assign(works, part);
    const now = works.index && works.volumes;
    if (now !== before) options.onUsable?.(now);
  };
  const health = new IndexHealth(options.index, clock, (index) => changed({ index }));
  const { index, days } = RecordedDays.watching(health.index);
  const widths = laneWidths(options.threads, options.volumes.length);
  const lanes = withLanes(options.disk, options.volumes, widths, clock);
  const disk = withDeadline(lanes, clock, volumeAnswerMs);
  await prepareFormat(index);
  const ledger = await Ledger.open(index);
  const volumes = await Volumes.open({
    ...options,
    index,
    disk,
    hangsMs: (folder) => lanes.hangsMs(folder),
    folders: options.volumes,
    recordedBytes: (number) => recordedOn(ledger, number),
    onUsable: (usable) => changed({ volumes: usable }),
  });
  const gaps = new GapLog({ index, clock, onGap: options.onGap, onRefused: options.onGapRefused });
  const unfinished: RecoveryGround = { disk, ledger, volumes, addGap: (gap) => gaps.add(gap) };
  const recovery = await recoverSegments(unfinished, options.onRecovery);
  let waiting = [...recovery.waiting];
  const check = async (): Promise<void> => {
    await health.probe();
    await volumes.check();
    // What was being written on a volume that was not there, or when the index refused.
    const back = waiting.some(({ volume }) => worksNow(volumes, volume));
    if (!back || health.problem !== undefined) return;
    const these = waiting;
    waiting = [];
    const left = await recoverThese(unfinished, these).catch(() => ({ waiting: these }));
    waiting.push(...left.waiting);
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
    hanging: (volume) => {
      if (volume !== undefined && lanes.hangsMs(volume.folder) >= volumeAnswerMs) return 'disk';
      return health.problem === undefined ? undefined : 'index';
    },
    onUnsealed: (segment) => waiting.push(segment),
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
    usable: () => volumes.usable() && health.problem === undefined,
    indexProblem: () => health.problem,
    pendingShareBytes: () =>
      Math.max(pendingShareMin, Math.min(pendingShareMax, pendingBytesMax / Math.max(1, active.size))),
    record: (wanted) => {
      const recorder = new CameraRecorder({ ...wanted, ground });
      active.add(recorder);
      return recorder;
    },
    finish,
    openSegments,
    tellGap: (gap) => gaps.tell(gap),
    [Symbol.asyncDispose]: async () => {
      stopChecks();
      await Promise.all([...active].map(finish));
      rounds.stop();
      await index[Symbol.asyncDispose]();
    },
  };
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
