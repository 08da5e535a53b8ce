/**
 * Reads boxes: their headers and the content of `moof` (ISO/IEC 14496-12 §4.2, §8.8.4–8.8.12).
 *
 * Invariants: hostile bytes are refused with a reason, never thrown on; what is allocated is bounded by the input,
 * `childrenMax` and `fragmentSamplesMax`, whatever counts the bytes claim. Only the shape of our own fragments is
 * read: default-base-is-moof, explicit data offsets, defaults in `tfhd`. Media time is µs.
 */
import { Reader, u32, u64 } from '../base/codec.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { fragmentSamplesMax } from './fragmented-mp4.ts';
import { tracksMax } from './self-description.ts';

/** Most boxes looked at inside one box. */
const childrenMax = 64;

/** Where a box and its content lie; `end` may be beyond what was read. */
export interface Box {
  readonly type: string;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** The box that begins at `at`. Refuses `truncated` when its header is not all there, and impossible sizes. */
export function boxAt(bytes: Buffer, at: number): Result<Box> {
  if (at + 8 > bytes.length) return reject('truncated');
  let size = bytes.readUInt32BE(at);
  let content = at + 8;
  if (size === 1) {
    if (at + 16 > bytes.length) return reject('truncated');
    size = bytes.readUInt32BE(at + 8) * 0x1_0000_0000 + bytes.readUInt32BE(at + 12);
    content = at + 16;
  }
  const end = at + size;
  if (end < content || !Number.isSafeInteger(end)) return reject('box of impossible size');
  return accept({ type: bytes.toString('latin1', at + 4, at + 8), start: at, content, end });
}

/** The boxes that fill [from, to) exactly. */
export function boxesIn(bytes: Buffer, from: number, to: number): Result<Box[]> {
  const boxes: Box[] = [];
  for (let at = from; at < to; ) {
    const box = boxAt(bytes, at);
    if (!box.ok) return box;
    if (box.value.end > to) return reject('box larger than its parent');
    if (boxes.length === childrenMax) return reject(`more than ${childrenMax} boxes in one`);
    boxes.push(box.value);
    at = box.value.end;
  }
  return accept(boxes);
}

/** One sample of a fragment; `offset` counts from the start of `moof`. */
interface RunSample {
  readonly offset: number;
  readonly bytes: number;
  readonly ptsUs: number;
  readonly durationUs: number;
  readonly compositionUs: number;
  readonly keyframe: boolean;
}

/** All samples that a fragment has of one track, in decoding order. */
export interface TrackRun {
  readonly trackId: number;
  readonly samples: readonly RunSample[];
}

/** Reads a whole `moof` box that begins at 0. */
export function parseMoof(moof: Buffer): Result<TrackRun[]> {
  const outer = boxAt(moof, 0);
  if (!outer.ok) return outer;
  const children = boxesIn(moof, outer.value.content, moof.length);
  if (!children.ok) return children;
  const runs: TrackRun[] = [];
  let room = fragmentSamplesMax;
  for (const box of children.value) {
    if (box.type !== 'traf') continue;
    if (runs.length === tracksMax) return reject(`more than ${tracksMax} tracks in a fragment`);
    const run = parseTraf(moof, box, room);
    if (!run.ok) return run;
    room -= run.value.samples.length;
    runs.push(run.value);
  }
  return room === fragmentSamplesMax ? reject('fragment without samples') : accept(runs);
}

/** What `tfhd` and `tfdt` say about the runs that follow. */
interface TrackFragment {
  trackId: number;
  durationUs: number;
  bytes: number;
  flags: number;
  decodeUs: number;
}

function parseTraf(moof: Buffer, traf: Box, room: number): Result<TrackRun> {
  const children = boxesIn(moof, traf.content, traf.end);
  if (!children.ok) return children;
  const fragment: TrackFragment = { trackId: 0, durationUs: 0, bytes: 0, flags: 0, decodeUs: -1 };
  const samples: RunSample[] = [];
  for (const box of children.value) {
    const reader = new Reader(moof.subarray(box.content, box.end));
    if (box.type === 'tfhd') parseTfhd(reader, fragment);
    else if (box.type === 'tfdt')
      fragment.decodeUs = (u32.read(reader) >>> 24 === 0 ? u32 : u64).read(reader);
    else if (box.type === 'trun') parseTrun(reader, fragment, samples, room);
    if (reader.reason !== undefined) return reject(`${box.type}: ${reader.reason}`);
  }
  return accept({ trackId: fragment.trackId, samples });
}

/** Track fragment header (§8.8.7). */
function parseTfhd(reader: Reader, fragment: TrackFragment): void {
  const flags = u32.read(reader);
  if ((flags & 0x02_0001) !== 0x02_0000) reader.refuse('offsets not based on moof');
  fragment.trackId = u32.read(reader);
  if (fragment.trackId < 1 || fragment.trackId > tracksMax) reader.refuse(`track id ${fragment.trackId}`);
  if ((flags & 0x2) !== 0) reader.take(4);
  if ((flags & 0x8) !== 0) fragment.durationUs = u32.read(reader);
  if ((flags & 0x10) !== 0) fragment.bytes = u32.read(reader);
  if ((flags & 0x20) !== 0) fragment.flags = u32.read(reader);
}

/** Track run (§8.8.8); appends to `samples` and moves the decode time on. */
function parseTrun(reader: Reader, fragment: TrackFragment, samples: RunSample[], room: number): void {
  const versionAndFlags = u32.read(reader);
  const signed = versionAndFlags >>> 24 !== 0;
  const count = u32.read(reader);
  if ((versionAndFlags & 0x1) === 0) reader.refuse('without a data offset');
  if (fragment.trackId === 0 || fragment.decodeUs < 0) reader.refuse('before tfhd and tfdt');
  if (samples.length + count > room) reader.refuse(`more than ${fragmentSamplesMax} samples in a fragment`);
  let offset = u32.read(reader);
  const firstFlags = (versionAndFlags & 0x4) !== 0 ? u32.read(reader) : undefined;
  for (let i = 0; i < count && reader.reason === undefined; i++) {
    const durationUs = (versionAndFlags & 0x100) !== 0 ? u32.read(reader) : fragment.durationUs;
    const bytes = (versionAndFlags & 0x200) !== 0 ? u32.read(reader) : fragment.bytes;
    const ownFlags = (versionAndFlags & 0x400) !== 0 ? u32.read(reader) : fragment.flags;
    const flags = i === 0 ? (firstFlags ?? ownFlags) : ownFlags;
    const raw = (versionAndFlags & 0x800) !== 0 ? u32.read(reader) : 0;
    const compositionUs = signed ? raw | 0 : raw;
    const ptsUs = fragment.decodeUs + compositionUs;
    const keyframe = (flags & 0x1_0000) === 0;
    if (reader.reason !== undefined) return;
    samples.push({ offset, bytes, ptsUs, durationUs, compositionUs, keyframe });
    offset += bytes;
    fragment.decodeUs += durationUs;
  }
  if (!Number.isSafeInteger(fragment.decodeUs + 0xffff_ffff)) reader.refuse('time out of range');
}
