/**
 * A network of production nodes in production shells, in virtual time. Nothing here depends on the machine: one seed,
 * one course of events. All times are ms of virtual time, from 0.
 *
 *     const world = new SimWorld({ seed: 7 });
 *     world.addServer('ss1');                        // starts at once; later: { start: false }, then world.start('ss1')
 *     world.addServer('ss2', { camerasMax: 4, degree: { target: 1, max: 8 } });
 *     world.addCamera('cam1');                       // a unit with one camera of the same id
 *     world.until('one network', () => world.linked('ss1', 'ss2'), 10_000);
 *     world.run(5_000);
 *     world.cut([['ss1', 'ss2']]);                   // both ways; { oneWay: true } for ss1 → ss2 only; result heals it
 *     world.crash('ss2'); world.restart('ss2', { disk: 'stale', staleMs: 3_000 });
 *     world.pause('ss1'); world.run(4_000); world.resume('ss1');
 *     world.latency('ss1', 'ss2', 5);                // exact, each way
 *     world.reaches('ss3', ['ss2']);                 // only ss2 hears the joins of ss3
 *     world.serverNode('ss1').tables();  world.cameraNode('cam1').manager();  world.query('ss1', 'cam1');
 *     world.packets                                  // every packet sent, decoded: { at, from, to, packet }
 *
 * A unit's address is { host: its id, port: 7400 }. `until` fails with what the units said last.
 */
import assert from 'node:assert';
import type { CameraNode } from '../../firmware/overlay/camera-node.ts';
import { type Profile, profiles } from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent, OverlayNode, QueryAnswer } from '../../firmware/overlay/effects.ts';
import type { ServerNode } from '../../firmware/overlay/server-node.ts';
import { AnycastCarrier } from './anycast-carrier.ts';
import { dial } from './dialling.ts';
import { EventHeap } from './event-heap.ts';
import type { Timeline } from './life.ts';
import { Paths } from './paths.ts';
import {
  type CameraOptions,
  makeCameraNode,
  makeServerNode,
  type ServerOptions,
  serverDefaults,
} from './production-nodes.ts';
import { type Birth, type Outside, SimUnit } from './sim-unit.ts';
import { type Fuse, type PacketLogEntry, Traffic } from './traffic.ts';
import type { Watcher, WorldOptions } from './world-options.ts';

interface Starting {
  readonly start?: boolean;
}

type Pairs = readonly (readonly [string, string])[];

/** More events at one moment are a loop, not a load. */
const eventsAtOnceMax = 200_000;
/** How soon routing forgets a machine that is off, or an address that is down. */
const routeMs = 300;

export class SimWorld {
  readonly seed: number;
  readonly profile: Profile;
  readonly paths: Paths;
  readonly anycast: AnycastCarrier;
  readonly stories: { readonly at: number; readonly unit: string; readonly text: string }[] = [];
  readonly watchers: Watcher[] = [];
  readonly dropped = new Map<string, number>();
  private readonly units = new Map<string, SimUnit>();
  private serverList: SimUnit[] = [];
  private cameraList: SimUnit[] = [];
  /** a guard against floods that would take for ever */
  eventsPerRunMax = Number.POSITIVE_INFINITY;
  private readonly timeline: Timeline & { now: number; heap: EventHeap };
  private readonly record: boolean;
  private readonly outside: Outside;
  private readonly traffic: Traffic;
  private readonly answers = new Map<number, QueryAnswer>();
  private nextQuery = 1;

