/**
 * The boxes of an init segment, one function each (progressive-mp4.ts shares some), named as in the standard: ISO/IEC 14496-12 (file format),
 * ISO/IEC 14496-15 §5.4 (AVC sample entry), ISO/IEC 14496-14 §5.6 and 14496-1 §7.2.6 (MP4 audio and descriptors).
 *
 * Invariants: every timescale is 1,000,000, so that media time is µs and nothing is rounded; the sample tables are
 * empty because all samples live in fragments. Built once per segment, so these favour clarity over speed.
 */
import { encode } from '../base/codec.ts';
import type { TrackDescription, TrackFormat } from './sample.ts';
import { tracksBox, tracksBoxType } from './self-description.ts';

/** Units per second of every timescale. */
const timescale = 1_000_000;

/** A box: size, type, content (§4.2). */
export function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(8);
  const whole = Buffer.concat([head, ...content]);
  whole.writeUInt32BE(whole.length, 0);
  whole.write(type, 4, 4, 'latin1');
  return whole;
}

/** A box with version and flags (§4.2). */
export function fullBox(
  type: string,
  version: number,
  flags: number,
  ...content: readonly Uint8Array[]
): Buffer {
  return box(type, u32s(version * 0x100_0000 + flags), ...content);
}

export function u32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => void bytes.writeUInt32BE(value, i * 4));
  return bytes;
}

export function u16s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => void bytes.writeUInt16BE(value, i * 2));
  return bytes;
}

/** Rows of the unity matrix, 16.16 and 2.30 fixed point. */
export const unityMatrix = u32s(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000);

/** File type (§4.3). */
export function ftyp(): Buffer {
  return box('ftyp', Buffer.from('iso5'), u32s(512), Buffer.from('iso5iso6mp41'));
}

/** Movie (§8.2.1), with the tracks' own description last. */
export function moov(tracks: readonly TrackDescription[]): Buffer {
  return box(
    'moov',
    mvhd(tracks.length + 1),
    ...tracks.map((track, place) => trak(place + 1, track.format)),
    mvex(tracks.length),
    uuid(tracks),
  );
}

/** Movie header (§8.2.2); duration 0 as the length lies in the fragments. */
function mvhd(nextTrackId: number): Buffer {
  const rateAndVolume = u32s(0x10000, 0x0100_0000, 0, 0);
  return fullBox(
    'mvhd',
    0,
    0,
    u32s(0, 0, timescale, 0),
    rateAndVolume,
    unityMatrix,
    Buffer.alloc(24),
    u32s(nextTrackId),
  );
}

/** Track (§8.3.1). */
function trak(trackId: number, format: TrackFormat): Buffer {
  return box('trak', tkhd(trackId, format), mdia(format));
}

/** Track header (§8.3.2); flags 3: enabled and in the movie. */
function tkhd(trackId: number, format: TrackFormat): Buffer {
  const volume = format.codec === 'aac' ? 0x0100 : 0;
  return fullBox(
    'tkhd',
    0,
    3,
    u32s(0, 0, trackId, 0, 0, 0, 0),
    u16s(0, 0, volume, 0),
    unityMatrix,
    u32s(format.width * 0x10000, format.height * 0x10000),
  );
}

/** Media (§8.4.1). */
function mdia(format: TrackFormat): Buffer {
  return box('mdia', mdhd(), hdlr(format), minf(format));
}

/** Media header (§8.4.2); language `und`. */
function mdhd(): Buffer {
  return fullBox('mdhd', 0, 0, u32s(0, 0, timescale, 0), u16s(0x55c4, 0));
}

/** Handler (§8.4.3). */
export function hdlr(format: TrackFormat): Buffer {
  const [type, name] = format.codec === 'aac' ? ['soun', 'audio\0'] : ['vide', 'video\0'];
  return fullBox('hdlr', 0, 0, u32s(0), Buffer.from(type), u32s(0, 0, 0), Buffer.from(name));
}

