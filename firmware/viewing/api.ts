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
 *   GET /api/cameras/{id}/protected                 ProtectedAnswer
 *   POST /api/cameras/{id}/protected?from&to[&note][&by]   ProtectedRangeAnswer with status 201; header `x-starling: 1`
 *   DELETE /api/cameras/{id}/protected/{range}      ProtectedAnswer; needs the header `x-starling: 1`
 *   GET /api/tables                                 TablesAnswer
 *   GET /api/where/{camera}                         WhereAnswer
 *   GET /api/log[?lines=100][&after=number]         LogAnswer
 *   POST /api/leave                                 LeaveAnswer with status 202; needs the header `x-starling: 1`
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
  /** what is wrong with recording on this server and on those that manage cameras */
  alarms: (AlarmAnswer & { server: string })[];
  /** servers that did not answer; what they know is missing here */
  unreachable: string[];
}

/** Recording has stopped somewhere, whatever the live pictures show. */
export interface AlarmAnswer {
  /** `camera` or `volume`, a slash, and which */
  id: string;
  kind: string;
  text: string;
  since: string;
}

/** A range that retention never deletes, on whatever server. */
export interface ProtectedRangeAnswer {
  id: string;
  from: string;
  to: string;
  note: string;
  /** who wanted it, and when */
  by: string;
  at: string;
}

export interface ProtectedAnswer {
  camera: string;
  /** by start */
  ranges: ProtectedRangeAnswer[];
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
  /** what is wrong with recording here */
  alarms: AlarmAnswer[];
  volumes: {
    number: number;
    /** as its marker file says */
    id: string;
    folder: string;
    state: 'ok' | 'missing' | 'failed' | 'full';
    /** null while it is ok */
    reason: string | null;
    totalBytes: number;
    freeBytes: number;
    /** in sealed segments */
    recordedBytes: number;
    /** kept free */
    reserveBytes: number;
  }[];
  cameras: { id: string; receivedBytes: number; samples: number; durableThrough: string | null }[];
}

/** Text messages on the live WebSocket. Binary ones are the init segment (right after `stream`) and fragments. */
export type LiveMessage =
  | { type: 'stream'; camera: string; manager: string; mime: string; width: number; height: number }
  | { type: 'dropped'; frames: number }
  /** `lastFrameAt` lets the page say how old its picture is */
  | { type: 'state'; state: 'live' | 'stalled' | 'ended'; lastFrameAt: string | null; reason?: string };

/** A reading of the network's clock, by which "joined earlier" is decided. */
export interface NetworkTimeAnswer {
  at: string;
  /** orders what happened within one ms */
  count: number;
}

export interface AddressAnswer {
  host: string;
  port: number;
}

/** A server's uninterrupted management of a camera; `server` is `unknown` where nobody knows who it was. */
export interface TenureAnswer {
  server: string;
  firstEpoch: number;
  lastEpoch: number;
  /** null when nobody knows */
  from: string | null;
  /** null while it lasts, and for an earlier one when nobody has told its end */
  to: string | null;
}

/** The patent's Tables 1 to 3 of the server that is asked. */
export interface TablesAnswer {
  server: string;
  network: {
    founder: string;
    founded: NetworkTimeAnswer;
    /** a server that has met no other yet is a provisional network */
    standing: 'established' | 'provisional';
    /** whether the founder's clock was set */
    trusted: boolean;
  };
  /** Table 1 */
  neighbor: {
    joinTime: NetworkTimeAnswer;
    oneHop: {
      server: string;
      /** round trip; 0 while it is not known */
      linkCostMs: number;
      joinTime: NetworkTimeAnswer;
      address: AddressAnswer;
      incarnation: number;
      suspected: boolean;
      /** share of its capacity in use, 0 to 1 */
      load: number;
      neighbors: string[];
    }[];
    twoHop: {
      server: string;
      /** the 1-hop neighbors it is reached by, the cheapest first */
      from: string[];
      linkCostMs: number;
      joinTime: NetworkTimeAnswer;
      address: AddressAnswer;
      incarnation: number;
      neighbors: string[];
    }[];
  };
  /** Table 2: ids of cameras */
  query: {
    direct: string[];
    indirect: { oneHop: string[]; further: string[] };
    servers: {
      server: string;
      hops: 1 | 2;
      direct: string[];
      indirect1: string[];
      indirect2: string[];
    }[];
  };
  /** Table 3 */
  history: {
    camera: string;
    state: 'online' | 'offline' | 'indirectly';
    previousOwners: string[];
    tenures: TenureAnswer[];
  }[];
}

export interface WhereAnswer {
  camera: string;
  /** null when nobody manages it and only its history is known */
  manager: string | null;
  /** where other units reach the manager */
  address: AddressAnswer | null;
  /** where people reach the manager's page */
  pageUrl: string | null;
  epoch: number;
  /** `unreachable`: the manager did not answer, the rest is what was known last */
  state: 'online' | 'offline' | 'unknown' | 'unreachable';
  /** present and previous managers, oldest first */
  tenures: TenureAnswer[];
}

export interface LogAnswer {
  server: string;
  /** number of the newest entry there is; smaller than before: the server was started again */
  newest: number;
  /** oldest first; the last 100 unless asked for more, 500 at most */
  entries: { number: number; time: string; level: 'debug' | 'info' | 'warn' | 'error'; text: string }[];
}

/** The server has begun to leave; it answers until it has. */
export interface LeaveAnswer {
  server: string;
}
