/**
 * Records one camera under one epoch: samples → fragments → the open segment → durable.
 *
 * Invariants: fragments are written one after another, in order; a sample is reported durable only after the sync
 * that covers it; a segment begins on a keyframe and is rolled at `segmentUs`, at a change of tracks or capture, when
 * the camera's clock was set, and when its volume is out; one that shows no keyframe is rolled without, before it
 * outgrows the index; after a failed write or sync, or when the disk does not answer, nothing more is written or
 * reported under this recorder (`onFailed`, once): another one takes the camera, which delivers again what was not
 * acknowledged. Nothing here waits for a disk that hangs.
 */
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { compatible, type Fragment, fragment } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';
import type { Disk } from './disk.ts';
import { type AssembledFragment, FragmentAssembler } from './fragment-assembler.ts';
import { segmentUsMax } from './index-rows.ts';
import type { Ledger, UnsealedSegment } from './ledger.ts';
import { SegmentWriter } from './segment-writer.ts';
import { type Volume, type Volumes, volumeAnswerMs } from './volumes.ts';

/** A segment without keyframes ends at one of these; both leave room for the fragment that is one too many. */
const segmentFragmentsMax = 4_000;
const segmentUsLimit = segmentUsMax - 5_000_000;
/** A clock that moved by more was set. */
const clockStepUs = 1_000_000;
const diskCodes: ReadonlySet<string> = new Set(['FILE_IO', 'FILE_MISSING', 'DISK_FULL']);

/** What is safe on the disk now. */
export interface DurablePoint {
  readonly captureId: string;
  /** last durable sequence by track id */
  readonly through: ReadonlyMap<number, number>;
  /** everything captured before this is safe, µs UTC */
  readonly utcUs: number;
}

/** What all recorders of a server share. */
export interface RecordingGround {
  readonly disk: Disk;
  readonly ledger: Ledger;
  readonly volumes: Volumes;
  readonly clock: Clock;
  readonly segmentUs: number;
  /** what does not answer: the disk of a volume, or the index */
  readonly hanging: (volume: Volume | undefined) => 'disk' | 'index' | undefined;
  /** folders whose own entries are durable */
  readonly syncedFolders: Set<string>;
  /** told of a segment that could not even be salvaged: its open row stays, and it has to be recovered */
  readonly onUnsealed: (segment: UnsealedSegment) => void;
}

export interface CameraRecorderOptions {
  readonly camera: string;
  readonly epoch: number;
  readonly ground: RecordingGround;
  readonly onDurable: (point: DurablePoint) => void;
  readonly onFailed: (reason: string) => void;
}

interface Pending {
  readonly assembled: AssembledFragment;
  readonly tracks: readonly TrackDescription[];
  readonly mapping: UtcMapping;
}

export class CameraRecorder {
  private readonly options: CameraRecorderOptions;
  private tracks: readonly TrackDescription[] = [];
  private assembler: FragmentAssembler | undefined;
  private mapping: UtcMapping = { offsetUs: 0, uncertaintyUs: 0xffff_ffff };
  private writer: SegmentWriter | undefined;
  /** mapping of the open segment's first fragment */
  private segmentOffsetUs = 0;
  private nextSegment = 0;
  private fragments = 0;
  private work: Promise<void> = Promise.resolve();
  private written: DurablePoint | undefined;
  private durable: DurablePoint | undefined;
  private failed = false;
  /** those who wait for the work queued so far */
  private readonly waiting = new Set<() => void>();
  /** the volume that is worked on, and since when on the clock that never steps */
  private volume: Volume | undefined;
  private busySinceMs: number | undefined;
  private release: () => void = () => undefined;
  private queuedBytes = 0;
  writtenBytes = 0;

  constructor(options: CameraRecorderOptions) {
    this.options = options;
  }

  get camera(): string {
    return this.options.camera;
  }

  /** Bytes taken in but not yet written; the ingest pauses the link above a bound. */
  get pendingBytes(): number {
    return this.queuedBytes + (this.assembler?.heldBytes ?? 0);
  }

  /** The segment being written, for readers. */
  openSegment(): SegmentWriter | undefined {
    return this.failed ? undefined : this.writer;
  }

  /** µs UTC before which everything is safe; undefined before the first sync. */
  durableThroughUs(): number | undefined {
    return this.durable?.utcUs;
  }

  /** The tracks of the samples that follow (track id = place + 1). */
  setTracks(tracks: readonly TrackDescription[]): void {
    this.flush();
    this.tracks = tracks;
    this.assembler = new FragmentAssembler(tracks);
  }

