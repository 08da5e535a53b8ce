/**
 * A recorder on a real folder and a real LevelDB, in virtual time, with a disk and an index that fail or stall on
 * demand; for tests of what is recorded, when it is safe, and what is left after a crash.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../firmware/base/failure.ts';
import { realDisk } from '../../firmware/io/disk.ts';
import { openLevelStore } from '../../firmware/io/level-store.ts';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';
import type { CameraRecorder, DurablePoint } from '../../firmware/recording/camera-recorder.ts';
import type { Disk, RecordingFile } from '../../firmware/recording/disk.ts';
import type { IndexStore } from '../../firmware/recording/index-store.ts';
import { openRecorder, type Recorder } from '../../firmware/recording/recorder.ts';
import { videoTrack } from './media-samples.ts';
import { sampleOf } from './synthetic-sample.ts';
import { VirtualClock } from './virtual-clock.ts';

type DiskCall = 'append' | 'sync' | 'create' | 'read';

/** What a test may do to the disk and the index; `path` is matched by what it contains. */
export class Faults {
  readonly failing = new Map<DiskCall, string>();
  failCommit = false;
  private meanwhile: { when: 'before' | 'after'; run: () => Promise<void> } | undefined;
  private stalled: { path: string; release: () => void; done: Promise<void> } | undefined;

  /** Every sync of a path waits from now on until the result is called. */
  stallSyncs(path: string): () => void {
    let release = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.stalled = { path, release, done };
    return () => {
      this.stalled = undefined;
      release();
    };
  }

  /** Something happens just before or after the index is read, until the result is called. */
  duringRange(when: 'before' | 'after', run: () => Promise<void>): () => void {
    this.meanwhile = { when, run };
    return () => {
      this.meanwhile = undefined;
    };
  }

  async range<T>(read: () => Promise<T>): Promise<T> {
    if (this.meanwhile?.when === 'before') await this.meanwhile.run();
    const rows = await read();
    if (this.meanwhile?.when === 'after') await this.meanwhile.run();
    return rows;
  }

  check(call: DiskCall, path: string): void {
    const part = this.failing.get(call);
    if (part === undefined || !path.includes(part)) return;
    throw new Failure('FILE_IO', `${path}: ${call} fails as the test wants`, { advice: 'Nothing.' });
  }

  async wait(path: string): Promise<void> {
    if (this.stalled !== undefined && path.includes(this.stalled.path)) await this.stalled.done;
  }
}

function faultyFile(file: RecordingFile, path: string, faults: Faults): RecordingFile {
  return {
    append: async (parts) => {
      faults.check('append', path);
      return file.append(parts);
    },
    sync: async () => {
      await faults.wait(path);
      faults.check('sync', path);
      await file.sync();
    },
    close: () => file.close(),
  };
}

function faultyDisk(faults: Faults): Disk {
  return {
    ...realDisk,
    createFile: async (path) => {
      faults.check('create', path);
      const file = await realDisk.createFile(path);
      return file === undefined ? undefined : faultyFile(file, path, faults);
    },
    read: async (path, offset, length) => {
      faults.check('read', path);
      return realDisk.read(path, offset, length);
    },
  };
}

function faultyIndex(index: IndexStore, faults: Faults): IndexStore {
  return {
    get: (key) => index.get(key),
    range: (range) => faults.range(() => index.range(range)),
    commit: (changes) =>
      faults.failCommit ? Promise.reject(new Error('commit fails')) : index.commit(changes),
    [Symbol.asyncDispose]: () => index[Symbol.asyncDispose](),
  };
}

export interface RigOptions {
  readonly folder?: string;
  readonly segmentSeconds?: number;
  readonly volumes?: string[];
  readonly reserveBytes?: number;
  readonly onUsable?: (usable: boolean) => void;
}

