/**
 * The worlds of the patent's figures: servers that join one after another, each heard by the servers it shall be
 * linked to and by nobody else, and the packets that were seen, to be asserted in order.
 *
 * A figure is an ordered list of joins, `[server, those that hear its join]`; the first founds the network. Links are
 * those of the list and no others as long as the target degree is 1 and `open` is not called.
 */
import assert from 'node:assert';
import { decodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import type { PacketBody, PacketHeader, PacketName } from '../../firmware/overlay/packets.ts';
import type { ServerOptions } from '../sim/production-nodes.ts';
import { SimWorld } from '../sim/world.ts';
import type { WorldOptions } from '../sim/world-options.ts';

/** Servers in the order of joining, each with those that hear it. */
export type Joins = readonly (readonly [server: string, heardBy: readonly string[]])[];

/** The patent's figures show trees: a server wants one link. */
export const oneLink = { target: 1, max: 8 } as const;

/** A packet that was sent, and its place among all packets. */
export interface Seen<K extends PacketName = PacketName> {
  readonly place: number;
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly header: PacketHeader;
  readonly body: PacketBody<K>;
}

interface Between {
  readonly from?: string;
  readonly to?: string;
  /** ms of virtual time */
  readonly since?: number;
  readonly until?: number;
}

export interface FigureOptions extends WorldOptions {
  readonly servers?: ServerOptions;
  /** in addition, for single servers */
  readonly each?: Readonly<Record<string, ServerOptions>>;
  /** called before each server starts, e.g. to set clocks */
  readonly beforeJoin?: (world: SimWorld, server: string) => void;
}

/** Lets the servers join one after another and waits until all tables have settled. */
export function figure(joins: Joins, options: FigureOptions = {}): SimWorld {
  const world = new SimWorld(options);
  for (const [server, heardBy] of joins) {
    world.addServer(server, { degree: oneLink, ...options.servers, ...options.each?.[server], start: false });
    world.reaches(server, heardBy);
  }
  for (const [server, heardBy] of joins) {
    options.beforeJoin?.(world, server);
    world.start(server);
    const linked = (): boolean => heardBy.every((other) => world.linked(server, other));
    const joined = (): boolean => world.serverNode(server).inspect().joinTime !== undefined;
    world.until(`${server} has joined`, () => joined() && linked());
  }
  settle(
    world,
    joins.map(([server]) => server),
  );
  return world;
}

/** Cameras join, `[camera, the server that shall manage it]`; then waits until `networks` (default: one) have settled. */
export function addCameras(
  world: SimWorld,
  cameras: readonly (readonly [string, string])[],
  networks: readonly (readonly string[])[] = [world.liveServers.map(({ id }) => id)],
): void {
  for (const [camera, server] of cameras) {
    world.reaches(camera, [server]);
    world.addCamera(camera);
  }
  world.until('all cameras are managed', () =>
    cameras.every(([camera, server]) => world.cameraNode(camera).manager() === server),
  );
  for (const servers of networks) settle(world, servers);
}

/** Everybody's joins reach everybody again. */
export function open(world: SimWorld, ...units: readonly string[]): void {
  for (const unit of units) world.anycast.reaches.delete(unit);
}

/** Whether these servers can all reach each other and know the same of each other and of all cameras. */
export function isOneNetwork(world: SimWorld, servers: readonly string[]): boolean {
  const [first = ''] = servers;
  const views = servers.map((server) => viewOf(world, server, servers));
  return views.every((view) => view !== undefined && view === views[0]) && world.unit(first).isAlive;
}

function viewOf(world: SimWorld, server: string, servers: readonly string[]): string | undefined {
  const node = world.serverNode(server);
  const reached = node.servers().filter(({ hops }) => hops !== undefined);
  if (!servers.every((other) => reached.some((one) => one.server === other))) return undefined;
  if (reached.length !== servers.length) return undefined;
  const { founder, founded } = node.inspect().network;
  return JSON.stringify([founder, founded, node.cameras()]);
}

/** Waits until these servers are one network with equal tables, and what is on its way has arrived. */
export function settle(world: SimWorld, servers: readonly string[], limitMs = 30_000): number {
  const tookMs = world.until(
    `one network of ${servers.join(', ')}`,
    () => isOneNetwork(world, servers),
    limitMs,
  );
  // Costs are measured within an echo period, and cards that tell them are two batches away.
  world.run(1_500);
  return tookMs;
}

/** Sorted ids of the 1-hop neighbors. */
export function neighborsOf(world: SimWorld, server: string): readonly string[] {
  return world.serverNode(server).inspect().neighbors;
}

/** All packets of one name. */
export function packetsOf<K extends PacketName>(
  world: SimWorld,
  name: K,
  { from, to, since = 0, until = Number.POSITIVE_INFINITY }: Between = {},
): Seen<K>[] {
  const found: Seen<K>[] = [];
  for (const [place, entry] of world.packets.entries()) {
    const { packet } = entry;
    if (packet.name !== name || entry.at < since || entry.at > until) continue;
    if ((from !== undefined && entry.from !== from) || (to !== undefined && entry.to !== to)) continue;
    const { header, body } = packet as unknown as { header: PacketHeader; body: PacketBody<K> };
    found.push({ place, at: entry.at, from: entry.from, to: entry.to, header, body });
  }
  return found;
}

/** The first packet of this name that fits. */
export function firstOf<K extends PacketName>(
  world: SimWorld,
  name: K,
  between: Between = {},
  fits: (body: PacketBody<K>) => boolean = () => true,
): Seen<K> {
  const found = packetsOf(world, name, between).find(({ body }) => fits(body));
  assert.ok(found, `no ${name} ${JSON.stringify(between)}\n${world.lastStories()}`);
  return found;
}

/** Packets of one name inside ss-relay, at each hop they were sent over. */
export function relayed<K extends PacketName>(world: SimWorld, name: K, between: Between = {}): Seen<K>[] {
  return packetsOf(world, 'ss-relay', between).flatMap(({ body, ...seen }) => {
    const inner = decodePacketBody(body.number, body.packet);
    if (!inner.ok || inner.value?.name !== name) return [];
    const { header, body: innerBody } = inner.value as unknown as {
      header: PacketHeader;
      body: PacketBody<K>;
    };
    return [{ ...seen, header, body: innerBody }];
  });
}

/** Asserts that these were sent one after another. */
export function assertOrder(steps: Readonly<Record<string, Pick<Seen, 'place' | 'at'>>>): void {
  const names = Object.keys(steps);
  const sorted = [...names].sort((a, b) => (steps[a]?.place ?? 0) - (steps[b]?.place ?? 0));
  assert.deepEqual(sorted, names, 'the order of the packets');
}

/** What units said since a time, one line each: `unit: text`. */
export function storiesSince(world: SimWorld, since: number): string[] {
  return world.stories.filter(({ at }) => at >= since).map(({ unit, text }) => `${unit}: ${text}`);
}

/** Sorted, for comparing lists as the sets that they are. */
export function sorted(items: Iterable<string>): string[] {
  return [...items].sort();
}
