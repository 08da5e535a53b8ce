/**
 * Reads our own fragmented MP4 back: the structure of a segment without its payload (start-up, check, rebuild of an
 * index), that of an export of any length, and whole fragments with their samples (playback). ISO/IEC 14496-12.
 *
 * Invariants: a file that was cut anywhere, or overwritten by anything, gives the fragments before the damage and a
 * reason; nothing here throws on bytes. A scan reads box headers and small boxes only and holds at most
 * `fragmentsMax` listings; payloads are handed out by reference. Times are µs.
 */
import { decode } from '../base/codec.ts';
import { accept, type Result, reject } from '../base/result.ts';
import type { FragmentListing } from './fragment-listing.ts';
import { fragmentMark } from './fragment-mark.ts';
import { type Box, boxAt, boxesIn, parseMoof, type TrackRun } from './mp4-reader.ts';
import type { Sample, TrackDescription, UtcMapping } from './sample.ts';
import {
  type FragmentBox,
  fragmentBox,
  fragmentBoxType,
  markBytes,
  tracksBox,
  tracksBoxType,
} from './self-description.ts';

/** Longest init segment, and longest box other than `mdat`, that is read. */
const initBytesMax = 256 * 1024;
const boxBytesMax = 1024 * 1024;

/** Most fragments in one segment. */
export const fragmentsMax = 16_384;

/** What one read fetches at least: enough for the boxes before the payload of a usual fragment. */
const readBytesMin = 4096;

/** A segment's structure. Bytes [0, validBytes) are whole; `damage` says what is wrong with the rest. */
export interface SegmentScan {
  readonly initBytes: number;
  readonly tracks: TrackDescription[];
  readonly fragments: FragmentListing[];
  readonly validBytes: number;
  readonly damage: string | undefined;
}

/** Tracks and length of an init segment. */
export interface ParsedInit {
  readonly tracks: TrackDescription[];
  readonly initBytes: number;
}

/** A fragment's samples. Without a `uuid` box capture and mapping are undefined and sequences count from 0. */
export interface ParsedFragment {
  readonly batches: { trackId: number; samples: Sample[] }[];
  readonly captureId: string | undefined;
  readonly mapping: UtcMapping | undefined;
}

/** Reads `ftyp moov` at the start of `bytes`, which may go on behind them. Refuses `truncated` when more is needed. */
export function parseInit(bytes: Buffer): Result<ParsedInit> {
  const ftyp = boxAt(bytes, 0);
  if (!ftyp.ok) return ftyp;
  if (ftyp.value.type !== 'ftyp') return reject('does not begin with ftyp');
  if (ftyp.value.end > initBytesMax) return reject('ftyp too large');
  const moov = boxAt(bytes, ftyp.value.end);
  if (!moov.ok) return moov;
  if (moov.value.type !== 'moov') return reject('no moov after ftyp');
  if (moov.value.end > initBytesMax) return reject('moov too large');
  if (moov.value.end > bytes.length) return reject('truncated');
  const children = boxesIn(bytes, moov.value.content, moov.value.end);
  if (!children.ok) return children;
  const content = ownContent(bytes, children.value, tracksBoxType);
  if (content === undefined) return reject('moov does not describe its tracks');
  const tracks = decode(tracksBox, content);
  if (!tracks.ok) return tracks;
  if (tracks.value.length === 0) return reject('no tracks');
  return accept({ tracks: tracks.value, initBytes: moov.value.end });
}

/**
 * Demuxes one whole fragment, [prft] [uuid] moof mdat; payloads are views of `bytes`. Export is this, then filter,
 * shift the times, and mux again.
 */
export function parseFragment(bytes: Buffer): Result<ParsedFragment> {
  const boxes = boxesIn(bytes, 0, bytes.length);
  if (!boxes.ok) return boxes;
  const moof = boxes.value.find((box) => box.type === 'moof');
  const mdat = boxes.value.at(-1);
  if (moof === undefined || mdat === undefined || mdat.type !== 'mdat')
    return reject('fragment without moof and mdat');
  const runs = parseMoof(bytes.subarray(moof.start, moof.end));
  if (!runs.ok) return runs;
  const content = ownContent(bytes, boxes.value, fragmentBoxType);
  const description = content === undefined ? undefined : decode(fragmentBox, content);
  if (description !== undefined && !description.ok) return description;
  const fault = runsFault(runs.value, moof, mdat, description?.value);
  if (fault !== undefined) return reject(fault);
  const batches = runs.value.map((run, place) => ({
    trackId: run.trackId,
    samples: samplesOf(bytes, moof.start, run, {
      firstSequence: description?.value.tracks[place]?.firstSequence ?? 0,
      originUs: description?.value.originUs ?? 0,
    }),
  }));
  return accept({ batches, captureId: description?.value.captureId, mapping: description?.value.mapping });
}

