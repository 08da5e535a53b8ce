/**
 * The rows of a server's index. Keys sort by what is asked for, so that every question is one range read.
 *
 *   format                               number of this layout
 *   s/<camera>/<start>/<name>            listing of a sealed segment (about 40 bytes)
 *   f/<camera>/<name>                    its inside: tracks and fragments
 *   t/<volume>/<start>/<camera>/<name>   the same segments in the order in which retention deletes them
 *   o/<camera>/<name>                    a segment that is being written: where it is, should the power fail
 *   g/<volume>/<camera>/<name>           a segment that is being deleted: known to nobody, its file may still be there
 *   b/<volume>/<camera>                  how many sealed segments and bytes there are
 *   c/<camera>                           this camera has recordings here
 *   r/<camera>                           from when to when recordings of this camera have been deleted
 *   e/<camera>/<start>/<n>               an event: a gap and its reason
 *   d/<start>/<camera>/<kind>/<sensor>   what a sensor of a camera saw (event-log.ts)
 *   v/<volume>                           which volume has this number
 *
 * Starts are µs UTC in 16 decimal digits, volumes three digits. Values are declared codecs: rows come from a disk and
 * may be damaged.
 */
import { type Codec, decode, encode, i64, list, struct, text, u8, u16, u32, u64 } from '../base/codec.ts';
import { accept, type Result } from '../base/result.ts';
import type { FragmentListing } from '../media/fragment-listing.ts';
import { fragmentsMax } from '../media/mp4-scanner.ts';
import { gap, type TrackDescription, trackDescription, utcMapping } from '../media/sample.ts';

/** Longest segment the configuration allows, and a fragment more: how far before a time a segment over it may start. */
export const segmentUsMax = 610_000_000;

/** Longest event that one row tells of, a day: how far before a time an event over it may begin. */
export const eventUsMax = 86_400_000_000;

/** A key that sorts after every key with this prefix. */
export function endOf(prefix: string): string {
  return `${prefix}\uffff`;
}

function timeKey(us: number): string {
  return String(Math.max(0, Math.floor(us))).padStart(16, '0');
}

function volumeKey(volume: number): string {
  return String(volume).padStart(3, '0');
}

export const keys = {
  listing: (camera: string, fromUs: number, name: string): string => `s/${camera}/${timeKey(fromUs)}/${name}`,
  listingAt: (camera: string, fromUs: number): string => `s/${camera}/${timeKey(fromUs)}`,
  detail: (camera: string, name: string): string => `f/${camera}/${name}`,
  open: (camera: string, name: string): string => `o/${camera}/${name}`,
  event: (camera: string, fromUs: number, reason: string): string =>
    `e/${camera}/${timeKey(fromUs)}/${reason}`,
  eventsOf: (camera: string): string => `e/${camera}/`,
  eventAt: (camera: string, fromUs: number): string => `e/${camera}/${timeKey(fromUs)}`,
  camera: (camera: string): string => `c/${camera}`,
  format: 'format',
  byTime: (volume: number, fromUs: number, camera: string, name: string): string =>
    `t/${volumeKey(volume)}/${timeKey(fromUs)}/${camera}/${name}`,
  byTimeOf: (volume: number): string => `t/${volumeKey(volume)}/`,
  garbage: (volume: number, camera: string, name: string): string =>
    `g/${volumeKey(volume)}/${camera}/${name}`,
  totals: (volume: number, camera: string): string => `b/${volumeKey(volume)}/${camera}`,
  deleted: (camera: string): string => `r/${camera}`,
} as const;

/** Number of the layout above. */
export const formatVersion = 2;
export const formatRow = struct({ version: u32 });

/** The segment's name is the end of the key: `s/<camera>/<start>/<day>/<time>-<epoch>-<sequence>`. */
export function nameOfListingKey(key: string): string {
  return key.slice(key.indexOf('/', key.indexOf('/', 2) + 1) + 1);
}

export const listingRow = struct({
  fromUs: i64,
  toUs: i64,
  bytes: u64,
  epoch: u32,
  volume: u8,
  captureId: text(64),
});

/** What a listing begins with: all that is read of it where many are read. */
export const listingSpan = struct({ fromUs: i64, toUs: i64 });
export const listingSpanBytes = 16;

export const openRow = struct({ volume: u8, epoch: u32 });
/** Of a segment in the order of retention, and of one that is being deleted. */
export const extentRow = struct({ fromUs: i64, toUs: i64, bytes: u64 });
export const totalsRow = struct({ segments: u32, bytes: u64 });
export const deletedRow = struct({ fromUs: i64, toUs: i64 });
export const eventRow = gap;

/** A damaged file may claim more. */
const lengthUsMax = 0xffff_ffff;

const fragmentRow = struct({
  bytes: u32,
  fromPtsUs: i64,
  lengthUs: u32,
  mapping: utcMapping,
  tracks: list(struct({ trackId: u8, firstSequence: u64, count: u16 }), 16),
});

const detailRow = struct({
  initBytes: u32,
  tracks: list(trackDescription, 16),
  fragments: list(fragmentRow, fragmentsMax),
});

/** A segment's inside, without what its listing says. */
export interface SegmentInside {
  readonly initBytes: number;
  readonly tracks: readonly TrackDescription[];
  readonly fragments: readonly FragmentListing[];
}

/** Offsets are not stored: fragments follow one another from the end of the init segment. */
export function encodeDetail(inside: SegmentInside): Buffer {
  const fragments = inside.fragments.map(({ bytes, fromPtsUs, toPtsUs, mapping, tracks }) => ({
    bytes,
    fromPtsUs,
    lengthUs: Math.min(toPtsUs - fromPtsUs, lengthUsMax),
    mapping,
    tracks: tracks.map((track) => ({ ...track })),
  }));
  return encode(detailRow, { initBytes: inside.initBytes, tracks: [...inside.tracks], fragments });
}

export function decodeDetail(row: Uint8Array): Result<SegmentInside> {
  const decoded = decode(detailRow, row);
  if (!decoded.ok) return decoded;
  let offset = decoded.value.initBytes;
  const fragments = decoded.value.fragments.map(({ lengthUs, ...fragment }) => {
    const at = offset;
    offset += fragment.bytes;
    return { ...fragment, offset: at, toPtsUs: fragment.fromPtsUs + lengthUs };
  });
  return accept({ initBytes: decoded.value.initBytes, tracks: decoded.value.tracks, fragments });
}

/** A sealed segment as retention sees it; `volume` is the volume's number. */
export interface SegmentRef {
  readonly volume: number;
  readonly camera: string;
  readonly name: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly bytes: number;
}

/** The volume, camera and name in a key `<kind>/<volume>/…/<camera>/<day>/<time>`; `at` is the camera's place. */
export function placeOfKey(key: string, at: 2 | 3): { volume: number; camera: string; name: string } {
  const parts = key.split('/');
  return { volume: Number(parts[1]), camera: parts[at] ?? '', name: parts.slice(at + 1).join('/') };
}

/** Undefined when the row is damaged. */
export function decodeExtent(row: { key: string; value: Uint8Array }, at: 2 | 3): SegmentRef | undefined {
  const extent = decode(extentRow, row.value);
  return extent.ok ? { ...placeOfKey(row.key, at), ...extent.value } : undefined;
}

/** A put of one row. */
export function put<T>(key: string, codec: Codec<T>, value: T): { type: 'put'; key: string; value: Buffer } {
  return { type: 'put', key, value: encode(codec, value) };
}