/** Lets I/O happen until the condition holds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const endsAt = Date.now() + 60_000;
  while (!holds()) {
    assert(Date.now() < endsAt, `never happened: ${what}`);
    await new Promise(setImmediate);
  }
}

export class RecorderRig implements AsyncDisposable {
  readonly folder: string;
  readonly clock = new VirtualClock();
  readonly faults = new Faults();
  readonly recorder: Recorder;
  readonly index: IndexStore;

  private constructor(
    folder: string,
    parts: { recorder: Recorder; index: IndexStore; faults: Faults; clock: VirtualClock },
  ) {
    this.folder = folder;
    this.recorder = parts.recorder;
    this.index = parts.index;
    this.faults = parts.faults;
    this.clock = parts.clock;
  }

  /** Opens a recorder in `folder`, or in a fresh one. */
  static async open(options: RigOptions = {}): Promise<RecorderRig> {
    const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'starling-recorder-')));
    const faults = new Faults();
    const clock = new VirtualClock();
    let ids = 1;
    const index = faultyIndex(await openLevelStore(join(folder, 'index')), faults);
    const recorder = await openRecorder({
      disk: faultyDisk(faults),
      index,
      threads: 8,
      volumes: options.volumes ?? [join(folder, 'recordings')],
      segmentSeconds: options.segmentSeconds ?? 60,
      syncIntervalMs: 1_000,
      clock,
      owner: { site: 'lab', server: 'shed' },
      newId: () => (ids++).toString(16).padStart(16, '0'),
      reserveBytes: () => options.reserveBytes ?? 0,
      ...(options.onUsable === undefined ? {} : { onUsable: options.onUsable }),
    });
    return new RecorderRig(folder, { recorder, index, faults, clock });
  }

  /** What the disk would hold after a power cut now: opened as a unit would at its next start. */
  async afterCrash(change: (folder: string) => Promise<void> = async () => undefined): Promise<RecorderRig> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-recorder-'));
    await cp(this.folder, folder, { recursive: true });
    await change(folder);
    return RecorderRig.open({ folder });
  }

  record(camera = 'door', epoch = 1): Recording {
    return new Recording(this, camera, epoch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recorder[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true });
  }
}

/** What a recording needs of the rig it runs on. */
type RecordingRig = Pick<RecorderRig, 'recorder' | 'clock'>;

/** One camera's recorder and what it said. */
export class Recording {
  readonly durable: DurablePoint[] = [];
  readonly failures: string[] = [];
  readonly recorder: CameraRecorder;
  readonly camera: string;
  private readonly rig: RecordingRig;
  sequence = 0;
  ptsUs = 0;

  constructor(rig: RecordingRig, camera: string, epoch: number) {
    this.rig = rig;
    this.camera = camera;
    this.recorder = rig.recorder.record({
      camera,
      epoch,
      onDurable: (point) => this.durable.push(point),
      onFailed: (reason) => this.failures.push(reason),
    });
    this.begin('boot.0');
    this.setClock(rig.clock.utcMs() * 1_000);
  }

  /** A new capture: picture only, unless tracks are given. */
  begin(captureId: string, tracks: readonly TrackDescription[] = [videoTrack(captureId, this.camera)]): void {
    this.sequence = 0;
    this.recorder.setTracks(tracks);
  }

  /** UTC of PTS 0, µs. */
  setClock(offsetUs: number): void {
    this.recorder.setMapping({ offsetUs, uncertaintyUs: 1 });
  }

  /** GOPs of one second and ten frames. */
  gops(count: number, options: { keyframes?: boolean; bytes?: number } = {}): void {
    const { keyframes = true, bytes = 100 } = options;
    for (let frame = 0; frame < count * 10; frame++) {
      const keyframe = keyframes ? frame % 10 === 0 : frame === 0 && this.sequence === 0;
      this.push(
        sampleOf({ sequence: this.sequence, ptsUs: this.ptsUs, durationUs: 100_000, keyframe, bytes }),
      );
    }
  }

  push(sample: Sample): void {
    this.recorder.push(1, sample);
    this.sequence = sample.sequence + 1;
    this.ptsUs = sample.ptsUs + 100_000;
  }

  /** Last durable sequence of the picture. */
  get through(): number | undefined {
    return this.durable.at(-1)?.through.get(1);
  }

  /** Everything pushed so far that makes whole fragments is on the disk. */
  written(): Promise<void> {
    return this.recorder.sync();
  }

  close(): Promise<void> {
    return this.rig.recorder.finish(this.recorder);
  }
}