function samplesOf(
  bytes: Buffer,
  base: number,
  run: TrackRun,
  { firstSequence, originUs }: { firstSequence: number; originUs: number },
): Sample[] {
  return run.samples.map((sample, place) => ({
    sequence: firstSequence + place,
    ptsUs: originUs + sample.ptsUs,
    durationUs: sample.durationUs,
    compositionUs: Math.max(0, sample.compositionUs),
    keyframe: sample.keyframe,
    payload: [bytes.subarray(base + sample.offset, base + sample.offset + sample.bytes)],
    bytes: sample.bytes,
  }));
}

/** The content of our own `uuid` box of this extended type. */
function ownContent(bytes: Buffer, boxes: readonly Box[], extendedType: Buffer): Buffer | undefined {
  for (const box of boxes) {
    const typeEnd = box.content + 16;
    if (box.type !== 'uuid' || typeEnd > box.end) continue;
    if (bytes.subarray(box.content, typeEnd).equals(extendedType)) return bytes.subarray(typeEnd, box.end);
  }
  return undefined;
}

/** Why samples and payload, or samples and description, do not belong together. */
function runsFault(
  runs: readonly TrackRun[],
  moof: Box,
  mdat: Box,
  description: FragmentBox | undefined,
): string | undefined {
  if (description !== undefined && description.tracks.length !== runs.length) return 'uuid and moof disagree';
  for (const [place, run] of runs.entries()) {
    for (const sample of run.samples) {
      const from = moof.start + sample.offset;
      if (from < mdat.content || from + sample.bytes > mdat.end) return 'sample outside mdat';
      const endUs = (description?.originUs ?? 0) + sample.ptsUs + sample.durationUs;
      if (!Number.isSafeInteger(endUs)) return 'time out of range';
    }
    const stated = description?.tracks[place];
    if (description === undefined) continue;
    if (stated?.trackId !== run.trackId || stated.count !== run.samples.length)
      return 'uuid and moof disagree';
    if (!Number.isSafeInteger(stated.firstSequence + stated.count)) return 'sequence out of range';
  }
  return undefined;
}

/** Reads bytes of a file; fewer than asked for only at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/**
 * Lists the fragments of a segment of `size` bytes; with `payload` it reads that, too, and by each fragment's mark sees
 * whether it is there. Damage (a torn tail, garbage, a foreign file) ends the scan with a reason and `validBytes` at the
 * end of the last whole fragment. Rejects only when `read` does.
 */
export async function scanSegment(
  read: ReadAt,
  size: number,
  { payload = false }: { payload?: boolean } = {},
): Promise<SegmentScan> {
  const fragments: FragmentListing[] = [];
  let head = await read(0, Math.min(size, 2 * readBytesMin));
  let init = parseInit(head);
  if (!init.ok && init.reason === 'truncated' && head.length < size) {
    head = await read(0, Math.min(size, initBytesMax));
    init = parseInit(head);
  }
  if (!init.ok) return { initBytes: 0, tracks: [], fragments, validBytes: 0, damage: init.reason };
  const { tracks, initBytes } = init.value;
  const window = new Window(read, size, head);
  let validBytes = initBytes;
  let damage: string | undefined;
  while (validBytes < size && damage === undefined) {
    const scanned = await scanFragment(window, validBytes);
    if (!scanned.ok) damage = scanned.reason === 'truncated' ? 'torn fragment' : scanned.reason;
    else if (payload && !(await isAllThere(read, scanned.value.listing))) damage = 'torn payload';
    else if (fragments.length === fragmentsMax) damage = 'too many fragments';
    else if (scanned.value.runs.some(({ trackId }) => trackId > tracks.length)) damage = 'unknown track';
    else {
      fragments.push(scanned.value.listing);
      validBytes += scanned.value.listing.bytes;
    }
  }
  return { initBytes, tracks, fragments, validBytes, damage };
}

/** One fragment of a file, its samples included, but not their payload. */
export interface ScannedFragment {
  readonly listing: FragmentListing;
  readonly captureId: string | undefined;
  /** PTS of media time 0: a sample is shown at `originUs + ptsUs` */
  readonly originUs: number;
  /** sample offsets count from `moofStart` */
  readonly runs: readonly TrackRun[];
  readonly moofStart: number;
  /** the content of `mdat` */
  readonly payload: { readonly start: number; readonly end: number };
}

/**
 * Walks through the fragments of a file of any length, one at a time, from behind the init segment that `parseInit`
 * found. Ends where the first one is torn or damaged. Rejects only when `read` does.
 */
export async function* walkFragments(
  read: ReadAt,
  size: number,
  init: ParsedInit,
): AsyncGenerator<ScannedFragment, void, void> {
  const window = new Window(read, size, Buffer.alloc(0));
  for (let at = init.initBytes; at < size; ) {
    const scanned = await scanFragment(window, at);
    if (!scanned.ok || scanned.value.runs.some(({ trackId }) => trackId > init.tracks.length)) return;
    yield scanned.value;
    at += scanned.value.listing.bytes;
  }
}

