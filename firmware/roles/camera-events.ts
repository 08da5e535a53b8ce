/**
 * What the sensors of this server's cameras saw: into the index, then confirmed to the camera and told to whoever
 * listens. Nothing is told to anybody that might be lost.
 */
import type { PacketBody } from '../overlay/packets.ts';
import type { EventLog, StoredEvent } from '../recording/event-log.ts';
import type { EventAccess } from '../viewing/event-access.ts';

type EventPacket = PacketBody<'cam-event'>;

export interface CameraEventsOptions {
  readonly log: EventLog;
  /** to a camera of this server */
  readonly send: (body: EventPacket) => void;
}

export class CameraEvents implements EventAccess {
  private readonly options: CameraEventsOptions;
  /** what the sensors of cameras that are managed here can see */
  private readonly kinds = new Map<string, readonly string[]>();
  /** `<camera>/<kind>/<sensor>` of what lasts now */
  private readonly lasting = new Set<string>();
  private listener: ((event: StoredEvent) => void) | undefined;

  constructor(options: CameraEventsOptions) {
    this.options = options;
  }

  /** A camera of this server tells something. */
  told({ camera, batch, kinds, events }: EventPacket): void {
    this.kinds.set(camera, kinds);
    void this.options.log.keep(camera, events).then((fresh) => {
      if (fresh === undefined) return;
      this.options.send({ camera, batch, reply: true, kinds: [], events: [] });
      for (const event of fresh) this.happened(event);
    });
  }

  read(query: Parameters<EventAccess['read']>[0]): ReturnType<EventAccess['read']> {
    return this.options.log.read(query);
  }

  kindsOf(camera: string): readonly string[] {
    return this.kinds.get(camera) ?? [];
  }

  /** Whether a sensor of this kind sees something now; undefined for a camera without one. */
  lasts(camera: string, kind: string): boolean | undefined {
    if (!this.kindsOf(camera).includes(kind)) return undefined;
    return [...this.lasting].some((key) => key.startsWith(`${camera}/${kind}/`));
  }

  /** Each event when it begins and when it ends; one listener. */
  listen(listener: (event: StoredEvent) => void): void {
    this.listener = listener;
  }

  /** The cameras of a unit that is managed here no longer. */
  gone(cameras: readonly string[]): void {
    for (const camera of cameras) {
      this.kinds.delete(camera);
      for (const key of this.lasting) if (key.startsWith(`${camera}/`)) this.lasting.delete(key);
    }
  }

  private happened(event: StoredEvent): void {
    const key = `${event.camera}/${event.kind}/${event.sensor}`;
    // Its unit may have gone while the event was kept.
    if (event.toUs === 0 && this.kinds.has(event.camera)) this.lasting.add(key);
    else this.lasting.delete(key);
    this.listener?.(event);
  }
}
