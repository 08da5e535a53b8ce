/**
 * The body of cam-event: what the sensors of a camera saw. The camera tells it, again and again until the manager
 * says that it is in its index; the manager answers with the same batch number and nothing else.
 *
 * Kinds are words, not numbers, so that older firmware keeps those of newer cameras. Times are µs UTC.
 */
import { flag, i64, list, refined, shortText, struct, u32, type ValueOf } from '../base/codec.ts';
import { shortId as id, isId } from '../base/ids.ts';

/** Most events in one packet. */
const eventsPerPacketMax = 16;

const word = refined(shortText(32), isId, 'malformed kind of event');
/** Which of several sensors of one kind, such as `pan-min`; empty where there is one. */
const sensor = refined(shortText(32), (text) => text === '' || isId(text), 'malformed name of a sensor');

const cameraEvent = struct({
  kind: word,
  sensor,
  fromUs: i64,
  /** 0 while it lasts */
  toUs: i64,
});
export type CameraEvent = ValueOf<typeof cameraEvent>;

export const eventPacket = struct({
  camera: id,
  /** numbers what the camera says; the reply repeats it */
  batch: u32,
  reply: flag,
  /** kinds of what this camera can see at all */
  kinds: list(word, 8),
  events: list(cameraEvent, eventsPerPacketMax),
});
