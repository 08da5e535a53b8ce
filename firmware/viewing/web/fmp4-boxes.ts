/**
 * As much of fragmented MP4 as a player needs: codecs and timescales of an init segment, the first decode time of a
 * fragment, and where in a piece of a file the next fragment begins. ISO/IEC 14496-12 §4.2 (boxes), §8.8 (fragments),
 * ISO/IEC 14496-15 §5.3.3 (avcC), RFC 6381 (codecs). Bytes may come from anywhere: what does not parse is undefined.
 */

export interface Box {
  readonly type: string;
  /** of the header */
  readonly offset: number;
  readonly content: number;
  readonly end: number;
}

interface InitTrack {
  readonly id: number;
  readonly codec: string;
  /** ticks per second */
  readonly timescale: number;
}

export interface InitSummary {
  /** for `addSourceBuffer` */
  readonly mime: string;
  /** equal for two init segments that may follow each other in one SourceBuffer */
  readonly shape: string;
  readonly tracks: readonly InitTrack[];
}

/** The box at `offset`; `end` may lie behind the bytes at hand. Undefined when not even the header is there. */
export function boxAt(bytes: Uint8Array, offset: number): Box | undefined {
  if (offset + 8 > bytes.length) return undefined;
  const view = viewOf(bytes);
  const size = view.getUint32(offset);
  const type = fourcc(bytes, offset + 4);
  if (size !== 1) return size < 8 ? undefined : { type, offset, content: offset + 8, end: offset + size };
  if (offset + 16 > bytes.length) return undefined;
  const large = Number(view.getBigUint64(offset + 8));
  return large < 16 ? undefined : { type, offset, content: offset + 16, end: offset + large };
}

/** What an init segment (`ftyp moov`, or a file that begins so) says of its tracks. */
export function readInit(bytes: Uint8Array): InitSummary | undefined {
  const moov = child(bytes, { content: 0, end: bytes.length }, 'moov');
  if (moov === undefined || moov.end > bytes.length) return undefined;
  const tracks: InitTrack[] = [];
  for (const trak of children(bytes, moov)) {
    if (trak.type !== 'trak') continue;
    const track = readTrack(bytes, trak);
    if (track !== undefined) tracks.push(track);
  }
  if (tracks.length === 0) return undefined;
  const mime = `video/mp4; codecs="${tracks.map((track) => track.codec).join(',')}"`;
  return { mime, shape: tracks.map((track) => `${track.id}:${track.codec.slice(0, 4)}`).join(' '), tracks };
}

/** Earliest decode time, in seconds, in the first `moof` of the bytes. */
export function firstDecodeTime(bytes: Uint8Array, init: InitSummary): number | undefined {
  const moof = child(bytes, { content: 0, end: bytes.length }, 'moof');
  if (moof === undefined || moof.end > bytes.length) return undefined;
  let earliest: number | undefined;
  for (const traf of children(bytes, moof)) {
    if (traf.type !== 'traf') continue;
    const time = decodeTime(bytes, traf, init);
    if (time !== undefined && (earliest === undefined || time < earliest)) earliest = time;
  }
  return earliest;
}

/** Where the first whole `moof` in a piece of a file begins; the piece may begin in the middle of anything. */
export function findFragment(bytes: Uint8Array): number | undefined {
  const view = viewOf(bytes);
  for (
    let at = bytes.indexOf(0x6d, 4);
    at >= 0 && at + 20 <= bytes.length;
    at = bytes.indexOf(0x6d, at + 1)
  ) {
    // `moof`, and its first child is a 16-byte `mfhd`: media data that looks like this by chance is not expected
    if (view.getUint32(at) !== 0x6d6f6f66 || view.getUint32(at + 8) !== 0x6d666864) continue;
    if (view.getUint32(at + 4) === 16 && at - 4 + view.getUint32(at - 4) <= bytes.length) return at - 4;
  }
  return undefined;
}

function readTrack(bytes: Uint8Array, trak: Box): InitTrack | undefined {
  const tkhd = child(bytes, trak, 'tkhd');
  const mdia = child(bytes, trak, 'mdia');
  const mdhd = mdia && child(bytes, mdia, 'mdhd');
  const minf = mdia && child(bytes, mdia, 'minf');
  const stbl = minf && child(bytes, minf, 'stbl');
  const stsd = stbl && child(bytes, stbl, 'stsd');
  if (tkhd === undefined || mdhd === undefined || stsd === undefined) return undefined;
  const view = viewOf(bytes);
  const long = (box: Box): boolean => bytes[box.content] === 1;
  const entry = boxAt(bytes, stsd.content + 8);
  const codec = entry && codecOf(bytes, entry);
  if (codec === undefined) return undefined;
  return {
    id: view.getUint32(tkhd.content + (long(tkhd) ? 20 : 12)),
    timescale: view.getUint32(mdhd.content + (long(mdhd) ? 20 : 12)),
    codec,
  };
}

function codecOf(bytes: Uint8Array, entry: Box): string | undefined {
  const hex = (at: number): string => (bytes[at] ?? 0).toString(16).padStart(2, '0');
  if (entry.type === 'avc1' || entry.type === 'avc3') {
    const avcC = child(bytes, { content: entry.content + 78, end: entry.end }, 'avcC');
    if (avcC === undefined) return undefined;
    return `${entry.type}.${hex(avcC.content + 1)}${hex(avcC.content + 2)}${hex(avcC.content + 3)}`;
  }
  // AAC-LC is the only sound that is recorded
  return entry.type === 'mp4a' ? 'mp4a.40.2' : undefined;
}

function decodeTime(bytes: Uint8Array, traf: Box, init: InitSummary): number | undefined {
  const tfhd = child(bytes, traf, 'tfhd');
  const tfdt = child(bytes, traf, 'tfdt');
  if (tfhd === undefined || tfdt === undefined) return undefined;
  const view = viewOf(bytes);
  const id = view.getUint32(tfhd.content + 4);
  const track = init.tracks.find((candidate) => candidate.id === id);
  if (track === undefined) return undefined;
  const long = bytes[tfdt.content] === 1;
  const ticks = long ? Number(view.getBigUint64(tfdt.content + 4)) : view.getUint32(tfdt.content + 4);
  return ticks / track.timescale;
}

export function* children(bytes: Uint8Array, parent: { content: number; end: number }): Generator<Box> {
  for (let at = parent.content; at < parent.end; ) {
    const box = boxAt(bytes, at);
    if (box === undefined) return;
    yield box;
    at = box.end;
  }
}

export function child(
  bytes: Uint8Array,
  parent: { content: number; end: number },
  type: string,
): Box | undefined {
  for (const box of children(bytes, parent)) if (box.type === type) return box;
  return undefined;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fourcc(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
