/**
 * The body of cam-steer: pan, tilt and zoom of one camera [0023]. Degrees and factors travel as thousandths.
 *
 * It is a packet of its own, not a longer cam-control, so that older firmware skips it instead of closing the link.
 */
import {
  flag,
  list,
  oneOf,
  optional,
  refined,
  shortText,
  struct,
  thousandths,
  u32,
  type ValueOf,
} from '../base/codec.ts';
import { isPresetName } from '../base/given-name.ts';
import { shortId as id } from '../base/ids.ts';

/** Most presets of a camera, `home` included. */
export const presetsPerCameraMax = 33;

/** Degrees of a mount, either way; what is added to a position may be twice as much. */
const degrees = thousandths(-360, 360);
const degreesStep = thousandths(-720, 720);
/** Zoom: 1 shows everything. */
const factor = thousandths(1, 64);
const share = thousandths(-1, 1);
const range = struct({ min: degrees, max: degrees });
const position = struct({ pan: degrees, tilt: degrees, zoom: factor });
const presetName = refined(shortText(96), isPresetName, 'malformed name of a preset');

/** What is wanted of a mount; only what its verb needs is given. */
const steerWish = struct({
  verb: oneOf(['ask', 'stop', 'to', 'by', 'run', 'recall', 'save', 'drop']),
  /** `to`: where; `by`: so much further */
  pan: optional(degreesStep),
  tilt: optional(degreesStep),
  zoom: optional(thousandths(-100, 100)),
  /** `run`: shares of full speed */
  velocity: optional(struct({ pan: share, tilt: share, zoom: share })),
  preset: optional(presetName),
});

/** What a mount can do, and the places it remembers. */
const mountDescription = struct({
  pan: optional(range),
  tilt: optional(range),
  zoomMax: factor,
  /** from the left to the right edge of the picture at zoom 1 */
  fieldOfView: degrees,
  presets: list(struct({ name: presetName, place: position }), presetsPerCameraMax),
});

export const steerPacket = struct({
  /** 0: the camera tells it unasked */
  request: u32,
  camera: id,
  /** server → camera */
  wish: optional(steerWish),
  /** in the reply: why it was not done; empty when it was */
  refusal: shortText(100),
  /** in the reply: where it looks; absent without a mount */
  position: optional(position),
  moving: flag,
  /** in the reply; unasked where it has changed */
  mount: optional(mountDescription),
});
export type SteerWish = ValueOf<typeof steerWish>;
export type MountDescription = ValueOf<typeof mountDescription>;
