/**
 * The JSON of the HTTP API as types, for the server, the page and the command line. They come from the schemas that check
 * requests and make the document at /api/openapi.json, which lists all routes; only types are imported here, so that
 * the page carries no schemas. Times are ISO 8601 in UTC with milliseconds.
 *
 * A request with the header `x-starling-own: 1` is answered from this server alone and never forwarded. What changes
 * something needs the header `x-starling: 1`.
 */
import type { z } from '@hono/zod-openapi';
import type * as access from './schemas/access-schemas.ts';
import type * as care from './schemas/care-schemas.ts';
import type { errorAnswer } from './schemas/error-schema.ts';
import type * as events from './schemas/event-schemas.ts';
import type * as media from './schemas/media-schemas.ts';
import type * as network from './schemas/network-schemas.ts';
import type * as ptz from './schemas/ptz-schemas.ts';
import type * as recording from './schemas/recording-schemas.ts';
import type * as settings from './schemas/settings-schemas.ts';
import type * as site from './schemas/site-schemas.ts';
import type * as stream from './schemas/stream-schemas.ts';

/** The body of every answer with a status of 400 or more. */
export type ErrorAnswer = z.infer<typeof errorAnswer>;

export type SiteAnswer = z.infer<typeof site.siteAnswer>;
export type StatusAnswer = z.infer<typeof site.statusAnswer>;
export type CameraAnswer = z.infer<typeof site.cameraAnswer>;
export type CamerasAnswer = z.infer<typeof site.camerasAnswer>;
export type AlarmAnswer = z.infer<typeof site.alarmAnswer>;

export type SegmentAnswer = z.infer<typeof recording.segmentAnswer>;
export type RecordingsAnswer = z.infer<typeof recording.recordingsAnswer>;
export type ProtectedRangeAnswer = z.infer<typeof recording.protectedRangeAnswer>;
export type ProtectedAnswer = z.infer<typeof recording.protectedAnswer>;

export type EventsAnswer = z.infer<typeof events.eventsAnswer>;

export type DaysAnswer = z.infer<typeof media.daysAnswer>;

export type NetworkTimeAnswer = z.infer<typeof network.networkTimeAnswer>;
export type AddressAnswer = z.infer<typeof network.addressAnswer>;
export type TenureAnswer = z.infer<typeof network.tenureAnswer>;
export type TablesAnswer = z.infer<typeof network.tablesAnswer>;
export type WhereAnswer = z.infer<typeof network.whereAnswer>;
export type LogAnswer = z.infer<typeof network.logAnswer>;
export type LeaveAnswer = z.infer<typeof network.leaveAnswer>;

export type DisksAnswer = z.infer<typeof care.disksAnswer>;

export type SessionAnswer = z.infer<typeof access.sessionAnswer>;
export type UserAnswer = z.infer<typeof access.userAnswer>;
export type UsersAnswer = z.infer<typeof access.usersAnswer>;
export type TokenAnswer = z.infer<typeof access.tokenAnswer>;
export type TokensAnswer = z.infer<typeof access.tokensAnswer>;
export type NewTokenAnswer = z.infer<typeof access.newTokenAnswer>;
export type LinkAnswer = z.infer<typeof access.linkAnswer>;
export type AuditAnswer = z.infer<typeof access.auditAnswer>;

export type PtzAnswer = z.infer<typeof ptz.ptzAnswer>;
export type PtzCommand = z.infer<typeof ptz.ptzCommand>;

export type CameraSettingsAnswer = z.infer<typeof settings.cameraSettingsAnswer>;
export type CameraSettingsChange = z.infer<typeof settings.cameraSettingsChange>;
export type ServerSettingsAnswer = z.infer<typeof settings.serverSettingsAnswer>;
export type ServerSettingsChange = z.infer<typeof settings.serverSettingsChange>;
export type CameraRemovedAnswer = z.infer<typeof settings.cameraRemovedAnswer>;

export type StreamAnswer = z.infer<typeof stream.streamAnswer>;

/** Text messages on the live WebSocket. Binary ones are the init segment (right after `stream`) and fragments. */
export type LiveMessage =
  | { type: 'stream'; camera: string; manager: string; mime: string; width: number; height: number }
  | { type: 'dropped'; frames: number }
  /** where a camera looks that can be turned: at the beginning, and whenever that changes, whoever turns it */
  | { type: 'ptz'; position: NonNullable<PtzAnswer['position']>; moving: boolean }
  /**
   * `stalled`: the pictures before and after this are old, or none come; `live`: those after this are not. `lastFrameAt`
   * is when the newest was captured, and lets the page say how old its picture is.
   */
  | { type: 'state'; state: 'live' | 'stalled' | 'ended'; lastFrameAt: string | null; reason?: string };
