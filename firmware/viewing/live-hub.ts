/**
 * The live hub: one server's fan-out from ingest to viewers, and the newest GOP of each camera, held by reference so
 * that a new viewer has a picture at once.
 *
 * Invariants: a viewer sees the tracks first and then samples from a keyframe of the video on; a GOP is held from its
 * keyframe or not at all; what is held is retained (payload-memory.ts), and a
 * viewer uses what it is given at once or not at all; all held GOPs together stay within `heldBytesMax`, and a camera that finds no room waits
 * for its next keyframe; `onWatched` is called on the first and the last viewer of a camera, never twice with one
 * value. Times are µs UTC.
 */
import { compatible } from '../media/fragmented-mp4.ts';
import type { Sample, TrackDescription } from '../media/sample.ts';
import type { LiveFeed, LiveViewer } from './live-feed.ts';
import type { Pointing } from './ptz-access.ts';

/** Payload bytes held for all cameras together. */
const heldBytesMax = 64 * 1024 * 1024;
/** One camera holds at most this part of it, and this many samples: a stream without keyframes must not starve others. */
const cameraShare = 1 / 4;
const gopSamplesMax = 4096;
/** Most viewers of one camera on one server. */
export const viewersPerCameraMax = 256;

export interface LiveHubOptions {
  /** Somebody watches, or nobody any longer: the recorder asks the camera for immediate or batched pacing. */
  readonly onWatched: (camera: string, watched: boolean) => void;
  /** default `heldBytesMax` */
  readonly heldBytesMax?: number;
}

/** What is known of a camera that is live here. */
interface LiveSnapshot {
  readonly tracks: readonly TrackDescription[];
  /** capture time of the newest video sample */
  readonly lastFrameUs: number | undefined;
}

/** The pictures since the newest keyframe. */
interface LiveGop {
  readonly track: TrackDescription;
  readonly samples: readonly Sample[];
  /** of the last one, µs UTC */
  readonly capturedAtUs: number | undefined;
}

/** A feed that can also say what it carries. */
export interface LiveHub extends LiveFeed {
  /** Where a camera of this server looks; undefined: it cannot be turned, or is gone. */
  publishPointing(camera: string, pointing: Pointing | undefined): void;
  /** Undefined when the camera is not live here. */
  snapshot(camera: string): LiveSnapshot | undefined;
  /** Undefined when none is held. To be used at once: payloads are released with the next keyframe. */
  newestGop(camera: string): LiveGop | undefined;
}

interface HeldSample {
  readonly trackId: number;
  readonly sample: Sample;
  readonly capturedAtUs: number;
}

interface Watcher {
  readonly viewer: LiveViewer;
  /** has had a keyframe, so the rest may follow */
  started: boolean;
}

interface LiveCamera {
  tracks: readonly TrackDescription[];
  videoTrackId: number | undefined;
  /** from a keyframe on; empty while none is held */
  gop: HeldSample[];
  gopBytes: number;
  lastFrameUs: number | undefined;
  readonly watchers: Set<Watcher>;
}

class Hub implements LiveHub {
  private readonly cameras = new Map<string, LiveCamera>();
  /** where cameras of this server look that can be turned */
  private readonly pointings = new Map<string, Pointing>();
  private readonly onWatched: (camera: string, watched: boolean) => void;
  private readonly bytesMax: number;
  private heldBytes = 0;

  constructor(options: LiveHubOptions) {
    this.onWatched = options.onWatched;
    this.bytesMax = options.heldBytesMax ?? heldBytesMax;
  }

  publishTracks(camera: string, descriptions: readonly TrackDescription[]): void {
    const known = this.cameras.get(camera);
    if (known !== undefined && sameStream(known.tracks, descriptions)) return;
    const live = known ?? newCamera();
    this.cameras.set(camera, live);
    this.drop(live);
    live.tracks = descriptions;
    const videoPlace = descriptions.findIndex(isMainVideo);
    live.videoTrackId = videoPlace < 0 ? undefined : videoPlace + 1;
    for (const watcher of live.watchers) {
      watcher.started = false;
      watcher.viewer.tracks(descriptions);
    }
  }

