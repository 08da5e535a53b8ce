/**
 * What managers may change of a unit's cameras while they run: how they stream.
 *
 * Invariants: a change is within bounds or refused as a whole; it is kept before it is done, and overrides `unit.yaml`
 * until it is reset; every answer says all that is in force.
 */
import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../base/failure.ts';
import {
  changedStream,
  type StreamChange,
  type StreamSettings,
  streamFault,
  streamSettingNames,
} from '../media/stream-settings.ts';
import type { PacketBody } from '../overlay/packets.ts';

/** One camera of the unit. */
export interface StreamedCamera {
  /** as `unit.yaml` says */
  readonly configured: StreamSettings;
  /** what overrides that */
  overrides: StreamChange;
  readonly capture: {
    readonly stream: StreamSettings;
    /** its pictures come encoded: nothing of them can be changed here */
    readonly isFixed?: boolean;
    setStream(settings: StreamSettings): { restarted: boolean };
  };
}

type Control = PacketBody<'cam-control'>;

export class StreamControls {
  private readonly cameras: ReadonlyMap<string, StreamedCamera>;
  private readonly keep: (camera: string, overrides: StreamChange) => void;

  /** `keep` makes overrides survive a restart, or throws a Failure. */
  constructor(
    cameras: ReadonlyMap<string, StreamedCamera>,
    keep: (camera: string, overrides: StreamChange) => void,
  ) {
    this.cameras = cameras;
    this.keep = keep;
  }

  /** How a camera streams, for a manager that has not asked; older ones take it for a reply that is too late. */
  told(camera: string): Control {
    const stream = { bitrateKbps: undefined, frameRate: undefined, keyframeIntervalMs: undefined };
    const still = { panMilli: undefined, tiltMilli: undefined, zoom: undefined, framesPerSecond: undefined };
    return this.control({
      request: 0,
      reply: false,
      camera,
      ...still,
      refusal: '',
      stream: { ...stream, reset: false, restarted: false },
    });
  }

  /** Does what the manager wants; the reply to it. */
  control(body: Control): Control {
    const camera = this.cameras.get(body.camera);
    const refused = (refusal: string): Control => ({ ...body, reply: true, refusal });
    if (camera === undefined) return refused('this unit has no such camera');
    const { framesPerSecond, stream } = body;
    const wanted = changeOf(stream ?? { frameRate: framesPerSecond });
    const fault = streamFault(wanted);
    if (fault !== undefined) return refused(fault);
    if (camera.capture.isFixed === true && Object.keys(wanted).length > 0)
      return refused('this IP camera encodes by itself: change its settings in its own page');
    const before = stream?.reset === true ? {} : camera.overrides;
    const overrides = { ...before, ...wanted };
    try {
      if (!isDeepStrictEqual(overrides, camera.overrides)) this.keep(body.camera, overrides);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return refused('the unit cannot keep settings: its disk refuses');
    }
    camera.overrides = overrides;
    const { restarted } = camera.capture.setStream(changedStream(camera.configured, overrides));
    return { ...refused(''), stream: { ...camera.capture.stream, reset: false, restarted } };
  }
}

/** The settings that are given. */
function changeOf(stream: StreamChange): StreamChange {
  return Object.fromEntries(
    streamSettingNames.filter((name) => stream[name] !== undefined).map((name) => [name, stream[name]]),
  );
}