  /** The clock mapping of the samples that follow. Those before it keep theirs when the clock was set. */
  setMapping(mapping: UtcMapping): void {
    if (Math.abs(mapping.offsetUs - this.mapping.offsetUs) > clockStepUs) {
      for (const assembled of this.assembler?.flush() ?? []) this.enqueue(assembled);
    }
    this.mapping = mapping;
  }

  push(trackId: number, sample: Sample): void {
    if (this.failed) return;
    for (const assembled of this.assembler?.push(trackId, sample) ?? []) this.enqueue(assembled);
  }

  /** Syncs what has been written since the last sync and reports it durable. */
  sync(): Promise<void> {
    return this.chain(async () => {
      const point = this.written;
      if (point === undefined || point === this.durable || this.writer === undefined) return;
      await this.writer.sync();
      this.reportDurable(point);
    });
  }

  /** Whether `sync` would have something to do. */
  get unsynced(): boolean {
    return this.queuedBytes > 0 || this.written !== this.durable || this.busySinceMs !== undefined;
  }

  /** Gives up when it waits for a disk that takes longer than a working one ever does. */
  giveUpWhenStuck(): void {
    const { clock, hanging } = this.options.ground;
    if (this.busySinceMs === undefined || clock.monotonicMs() - this.busySinceMs < volumeAnswerMs) return;
    // It may be waiting for its turn, as many others.
    const what = hanging(this.volume);
    if (what === undefined) return;
    const where = what === 'disk' ? this.volume?.folder : 'the index';
    const code = what === 'disk' ? 'FILE_IO' : 'INDEX_DAMAGED';
    this.fail(new Failure(code, `${where}: does not answer`, { advice: 'Check the disk.' }));
  }

  /**
   * Writes what is left and seals the segment; after a failure it saves what was durable before. With a disk that
   * hangs it does not resolve.
   */
  async close(): Promise<void> {
    this.flush();
    await this.chain(() => this.seal());
    if (!this.failed) return;
    await this.work;
    const { writer } = this;
    this.writer = undefined;
    if (writer === undefined) return;
    const { camera, epoch, ground } = this.options;
    const { volume, name } = writer;
    await writer.salvage().catch(() => ground.onUnsealed({ volume: volume.number, camera, name, epoch }));
  }

  private flush(): void {
    for (const assembled of this.assembler?.flush() ?? []) this.enqueue(assembled);
    this.assembler = undefined;
  }

  private enqueue(assembled: AssembledFragment): void {
    const pending = { assembled, tracks: this.tracks, mapping: this.mapping };
    const bytes = bytesOf(assembled);
    this.queuedBytes += bytes;
    void this.chain(() => this.write(pending)).finally(() => {
      this.queuedBytes -= bytes;
    });
    // Not earlier, though it may have been given up: a disk that hangs may still read it.
    void this.work.then(() => {
      for (const { samples } of assembled.batches) for (const { hold } of samples) hold?.release();
    });
  }

