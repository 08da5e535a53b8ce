/**
 * Records one camera under one epoch: samples → fragments → the open segment → durable.
 *
 * Invariants: fragments are written one after another, in order; a sample is reported durable only after the sync
 * that covers it; a segment begins on a keyframe and is rolled at `segmentUs`, at a change of tracks or capture, and
 * when the camera's clock was set; one that shows no keyframe is rolled without, before it outgrows the index;
 * after a failed write or sync nothing more is written under this recorder (`onFailed`): the camera is sent elsewhere
 * and delivers again what was not acknowledged.
 */
import { messageOf } from '../base/failure.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { compatible, type Fragment, fragment } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';
import type { Disk } from './disk.ts';
import { type AssembledFragment, FragmentAssembler } from './fragment-assembler.ts';
import { segmentUsMax } from './index-rows.ts';
import type { IndexStore } from './index-store.ts';
import { recoverSegment } from './recovery.ts';
import { SegmentWriter, type Volume } from './segment-writer.ts';

/** A segment without keyframes ends at one of these; both leave room for the fragment that is one too many. */
const segmentFragmentsMax = 4_000;
const segmentUsLimit = segmentUsMax - 5_000_000;
/** A clock that moved by more was set. */
const clockStepUs = 1_000_000;

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
  private abandoned: SegmentWriter | undefined;
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

  /** Writes what is left and seals the segment; after a failure it saves what had been written before. */
  async close(): Promise<void> {
    this.flush();
    await this.chain(() => this.seal());
    const { abandoned } = this;
    if (abandoned === undefined) return;
    this.abandoned = undefined;
    const { camera, epoch, disk, index, volume } = this.options;
    // When even that fails, the open row stays and the next start tries again.
    await recoverSegment(disk, index, volume, { camera, name: abandoned.name, epoch }).catch(() => undefined);
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
    this.abandoned = this.writer;
    this.writer = undefined;
    this.assembler = undefined;
    this.options.onFailed(reason);
    await this.abandoned?.abandon().catch(() => undefined);
  }

  private async write(pending: Pending): Promise<void> {
    const { assembled, tracks, mapping } = pending;
    const captureId = tracks[0]?.captureId ?? '';
    const { fromPtsUs, originUs } = startOf(assembled);
    const fromUs = fromPtsUs + mapping.offsetUs;
    if (this.mustRoll(pending, fromUs)) await this.seal();
    const first = this.writer === undefined;
    if (first) this.segmentOffsetUs = mapping.offsetUs;
    this.writer ??= await this.createSegment(tracks, { captureId, fromUs, originUs });
    this.fragments += 1;
    const muxed = fragment({
      sequenceNumber: this.fragments,
      batches: assembled.batches,
      mapping,
      captureId,
      originUs: this.writer.start.originUs,
    });
    await this.writer.append(muxed, this.listTracks(assembled), mapping);
    this.account(muxed, assembled, captureId, mapping);
    if (first && this.written !== undefined) {
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
    const stepped = Math.abs(mapping.offsetUs - this.segmentOffsetUs) > clockStepUs;
    return assembled.startsOnKeyframe && (stepped || elapsedUs >= this.options.segmentUs);
  }

  private async createSegment(
    tracks: readonly TrackDescription[],
    first: { captureId: string; fromUs: number; originUs: number },
  ): Promise<SegmentWriter> {
    const { camera, epoch, disk, index, volume } = this.options;
    const sequence = this.nextSegment;
    const start = { camera, epoch, sequence, tracks, ...first };
    const writer = await SegmentWriter.create(disk, index, volume, start);
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
