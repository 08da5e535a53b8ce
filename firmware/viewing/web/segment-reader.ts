/**
 * Reads a stored segment from a time on, in byte ranges: the init segment, then whole fragments. A long file is not
 * read up to that time: its fragments say their decode time, so a few small reads find the place. Decode times in
 * seconds from the start of the file.
 */
import type { SegmentAnswer } from '../api.ts';
import { getBytes } from './api-client.ts';
import { boxAt, findFragment, firstDecodeTime, type InitSummary, readInit } from './fmp4-boxes.ts';

const headBytes = 128 * 1024;
const chunkBytes = 1024 * 1024;
const probeBytes = 256 * 1024;
/** A fragment may be a little more than 1 MiB; a probe that finds none in this many bytes gives up. */
const probeBytesMax = 2 * 1024 * 1024;
/** Below this, reading on is cheaper than searching. */
const searchBytesMin = 2 * 1024 * 1024;
const boxBytesMax = 64 * 1024 * 1024;

export interface SegmentInit {
  readonly kind: 'init';
  readonly bytes: Uint8Array;
  readonly summary: InitSummary;
  /** decode time that belongs to the segment's `from` */
  readonly firstTime: number;
}

export interface SegmentFragment {
  readonly kind: 'fragment';
  readonly bytes: Uint8Array;
  readonly time: number;
}

/** A file that is not a recording. */
export class SegmentUnreadable extends Error {}

/**
 * The init segment, then the fragments from the one that holds `from` seconds after the segment's start. Ends at what
 * is written now. Rejects with ApiFailure or SegmentUnreadable.
 */
export async function* readSegment(
  segment: SegmentAnswer,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<SegmentInit | SegmentFragment> {
  const head = await getBytes(segment.url, { start: 0, length: headBytes }, signal);
  const first = findFragment(head.bytes);
  const summary = readInit(head.bytes);
  const moov = summary && initEnd(head.bytes);
  const firstTime =
    first === undefined ? undefined : summary && firstDecodeTime(head.bytes.subarray(first), summary);
  if (summary === undefined || moov === undefined || firstTime === undefined) {
    throw new SegmentUnreadable('it does not begin like a video');
  }
  yield { kind: 'init', bytes: head.bytes.slice(0, moov), summary, firstTime };
  const start = from > 3 ? await findStart(segment, { summary, firstTime, from, low: moov }, signal) : moov;
  let held: SegmentFragment | undefined;
  for await (const fragment of fragments(segment.url, start, summary, signal)) {
    if (held !== undefined && fragment.time > firstTime + from) yield held;
    held = fragment;
  }
  if (held !== undefined) yield held;
}

async function* fragments(
  url: string,
  start: number,
  init: InitSummary,
  signal: AbortSignal,
): AsyncGenerator<SegmentFragment> {
  let rest: Uint8Array = new Uint8Array(0);
  for (let at = start; ; ) {
    const answer = await getBytes(url, { start: at, length: chunkBytes }, signal);
    const fresh = answer.bytes.subarray(at - answer.start);
    at += fresh.length;
    rest = join(rest, fresh);
    for (let end = fragmentEnd(rest); end !== undefined; end = fragmentEnd(rest)) {
      const bytes = rest.slice(0, end);
      rest = rest.subarray(end);
      const time = firstDecodeTime(bytes, init);
      if (time !== undefined) yield { kind: 'fragment', bytes, time };
    }
    if (at >= answer.total || fresh.length === 0) return;
  }
}

/** The end of the first `mdat`, or undefined while it is not all there. */
function fragmentEnd(bytes: Uint8Array): number | undefined {
  for (let at = 0; ; ) {
    const box = boxAt(bytes, at);
    if (box === undefined) return undefined;
    if (box.end - box.offset > boxBytesMax) throw new SegmentUnreadable('it is damaged');
    if (box.end > bytes.length) return undefined;
    if (box.type === 'mdat') return box.end;
    at = box.end;
  }
}

function initEnd(bytes: Uint8Array): number | undefined {
  for (let at = 0; ; ) {
    const box = boxAt(bytes, at);
    if (box === undefined) return undefined;
    if (box.type === 'moov') return box.end;
    at = box.end;
  }
}

interface Search {
  readonly summary: InitSummary;
  readonly firstTime: number;
  readonly from: number;
  readonly low: number;
}

/** A place at the beginning of a fragment, at or before the time wanted. */
async function findStart(segment: SegmentAnswer, search: Search, signal: AbortSignal): Promise<number> {
  const wanted = search.firstTime + search.from;
  let low = { at: search.low, time: search.firstTime };
  let high = {
    at: segment.bytes,
    time: search.firstTime + (Date.parse(segment.to) - Date.parse(segment.from)) / 1000,
  };
  for (let attempt = 0; attempt < 6; attempt += 1) {
    if (wanted - low.time < 3 || high.at - low.at < searchBytesMin) break;
    const share = Math.min(1, (wanted - low.time) / Math.max(0.001, high.time - low.time));
    const guess = Math.floor(low.at + (high.at - low.at) * share - probeBytes * 2);
    if (guess <= low.at) break;
    const found = await probe(segment.url, guess, search.summary, signal);
    if (found === undefined || found.time > wanted) high = { at: guess, time: found?.time ?? high.time };
    else low = found;
  }
  return low.at;
}

async function probe(
  url: string,
  from: number,
  init: InitSummary,
  signal: AbortSignal,
): Promise<{ at: number; time: number } | undefined> {
  let bytes: Uint8Array = new Uint8Array(0);
  while (bytes.length < probeBytesMax) {
    const start = from + bytes.length;
    const answer = await getBytes(url, { start, length: probeBytes }, signal);
    const fresh = answer.bytes.subarray(start - answer.start);
    bytes = join(bytes, fresh);
    const at = findFragment(bytes);
    const time = at === undefined ? undefined : firstDecodeTime(bytes.subarray(at), init);
    if (at !== undefined && time !== undefined) return { at: from + at, time };
    if (from + bytes.length >= answer.total || fresh.length === 0) return undefined;
  }
  return undefined;
}

function join(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length === 0) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
