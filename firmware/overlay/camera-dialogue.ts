/** What a camera unit and its manager say to each other besides the overlay's own business. */
import type { CameraContext } from './camera-context.ts';
import type { Effect, LinkId, OverlayEvent } from './effects.ts';
import type { PacketOf } from './packets.ts';

/** What the manager says: a command, or that what the sensors saw is kept. */
export function commandIn(packet: PacketOf<'cam-control' | 'cam-steer' | 'cam-event'>): Effect {
  if (packet.name === 'cam-steer') return { type: 'steer', body: packet.body };
  if (packet.name === 'cam-event') return { type: 'events', body: packet.body };
  return { type: 'control', body: packet.body };
}

/** The unit has done what its manager wanted, or could not; its camera moves; its sensors saw something. */
export function tellManager(context: CameraContext, link: LinkId, event: OverlayEvent): void {
  if (event.type === 'control') context.send(link, 'cam-control', { ...event.body, reply: true });
  if (event.type === 'steer') context.send(link, 'cam-steer', { ...event.body, wish: undefined });
  if (event.type === 'events') context.send(link, 'cam-event', { ...event.body, reply: false });
}
