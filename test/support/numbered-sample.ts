/**
 * Payloads that say what they are: the capture, track and sequence of the sample and its time, and a hash over all of
 * it and the camera's id. Whatever a server, a disk or a reader does with one, it is found out.
 *
 * Layout, big endian: NAL length 32 and NAL header 8 (so that players take it for a unit of H.264), boot id 32, capture
 * number 32, track 8, sequence 32, PTS 64 (µs), filler, the first 16 bytes of SHA-256.
 */
import assert from 'node:assert';
import { createHash } from 'node:crypto';

const headBytes = 4 + 1 + 4 + 4 + 1 + 4 + 8;
const hashBytes = 16;
/** Filler is cut from this, at a place of its own for each sample. */
const filler = Buffer.alloc(64 * 1024, createHash('sha512').update('starling').digest());

/** What a payload says about itself. */
export interface Numbered {
  readonly captureId: string;
  readonly trackId: number;
  readonly sequence: number;
  readonly ptsUs: number;
}

/** A payload of `bytes` bytes or a few more. */
export function numberedPayload(
  camera: string,
  sample: Numbered & { keyframe: boolean },
  bytes: number,
): Buffer {
  const length = Math.max(bytes, headBytes + hashBytes);
  const payload = Buffer.alloc(length);
  const [boot = '', capture = ''] = sample.captureId.split('.');
  payload.writeUInt32BE(length - 4, 0);
  payload.writeUInt8(sample.keyframe ? 0x65 : 0x41, 4);
  payload.write(boot, 5, 4, 'hex');
  payload.writeUInt32BE(Number(capture), 9);
  payload.writeUInt8(sample.trackId, 13);
  payload.writeUInt32BE(sample.sequence, 14);
  payload.writeBigInt64BE(BigInt(sample.ptsUs), 18);
  const end = length - hashBytes;
  for (let at = headBytes; at < end; ) {
    const from = (sample.sequence * 61) % 4096;
    at += filler.copy(payload, at, from, Math.min(filler.length, from + end - at));
  }
  hashOf(camera, payload).copy(payload, end);
  return payload;
}

/** What a payload says, or why it cannot be believed. */
export function readNumbered(camera: string, payload: Buffer): Numbered | string {
  if (payload.length < headBytes + hashBytes) return `only ${payload.length} bytes`;
  const end = payload.length - hashBytes;
  if (!hashOf(camera, payload).equals(payload.subarray(end))) return 'its hash is wrong';
  assert.equal(payload.readUInt32BE(0), payload.length - 4, 'a hash over a wrong length');
  return {
    captureId: `${payload.toString('hex', 5, 9)}.${payload.readUInt32BE(9)}`,
    trackId: payload.readUInt8(13),
    sequence: payload.readUInt32BE(14),
    ptsUs: Number(payload.readBigInt64BE(18)),
  };
}

function hashOf(camera: string, payload: Buffer): Buffer {
  const body = payload.subarray(0, payload.length - hashBytes);
  return createHash('sha256').update(camera).update(body).digest().subarray(0, hashBytes);
}
