/**
 * One large network in virtual time: what it costs to start cold, all within a second, to be idle, to let a server
 * join, and to lose some of its servers at once. Bytes are those of frames with a TLS record (22 B) and TCP/IP
 * headers (52 B) around each. Times are ms of virtual time.
 */

import { encodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import { numbers, type Packet, unitsPerServerMax } from '../../firmware/overlay/packets.ts';
import { Stream } from './randomness.ts';
import { distances, neighborGraph } from './truth.ts';
import { SimWorld } from './world.ts';

export interface ScaleOptions {
  readonly servers: number;
  readonly camerasPerServer: number;
  readonly seed: number;
  /** how many of its servers it loses at once, one after another; 0: a single server */
  readonly killPercents: readonly number[];
}

export interface ScaleLine {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

/** Servers that hear one multicast; larger networks join by a routed anycast address. */
const segmentMax = 1_000;
const idleMs = 30_000;
const limitMs = 300_000;
const stepMs = 250;

const serverName = (place: number): string => `s${String(place).padStart(5, '0')}`;

/** Servers and cameras, none of them started. */
function emptyWorld({ servers, camerasPerServer, seed }: ScaleOptions): SimWorld {
  const world = new SimWorld({ seed, record: false, latencyMs: 0.5, spreadMs: 2 });
  world.anycast.isSimple = true;
  // Nobody has a larger segment.
  if (servers > segmentMax) world.anycast.endpoints = [{ kind: 'anycast' }];
  // Enough for a tenth of the servers to take over everything.
  const camerasMax = Math.min(unitsPerServerMax, Math.max(32, camerasPerServer * 15));
  for (let place = 0; place < servers; place++) {
    world.addServer(serverName(place), { start: false, camerasMax, kbpsMax: camerasMax * 2_000 });
  }
  for (let place = 0; place < servers * camerasPerServer; place++) {
    world.addCamera(`c${String(place).padStart(6, '0')}`, { start: false });
  }
  return world;
}

interface Parts {
  readonly networks: number;
  /** servers in the largest connected part, of those that live */
  readonly largest: number;
}

function partsOf(world: SimWorld): Parts {
  const believed = neighborGraph(world);
  const graph = new Map(
    [...believed].map(([id, neighbors]) => [id, neighbors.filter((one) => believed.has(one))]),
  );
  const left = new Set(graph.keys());
  const networks = new Set<string>();
  let largest = 0;
  for (const { id } of world.liveServers) {
    const { network } = world.serverNode(id).inspect();
    networks.add(`${network.founder} ${network.founded.ms}`);
    if (!left.has(id)) continue;
    const part = distances(graph, id);
    for (const server of part.keys()) left.delete(server);
    largest = Math.max(largest, part.size);
  }
  return { networks: networks.size, largest };
}

const isOne = (world: SimWorld): boolean => {
  const { networks, largest } = partsOf(world);
  return networks === 1 && largest === world.liveServers.length;
};

const unmanaged = (world: SimWorld): number =>
  world.liveCameras.filter(
    ({ management }) => management === undefined || !world.unit(management.server).isAlive,
  ).length;

/** Whether every server knows the true manager of every camera. */
function isKnownEverywhere(world: SimWorld): boolean {
  const truth = world.liveCameras.map((camera) => [camera.id, camera.management?.server] as const);
  const knows = (id: string): boolean => {
    const shown = new Map(
      world
        .serverNode(id)
        .cameras()
        .map(({ camera, manager, online }) => [camera, online ? manager : undefined]),
    );
    return truth.every(([camera, manager]) => shown.get(camera) === manager);
  };
  const ids = world.liveServers.map(({ id }) => id);
  // A few first: all of them take seconds.
  return ids.slice(0, 20).every(knows) && ids.every(knows);
}

/** Runs until `condition` holds; how long it took, or NaN after the limit. */
function timeUntil(world: SimWorld, condition: () => boolean): number {
  const startedAt = world.now;
  while (world.now - startedAt < limitMs) {
    if (condition()) return world.now - startedAt;
    world.run(stepMs);
  }
  return Number.NaN;
}

function traffic(world: SimWorld): { packets: number; bytes: number } {
  let packets = 0;
  let bytes = 0;
  for (const { sent } of world.servers) {
    packets += sent.packets;
    bytes += sent.bytes;
  }
  return { packets, bytes };
}

/** Packets of this name that servers have sent. */
function sentOf(world: SimWorld, name: Packet['name']): number {
  return world.servers.reduce((sum, { sent }) => sum + (sent.byKind.get(numbers[name]) ?? 0), 0);
}

/** All at once, as after a power cut: within one second. */
function coldStart(world: SimWorld, seed: number): void {
  const stream = new Stream(seed, 'cold start');
  for (const unit of [...world.servers, ...world.cameras])
    world.at(stream.unit() * 1_000, () => unit.start());
}

function joinOne(world: SimWorld, lines: ScaleLine[]): void {
  const id = serverName(99_999);
  // Before it: what the network says anyway.
  const idle = traffic(world).packets;
  world.run(2_000);
  const perSecond = (traffic(world).packets - idle) / 2;
  const before = traffic(world).packets;
  const startedAt = world.now;
  world.addServer(id);
  const tookMs = timeUntil(world, () => world.serverNode(id).inspect().neighbors.length > 0);
  world.run(3_000);
  const idleShare = (perSecond * (world.now - startedAt)) / 1_000;
  lines.push({ what: 'a server joins: time to its first neighbor', value: tookMs, unit: 'ms' });
  lines.push({
    what: 'a server joins: packets of all servers',
    value: traffic(world).packets - before - idleShare,
    unit: '',
  });
}

const idleKinds = ['cam-echo', 'ss-echo', 'ss-exchange', 'ss-relay', 'ss-join', 'ss-response'] as const;

function steadyState(world: SimWorld, lines: ScaleLine[]): void {
  // The first probes for other networks are over then.
  world.run(30_000);
  const before = traffic(world);
  const kindsBefore = idleKinds.map((name) => sentOf(world, name));
  world.run(idleMs);
  const after = traffic(world);
  const each = world.liveServers.length * (idleMs / 1_000);
  const links = world.liveServers.reduce(
    (sum, { id }) => sum + world.serverNode(id).inspect().neighbors.length,
    0,
  );
  lines.push({ what: 'idle: links per server', value: links / world.liveServers.length, unit: '' });
  lines.push({
    what: 'idle: packets per server and second',
    value: (after.packets - before.packets) / each,
    unit: '/s',
  });
  for (const [place, name] of idleKinds.entries()) {
    const value = (sentOf(world, name) - (kindsBefore[place] ?? 0)) / each;
    lines.push({ what: `idle: of these ${name}`, value, unit: '/s' });
  }
  lines.push({
    what: 'idle: bytes per server and second',
    value: (after.bytes - before.bytes) / each,
    unit: 'B/s',
  });
}

/** Cuts so many servers off at once, without a word, and waits until nobody misses anything; returns them. */
function massDeath(
  world: SimWorld,
  label: string,
  count: number,
  lines: ScaleLine[],
  seed: number,
): string[] {
  const live = world.liveServers.map(({ id }) => id);
  const victims = new Stream(seed, 'mass death', label).some(live, count);
  const before = traffic(world).packets;
  for (const id of victims) world.crash(id, { machine: 'off' });
  lines.push({
    what: `${label}: largest part left`,
    value: (100 * partsOf(world).largest) / world.liveServers.length,
    unit: '%',
  });
  const repaired = timeUntil(world, () => isOne(world));
  lines.push({ what: `${label}: one network after`, value: repaired, unit: 'ms' });
  const spent = repaired + timeUntil(world, () => unmanaged(world) === 0);
  lines.push({ what: `${label}: every camera has a manager after`, value: spent, unit: 'ms' });
  const known = spent + timeUntil(world, () => isKnownEverywhere(world));
  lines.push({ what: `${label}: takeover known everywhere after`, value: known, unit: 'ms' });
  const packets = traffic(world).packets - before;
  lines.push({
    what: `${label}: packets of all servers per death`,
    value: packets / Math.max(1, victims.length),
    unit: '',
  });
  return victims;
}

/** The dead are back, and all is quiet again. */
function revive(world: SimWorld, victims: readonly string[]): void {
  for (const id of victims) world.unit(id).start();
  timeUntil(world, () => isOne(world) && unmanaged(world) === 0);
  world.run(15_000);
}

/** What one camera and one neighbor cost in memory and on the wire, by encoding them. */
function stateSizes(world: SimWorld, lines: ScaleLine[]): void {
  const watcher = { rows: 0, units: 0, bytes: 0, cards: 0, cardBytes: 0 };
  const sizeOf = (packet: Packet): number => encodePacketBody(packet).length;
  const stop = world.watchers.length;
  world.watchers.push({
    effects: (_unit, _event, effects) => {
      for (const effect of effects) {
        if (effect.type !== 'send' || effect.packet.name !== 'ss-exchange') continue;
        const { packet } = effect;
        const { card, rows } = packet.body;
        const bare = { ...packet, body: { ...packet.body, card: undefined, rows: [] } };
        const base = sizeOf(bare);
        for (const row of rows) {
          if (row.units.length === 0) continue;
          const full = sizeOf({ ...bare, body: { ...bare.body, rows: [row] } });
          const empty = sizeOf({ ...bare, body: { ...bare.body, rows: [{ ...row, units: [] }] } });
          watcher.units += row.units.length;
          watcher.bytes += full - empty;
          watcher.rows++;
        }
        if (card !== undefined && card.neighbors.length > 0) {
          watcher.cards++;
          watcher.cardBytes += sizeOf({ ...bare, body: { ...bare.body, card } }) - base;
        }
      }
    },
  });
  // Somebody joins: rows and cards are sent.
  world.addServer(serverName(99_998));
  world.run(3_000);
  world.watchers.length = stop;
  lines.push({
    what: 'state per camera in each server',
    value: watcher.bytes / Math.max(1, watcher.units),
    unit: 'B',
  });
  lines.push({
    what: 'state per neighbor (its card)',
    value: watcher.cardBytes / Math.max(1, watcher.cards),
    unit: 'B',
  });
}

/** Tells where a long run is, four times in a second of virtual time. */
function followProgress(world: SimWorld, onProgress: (text: string) => void): void {
  const packets = world.cameras.reduce((sum, { sent }) => sum + sent.packets, 0);
  const { length } = world.liveServers;
  const text = `${length} servers live, ${unmanaged(world)} cameras without one, they sent ${packets} packets`;
  onProgress(`${(world.now / 1_000).toFixed(2)} s: ${text}`);
  world.at(stepMs, () => followProgress(world, onProgress));
}

/** Measures; each line is told as soon as it is known. */
export function measureScale(
  options: ScaleOptions,
  onLine: (line: ScaleLine) => void = () => undefined,
  onProgress?: (text: string) => void,
): ScaleLine[] {
  const lines: ScaleLine[] = [];
  let told = 0;
  const tell = (): void => {
    for (; told < lines.length; told++) onLine(lines[told] as ScaleLine);
  };
  const world = emptyWorld(options);
  if (onProgress !== undefined) followProgress(world, onProgress);
  coldStart(world, options.seed);
  lines.push({
    what: 'cold start within 1 s: one network after',
    value: timeUntil(world, () => isOne(world)),
    unit: 'ms',
  });
  tell();
  timeUntil(world, () => unmanaged(world) === 0);
  lines.push({ what: 'cold start: every camera has a manager after', value: world.now, unit: 'ms' });
  lines.push({
    what: 'cold start: packets per server',
    value: traffic(world).packets / options.servers,
    unit: '',
  });
  tell();
  timeUntil(world, () => isKnownEverywhere(world));
  lines.push({ what: 'cold start: all known everywhere after', value: world.now, unit: 'ms' });
  tell();
  for (const part of [steadyState, joinOne, stateSizes]) {
    part(world, lines);
    tell();
  }
  for (const percent of options.killPercents) {
    const all = world.liveServers.length;
    const count = percent === 0 ? 1 : Math.floor((all * percent) / 100);
    const label = percent === 0 ? 'one dies' : `${percent} % die (${count} of ${all})`;
    const victims = massDeath(world, label, count, lines, options.seed);
    tell();
    revive(world, victims);
  }
  return lines;
}

/** Prints the measurement; false when the network did not come together. */
export function printScale(options: ScaleOptions, verbose: boolean): boolean {
  const { servers, camerasPerServer, seed } = options;
  console.log(`${servers} servers, ${servers * camerasPerServer} cameras, seed ${seed}`);
  const startedAt = process.cpuUsage();
  const spent = (): string => `${(process.cpuUsage(startedAt).user / 1e6).toFixed(1)} s of CPU`;
  const lines = measureScale(
    options,
    ({ what, value, unit }) =>
      console.log(`${what.padEnd(64)} ${value.toFixed(value < 10 ? 2 : 0).padStart(10)} ${unit}`),
    verbose ? (text) => console.error(`  ${spent()}, at ${text}`) : undefined,
  );
  return lines.every(({ value }) => !Number.isNaN(value));
}
