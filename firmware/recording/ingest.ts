/**
 * The manager's end of a camera link: media frames in; recorders and the live feed out; acknowledgements and pacing
 * back. One ingest per link.
 *
 * Invariants: a frame that breaks the rules closes the link; a camera that was not announced in its join is refused;
 * above the recorder's share of pending bytes the link is paused, so that TCP holds the camera back, until the disk has
 * caught up. When recording a camera failed, another recorder takes it: the camera is asked to deliver again what was
 * not acknowledged (`resend`), and its samples are not recorded until it announces its tracks anew. When nothing can be
 * recorded, or it fails `failuresMax` times without anything becoming durable, the link is closed. Viewers see each
 * sample once, whatever is delivered again.
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
  resendFrame,
  SampleAssembler,
  tracksFrame,
} from '../media/link-frames.ts';
import type { Sample, TrackDescription, UtcMapping } from '../media/sample.ts';
import type { LiveFeed } from '../viewing/live-feed.ts';
import type { CameraRecorder, DurablePoint } from './camera-recorder.ts';
import type { Recorder } from './recorder.ts';

/** In a row, with nothing durable in between. */
const failuresMax = 3;
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
  /** undefined from a failure until the camera begins anew */
  recorder: CameraRecorder | undefined;
  failures: number;
  /** what viewers were told of the tracks, and the last sample they got, by track id */
  announced: Buffer | undefined;
  readonly fed: Map<number, number>;
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
  private closed = false;
  /** recorders that failed and are being finished */
  private readonly ending = new Set<Promise<void>>();

  constructor(options: IngestOptions) {
    this.options = options;
    for (const camera of new Set(options.cameras)) this.addStream(camera);
  }

  private addStream(camera: string): void {
    const stream: Stream = {
      camera,
      recorder: undefined,
      failures: 0,
      announced: undefined,
      fed: new Map(),
      tracks: [],
      numbers: [],
      mapping: { offsetUs: 0, uncertaintyUs: 0xffff_ffff },
    };
    this.streams.set(camera, stream);
    this.beginRecording(stream);
    this.intake.set(camera, {
      camera,
      receivedBytes: 0,
      samples: 0,
      lastFrameUs: undefined,
      tracks: [],
      durableThroughUs: undefined,
    });
  }

  private beginRecording(stream: Stream): CameraRecorder {
    const { camera } = stream;
    const recorder: CameraRecorder = this.options.recorder.record({
      camera,
      epoch: this.options.epoch,
      onDurable: (point) => {
        stream.failures = 0;
        this.acknowledge(camera, point);
      },
      onFailed: (reason) => this.failed(stream, recorder, reason),
    });
    stream.recorder = recorder;
    return recorder;
  }

  private failed(stream: Stream, recorder: CameraRecorder, reason: string): void {
    const { link } = this.options;
    if (stream.recorder === recorder) stream.recorder = undefined;
    // What was durable is saved in the background.
    this.finish(recorder);
    if (this.closed) return;
    stream.failures += 1;
    if (!this.options.recorder.usable() || stream.failures > failuresMax) {
      link.close(`recording failed: ${reason}`);
      return;
    }
    link.send(frameKinds.resend, [encode(resendFrame, { camera: stream.camera })]);
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
    this.closed = true;
    for (const stream of this.streams.values()) {
      this.options.feed.publishEnd(stream.camera, reason);
      const { recorder } = stream;
      stream.recorder = undefined;
      if (recorder !== undefined) this.finish(recorder);
    }
    while (this.ending.size > 0) await Promise.all(this.ending);
  }

  private finish(recorder: CameraRecorder): void {
    const done = this.options.recorder.finish(recorder).finally(() => this.ending.delete(done));
    this.ending.add(done);
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
    if (sample.sequence > (stream.fed.get(trackId) ?? -1)) {
      stream.fed.set(trackId, sample.sequence);
      this.options.feed.publishSample(stream.camera, trackId, sample, capturedAtUs);
    }
    stream.recorder?.push(trackId, sample);
    const intake = this.intake.get(stream.camera);
    if (intake !== undefined) {
      intake.receivedBytes += sample.bytes;
      intake.samples += 1;
      if (stream.tracks[trackId - 1]?.kind === 'video') intake.lastFrameUs = capturedAtUs;
    }
    this.holdBack();
  }

  private holdBack(): void {
    if (this.paused) return;
    const share = this.options.recorder.pendingShareBytes();
    let behind = false;
    for (const { recorder } of this.streams.values()) behind ||= (recorder?.pendingBytes ?? 0) > share;
    if (!behind) return;
    this.paused = true;
    this.options.link.pause();
    // Every write queued so far is done, or given up, when the syncs behind them are.
    const syncs = [...this.streams.values()].map(({ recorder }) => recorder?.sync() ?? Promise.resolve());
    void Promise.all(syncs).then(() => {
      this.paused = false;
      this.options.link.resume();
    });
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
    const recorder = stream.recorder ?? this.beginRecording(stream);
    recorder.setMapping(stream.mapping);
    recorder.setTracks(stream.tracks);
    this.announce(stream);
    const intake = this.intake.get(camera);
    if (intake !== undefined) intake.tracks = stream.tracks;
    return undefined;
  }

  /** Tells viewers of the tracks, unless they are those that they know. */
  private announce(stream: Stream): void {
    const { camera, tracks } = stream;
    const described = tracks.map((description, number) => ({ number, description }));
    const announced = encode(tracksFrame, { camera, tracks: described });
    if (stream.announced?.equals(announced)) return;
    stream.announced = announced;
    stream.fed.clear();
    this.options.feed.publishTracks(camera, tracks);
  }

  private mappingFrame(parts: FrameParts): string | undefined {
    const decoded = decodeFrame(mappingFrame, parts);
    if (!decoded.ok) return `mapping: ${decoded.reason}`;
    const stream = this.streams.get(decoded.value.camera);
    if (stream === undefined) return 'mapping: a camera that did not join';
    stream.mapping = decoded.value.mapping;
    stream.recorder?.setMapping(decoded.value.mapping);
    return undefined;
  }

  private gapFrame(parts: FrameParts): string | undefined {
    const decoded = decodeFrame(gapFrame, parts);
    if (!decoded.ok) return `gap: ${decoded.reason}`;
    const { camera, fromUs, toUs } = decoded.value;
    if (!this.streams.has(camera)) return 'gap: a camera that did not join';
    if (!isTime(fromUs) || !isTime(toUs) || fromUs > toUs) return 'gap: a time out of range';
    this.options.recorder
      .tellGap(decoded.value)
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
