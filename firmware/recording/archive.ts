/**
 * What the recorder offers to readers: one server's own recordings of any camera, open segment included.
 *
 * Times are µs UTC. A segment's name is its path below the camera's folder without the ending, such as
 * `2026-11-22/123000.123Z-1-5`; it is unique per server and camera.
 */
import type { FragmentListing } from '../media/fragment-listing.ts';
import type { Gap, TrackDescription } from '../media/sample.ts';

/** One recorded file, as the index lists it. */
export interface SegmentListing {
  readonly camera: string;
  readonly name: string;
  readonly fromUs: number;
  readonly toUs: number;
  /** bytes that may be read now; grows while the segment is open */
  readonly bytes: number;
  readonly captureId: string;
  readonly epoch: number;
  /** still being written */
  readonly open: boolean;
}

/** A segment's inside: the init segment's length, its tracks (track id = place + 1), its fragments in order. */
export interface SegmentDetail {
  readonly listing: SegmentListing;
  readonly initBytes: number;
  readonly tracks: readonly TrackDescription[];
  readonly fragments: readonly FragmentListing[];
}

/** The segments next to a time. */
export interface NearSegments {
  /** of those that begin at or before it, the one that begins last */
  readonly before: SegmentListing | undefined;
  /** of those that begin after it, the one that begins first */
  readonly after: SegmentListing | undefined;
}

/** One server's recordings. */
export interface Archive {
  /** Cameras that have anything recorded here, sorted. */
  cameras(): Promise<string[]>;
  /** Segments that overlap [fromUs, toUs), by start, at most `limit`. */
  segments(camera: string, range: { fromUs: number; toUs: number; limit: number }): Promise<SegmentListing[]>;
  /** Explained gaps that overlap [fromUs, toUs), by start; the newest, where there are very many. */
  gaps(camera: string, range: { fromUs: number; toUs: number }): Promise<Gap[]>;
  /** The stretches of [fromUs, toUs) of which there is something, by start, seams closed. Cheap also for a year. */
  coverage(
    camera: string,
    range: { fromUs: number; toUs: number },
  ): Promise<{ fromUs: number; toUs: number }[]>;
  /** The segments next to a time, however far away. */
  near(camera: string, atUs: number): Promise<NearSegments>;
  /** Undefined when there is no such segment here. */
  detail(camera: string, name: string): Promise<SegmentDetail | undefined>;
  /** Bytes [offset, offset + length) of a segment's file; shorter at the end. Rejects with a Failure when it is gone. */
  read(camera: string, name: string, offset: number, length: number): Promise<Buffer>;
}
