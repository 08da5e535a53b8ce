/**
 * When the pictures of a fragment are shown and which of them are keyframes, from its track run (ISO/IEC 14496-12
 * §8.8.8), and what the camera's clock said at its media time 0, from our own `uuid` box. Bytes may come from anywhere:
 * what does not parse is nothing. Times in seconds.
 */
import { type Box, child, children, type InitSummary, viewOf } from './fmp4-boxes.ts';

export interface FrameTime {
  readonly time: number;
  readonly keyframe: boolean;
}

/** More samples than this in one fragment is a mistake. */
const samplesMax = 10_000;
const nonSync = 0x1_0000;
/** Extended type of our box (media/self-description.ts). */
const ownType = [0x5b1f6f0e, 0x7c0b4a0c, 0x9d5a2c6f, 0x3e81d402];

/** Pictures of the first `moof`, by presentation time. */
export function frameTimes(bytes: Uint8Array, init: InitSummary): FrameTime[] {
  const moof = child(bytes, { content: 0, end: bytes.length }, 'moof');
  if (moof === undefined || moof.end > bytes.length) return [];
  const found: FrameTime[] = [];
  for (const traf of children(bytes, moof)) {
    if (traf.type === 'traf') found.push(...runTimes(bytes, traf, init));
  }
  return found.sort((one, other) => one.time - other.time);
}

/** Seconds on the camera's clock that are media time 0; undefined in files of others. */
export function clockOrigin(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  for (const box of children(bytes, { content: 0, end: bytes.length })) {
    if (box.type === 'moof' || box.end > bytes.length) return undefined;
    const own =
      box.type === 'uuid' && ownType.every((word, i) => view.getUint32(box.content + 4 * i) === word);
    if (!own) continue;
    // capture id and mapping to UTC, each behind a byte that says whether it is there
    let at = box.content + 16;
    at += bytes[at] === 1 ? 5 + view.getUint32(at + 1) : 1;
    at += bytes[at] === 1 ? 13 : 1;
    return at + 8 <= box.end ? Number(view.getBigUint64(at)) / 1e6 : undefined;
  }
  return undefined;
}

function runTimes(bytes: Uint8Array, traf: Box, init: InitSummary): FrameTime[] {
  const tfhd = child(bytes, traf, 'tfhd');
  const tfdt = child(bytes, traf, 'tfdt');
  const trun = child(bytes, traf, 'trun');
  if (tfhd === undefined || tfdt === undefined || trun === undefined || trun.end > bytes.length) return [];
  const view = viewOf(bytes);
  const track = init.tracks.find(({ id }) => id === view.getUint32(tfhd.content + 4));
  if (track === undefined || !track.codec.startsWith('avc')) return [];
  const defaults = readDefaults(view, tfhd);
  const flags = view.getUint32(trun.content) & 0xff_ffff;
  const count = Math.min(samplesMax, view.getUint32(trun.content + 4));
  let at = trun.content + 8 + (flags & 1 ? 4 : 0);
  const first = flags & 4 ? view.getUint32(at) : undefined;
  if (flags & 4) at += 4;
  const long = bytes[tfdt.content] === 1;
  let ticks = long ? Number(view.getBigUint64(tfdt.content + 4)) : view.getUint32(tfdt.content + 4);
  const times: FrameTime[] = [];
  const take = (present: number, otherwise: number): number => {
    if (!present) return otherwise;
    at += 4;
    return at <= trun.end ? view.getInt32(at - 4) : otherwise;
  };
  for (let sample = 0; sample < count && at <= trun.end; sample += 1) {
    const duration = take(flags & 0x100, defaults.duration);
    take(flags & 0x200, 0);
    const own = take(flags & 0x400, sample === 0 && first !== undefined ? first : defaults.flags);
    const composition = take(flags & 0x800, 0);
    times.push({ time: (ticks + composition) / track.timescale, keyframe: (own & nonSync) === 0 });
    ticks += duration;
  }
  return times;
}

/** Defaults of a track fragment header (§8.8.7). */
function readDefaults(view: DataView, tfhd: Box): { duration: number; flags: number } {
  const flags = view.getUint32(tfhd.content) & 0xff_ffff;
  let at = tfhd.content + 8 + (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
  const take = (present: number): number => {
    if (!present) return 0;
    at += 4;
    return at <= tfhd.end ? view.getUint32(at - 4) : 0;
  };
  const duration = take(flags & 8);
  take(flags & 0x10);
  return { duration, flags: take(flags & 0x20) };
}
