/**
 * Where the fragments of a segment lie: what an index stores and what a scan of the file finds again.
 *
 * Offsets and lengths are bytes in the segment's file; times are µs on the camera's clock (PTS).
 */
import type { UtcMapping } from './sample.ts';

/** A stretch of one track inside a fragment; sequences run from `firstSequence` without a break. */
interface FragmentTrack {
  readonly trackId: number;
  readonly firstSequence: number;
  readonly count: number;
}

/** One `moof`+`mdat` (with the `prft` and `uuid` before it) of a segment: bytes [offset, offset + bytes). */
export interface FragmentListing {
  readonly offset: number;
  readonly bytes: number;
  /** PTS of the first sample and end of the last, of all tracks, µs on the camera's clock */
  readonly fromPtsUs: number;
  readonly toPtsUs: number;
  readonly mapping: UtcMapping;
  readonly tracks: readonly FragmentTrack[];
}