  constructor(options: WorldOptions = {}) {
    this.seed = options.seed ?? 1;
    this.profile = options.profile ?? profiles.lan;
    this.record = options.record ?? true;
    this.timeline = { now: 0, heap: new EventHeap() };
    this.paths = new Paths(this.seed, options.latencyMs ?? 1, options.spreadMs ?? 0);
    Object.assign(this.paths.weather, options.weather);
    this.anycast = new AnycastCarrier({
      seed: this.seed,
      timeline: this.timeline,
      paths: this.paths,
      servers: () => this.serverList,
      unit: (id) => this.units.get(id),
      onDropped: (reason) => this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1),
    });
    this.anycast.endpoints = options.endpoints ?? [{ kind: 'multicast' }];
    this.outside = this.makeOutside();
    this.traffic = new Traffic({
      now: () => this.timeline.now,
      record: this.record,
      onFuse: ({ unit, machineToo }) => this.crash(unit, { machine: machineToo ? 'off' : 'on' }),
    });
  }

  get now(): number {
    return this.timeline.now;
  }

  /** Equal for equal runs. */
  get traceHash(): string {
    return this.traffic.hash.hex();
  }

  get packets(): readonly PacketLogEntry[] {
    return this.traffic.log;
  }

  /** Packets sent, of all units. */
  get sentPackets(): number {
    return this.traffic.sentPackets;
  }

  // What is in the network.

  addServer(id: string, options: ServerOptions & Starting = {}): SimUnit {
    const unit = this.addUnit(id, 'server', (birth) => makeServerNode(birth, this.profile, options), {
      start: false,
    });
    unit.camerasMax = options.camerasMax ?? serverDefaults.camerasMax;
    if (options.start !== false) unit.start();
    return unit;
  }

  addCamera(id: string, options: CameraOptions & Starting = {}): SimUnit {
    const unit = this.addUnit(id, 'camera', (birth) => makeCameraNode(birth, this.profile, options), {
      start: false,
    });
    unit.cameraIds = options.cameras ?? [id];
    if (options.start !== false) unit.start();
    return unit;
  }

  /** A unit that runs any node. */
  addUnit(
    id: string,
    role: 'camera' | 'server',
    make: (birth: Birth) => OverlayNode,
    options: Starting = {},
  ): SimUnit {
    assert(!this.units.has(id), `two units ${id}`);
    const unit = new SimUnit(this.outside, id, role, make);
    this.units.set(id, unit);
    const byId = (a: SimUnit, b: SimUnit): number => (a.id < b.id ? -1 : 1);
    if (role === 'server') this.serverList = [...this.serverList, unit].sort(byId);
    else this.cameraList = [...this.cameraList, unit].sort(byId);
    if (options.start !== false) unit.start();
    return unit;
  }

  unit(id: string): SimUnit {
    const unit = this.units.get(id);
    assert(unit !== undefined, `no unit ${id}`);
    return unit;
  }

  /** Sorted by id, whether they run or not. */
  get servers(): readonly SimUnit[] {
    return this.serverList;
  }

  get cameras(): readonly SimUnit[] {
    return this.cameraList;
  }

  get liveServers(): SimUnit[] {
    return this.serverList.filter((unit) => unit.isAlive);
  }

  get liveCameras(): SimUnit[] {
    return this.cameraList.filter((unit) => unit.isAlive);
  }

  serverNode(id: string): ServerNode {
    return this.unit(id).node as ServerNode;
  }

  cameraNode(id: string): CameraNode {
    return this.unit(id).node as CameraNode;
  }

  /** Whether both are neighbors of each other. */
  linked(a: string, b: string): boolean {
    const sees = (one: string, other: string): boolean =>
      this.unit(one).isAlive && this.serverNode(one).inspect().neighbors.includes(other);
    return sees(a, b) && sees(b, a);
  }

  // Time.

  /** Lets `ms` pass. */
  run(ms: number): void {
    const { timeline } = this;
    const until = timeline.now + ms;
    let atOnce = 0;
    let events = 0;
    for (let next = timeline.heap.take(until); next !== undefined; next = timeline.heap.take(until)) {
      atOnce = next.at > timeline.now ? 0 : atOnce + 1;
      assert(atOnce < eventsAtOnceMax, `${eventsAtOnceMax} events and time stands still`);
      assert(++events < this.eventsPerRunMax, `${events} events in ${ms} ms: a flood`);
      timeline.now = next.at;
      next.task?.();
    }
    this.timeline.now = until;
  }

  /** Lets time pass until `condition` holds, looking every `stepMs`; how long it took. Throws after `limitMs`. */
  until(what: string, condition: () => boolean, limitMs = 30_000, stepMs = 10): number {
    const startedAt = this.now;
    while (!condition()) {
      const leftMs = startedAt + limitMs - this.now;
      if (leftMs <= 0) throw new Error(`waited ${limitMs} ms in vain: ${what}\n${this.lastStories()}`);
      this.run(Math.min(stepMs, leftMs));
    }
    return this.now - startedAt;
  }

  /** Does something at a time from now. */
  at(delayMs: number, task: () => void): void {
    this.timeline.heap.plan(this.now + delayMs, task);
  }

  /** The last things that units said. */
  lastStories(count = 30): string {
    const last = this.stories.slice(-count);
    return last.map(({ at, unit, text }) => `${at.toFixed(1).padStart(9)} ${unit}: ${text}`).join('\n');
  }

  // Faults.

  /** No packet passes between these, both ways or one way; the result heals it. */
  cut(pairs: Pairs, options: { readonly oneWay?: boolean } = {}): () => void {
    return this.paths.cut(options.oneWay === true ? pairs : bothWays(pairs));
  }

  heal(pairs: Pairs): void {
    this.paths.heal(bothWays(pairs));
  }

  /** Units of different groups do not reach each other; units in no group reach all. The result heals it. */
  partition(groups: readonly (readonly string[])[]): () => void {
    const pairs: [string, string][] = [];
    for (const [place, group] of groups.entries()) {
      for (const a of group) for (const b of groups.slice(place + 1).flat()) pairs.push([a, b]);
    }
    return this.cut(pairs);
  }

  /** One way, exactly, in both directions. */
  latency(a: string, b: string, ms: number): void {
    this.paths.setLatency(a, b, ms);
  }

  /** Only these servers hear the joins of `from`. */
  reaches(from: string, servers: readonly string[]): void {
    this.anycast.reaches.set(from, new Set(servers));
  }

  start(id: string): void {
    this.unit(id).start();
  }

  /** Ends a program at once: its machine goes on and tells the peers, or goes off and tells nobody. */
  crash(
    id: string,
    options: {
      readonly machine?: 'on' | 'off';
      readonly lostShare?: number;
      readonly routeStays?: boolean;
    } = {},
  ): void {
    const unit = this.unit(id);
    unit.crash(options.machine === 'off');
    unit.disk.crash(this.now, options.lostShare ?? 0);
    if (options.routeStays === true) return;
    const { starts } = unit;
    this.at(routeMs, () => {
      if (unit.starts === starts) unit.routed = false;
    });
  }

  restart(
    id: string,
    options: { readonly disk?: 'kept' | 'stale' | 'lost'; readonly staleMs?: number } = {},
  ): void {
    const unit = this.unit(id);
    if (unit.isAlive) this.crash(id);
    if (options.disk === 'stale') unit.disk.rollBack(this.now - (options.staleMs ?? 5_000));
    if (options.disk === 'lost') unit.disk.wipe();
    unit.routed = false;
    unit.start();
  }

  /** Asks the unit to leave in good order; its program ends then. */
  leave(id: string): void {
    this.unit(id).shell?.leave();
  }

  /** The program gets nothing until it resumes; then its timers come first, or what was sent to it. */
  pause(id: string, options: { readonly timersFirst?: boolean } = {}): void {
    this.unit(id).life?.pause(options.timersFirst ?? false);
  }

  resume(id: string): void {
    this.unit(id).life?.resume();
  }

  /** Connections between two units: forgotten silently on the way, or reset at both ends. */
  breakLinks(a: string, b: string, how: 'silent' | 'reset'): void {
    for (const end of this.unit(a).openEnds()) {
      if (end.peer.unit !== b) continue;
      if (how === 'silent') end.silence();
      else end.reset();
    }
  }

  /** Ends a program at a step of a protocol. */
  light(fuse: Fuse, burned: () => void = () => undefined): void {
    this.traffic.light(fuse, burned);
  }

  /** Fuses of this unit go out. */
  quench(unit: string): void {
    this.traffic.quench(unit);
  }

  // Questions.

  /** Asks a server for a camera's manager; undefined when it does not answer within `limitMs`. */
  query(server: string, camera: string, limitMs = 10_000): QueryAnswer | undefined {
    const query = this.ask(server, camera);
    const deadline = this.now + limitMs;
    while (!this.answers.has(query) && this.now < deadline) this.run(5);
    return this.answers.get(query);
  }

  /** As `query`, without waiting: its number. */
  ask(server: string, camera: string): number {
    const query = this.nextQuery++;
    this.unit(server).shell?.query(query, camera);
    return query;
  }

  answerTo(query: number): QueryAnswer | undefined {
    return this.answers.get(query);
  }

  /** Writes a row of the site document at a server. */
  write(server: string, kind: string, id: string, value: Buffer | undefined): void {
    this.unit(server).shell?.write(kind, id, value);
  }

  private makeOutside(): Outside {
    return {
      timeline: this.timeline,
      seed: this.seed,
      site: 'sim',
      dial: (dialler, life, address, done) => {
        const target = this.units.get(address.host);
        const { timeline, paths, traffic: watcher } = this;
        dial({ timeline, paths, watcher, dialler, life, address, target, done });
      },
      anycast: (unit, packet, also) => {
        this.traffic.joinSent(unit, packet, this.anycast.send(unit, packet, also).bytes);
      },
      started: (unit) => {
        this.traffic.hash.text(`start ${unit.id}`);
        for (const watcher of this.watchers) watcher.started?.(unit);
      },
      ended: (unit) => {
        this.traffic.hash.text(`end ${unit.id}`);
        for (const watcher of this.watchers) watcher.ended?.(unit);
      },
      event: (unit, event) => {
        for (const watcher of this.watchers) watcher.event?.(unit, event);
      },
      effects: (unit, event, effects) => this.effects(unit, event, effects),
      story: (unit, text) => {
        if (this.record) this.stories.push({ at: this.now, unit: unit.id, text });
      },
    };
  }

  private effects(unit: SimUnit, event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.type === 'answered') this.answers.set(effect.query, effect.answer);
    for (const watcher of this.watchers) watcher.effects?.(unit, event, effects);
  }
}

function bothWays(pairs: Pairs): [string, string][] {
  return pairs.flatMap(([a, b]): [string, string][] => [
    [a, b],
    [b, a],
  ]);
}