  publishSample(camera: string, trackId: number, sample: Sample, capturedAtUs: number): void {
    const live = this.cameras.get(camera);
    if (live === undefined) return;
    const isVideo = live.videoTrackId === undefined || trackId === live.videoTrackId;
    const startsGop = isVideo && sample.keyframe;
    if (isVideo) live.lastFrameUs = capturedAtUs;
    this.hold(live, startsGop, { trackId, sample, capturedAtUs });
    for (const watcher of live.watchers) {
      if (startsGop) watcher.started = true;
      if (watcher.started) show(watcher.viewer, { trackId, sample, capturedAtUs });
    }
  }

  publishPointing(camera: string, pointing: Pointing | undefined): void {
    if (pointing === undefined) {
      this.pointings.delete(camera);
      return;
    }
    this.pointings.set(camera, pointing);
    for (const { viewer } of this.cameras.get(camera)?.watchers ?? []) viewer.pointing?.(pointing);
  }

  publishEnd(camera: string, reason: string): void {
    const live = this.cameras.get(camera);
    if (live === undefined) return;
    this.cameras.delete(camera);
    this.drop(live);
    const watchers = [...live.watchers];
    live.watchers.clear();
    if (watchers.length > 0) this.onWatched(camera, false);
    for (const { viewer } of watchers) viewer.ended(reason);
  }

  subscribe(camera: string, viewer: LiveViewer): (() => void) | undefined {
    const live = this.cameras.get(camera);
    if (live === undefined || live.watchers.size >= viewersPerCameraMax) return undefined;
    const watcher: Watcher = { viewer, started: live.gop.length > 0 };
    live.watchers.add(watcher);
    if (live.watchers.size === 1) this.onWatched(camera, true);
    viewer.tracks(live.tracks);
    const pointing = this.pointings.get(camera);
    if (pointing !== undefined) viewer.pointing?.(pointing);
    for (const held of live.gop) show(viewer, held);
    return () => {
      if (live.watchers.delete(watcher) && live.watchers.size === 0) this.onWatched(camera, false);
    };
  }

  viewers(camera: string): number {
    return this.cameras.get(camera)?.watchers.size ?? 0;
  }

  snapshot(camera: string): LiveSnapshot | undefined {
    const live = this.cameras.get(camera);
    return live && { tracks: live.tracks, lastFrameUs: live.lastFrameUs };
  }

  newestGop(camera: string): LiveGop | undefined {
    const live = this.cameras.get(camera);
    const track = live?.videoTrackId === undefined ? undefined : live.tracks[live.videoTrackId - 1];
    if (live === undefined || track === undefined || live.gop.length === 0) return undefined;
    const pictures = live.gop.filter(({ trackId }) => trackId === live.videoTrackId);
    return {
      track,
      samples: pictures.map(({ sample }) => sample),
      capturedAtUs: pictures.at(-1)?.capturedAtUs,
    };
  }

  private hold(live: LiveCamera, startsGop: boolean, held: HeldSample): void {
    if (startsGop) this.drop(live);
    else if (live.gop.length === 0) return;
    const { bytes } = held.sample;
    const full =
      this.heldBytes + bytes > this.bytesMax ||
      live.gopBytes + bytes > this.bytesMax * cameraShare ||
      live.gop.length >= gopSamplesMax;
    if (full) {
      this.drop(live);
      return;
    }
    held.sample.hold?.retain();
    live.gop.push(held);
    live.gopBytes += bytes;
    this.heldBytes += bytes;
  }

  private drop(live: LiveCamera): void {
    this.heldBytes -= live.gopBytes;
    for (const { sample } of live.gop) sample.hold?.release();
    live.gop = [];
    live.gopBytes = 0;
  }
}

function show(viewer: LiveViewer, { trackId, sample, capturedAtUs }: HeldSample): void {
  viewer.sample(trackId, sample, capturedAtUs);
}

function newCamera(): LiveCamera {
  return {
    tracks: [],
    videoTrackId: undefined,
    gop: [],
    gopBytes: 0,
    lastFrameUs: undefined,
    watchers: new Set(),
  };
}

/** A camera that reconnects within one capture goes on where it was: viewers need not start anew. */
function sameStream(a: readonly TrackDescription[], b: readonly TrackDescription[]): boolean {
  return compatible(a, b) && a.every((track, place) => track.captureId === b[place]?.captureId);
}

/** The track whose keyframes begin a GOP. */
function isMainVideo(track: TrackDescription): boolean {
  return track.kind === 'video' && track.rendition === 'main';
}

/** Makes an empty hub. */
export function createLiveHub(options: LiveHubOptions): LiveHub {
  return new Hub(options);
}
