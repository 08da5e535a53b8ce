/**
 * The media frames of a link between a camera unit and its manager; kinds from 256 on, append-only.
 *
 * The camera announces its tracks under small numbers, then sends its samples; a sample longer than a slice goes in
 * several frames, so that echoes pass between. The manager acknowledges what is durable. Payloads are never re-encoded;
 * the camera sends them by reference.
 */
import { type Codec, decode, encode, flag, list, struct, text, u8, u32, u64 } from '../base/codec.ts';
import { type FrameParts, joinParts } from '../base/frames.ts';
import { id } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { PayloadMemory } from './payload-memory.ts';
import { gap, type Sample, sampleBytesMax, sampleHeader, trackDescription, utcMapping } from './sample.ts';

/** Longest part of a sample in one frame. */
export const sliceBytesMax = 64 * 1024;
/** Two kinds × two renditions. */
const tracksPerCameraMax = 4;
/** Tracks of 8 cameras. */
export const tracksPerLinkMax = 32;

export const frameKinds = {
  /** camera → server: all tracks of one camera's capture, and the numbers that stand for them on this link */
  tracks: 256,
  /** camera → server: the clock mapping of the samples that follow */
  mapping: 257,
  sample: 258,
  /** camera → server: more bytes of the sample before */
  slice: 259,
  /** camera → server: this time was not captured, or was lost, and why */
  gap: 260,
  /** server → camera: synced to disk up to and including these sequences */
  durable: 261,
  /** server → camera: somebody is (or nobody is any longer) watching; send each sample at once (or in batches) */
  pacing: 262,
  /** server → camera: what came of this camera since the last acknowledgement is lost; send it again */
  resend: 263,
} as const;

/** Frames of one sample: slices may be a quarter full on average. A peer that dribbles is refused. */
const framesPerSampleMax = (4 * sampleBytesMax) / sliceBytesMax;
/** Unfinished samples of one link, all tracks together. */
const unfinishedBytesMax = 2 * sampleBytesMax;

const trackNumber = u8;

/** Track id in files and in the live stream = place in the list + 1. */
export const tracksFrame = struct({
  camera: id,
  tracks: list(struct({ number: trackNumber, description: trackDescription }), tracksPerCameraMax),
});
export const mappingFrame = struct({ camera: id, mapping: utcMapping });
export const gapFrame = gap;
/** By capture id, not by number: an acknowledgement may cross the announcement of the next capture. */
export const durableFrame = struct({
  camera: id,
  captureId: text(64),
  tracks: list(struct({ trackId: u8, through: u64 }), tracksPerCameraMax),
});
export const pacingFrame = struct({ camera: id, immediate: flag });
export const resendFrame = struct({ camera: id });

const sampleFrame = struct({ track: trackNumber, header: sampleHeader, bytes: u32 });
/** Every field of it has a fixed width, so the header can be cut off before the payload. */
const sampleFrameBytes = encode(sampleFrame, {
  track: 0,
  header: { sequence: 0, ptsUs: 0, durationUs: 0, compositionUs: 0, keyframe: false },
  bytes: 0,
}).length;

/** Decodes the body of a frame other than sample and slice. */
export function decodeFrame<T>(codec: Codec<T>, parts: FrameParts): Result<T> {
  return decode(codec, joinParts(parts));
}

/** A frame ready to send: its kind and the parts of its body. */
export interface OutgoingFrame {
  readonly kind: number;
  readonly parts: readonly Uint8Array[];
}

/** A sample as one or more frames of at most a slice each; the payload is referenced, not copied. */
export function sampleFrames(track: number, sample: Sample): OutgoingFrame[] {
  const { sequence, ptsUs, durationUs, compositionUs, keyframe, bytes } = sample;
  const header = { sequence, ptsUs, durationUs, compositionUs, keyframe };
  const head = encode(sampleFrame, { track, header, bytes });
  const slices = slicesOf(sample.payload);
  const frames: OutgoingFrame[] = [{ kind: frameKinds.sample, parts: [head, ...(slices[0] ?? [])] }];
  const number = Buffer.of(track);
  for (const slice of slices.slice(1)) frames.push({ kind: frameKinds.slice, parts: [number, ...slice] });
  return frames;
}

