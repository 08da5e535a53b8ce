/** One camera unit on a bench: events go in at virtual times (ms), effects come out. See server-events.ts. */
import assert from 'node:assert/strict';
import { CameraNode, type CameraNodeOptions } from '../../firmware/overlay/camera-node.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import type { Packet, PacketBody, PacketHeader, PacketName } from '../../firmware/overlay/packets.ts';
import { headerOf, lan, named, noMemory, packetOf, SteadyRandom } from './server-events.ts';

function cameraOptions(options: Partial<CameraNodeOptions> = {}): CameraNodeOptions {
  return {
    site: 'home',
    unit: 'cam-1',
    cameras: ['cam-1', 'cam-2'],
    kbps: 2_000,
    link: { host: '10.0.0.9', port: 7 },
    incarnation: 4,
    epoch: 0,
    outboxMs: 60_000,
    profile: lan,
    memory: noMemory,
    random: new SteadyRandom(),
    ...options,
  };
}

export class TestCamera {
  readonly node: CameraNode;
  readonly options: CameraNodeOptions;
  /** of the join sent last */
  nonce: Buffer = Buffer.alloc(0);
  now = 0;

  constructor(options: Partial<CameraNodeOptions> = {}) {
    this.options = cameraOptions(options);
    this.node = new CameraNode(this.options);
    this.step({ type: 'start' });
  }

  step(event: OverlayEvent): Effect[] {
    const effects = this.node.step(this.now, event);
    for (const { body } of joinsIn(effects)) this.nonce = body.nonce;
    return effects;
  }

  /** Lets time pass, with a tick exactly whenever one is due; returns all effects. */
  run(ms: number): Effect[] {
    const end = this.now + ms;
    const effects: Effect[] = [];
    for (let ticks = 0; this.node.wakeAt() <= end; ticks++) {
      assert(ticks < 100_000, 'time does not pass');
      effects.push(...this.wake());
    }
    this.now = end;
    return effects;
  }

  /** Lets time pass to the next tick, and ticks. */
  wake(): Effect[] {
    this.now = Math.max(this.now, this.node.wakeAt());
    return this.step({ type: 'tick' });
  }

  packet<K extends PacketName>(
    link: number,
    sender: string,
    name: K,
    body: PacketBody<K>,
    fields: Partial<PacketHeader> = {},
  ): Effect[] {
    return this.step({
      type: 'packet',
      link,
      packet: packetOf(headerOf(sender, fields), name, body) as Packet,
    });
  }

  accepted(link: number, server: string): Effect[] {
    return this.step({ type: 'accepted', link, peer: { unit: server, role: 'server' } });
  }

  /** A server dials and offers. */
  offer(link: number, server: string, { epoch = 0, nonce = this.nonce } = {}): Effect[] {
    assert.deepEqual(this.accepted(link, server), []);
    return this.packet(link, server, 'cam-response', { nonce, epoch });
  }

  confirm(
    link: number,
    server: string,
    options: { epoch?: number; fields?: Partial<PacketBody<'cam-connection'>> } = {},
  ): Effect[] {
    const { epoch = this.node.epoch(), fields = {} } = options;
    const rest = { leaseMs: lan.leaseMs, utcUs: 0, herd: 1, known: [] };
    return this.packet(link, server, 'cam-connection', { stage: 'confirm', epoch, ...rest, ...fields });
  }

  echo(link: number, server: string, fields: Partial<PacketBody<'cam-echo'>> = {}): Effect[] {
    return this.packet(link, server, 'cam-echo', { reply: false, utcUs: 55, herd: 1, ...fields });
  }

  rejoin(link: number, server: string, body: PacketBody<'cam-rejoin'>): Effect[] {
    this.accepted(link, server);
    return this.packet(link, server, 'cam-rejoin', body);
  }

  /** The manager hands it over to `server`. */
  tell(
    link: number,
    manager: string,
    server: string,
    fields: Partial<PacketBody<'cam-transfer'>> = {},
  ): Effect[] {
    const body: PacketBody<'cam-transfer'> = {
      stage: 'tell',
      request: 5,
      tokens: 0,
      load: 0,
      unit: 'cam-1',
      link: undefined,
      cameras: [],
      epoch: 1,
      kbps: 0,
      server,
      nonce: Buffer.alloc(16, 0xee),
      ...fields,
    };
    return this.packet(link, manager, 'cam-transfer', body);
  }
}

/** Managed by ss-1 over link 1. */
export function managedCamera(
  options: Partial<CameraNodeOptions> = {},
  fields: Partial<PacketBody<'cam-connection'>> = {},
): TestCamera {
  const camera = new TestCamera(options);
  camera.offer(1, 'ss-1');
  camera.confirm(1, 'ss-1', { fields });
  assert.equal(camera.node.manager(), 'ss-1');
  return camera;
}

/** The joins among these effects, with where else they go. */
export function joinsIn(
  effects: readonly Effect[],
): { header: PacketHeader; body: PacketBody<'cam-join'>; also: string[] }[] {
  return named(effects, 'anycast').map(({ packet, also }) => {
    assert(packet.name === 'cam-join');
    return { header: packet.header, body: packet.body, also: also.map(({ host }) => host) };
  });
}
