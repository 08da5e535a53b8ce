/** A unit in a simulated world that says what a test tells it to, and writes down what it hears. */
import type { Effect, LinkId, OverlayEvent, OverlayNode } from '../../firmware/overlay/effects.ts';
import {
  type Packet,
  type PacketBody,
  type PacketHeader,
  type PacketName,
  protocolVersion,
} from '../../firmware/overlay/packets.ts';
import type { SimWorld } from '../sim/world.ts';

/** What a rogue does about an event. */
export type Script = (event: OverlayEvent, rogue: Rogue) => Effect[];

export class Rogue implements OverlayNode {
  readonly heard: OverlayEvent[] = [];
  private readonly world: SimWorld;
  private readonly id: string;
  private readonly script: Script;
  private due = Number.POSITIVE_INFINITY;
  private todo: Effect[] = [];

  constructor(world: SimWorld, id: string, script: Script) {
    this.world = world;
    this.id = id;
    this.script = script;
  }

  step(_now: number, event: OverlayEvent): Effect[] {
    this.heard.push(event);
    if (event.type !== 'tick') return this.script(event, this);
    this.due = Number.POSITIVE_INFINITY;
    return this.todo.splice(0);
  }

  wakeAt(): number {
    return this.due;
  }

  /** Performs effects now. */
  tell(...effects: Effect[]): void {
    this.todo.push(...effects);
    this.due = 0;
    // Any event makes the shell look at the clock again.
    this.world.ask(this.id, 'nobody');
    this.world.run(0);
  }

  header(): PacketHeader {
    return { version: protocolVersion, site: 'sim', sender: this.id, incarnation: 1, network: undefined };
  }

  packet<K extends PacketName>(name: K, body: PacketBody<K>): Packet {
    return { name, header: this.header(), body } as unknown as Packet;
  }

  send<K extends PacketName>(link: LinkId, name: K, body: PacketBody<K>): Effect {
    return { type: 'send', link, packet: this.packet(name, body) };
  }

  /** Bodies of the packets of one name that it has heard. */
  bodies<K extends PacketName>(name: K): PacketBody<K>[] {
    return this.heard.flatMap((event) =>
      event.type === 'packet' && event.packet.name === name
        ? [event.packet.body as unknown as PacketBody<K>]
        : [],
    );
  }
}

/** Adds a rogue to a world; it starts at once. */
export function addRogue(
  world: SimWorld,
  id: string,
  role: 'camera' | 'server',
  script: Script = () => [],
): Rogue {
  const rogue = new Rogue(world, id, script);
  world.addUnit(id, role, () => rogue);
  return rogue;
}
