/**
 * The data model of everything that is recorded: a unit carries cameras, a camera has tracks, a track has samples.
 *
 * A *track* is (camera, kind, rendition). A *sample* is one access unit, known for ever by (capture id, track,
 * sequence). Its presentation time is µs on the camera unit's monotonic clock; UTC is a mapping stored beside it,
 * never baked in, because boards have no clock of their own and dates may have to be mended later.
 */
import { bytes, flag, i64, oneOf, struct, text, u8, u16, u32, u64, type ValueOf } from '../base/codec.ts';
import { id } from '../base/ids.ts';
import type { PayloadHold } from './payload-memory.ts';

/** Largest access unit accepted anywhere; a 4K keyframe is about 1 MiB. */
export const sampleBytesMax = 8 * 1024 * 1024;

/** What a decoder needs. `config` is the avcC box's content for h264, the AudioSpecificConfig for aac. */
const trackFormat = struct({
  codec: oneOf(['h264', 'aac']),
  config: bytes(4096),
  /** pixels; 0 for audio */
  width: u16,
  height: u16,
  /** Hz; 0 for video */
  sampleRate: u32,
  channels: u8,
});
export type TrackFormat = ValueOf<typeof trackFormat>;

/** UTC = PTS + offset, right within the uncertainty; both µs. */
export const utcMapping = struct({ offsetUs: i64, uncertaintyUs: u32 });
export type UtcMapping = ValueOf<typeof utcMapping>;

/** One track of one camera, in one capture (a capture lasts from a start of the pipeline to its end). */
export const trackDescription = struct({
  camera: id,
  kind: oneOf(['video', 'audio']),
  rendition: oneOf(['main', 'sub']),
  /** boot id of the unit, a dot, and the number of capture starts since then */
  captureId: text(64),
  format: trackFormat,
});
export type TrackDescription = ValueOf<typeof trackDescription>;
export type TrackKind = TrackDescription['kind'];

/** Everything about a sample but its bytes. */
export const sampleHeader = struct({
  sequence: u64,
  ptsUs: i64,
  /** nominal duration; the next sample's PTS is the truth */
  durationUs: u32,
  /** PTS − DTS; 0 without B-frames */
  compositionUs: u32,
  /** a decoder may start here; every audio sample is one */
  keyframe: flag,
});
type SampleHeader = ValueOf<typeof sampleHeader>;

/**
 * One access unit. `payload` may be in parts, so that it can be written without a copy. With a `hold` its memory is used
 * again when every holder has released it: see payload-memory.ts.
 */
export interface Sample extends SampleHeader {
  readonly payload: readonly Uint8Array[];
  readonly bytes: number;
  readonly hold?: PayloadHold | undefined;
}

/** Why there is no recording of a time. Append only. */
export const gapReasons = [
  'camera-off',
  'capture-restarted',
  'outbox-overflow',
  'server-unreachable',
  'retention',
  'damaged',
] as const;

/** A stretch of a camera's time, µs UTC, that was not recorded, and why. */
export const gap = struct({ camera: id, fromUs: i64, toUs: i64, reason: oneOf(gapReasons) });
export type Gap = ValueOf<typeof gap>;
