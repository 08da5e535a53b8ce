/**
 * What a server tells the cameras that it manages, and what they say to it: how they stream, where they look.
 *
 * Invariant: a command for a camera that is managed elsewhere is answered at once, by this server, with a refusal.
 */
import type { OverlayEvent } from './effects.ts';
import type { Packet, PacketBody } from './packets.ts';
import type { ServedCameras } from './served-cameras.ts';
import type { ServerContext } from './server-context.ts';

export class CameraCommands {
  private readonly context: ServerContext;
  private readonly served: ServedCameras;

  constructor(context: ServerContext, served: ServedCameras) {
    this.context = context;
    this.served = served;
  }

  command(event: Extract<OverlayEvent, { type: 'control' | 'steer' | 'events' }>): void {
    if (event.type === 'steer') this.steer(event.body);
    else if (event.type === 'events') this.answer(event.body);
    else this.control(event.body);
  }

  private control(body: PacketBody<'cam-control'>): void {
    const camera = this.served.attachedCamera(body.camera);
    if (camera !== undefined) return this.context.send(camera.link, 'cam-control', body);
    this.context.emit({ type: 'controlled', body: { ...body, reply: true, refusal: this.notHere(body) } });
  }

  private steer(body: PacketBody<'cam-steer'>): void {
    const camera = this.served.attachedCamera(body.camera);
    if (camera !== undefined) return this.context.send(camera.link, 'cam-steer', body);
    this.context.emit({ type: 'steered', body: { ...body, wish: undefined, refusal: this.notHere(body) } });
  }

  /** One that has gone meanwhile tells its new manager. */
  private answer(body: PacketBody<'cam-event'>): void {
    const camera = this.served.attachedCamera(body.camera);
    if (camera !== undefined) this.context.send(camera.link, 'cam-event', body);
  }

  /** A camera of this server answers, or tells something by itself. */
  said(packet: Packet): void {
    if (packet.name === 'cam-control' && packet.body.reply)
      this.context.emit({ type: 'controlled', body: packet.body });
    if (packet.name === 'cam-steer' && packet.body.wish === undefined)
      this.context.emit({ type: 'steered', body: packet.body });
    if (packet.name === 'cam-event' && !packet.body.reply)
      this.context.emit({ type: 'events', body: packet.body });
  }

  private notHere({ camera }: { readonly camera: string }): string {
    return `${this.context.self} does not manage ${camera}`;
  }
}
