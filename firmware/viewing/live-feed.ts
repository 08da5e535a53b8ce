/**
 * Live fan-out on the server that manages a camera: the ingest publishes samples, viewers take them from the newest
 * keyframe on. The feed holds one GOP of each camera, by reference, so that a new viewer has a picture at once.
 */
import type { Sample, TrackDescription } from '../media/sample.ts';
import type { Pointing } from './ptz-access.ts';

/** Receives one camera's samples, in order, beginning with a keyframe; must not block. */
export interface LiveViewer {
  /** The tracks that follow (track id = place + 1), also when they change. */
  tracks(descriptions: readonly TrackDescription[]): void;
  /** `capturedAtUs` is µs UTC. The payload's memory may be used again as soon as this returns. */
  sample(trackId: number, sample: Sample, capturedAtUs: number): void;
  /** Where a camera looks that can be turned, when it is there and whenever that changes. */
  pointing?(pointing: Pointing): void;
  /** The camera left this server; no more samples follow. */
  ended(reason: string): void;
}

/** What the ingest publishes to and viewers subscribe at. */
export interface LiveFeed {
  publishTracks(camera: string, descriptions: readonly TrackDescription[]): void;
  publishSample(camera: string, trackId: number, sample: Sample, capturedAtUs: number): void;
  publishEnd(camera: string, reason: string): void;
  /** Undefined when this server does not have the camera live. Call the result to leave. */
  subscribe(camera: string, viewer: LiveViewer): (() => void) | undefined;
  viewers(camera: string): number;
}