/** The fragment that begins at `offset` of a file of `size` bytes; its payload is not read. Rejects only when `read` does. */
export function readFragmentHead(
  read: ReadAt,
  size: number,
  offset: number,
): Promise<Result<ScannedFragment>> {
  return scanFragment(new Window(read, size, Buffer.alloc(0)), offset);
}

/** Whether all of a fragment is there, as far as its mark tells. */
export async function isAllThere(read: ReadAt, { offset, bytes }: FragmentListing): Promise<boolean> {
  const fragment = Buffer.from(await read(offset, bytes));
  const boxes = boxesIn(fragment, 0, fragment.length);
  const uuid = boxes.ok ? boxes.value.find(({ type }) => type === 'uuid') : undefined;
  const mdat = boxes.ok ? boxes.value.at(-1) : undefined;
  if (uuid === undefined || mdat === undefined) return false;
  const mark = fragment.readUInt32BE(uuid.end - markBytes);
  fragment.writeUInt32BE(0, uuid.end - markBytes);
  return mark === fragmentMark(fragment.subarray(0, mdat.content), [fragment.subarray(mdat.content)]);
}

/** The part of the file that was read last. */
class Window {
  readonly size: number;
  private readonly read: ReadAt;
  private bytes: Buffer;
  private start = 0;

  constructor(read: ReadAt, size: number, bytes: Buffer) {
    this.read = read;
    this.size = size;
    this.bytes = bytes;
  }

  /** Bytes [offset, offset + length), fewer at the end of the file. */
  async at(offset: number, length: number): Promise<Buffer> {
    const end = Math.min(offset + length, this.size);
    if (offset < this.start || end > this.start + this.bytes.length) {
      this.bytes = await this.read(offset, Math.min(Math.max(length, readBytesMin), this.size - offset));
      this.start = offset;
    }
    return this.bytes.subarray(offset - this.start, end - this.start);
  }
}

/** Reads the boxes of the fragment that begins at `offset`, all but the payload. */
async function scanFragment(window: Window, offset: number): Promise<Result<ScannedFragment>> {
  let description: FragmentBox | undefined;
  let moof: Box | undefined;
  let runs: TrackRun[] = [];
  for (let at = offset; at < window.size; ) {
    const found = boxAt(await window.at(at, 16), 0);
    if (!found.ok) return found;
    const box = {
      type: found.value.type,
      start: at,
      content: at + found.value.content,
      end: at + found.value.end,
    };
    if (box.end > window.size) return reject('truncated');
    if (box.type === 'mdat') {
      if (moof === undefined) return reject('mdat without moof');
      if (description?.mapping === undefined) return reject('fragment does not describe itself');
      const fault = runsFault(runs, moof, box, description);
      if (fault !== undefined) return reject(fault);
      const { mapping, tracks, originUs, captureId } = description;
      const listing = listingOf(runs, originUs, { offset, bytes: box.end - offset, mapping, tracks });
      const payload = { start: box.content, end: box.end };
      return accept({ listing, captureId, originUs, runs, moofStart: moof.start, payload });
    }
    if (box.end - box.start > boxBytesMax) return reject(`${printable(box.type)} box too large`);
    const bytes = await window.at(at, box.end - at);
    if (bytes.length < box.end - at) return reject('truncated');
    if (box.type === 'moof' && moof === undefined) {
      const parsed = parseMoof(bytes);
      if (!parsed.ok) return parsed;
      moof = box;
      runs = parsed.value;
    } else if (box.type === 'uuid') {
      const content = ownContent(bytes, [found.value], fragmentBoxType);
      const parsed = content === undefined ? undefined : decode(fragmentBox, content);
      if (parsed !== undefined && !parsed.ok) return parsed;
      description = parsed?.value ?? description;
    } else if (box.type !== 'prft') {
      return reject(`unexpected ${printable(box.type)} box`);
    }
    at = box.end;
  }
  return reject('truncated');
}

/** Adds the times: PTS of the first sample and end of the last, of all tracks. */
function listingOf(
  runs: readonly TrackRun[],
  originUs: number,
  rest: Omit<FragmentListing, 'fromPtsUs' | 'toPtsUs'>,
): FragmentListing {
  let fromPtsUs = Number.POSITIVE_INFINITY;
  let toPtsUs = Number.NEGATIVE_INFINITY;
  for (const { samples } of runs) {
    for (const { ptsUs, durationUs } of samples) {
      fromPtsUs = Math.min(fromPtsUs, ptsUs);
      toPtsUs = Math.max(toPtsUs, ptsUs + durationUs);
    }
  }
  return { ...rest, fromPtsUs: originUs + fromPtsUs, toPtsUs: originUs + toPtsUs };
}

/** A box type from a hostile file, fit for a log line. */
function printable(type: string): string {
  return /^[\w ]{4}$/.test(type) ? type : 'nameless';
}