  /** Runs after everything queued before; resolves when that is done, or nothing will be done any more. */
  private chain(task: () => Promise<void>): Promise<void> {
    this.work = this.work.then(async () => {
      if (this.failed) return;
      this.busySinceMs = this.options.ground.clock.monotonicMs();
      try {
        await task();
      } catch (error) {
        this.fail(error);
      }
      this.busySinceMs = undefined;
    });
    if (this.failed) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting.add(resolve);
      void this.work.then(() => {
        this.waiting.delete(resolve);
        resolve();
      });
    });
  }

  private fail(error: unknown): void {
    if (this.failed) return;
    this.failed = true;
    this.assembler = undefined;
    this.release();
    const { volume } = this;
    // A full or broken disk; what the index or a fault of ours throws says nothing about the volume.
    if (volume !== undefined && error instanceof Failure) {
      if (diskCodes.has(error.code)) this.options.ground.volumes.failed(volume, error);
      if (error.code === 'FILE_REFUSED') void this.options.ground.volumes.doubt(volume);
    }
    this.options.onFailed(messageOf(error));
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private async write(pending: Pending): Promise<void> {
    const { assembled, tracks, mapping } = pending;
    const captureId = tracks[0]?.captureId ?? '';
    const { fromPtsUs, originUs } = startOf(assembled);
    const fromUs = fromPtsUs + mapping.offsetUs;
    if (this.mustRoll(pending, fromUs)) await this.seal();
    if (this.writer === undefined) {
      this.segmentOffsetUs = mapping.offsetUs;
      this.writer = await this.createSegment(tracks, { captureId, fromUs, originUs });
      // It was given up meanwhile.
      if (this.failed) return;
    }
    this.fragments += 1;
    const muxed = fragment({
      sequenceNumber: this.fragments,
      batches: assembled.batches,
      mapping,
      captureId,
      originUs: this.writer.start.originUs,
    });
    await this.writer.append(muxed, this.listTracks(assembled), mapping);
    if (this.failed) return;
    this.account(muxed, assembled, captureId, mapping);
    // The first after a (re)connection at once: the camera's outbox is at its fullest.
    if (this.durable === undefined && this.written !== undefined) {
      await this.writer.sync();
      this.reportDurable(this.written);
    }
  }

  private mustRoll({ assembled, tracks, mapping }: Pending, fromUs: number): boolean {
    if (this.writer === undefined) return false;
    const { start, fragmentCount } = this.writer;
    if (start.captureId !== tracks[0]?.captureId || !compatible(start.tracks, tracks)) return true;
    const elapsedUs = Math.abs(fromUs - start.fromUs);
    if (fragmentCount >= segmentFragmentsMax || elapsedUs >= segmentUsLimit) return true;
    if (assembled.startsOnKeyframe && this.mustMove()) return true;
    const stepped = Math.abs(mapping.offsetUs - this.segmentOffsetUs) > clockStepUs;
    return assembled.startsOnKeyframe && (stepped || elapsedUs >= this.options.ground.segmentUs);
  }

  /** Its volume takes no new segments any more, and another one does. */
  private mustMove(): boolean {
    const { volumes } = this.options.ground;
    return this.volume !== undefined && !volumes.works(this.volume) && volumes.usable();
  }

  private async createSegment(
    tracks: readonly TrackDescription[],
    first: { captureId: string; fromUs: number; originUs: number },
  ): Promise<SegmentWriter> {
    const { camera, epoch, ground } = this.options;
    const { disk, ledger, volumes, syncedFolders } = ground;
    const volume = volumes.choose(camera);
    this.volume = volume;
    if (volume === undefined) {
      throw new Failure('DISK_FULL', 'no volume can be recorded to', {
        advice: 'See what the volumes say, and free space or repair one.',
      });
    }
    this.release = volumes.occupy(volume);
    const start = { camera, epoch, sequence: this.nextSegment, tracks, ...first };
    const writer = await SegmentWriter.create({ disk, ledger, volumes, volume, syncedFolders }, start);
    this.nextSegment = writer.start.sequence + 1;
    return writer;
  }

  private listTracks(assembled: AssembledFragment): FragmentListing['tracks'] {
    return assembled.batches.map(({ trackId, samples }) => ({
      trackId,
      firstSequence: samples[0]?.sequence ?? 0,
      count: samples.length,
    }));
  }

  private account(
    muxed: Fragment,
    assembled: AssembledFragment,
    captureId: string,
    mapping: UtcMapping,
  ): void {
    const same = this.written?.captureId === captureId ? this.written.through : undefined;
    const through = new Map(same);
    for (const { trackId, samples } of assembled.batches) {
      const last = samples.at(-1);
      if (last !== undefined) through.set(trackId, last.sequence);
    }
    this.written = { captureId, through, utcUs: muxed.toPtsUs + mapping.offsetUs };
    this.writtenBytes += muxed.bytes;
  }

  private reportDurable(point: DurablePoint): void {
    if (this.failed) return;
    this.durable = point;
    this.options.onDurable(point);
  }

  private async seal(): Promise<void> {
    const writer = this.writer;
    if (writer === undefined) return;
    await writer.seal();
    if (this.failed) return;
    this.writer = undefined;
    this.release();
    if (this.written !== undefined && this.written !== this.durable) this.reportDurable(this.written);
  }
}

function bytesOf({ batches }: AssembledFragment): number {
  let bytes = 0;
  for (const { samples } of batches) for (const sample of samples) bytes += sample.bytes;
  return bytes;
}

/** First presentation and first decode time of a fragment, µs on the camera's clock. */
function startOf({ batches }: AssembledFragment): { fromPtsUs: number; originUs: number } {
  let fromPtsUs = Number.POSITIVE_INFINITY;
  let originUs = Number.POSITIVE_INFINITY;
  for (const { samples } of batches) {
    for (const { ptsUs, compositionUs } of samples) {
      fromPtsUs = Math.min(fromPtsUs, ptsUs);
      originUs = Math.min(originUs, ptsUs - compositionUs);
    }
  }
  return { fromPtsUs, originUs: Math.max(0, originUs) };
}
