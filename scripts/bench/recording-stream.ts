/**
 * The picture that every camera of the recording bench sends: 30 samples a second, a keyframe each second that is ten
 * times as large as the others. Nothing decodes it, so its bytes are noise; but every sample is another one, and can be
 * made again from its camera and its sequence, which is how the bench knows on the disk what was sent.
 */
import { createCipheriv } from 'node:crypto';
import type { Sample, TrackDescription } from '../../firmware/media/sample.ts';

export const framesPerSecond = 30;
const keyframeWeight = 10;
/** Length of the NAL unit, its type, camera and sequence. */
const headBytes = 12;

const noise = ((): Buffer => {
  const zeros = Buffer.alloc(1024 * 1024);
  return createCipheriv('aes-128-ctr', zeros.subarray(0, 16), zeros.subarray(0, 16)).update(zeros);
})();

/** 1080p at High profile, level 4. */
const format = {
  codec: 'h264',
  config: Buffer.from('0164002affe1001b6764002aacd9407802', 'hex'),
  width: 1920,
  height: 1080,
  sampleRate: 0,
  channels: 0,
} as const;

/** The one track of a camera. */
export function trackOf(camera: string, captureId: string): TrackDescription {
  return { camera, kind: 'video', rendition: 'main', captureId, format };
}

function bytesOf(sequence: number, kbps: number): number {
  const delta = Math.floor((kbps * 125) / (framesPerSecond - 1 + keyframeWeight));
  return sequence % framesPerSecond === 0 ? delta * keyframeWeight : delta;
}

/** Payload bytes of the samples before this one. */
export function bytesBefore(sequence: number, kbps: number): number {
  const groups = Math.floor(sequence / framesPerSecond);
  const delta = bytesOf(1, kbps);
  const rest = sequence % framesPerSecond;
  return (
    groups * delta * (framesPerSecond - 1 + keyframeWeight) +
    (rest === 0 ? 0 : delta * (keyframeWeight + rest - 1))
  );
}

/** What is on the wire and on the disk: 4 bytes of length, one NAL unit, in two parts that are not copied. */
function payloadOf(place: number, sequence: number, kbps: number): [Buffer, Buffer] {
  const bytes = bytesOf(sequence, kbps);
  const head = Buffer.allocUnsafe(headBytes);
  head.writeUInt32BE(bytes - 4, 0);
  head.writeUInt16BE(sequence % framesPerSecond === 0 ? 0x6588 : 0x4188, 4);
  head.writeUInt16BE(place, 6);
  head.writeUInt32BE(sequence, 8);
  const rest = bytes - headBytes;
  const from = (place * 104_729 + sequence * 7_919) % (noise.length - rest);
  return [head, noise.subarray(from, from + rest)];
}

/** The sample with this sequence, captured this long after the first. */
export function sampleAt(place: number, sequence: number, kbps: number, firstPtsUs: number): Sample {
  const ptsUs = firstPtsUs + Math.round((sequence * 1_000_000) / framesPerSecond);
  return {
    sequence,
    ptsUs,
    durationUs: Math.round(1_000_000 / framesPerSecond),
    compositionUs: 0,
    keyframe: sequence % framesPerSecond === 0,
    payload: payloadOf(place, sequence, kbps),
    bytes: bytesOf(sequence, kbps),
  };
}

/** Whether these bytes are that sample. */
export function isSample(
  payload: readonly Uint8Array[],
  place: number,
  sequence: number,
  kbps: number,
): boolean {
  return Buffer.concat(payload).equals(Buffer.concat(payloadOf(place, sequence, kbps)));
}
