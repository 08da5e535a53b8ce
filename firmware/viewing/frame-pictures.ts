/**
 * Frames as JPEG: the newest one of a live camera, the keyframe at or before a time, or the very frame of a time. The
 * server does not decode; a program of its own does, for this one picture (io/frame-decoder.ts).
 *
 * Invariants: `atOnce` programs run at a time and `waitingMax` wait, more are refused; who asks for a frame that is
 * being made gets the same one; finished ones are kept, `keptBytesMax` together; a frame's entity tag names it, so
 * nothing is decoded for somebody who has it.
 */
import type { Clock } from '../base/clock.ts';
import { Failure } from '../base/failure.ts';
import { parameterSets, toByteStream } from '../media/annex-b.ts';
import { parseFragment, parseInit } from '../media/mp4-scanner.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';
import { Gate } from './gate.ts';
import type { LiveHub } from './live-hub.ts';
import { clocksDifferMs } from './live-socket.ts';
import { openPlayback, type PlaybackSources } from './playback.ts';
import { Refusal } from './routing.ts';
import { formatMs } from './time-query.ts';

const atOnce = 2;
const waitingMax = 16;
const keptBytesMax = 16 * 1024 * 1024;
const keptMax = 256;
/** Longest stream that is decoded for one frame. */
const streamBytesMax = 32 * 1024 * 1024;
const streamSamplesMax = 1_200;
/** pixels */
const widthMax = 3_840;
/**
 * An older frame is not what a camera shows now. A live one sends several a second, in batches of less than one; its
 * unit's clock may be 5 s off.
 */
const oldAfterMs = 10_000;

/** Makes a picture out of a stream. */
export interface FrameDecoder {
  /** H.264 byte stream → JPEG of its last frame. Rejects with a Failure. */
  jpeg(stream: Buffer, size: { readonly width: number; readonly height: number }): Promise<Buffer>;
}

/** A frame that can be made. */
export interface FrameSource {
  /** which frame it is: camera, capture, sequence */
  readonly id: string;
  readonly atUs: number;
  readonly track: TrackDescription;
  /** the byte stream whose last frame it is */
  readonly stream: Buffer;
}

export class FramePictures {
  private readonly decoder: FrameDecoder;
  private readonly gate = new Gate('pictures', { atOnce, waitingMax });
  /** by frame and width, the last used at the end; a picture being made has no bytes yet */
  private readonly pictures = new Map<string, { jpeg: Promise<Buffer>; bytes: number }>();
  private keptBytes = 0;

  constructor(decoder: FrameDecoder) {
    this.decoder = decoder;
  }

  /** The frame as JPEG, `width` pixels wide at the most. */
  picture(source: FrameSource, width: number | undefined): Promise<Buffer> {
    const key = tagOf(source, width);
    const known = this.pictures.get(key);
    if (known !== undefined) {
      this.pictures.delete(key);
      this.pictures.set(key, known);
      return known.jpeg;
    }
    const size = sizeOf(source.track, width);
    const jpeg = this.gate.run(() => this.decoder.jpeg(source.stream, size));
    const entry = { jpeg, bytes: 0 };
    this.pictures.set(key, entry);
    jpeg.then(
      ({ length }) => {
        if (this.pictures.get(key) !== entry) return;
        entry.bytes = length;
        this.keptBytes += length;
        this.makeRoom();
      },
      () => this.pictures.get(key) === entry && this.pictures.delete(key),
    );
    return jpeg;
  }

  private makeRoom(): void {
    for (const [key, { bytes }] of this.pictures) {
      if (this.keptBytes <= keptBytesMax && this.pictures.size <= keptMax) return;
      if (bytes === 0) continue;
      this.pictures.delete(key);
      this.keptBytes -= bytes;
    }
  }
}

/** The entity tag of a frame at a width. */
export function tagOf({ id }: Pick<FrameSource, 'id'>, width: number | undefined): string {
  return `"${id}-${width ?? 'full'}"`;
}

/** Never larger than the camera's own pictures; even numbers, which every decoder can scale to. */
function sizeOf({ format }: TrackDescription, width: number | undefined): { width: number; height: number } {
  const even = (pixels: number): number => Math.max(2, 2 * Math.round(pixels / 2));
  const wanted = Math.min(width ?? format.width, format.width, widthMax);
  return { width: even(wanted), height: even((wanted * format.height) / Math.max(1, format.width)) };
}

/**
 * What a camera of this server shows now; undefined when it is not live here, or shows nothing yet. Throws a Refusal
 * when the newest frame it has sent is old.
 */
