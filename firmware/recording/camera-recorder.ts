/**
 * Records one camera under one epoch: samples → fragments → the open segment → durable.
 *
 * Invariants: fragments are written one after another, in order; a sample is reported durable only after the sync
 * that covers it; a segment begins on a keyframe and is rolled at `segmentUs`, at a change of tracks or capture;
 * after a failed write or sync nothing more is written under this recorder (`failed` resolves): the camera is sent
 * elsewhere and delivers again what was not acknowledged.
 */
import type { FragmentListing } from '../media/fragment-listing.ts';
import { compatible, type Fragment, fragment } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';
import { messageOf } from '../base/failure.ts';
import type { Disk } from './disk.ts';
import { type AssembledFragment, FragmentAssembler } from './fragment-assembler.ts';
import type { IndexStore } from './index-store.ts';
import { SegmentWriter, type Volume } from './segment-writer.ts';

/** What is safe on the disk now. */
export interface DurablePoint {
  readonly captureId: string;
  /** last durable sequence by track id */
  readonly through: ReadonlyMap<number, number>;
  /** everything captured before this is safe, µs UTC */
  readonly utcUs: number;
}

export interface CameraRecorderOptions {
  readonly camera: string;
  readonly epoch: number;
  readonly disk: Disk;
  readonly index: IndexStore;
  readonly volume: Volume;
  readonly segmentUs: number;
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
  private mapping: UtcMapping = { offsetUs: 0, uncertaintyUs: 0 };
  private writer: SegmentWriter | undefined;
  private nextSequence = 0;
  private work: Promise<void> = Promise.resolve();
  private written: DurablePoint | undefined;
  private durable: DurablePoint | undefined;
  private failed = false;
  /** bytes taken in but not yet written; the ingest pauses the link above a bound */
  pendingBytes = 0;
  writtenBytes = 0;

  constructor(options: CameraRecorderOptions) {
    this.options = options;
  }

  get camera(): string {
    return this.options.camera;
  }

  /** The segment being written, for readers. */
  openSegment(): SegmentWriter | undefined {
    return this.writer;
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

  /** The clock mapping of the samples that follow. */
  setMapping(mapping: UtcMapping): void {
    this.mapping = mapping;
  }

  push(trackId: number, sample: Sample): void {
    this.pendingBytes += sample.bytes;
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

  /** Writes what is left and seals the segment. */
  async close(): Promise<void> {
    this.flush();
    await this.chain(() => this.seal());
  }

  private flush(): void {
    for (const assembled of this.assembler?.flush() ?? []) this.enqueue(assembled);
    this.assembler = undefined;
  }

  private enqueue(assembled: AssembledFragment): void {
    const pending = { assembled, tracks: this.tracks, mapping: this.mapping };
    void this.chain(() => this.write(pending));
  }

  /** Runs after everything queued before; a failure ends this recorder. */
  private chain(task: () => Promise<void>): Promise<void> {
    this.work = this.work.then(async () => {
      if (this.failed) return;
      try {
        await task();
      } catch (error) {
        await this.fail(messageOf(error));
      }
    });
    return this.work;
  }

  private async fail(reason: string): Promise<void> {
    this.failed = true;
    const writer = this.writer;
    this.writer = undefined;
    this.options.onFailed(reason);
    await writer?.abandon().catch(() => undefined);
  }

  private async write(pending: Pending): Promise<void> {
    const { assembled, tracks, mapping } = pending;
    const captureId = tracks[0]?.captureId ?? '';
    const muxed = fragment({ sequenceNumber: this.nextSequence + 1, batches: assembled.batches, mapping, captureId });
    const fromUs = muxed.fromPtsUs + mapping.offsetUs;
    if (this.mustRoll(assembled, tracks, fromUs)) await this.seal();
    const first = this.writer === undefined;
    this.writer ??= await this.createSegment(tracks, captureId, fromUs);
    await this.writer.append(muxed, this.listTracks(assembled), mapping);
    this.account(muxed, assembled, captureId, mapping);
    if (first && this.written !== undefined) {
      await this.writer.sync();
      this.reportDurable(this.written);
    }
  }

  private mustRoll(assembled: AssembledFragment, tracks: readonly TrackDescription[], fromUs: number): boolean {
    const start = this.writer?.start;
    if (start === undefined) return false;
    if (start.tracks[0]?.captureId !== tracks[0]?.captureId || !compatible(start.tracks, tracks)) return true;
    return assembled.startsOnKeyframe && fromUs - start.fromUs >= this.options.segmentUs;
  }

  private async createSegment(
    tracks: readonly TrackDescription[],
    captureId: string,
    fromUs: number,
  ): Promise<SegmentWriter> {
    const { camera, epoch, disk, index, volume } = this.options;
    const sequence = this.nextSequence;
    const start = { camera, epoch, fromUs, sequence, captureId, tracks };
    const writer = await SegmentWriter.create(disk, index, volume, start);
    this.nextSequence = writer.start.sequence + 1;
    return writer;
  }

  private listTracks(assembled: AssembledFragment): FragmentListing['tracks'] {
    return assembled.batches.map(({ trackId, samples }) => ({
      trackId,
      firstSequence: samples[0]?.sequence ?? 0,
      count: samples.length,
    }));
  }

  private account(muxed: Fragment, assembled: AssembledFragment, captureId: string, mapping: UtcMapping): void {
    const same = this.written?.captureId === captureId ? this.written.through : undefined;
    const through = new Map(same);
    for (const { trackId, samples } of assembled.batches) {
      const last = samples.at(-1);
      if (last !== undefined) through.set(trackId, last.sequence);
      for (const sample of samples) this.pendingBytes -= sample.bytes;
    }
    this.written = { captureId, through, utcUs: muxed.toPtsUs + mapping.offsetUs };
    this.writtenBytes += muxed.bytes;
  }

  private reportDurable(point: DurablePoint): void {
    this.durable = point;
    this.options.onDurable(point);
  }

  private async seal(): Promise<void> {
    const writer = this.writer;
    if (writer === undefined) return;
    await writer.seal();
    this.writer = undefined;
    if (this.written !== undefined && this.written !== this.durable) this.reportDurable(this.written);
  }
}
