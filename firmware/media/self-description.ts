/**
 * What our files say about themselves, in two `uuid` boxes (ISO/IEC 14496-12 §11.1) that players skip: one in `moov`
 * with the tracks, one before each `moof` with the sequences, the capture and its mapping to UTC.
 *
 * Invariant: the declared codecs below are the file format; fields are append-only and a changed layout takes a new
 * extended type. Times are µs.
 */
import { list, optional, struct, text, u8, u32, u64, type ValueOf } from '../base/codec.ts';
import { trackDescription, utcMapping } from './sample.ts';

/** Most tracks in one file. */
export const tracksMax = 16;

/** Extended type of the `uuid` box in `moov`. */
export const tracksBoxType: Buffer = Buffer.from('5b1f6f0e7c0b4a0c9d5a2c6f3e81d401', 'hex');

/** Extended type of the `uuid` box before each `moof`. */
export const fragmentBoxType: Buffer = Buffer.from('5b1f6f0e7c0b4a0c9d5a2c6f3e81d402', 'hex');

/** All tracks of a file in order: track id = place + 1. */
export const tracksBox = list(trackDescription, tracksMax);

/** What a fragment holds. */
export const fragmentBox = struct({
  captureId: optional(text(64)),
  mapping: optional(utcMapping),
  /** PTS of media time 0: files begin at 0 for players, and still say what the camera's clock said */
  originUs: u64,
  tracks: list(struct({ trackId: u8, firstSequence: u64, count: u32 }), tracksMax),
  /** see fragment-mark.ts; the last four bytes of the box */
  mark: u32,
});
/** Length of the mark at the end of a fragment's `uuid` box. */
export const markBytes = 4;
export type FragmentBox = ValueOf<typeof fragmentBox>;