export function newestFrame(live: LiveHub, camera: string, clock: Clock): FrameSource | undefined {
  const gop = live.newestGop(camera);
  const last = gop?.samples.at(-1);
  if (gop === undefined || last === undefined) return undefined;
  const atUs = gop.capturedAtUs ?? clock.utcMs() * 1000;
  if (isOld(gop.track, { sequence: last.sequence, atUs }, clock)) {
    const advice =
      'It sends nothing, or late, or a clock is wrong. Ask with ?at= for a frame of its recordings.';
    throw new Refusal(503, `${camera} shows nothing now: its newest picture is of ${formatMs(atUs)}`, advice);
  }
  // At once: the hub may let go of the samples as soon as another keyframe comes.
  const stream = streamOf(gop.track, gop.samples);
  return { id: frameId(camera, gop.track.captureId, last.sequence), atUs, track: gop.track, stream };
}

/** By stream, the frame that was the newest when somebody asked, and since when; monotonic ms. */
const newest = new WeakMap<TrackDescription, { readonly sequence: number; readonly sinceMs: number }>();

/**
 * By its date, as live viewers are told; a date that is so far off that it must be another clock's tells no age. Then,
 * and by a clock that is ahead, a frame is old that was the newest before, when somebody asked.
 */
function isOld(
  track: TrackDescription,
  { sequence, atUs }: { sequence: number; atUs: number },
  clock: Clock,
): boolean {
  const nowMs = clock.monotonicMs();
  const before = newest.get(track);
  const sinceMs = before?.sequence === sequence ? before.sinceMs : nowMs;
  newest.set(track, { sequence, sinceMs });
  const ageMs = clock.utcMs() - atUs / 1000;
  return nowMs - sinceMs > oldAfterMs || (ageMs > oldAfterMs && ageMs < clocksDifferMs);
}

/** A keyframe as a source. */
export function keyframeSource(keyframe: {
  readonly track: TrackDescription;
  readonly sequence: number;
  readonly atUs: number;
  readonly payload: Uint8Array;
}): FrameSource {
  const { track, sequence, atUs, payload } = keyframe;
  return {
    id: frameId(track.camera, track.captureId, sequence),
    atUs,
    track,
    stream: streamOf(track, [{ payload: [payload] }]),
  };
}

/** The very frame that is shown at a time, out of the recordings. Rejects with NOT_FOUND, or USAGE in a very long GOP. */
export async function exactFrame(
  camera: string,
  atUs: number,
  sources: PlaybackSources,
): Promise<FrameSource> {
  const playback = await openPlayback(camera, { fromUs: atUs, toUs: atUs + 1 }, sources);
  let track: TrackDescription | undefined;
  let trackId = 0;
  const samples: Sample[] = [];
  let bytes = 0;
  for await (const chunk of playback.chunks) {
    const init = track === undefined ? parseInit(chunk) : undefined;
    if (init?.ok === true) {
      trackId = init.value.tracks.findIndex(({ kind }) => kind === 'video') + 1;
      track = init.value.tracks[trackId - 1];
    }
    const parsed = parseFragment(init?.ok === true ? chunk.subarray(init.value.initBytes) : chunk);
    const batch = parsed.ok ? parsed.value.batches.find((one) => one.trackId === trackId) : undefined;
    for (const sample of batch?.samples ?? []) {
      samples.push(sample);
      bytes += sample.bytes;
    }
    if (bytes > streamBytesMax || samples.length > streamSamplesMax) {
      const advice = 'Ask without exact=1 for the keyframe before it.';
      throw new Failure('USAGE', 'too many frames since the last keyframe', { advice });
    }
  }
  const last = samples.reduce<Sample | undefined>(
    (a, b) => (a === undefined || b.ptsUs >= a.ptsUs ? b : a),
    undefined,
  );
  if (track === undefined || last === undefined) {
    const advice = `Look at /api/cameras/${camera}/recordings for what there is.`;
    throw new Failure('NOT_FOUND', `${camera} has no picture at that time`, { advice });
  }
  return {
    id: frameId(camera, track.captureId, last.sequence),
    atUs: playback.startUs + last.ptsUs,
    track,
    stream: streamOf(track, samples),
  };
}

/** The cameras of one unit share capture ids, and their sequences run alike. */
function frameId(camera: string, captureId: string, sequence: number): string {
  return `${camera}/${captureId}-${sequence}`;
}

function streamOf(track: TrackDescription, samples: readonly Pick<Sample, 'payload'>[]): Buffer {
  const sets = parameterSets(track.format.config);
  if (!sets.ok) throw unreadable(sets.reason);
  const parts = [sets.value];
  for (const { payload } of samples) {
    const unit = toByteStream(payload);
    if (!unit.ok) throw unreadable(unit.reason);
    parts.push(unit.value);
  }
  return Buffer.concat(parts);
}

function unreadable(reason: string): Failure {
  return new Failure('FILE_IO', `the picture cannot be read: ${reason}`, { advice: 'Run starling check.' });
}
