/**
 * The JSON of the HTTP API, shared by the server, the page and the command line. Times are ISO 8601 in UTC with
 * milliseconds.
 *
 *   GET /api/site                                   SiteAnswer
 *   GET /api/status                                 StatusAnswer
 *   GET /api/cameras                                CamerasAnswer
 *   GET /api/cameras/{id}/recordings?from&to        RecordingsAnswer
 *   GET /api/cameras/{id}/segments/{server}/{name}.mp4   the file, with byte ranges
 *   GET /api/cameras/{id}/video.mp4?from&to         fragmented MP4 over all holders, times from 0
 *   WS  /api/cameras/{id}/live[?audio=1]            LiveMessage as text, init segment and fragments as binary
 *
 * A request with the header `x-starling-own: 1` is answered from this server alone and never forwarded.
 */

/** The body of every answer with a status of 400 or more. */
export interface ErrorAnswer {
  error: string;
  advice: string;
}

export interface SiteAnswer {
  site: string;
  server: string;
  version: string;
  servers: {
    id: string;
    state: 'self' | 'reachable' | 'unreachable';
    hops: number | null;
    pageUrl: string;
    cameras: string[];
  }[];
}

export interface CameraAnswer {
  id: string;
  unit: string;
  manager: string;
  epoch: number;
  state: 'online' | 'offline' | 'unreachable';
  /** capture time of the newest frame that reached the manager; null while unknown */
  lastFrameAt: string | null;
  /** everything captured up to here is on a disk */
  durableThrough: string | null;
  width: number | null;
  height: number | null;
  /** RFC 6381, such as `avc1.42c01e,mp4a.40.2` */
  codecs: string | null;
}

export interface CamerasAnswer {
  cameras: CameraAnswer[];
  /** servers that did not answer; what they know is missing here */
  unreachable: string[];
}

export interface SegmentAnswer {
  server: string;
  name: string;
  from: string;
  to: string;
  bytes: number;
  captureId: string;
  epoch: number;
  open: boolean;
  /** path on any server */
  url: string;
}

export interface RecordingsAnswer {
  camera: string;
  /** of all holders, by start */
  segments: SegmentAnswer[];
  gaps: { from: string; to: string; reason: string }[];
  unreachable: string[];
  /** the list was cut at the limit; ask again from the last segment's end */
  truncated: boolean;
}

export interface StatusAnswer {
  server: string;
  version: string;
  startedAt: string;
  uptimeSeconds: number;
  cpuSeconds: number;
  residentBytes: number;
  recordedBytes: number;
  /** packets and connections refused, by reason */
  refused: Record<string, number>;
  cameras: { id: string; receivedBytes: number; samples: number; durableThrough: string | null }[];
}

/** Text messages on the live WebSocket. Binary ones are the init segment (right after `stream`) and fragments. */
export type LiveMessage =
  | { type: 'stream'; camera: string; manager: string; mime: string; width: number; height: number }
  | { type: 'dropped'; frames: number }
  /** `lastFrameAt` lets the page say how old its picture is */
  | { type: 'state'; state: 'live' | 'stalled' | 'ended'; lastFrameAt: string | null; reason?: string };