/** Media information (§8.4.4). */
function minf(format: TrackFormat): Buffer {
  return box('minf', format.codec === 'aac' ? smhd() : vmhd(), dinf(), stbl(format));
}

/** Video media header (§12.1.2). */
export function vmhd(): Buffer {
  return fullBox('vmhd', 0, 1, u16s(0, 0, 0, 0));
}

/** Sound media header (§12.2.2). */
export function smhd(): Buffer {
  return fullBox('smhd', 0, 0, u16s(0, 0));
}

/** Data information (§8.7.1): one `url ` entry that says "in this file". */
export function dinf(): Buffer {
  return box('dinf', fullBox('dref', 0, 0, u32s(1), fullBox('url ', 0, 1)));
}

/** Sample table (§8.5.1), empty but for the description. */
function stbl(format: TrackFormat): Buffer {
  return box(
    'stbl',
    stsd(format),
    fullBox('stts', 0, 0, u32s(0)),
    fullBox('stsc', 0, 0, u32s(0)),
    fullBox('stsz', 0, 0, u32s(0, 0)),
    fullBox('stco', 0, 0, u32s(0)),
  );
}

/** Sample descriptions (§8.5.2). */
export function stsd(format: TrackFormat): Buffer {
  return fullBox('stsd', 0, 0, u32s(1), format.codec === 'aac' ? mp4a(format) : avc1(format));
}

/** AVC sample entry (14496-15 §5.4.2) with its decoder configuration record; 72 dpi, depth 24. */
function avc1(format: TrackFormat): Buffer {
  return box(
    'avc1',
    u16s(0, 0, 0, 1),
    Buffer.alloc(16),
    u16s(format.width, format.height),
    u32s(0x48_0000, 0x48_0000, 0),
    u16s(1),
    Buffer.alloc(32),
    u16s(24, 0xffff),
    box('avcC', format.config),
  );
}

/** Audio sample entry (§12.2.3); the rate is 16.16 and 0 where it does not fit, the decoder reads `esds` anyway. */
function mp4a(format: TrackFormat): Buffer {
  const rate = format.sampleRate <= 0xffff ? format.sampleRate : 0;
  return box(
    'mp4a',
    u16s(0, 0, 0, 1),
    u32s(0, 0),
    u16s(format.channels, 16, 0, 0),
    u32s(rate * 0x10000),
    esds(format),
  );
}

/** Elementary stream descriptor (14496-14 §5.6): object type 0x40 (MPEG-4 audio), stream type 5 (audio). */
function esds(format: TrackFormat): Buffer {
  const specific = descriptor(5, format.config);
  const decoder = descriptor(4, Buffer.from([0x40, 0x15, 0, 0, 0]), u32s(0, 0), specific);
  return fullBox(
    'esds',
    0,
    0,
    descriptor(3, Buffer.from([0, 0, 0]), decoder, descriptor(6, Buffer.from([2]))),
  );
}

/** A descriptor with its length in four 7-bit groups (14496-1 §8.3.3). */
function descriptor(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const groups = [21, 14, 7, 0].map((shift) => ((body.length >> shift) & 0x7f) | (shift === 0 ? 0 : 0x80));
  return Buffer.concat([Buffer.from([tag, ...groups]), body]);
}

/** Movie extends (§8.8.1). */
function mvex(tracks: number): Buffer {
  return box('mvex', ...Array.from({ length: tracks }, (_, place) => trex(place + 1)));
}

/** Track extends (§8.8.3); every fragment brings its own values. */
function trex(trackId: number): Buffer {
  return fullBox('trex', 0, 0, u32s(trackId, 1, 0, 0, 0));
}

/** Our own description of the tracks. */
function uuid(tracks: readonly TrackDescription[]): Buffer {
  return box('uuid', tracksBoxType, encode(tracksBox, [...tracks]));
}
