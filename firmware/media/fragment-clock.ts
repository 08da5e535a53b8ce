/**
 * Moves a stored fragment's media times from those of its file, which begin at 0, to the camera's clock, so that
 * fragments of several files follow one another: `tfdt` and `prft` (ISO/IEC 14496-12 §8.8.12, §8.16.5). What our `uuid`
 * box says would no longer fit, so it becomes a `free` box.
 *
 * Invariant: hostile bytes are refused, with the buffer as it was.
 */
import { decode } from '../base/codec.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { type Box, boxAt, boxesIn } from './mp4-reader.ts';
import { fragmentBox, fragmentBoxType } from './self-description.ts';

/**
 * Changes the beginning of a fragment, [prft] uuid moof and at least the header of mdat, in place; the value is what was
 * added, µs.
 */
export function moveToCameraClock(fragment: Buffer): Result<number> {
  const boxes = boxesBeforePayload(fragment);
  if (!boxes.ok) return boxes;
  const uuid = boxes.value.find((box) => isOwn(fragment, box));
  const moof = boxes.value.find(({ type }) => type === 'moof');
  if (uuid === undefined || moof === undefined) return reject('no fragment of ours');
  const description = decode(fragmentBox, fragment.subarray(uuid.content + 16, uuid.end));
  if (!description.ok) return description;
  const trafs = boxesIn(fragment, moof.content, moof.end);
  if (!trafs.ok) return trafs;
  const times: number[] = [];
  for (const traf of trafs.value) {
    if (traf.type !== 'traf') continue;
    const inner = boxesIn(fragment, traf.content, traf.end);
    if (!inner.ok) return inner;
    const tfdt = inner.value.find(({ type }) => type === 'tfdt');
    if (tfdt === undefined || !isLong(fragment, tfdt, 12)) return reject('tfdt is not of version 1');
    times.push(tfdt.content + 4);
  }
  const prft = boxes.value.find(({ type }) => type === 'prft');
  if (prft !== undefined && isLong(fragment, prft, 24)) times.push(prft.content + 16);
  const { originUs } = description.value;
  for (const at of times) {
    const time = BigInt.asUintN(64, fragment.readBigUInt64BE(at) + BigInt(originUs));
    fragment.writeBigUInt64BE(time, at);
  }
  fragment.write('free', uuid.start + 4, 4, 'latin1');
  return accept(originUs);
}

function boxesBeforePayload(bytes: Buffer): Result<Box[]> {
  const boxes: Box[] = [];
  for (let at = 0; ; ) {
    const box = boxAt(bytes, at);
    if (!box.ok) return box;
    if (box.value.type === 'mdat') return accept(boxes);
    if (box.value.end > bytes.length) return reject('truncated');
    boxes.push(box.value);
    at = box.value.end;
  }
}

function isOwn(bytes: Buffer, { type, content, end }: Box): boolean {
  return (
    type === 'uuid' && content + 16 <= end && bytes.subarray(content, content + 16).equals(fragmentBoxType)
  );
}

/** A full box of version 1 with so many bytes behind its header. */
function isLong(bytes: Buffer, { content, end }: Box, length: number): boolean {
  return end - content === length && bytes[content] === 1;
}
