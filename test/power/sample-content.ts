/** Content of a sample that only one sample has, so that a byte in the wrong place is seen. */
import { createCipheriv, createHash } from 'node:crypto';

const keyframeBytes = 24_000;
const deltaBytes = 5_000;

/** The payload of a sample, a function of its identity. */
export function contentOf(camera: string, captureId: string, sequence: number, keyframe: boolean): Buffer {
  const key = createHash('md5').update(`${camera}/${captureId}/${sequence}`).digest();
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return cipher.update(Buffer.alloc(keyframe ? keyframeBytes : deltaBytes));
}