/** Groups parts into slices, splitting a part where a slice is full. */
function slicesOf(payload: readonly Uint8Array[]): Uint8Array[][] {
  const slices: Uint8Array[][] = [];
  let slice: Uint8Array[] = [];
  let room = sliceBytesMax;
  for (let part of payload) {
    while (part.length > room) {
      slice.push(part.subarray(0, room));
      slices.push(slice);
      part = part.subarray(room);
      slice = [];
      room = sliceBytesMax;
    }
    if (part.length > 0) slice.push(part);
    room -= part.length;
  }
  if (slice.length > 0) slices.push(slice);
  return slices;
}

/** Two's complement of 64 bits; undefined beyond 2^53 − 1, as everywhere in a packet. */
function safeInteger(high: number, low: number): number | undefined {
  const value = high * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A sample whose slices have not all arrived. */
interface Unfinished {
  readonly sample: Sample;
  readonly payload: Buffer;
  filled: number;
  frames: number;
}

/**
 * Puts samples together from sample and slice frames; one per link. Payloads are copied once, out of the memory that
 * the link receives in into memory of their own (payload-memory.ts); whoever takes the sample is its first holder.
 * After a refusal the link is of no use.
 */
export class SampleAssembler {
  private readonly memory = new PayloadMemory();
  private readonly pending = new Map<number, Unfinished>();
  private unfinishedBytes = 0;

  /** The finished sample and its track, undefined while slices are missing, or why the frame is refused. */
  push(kind: number, parts: FrameParts): Result<{ track: number; sample: Sample } | undefined> {
    return kind === frameKinds.sample ? this.begin(joinParts(parts)) : this.proceed(joinParts(parts));
  }

  /** Reads the header by hand, field for field as `sampleFrame` declares it: there are thousands of them a second. */
  private begin(body: Buffer): Result<{ track: number; sample: Sample } | undefined> {
    if (body.length < sampleFrameBytes) return reject('sample: truncated');
    const track = body[0] as number;
    const sequence = safeInteger(body.readUInt32BE(1), body.readUInt32BE(5));
    const ptsUs = safeInteger(body.readInt32BE(9), body.readUInt32BE(13));
    const flags = body[25] as number;
    const bytes = body.readUInt32BE(26);
    if (sequence === undefined || ptsUs === undefined) return reject('sample: integer above 2^53');
    if (flags > 1) return reject('sample: flag is neither 0 nor 1');
    if (bytes > sampleBytesMax) return reject('sample: longer than any access unit');
    if (this.pending.has(track)) return reject('sample: the one before is incomplete');
    if (track >= tracksPerLinkMax) return reject('sample: track number too high');
    if (this.unfinishedBytes + bytes > unfinishedBytesMax)
      return reject('sample: too many unfinished at a time');
    const { payload, hold } = this.memory.take(bytes);
    const sample = {
      sequence,
      ptsUs,
      durationUs: body.readUInt32BE(17),
      compositionUs: body.readUInt32BE(21),
      keyframe: flags === 1,
      payload: [payload],
      bytes,
      hold,
    };
    const unfinished = { sample, payload, filled: 0, frames: 0 };
    this.unfinishedBytes += bytes;
    return this.add(track, unfinished, body, sampleFrameBytes);
  }

  private proceed(body: Buffer): Result<{ track: number; sample: Sample } | undefined> {
    const track = body[0];
    const unfinished = track === undefined ? undefined : this.pending.get(track);
    if (track === undefined || unfinished === undefined) return reject('slice: no sample before it');
    return this.add(track, unfinished, body, 1);
  }

  /** Adds what of a body is payload, which begins at `from`. */
  private add(
    track: number,
    unfinished: Unfinished,
    body: Buffer,
    from: number,
  ): Result<{ track: number; sample: Sample } | undefined> {
    const { sample, payload } = unfinished;
    unfinished.frames += 1;
    if (unfinished.frames > framesPerSampleMax) return reject('sample: in too many slices');
    if (unfinished.filled + body.length - from > payload.length)
      return reject('sample: more bytes than announced');
    body.copy(payload, unfinished.filled, from);
    unfinished.filled += body.length - from;
    if (unfinished.filled < payload.length) {
      if (unfinished.frames === 1) this.pending.set(track, unfinished);
      return accept(undefined);
    }
    if (unfinished.frames > 1) this.pending.delete(track);
    this.unfinishedBytes -= sample.bytes;
    return accept({ track, sample });
  }
}
