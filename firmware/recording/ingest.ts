/**
 * The manager's end of a camera link: media frames in; recorders and the live feed out; acknowledgements and pacing
 * back. One ingest per link.
 *
 * Invariants: a frame that breaks the rules closes the link; a camera that was not announced in its join is refused;
 * above `pendingBytesMax` the link is paused, so that TCP holds the camera back, until the disk has caught up.
 */
import { encode } from '../base/codec.ts';
import type { FrameParts } from '../base/frames.ts';
import {
  decodeFrame,
  durableFrame,
  frameKinds,
  gapFrame,
  mappingFrame,
  pacingFrame,
  SampleAssembler,
  tracksFrame,
} from '../media/link-frames.ts';
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';
import type { LiveFeed } from '../viewing/live-feed.ts';
import type { CameraRecorder, DurablePoint } from './camera-recorder.ts';
import type { Recorder } from './recorder.ts';

const pendingBytesMax = 16 * 1024 * 1024;
/** µs UTC; index keys have 16 digits. A camera without a clock begins in 1970. */
const timeUsMax = 9_000_000_000_000_000;

function isTime(us: number): boolean {
  return us >= 0 && us <= timeUsMax;
}

/** What the ingest needs of a link. */
interface IngestLink {
  send(kind: number, parts: readonly Uint8Array[]): boolean;
  /** Stops and resumes reading from the peer. */
  pause(): void;
  resume(): void;
  close(reason: string): void;
}

export interface IngestOptions {
  readonly link: IngestLink;
  readonly cameras: readonly string[];
  readonly epoch: number;
  readonly recorder: Recorder;
  readonly feed: LiveFeed;
}

interface Stream {
  readonly camera: string;
  readonly recorder: CameraRecorder;
  tracks: readonly TrackDescription[];
  /** link numbers of the tracks, by track id − 1 */
  numbers: readonly number[];
  mapping: UtcMapping;
}

/** What a status display may ask of one camera. */
export interface CameraIntake {
  readonly camera: string;
  receivedBytes: number;
  samples: number;
  lastFrameUs: number | undefined;
  tracks: readonly TrackDescription[];
  durableThroughUs: number | undefined;
}

export class Ingest {
  private readonly options: IngestOptions;
  private readonly streams = new Map<string, Stream>();
  private readonly byNumber = new Map<number, { stream: Stream; trackId: number }>();
  private readonly samples = new SampleAssembler();
  readonly intake = new Map<string, CameraIntake>();
  private paused = false;

  constructor(options: IngestOptions) {
    this.options = options;
    for (const camera of new Set(options.cameras)) this.addStream(camera);
  }

  private addStream(camera: string): void {
    const recorder = this.options.recorder.record({
      camera,
      epoch: this.options.epoch,
      onDurable: (point) => this.acknowledge(camera, point),
      onFailed: (reason) => this.options.link.close(`recording failed: ${reason}`),
    });
    const mapping = { offsetUs: 0, uncertaintyUs: 0xffff_ffff };
    this.streams.set(camera, { camera, recorder, tracks: [], numbers: [], mapping });
    this.intake.set(camera, {
      camera,
      receivedBytes: 0,
      samples: 0,
      lastFrameUs: undefined,
      tracks: [],
      durableThroughUs: undefined,
    });
  }

  /** Takes a media frame; returns why the link must be closed, if it must. */
  frame(kind: number, parts: FrameParts): string | undefined {
    switch (kind) {
      case frameKinds.sample:
      case frameKinds.slice:
        return this.sampleFrame(kind, parts);
      case frameKinds.tracks:
        return this.tracksFrame(parts);
      case frameKinds.mapping:
        return this.mappingFrame(parts);
      case frameKinds.gap:
        return this.gapFrame(parts);
      default:
        // A kind of newer firmware: skipped, not fatal.
        return undefined;
    }
  }

  /** Tells the camera whether somebody watches it. */
  setPacing(camera: string, immediate: boolean): void {
    if (this.streams.has(camera)) {
      this.options.link.send(frameKinds.pacing, [encode(pacingFrame, { camera, immediate })]);
    }
  }

  /** The link is gone: writes what is left and seals; the live feed ends. */
  async close(reason: string): Promise<void> {
    for (const stream of this.streams.values()) this.options.feed.publishEnd(stream.camera, reason);
    await Promise.all(
      [...this.streams.values()].map(({ recorder }) => this.options.recorder.finish(recorder)),
    );
  }

  private sampleFrame(kind: number, parts: FrameParts): string | undefined {
    const assembled = this.samples.push(kind, parts);
    if (!assembled.ok) return assembled.reason;
    if (assembled.value === undefined) return undefined;
    const target = this.byNumber.get(assembled.value.track);
    if (target === undefined) return 'sample of a track that was not announced';
    const { ptsUs, durationUs } = assembled.value.sample;
    const { offsetUs } = target.stream.mapping;
    if (!isTime(ptsUs + offsetUs) || !isTime(ptsUs + offsetUs + durationUs))
      return 'sample: a time out of range';
    this.take(target.stream, target.trackId, assembled.value.sample);
    return undefined;
  }

  private take(stream: Stream, trackId: number, sample: Sample): void {
    const capturedAtUs = sample.ptsUs + stream.mapping.offsetUs;
    this.options.feed.publishSample(stream.camera, trackId, sample, capturedAtUs);
    stream.recorder.push(trackId, sample);
    const intake = this.intake.get(stream.camera);
    if (intake !== undefined) {
      intake.receivedBytes += sample.bytes;
      intake.samples += 1;
      if (stream.tracks[trackId - 1]?.kind === 'video') intake.lastFrameUs = capturedAtUs;
    }
    this.holdBack();
  }

  private holdBack(): void {
    let pending = 0;
    for (const { recorder } of this.streams.values()) pending += recorder.pendingBytes;
    if (!this.paused && pending > pendingBytesMax) {
      this.paused = true;
      this.options.link.pause();
      // Every write queued so far is done when the syncs behind them are.
      void Promise.all([...this.streams.values()].map(({ recorder }) => recorder.sync())).then(() => {
        this.paused = false;
        this.options.link.resume();
      });
    }
  }

  private tracksFrame(parts: FrameParts): string | undefined {
    const decoded = decodeFrame(tracksFrame, parts);
    if (!decoded.ok) return `tracks: ${decoded.reason}`;
    const { camera, tracks } = decoded.value;
    const stream = this.streams.get(camera);
    if (stream === undefined) return 'tracks: a camera that did not join';
    if (tracks.length === 0) return 'tracks: none';
    const fault = tracksFault(
      camera,
      tracks.map(({ description }) => description),
    );
    if (fault !== undefined) return `tracks: ${fault}`;
    for (const number of stream.numbers) this.byNumber.delete(number);
    const numbers = new Set(tracks.map(({ number }) => number));
    if (numbers.size < tracks.length || tracks.some(({ number }) => this.byNumber.has(number))) {
      return 'tracks: number already in use';
    }
    stream.tracks = tracks.map(({ description }) => description);
    stream.numbers = tracks.map(({ number }) => number);
    for (const [place, number] of stream.numbers.entries()) {
      this.byNumber.set(number, { stream, trackId: place + 1 });
    }
    stream.recorder.setTracks(stream.tracks);
    this.options.feed.publishTracks(camera, stream.tracks);
    const intake = this.intake.get(camera);
    if (intake !== undefined) intake.tracks = stream.tracks;
    return undefined;
  }

  private mappingFrame(parts: FrameParts): string | undefined {
    const decoded = decodeFrame(mappingFrame, parts);
    if (!decoded.ok) return `mapping: ${decoded.reason}`;
    const stream = this.streams.get(decoded.value.camera);
    if (stream === undefined) return 'mapping: a camera that did not join';
    stream.mapping = decoded.value.mapping;
    stream.recorder.setMapping(decoded.value.mapping);
    return undefined;
  }

  private gapFrame(parts: FrameParts): string | undefined {
    const decoded = decodeFrame(gapFrame, parts);
    if (!decoded.ok) return `gap: ${decoded.reason}`;
    const { camera, fromUs, toUs } = decoded.value;
    if (!this.streams.has(camera)) return 'gap: a camera that did not join';
    if (!isTime(fromUs) || !isTime(toUs) || fromUs > toUs) return 'gap: a time out of range';
    this.options.recorder
      .addGap(decoded.value)
      .catch(() => this.options.link.close('recording failed: index'));
    return undefined;
  }

  private acknowledge(camera: string, point: DurablePoint): void {
    const intake = this.intake.get(camera);
    if (intake !== undefined) intake.durableThroughUs = point.utcUs;
    const tracks = [...point.through].map(([trackId, through]) => ({ trackId, through }));
    const body = encode(durableFrame, { camera, captureId: point.captureId, tracks });
    this.options.link.send(frameKinds.durable, [body]);
  }
}

/** Why these cannot be the tracks of one capture of this camera. */
function tracksFault(camera: string, tracks: readonly TrackDescription[]): string | undefined {
  const captureId = tracks[0]?.captureId;
  for (const track of tracks) {
    if (track.camera !== camera) return 'of another camera';
    if (track.captureId !== captureId) return 'of two captures';
    if ((track.kind === 'video') !== (track.format.codec === 'h264')) return 'a codec of another kind';
  }
  return undefined;
}
