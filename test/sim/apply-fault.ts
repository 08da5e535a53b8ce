/** Makes a scenario's faults happen in a world, and makes them end. */
import { nonceBytes, type Packet, protocolVersion } from '../../firmware/overlay/packets.ts';
import { fairWeather } from './paths.ts';
import { Stream } from './randomness.ts';
import type { Fault, Restart, Scenario, Target } from './scenario.ts';
import type { SimUnit } from './sim-unit.ts';
import type { SimWorld } from './world.ts';

/** Told when somebody writes or asks, for there are promises about it. */
export interface People {
  asked(server: SimUnit, query: number): void;
}

export class Troublemaker {
  private readonly world: SimWorld;
  private readonly scenario: Scenario;
  private readonly people: People;
  private readonly healings: (() => void)[] = [];
  private healed = false;
  /** faults that last, and have not ended */
  private lasting = 0;
  private changedAt = 0;
  /** servers that were told to leave, and in which of their lives */
  private readonly leaving = new Map<string, number>();

  constructor(world: SimWorld, scenario: Scenario, people: People) {
    this.world = world;
    this.scenario = scenario;
    this.people = people;
  }

  /** When something last went wrong or right that is not a mere death; while a fault lasts: never yet. */
  get disturbedAt(): number {
    return this.lasting > 0 ? Number.POSITIVE_INFINITY : this.changedAt;
  }

  plan(): void {
    for (const [number, fault] of this.scenario.faults.entries()) {
      if (fault.at < this.scenario.healMs) this.world.at(fault.at, () => this.apply(fault, number));
    }
    this.world.at(this.scenario.healMs, () => this.heal());
  }

  /** Everything that can heal has healed; who is dead stays dead, but for the last server. */
  private heal(): void {
    this.healed = true;
    // Each that ends says so in changedAt; where nothing was wrong any more, healing disturbs nobody.
    for (const healing of this.healings.splice(0)) healing();
    const { world, scenario } = this;
    if (this.staying() === 0 && world.servers[0] !== undefined) world.restart(world.servers[0].id);
    // Where joins go to seeds only, somebody must be there.
    const seeds = world.anycast.endpoints.flatMap((one) => (one.kind === 'seed' ? [one.server] : []));
    const deaf =
      scenario.endpoints.every((kind) => kind === 'seeds') && seeds.every((id) => !world.unit(id).isAlive);
    if (deaf && seeds[0] !== undefined) world.restart(seeds[0]);
  }

  /** Servers that live and do not leave: the last one is left alone, for a network without servers is none. */
  private staying(): number {
    return this.world.liveServers.filter(({ id, starts }) => this.leaving.get(id) !== starts).length;
  }

  private unit(id: string): SimUnit | undefined {
    return [...this.world.servers, ...this.world.cameras].find((unit) => unit.id === id);
  }

  private units(ids: readonly string[]): string[] {
    return ids.filter((id) => this.unit(id) !== undefined);
  }

  /** Undoes something after a while, or when all heals. */
  private undo(afterMs: number, healing: () => void, lasts = true): void {
    let done = false;
    if (lasts) this.lasting++;
    const once = (): void => {
      if (done) return;
      done = true;
      if (lasts) this.lasting--;
      this.changedAt = this.world.now;
      healing();
    };
    this.healings.push(once);
    this.world.at(afterMs, once);
  }

  private apply(fault: Fault, number: number): void {
    if (this.healed) return;
    if (!['crash', 'leave', 'write', 'query', 'forge', 'replay'].includes(fault.kind))
      this.changedAt = this.world.now;
    switch (fault.kind) {
      case 'weather':
        Object.assign(this.world.paths.weather, fault.weather);
        return this.undo(fault.forMs, () => Object.assign(this.world.paths.weather, fairWeather));
      case 'cut': {
        const pairs = fault.pairs.filter((pair) => this.units(pair).length === 2 && pair[0] !== pair[1]);
        return this.undo(fault.forMs, this.world.cut(pairs, { oneWay: fault.oneWay }));
      }
      case 'partition':
        return this.undo(fault.forMs, this.world.partition(fault.groups.map((group) => this.units(group))));
      case 'links':
        if (this.units([fault.a, fault.b]).length === 2) this.world.breakLinks(fault.a, fault.b, fault.how);
        return;
      case 'crash':
        return this.crash(fault, number);
      case 'fuse':
        return this.fuse(fault);
      case 'leave':
        if (this.unit(fault.unit)?.isAlive !== true || this.staying() <= 1) return;
        this.leaving.set(fault.unit, this.world.unit(fault.unit).starts);
        this.world.leave(fault.unit);
        return this.planRestart(fault.unit, fault.restart);
      case 'disk-refuses':
        return this.diskRefuses(fault);
      case 'pause':
        return this.pause(fault);
      case 'clock-step':
      case 'clock-set':
        return this.clock(fault);
      default:
        return this.speak(fault, number);
    }
  }

  private crash(fault: Extract<Fault, { kind: 'crash' }>, number: number): void {
    const { machine, lostShare, routeStays = false } = fault;
    if (routeStays) this.changedAt = this.world.now;
    for (const id of this.find(fault.units, number)) {
      const unit = this.unit(id);
      if (unit === undefined || !unit.isAlive) continue;
      if (unit.role === 'server' && this.staying() <= 1 && fault.restart === undefined) continue;
      this.world.crash(id, { machine, lostShare, routeStays });
      this.planRestart(id, fault.restart);
    }
  }

  private planRestart(id: string, restart: Restart | undefined): void {
    if (restart === undefined) return;
    const { disk, staleMs } = restart;
    const again = (): void => this.world.restart(id, staleMs === undefined ? { disk } : { disk, staleMs });
    this.undo(restart.afterMs, again, false);
  }

  private fuse(fault: Extract<Fault, { kind: 'fuse' }>): void {
    if (this.unit(fault.unit) === undefined) return;
    this.world.light(fault, () => {
      this.changedAt = this.world.now;
      if (!this.healed) this.planRestart(fault.unit, fault.restart);
    });
    // What has not burned when all heals does not burn later.
    this.healings.push(() => this.world.quench(fault.unit));
  }

  /** Units to be hit, as they are when the time comes. */
  private find(target: Target, number: number): string[] {
    const { world } = this;
    if (!('pick' in target) && !('percent' in target)) return this.units(target);
    const live = world.liveServers.map(({ id }) => id);
    const stream = new Stream(world.seed, 'target', number);
    if ('percent' in target)
      return stream.some(live, Math.min(live.length - 1, Math.ceil((live.length * target.percent) / 100)));
    const neighborsOf = (id: string): string[] =>
      world
        .serverNode(id)
        .inspect()
        .neighbors.filter((one) => live.includes(one));
    const hub = [...live].sort(
      (a, b) => neighborsOf(b).length - neighborsOf(a).length || (a < b ? -1 : 1),
    )[0];
    if (hub === undefined || live.length < 2) return [];
    if (target.pick === 'hub') return [hub];
    const first = stream.pick(live);
    const second = stream.pick(neighborsOf(first).length > 0 ? neighborsOf(first) : [hub]);
    if (target.pick === 'pair') return [first, second];
    const third = neighborsOf(second).filter((id) => id !== first)[0];
    return third === undefined ? [first, second] : [first, second, third];
  }

  private diskRefuses(fault: Extract<Fault, { kind: 'disk-refuses' }>): void {
    const unit = this.unit(fault.unit);
    if (unit === undefined) return;
    unit.disk.refuse();
    this.undo(fault.forMs, () => {
      unit.disk.refuses = false;
    });
  }

  private pause(fault: Extract<Fault, { kind: 'pause' }>): void {
    const life = this.unit(fault.unit)?.life;
    if (life === undefined || life.isPaused) return;
    life.pause(fault.timersFirst);
    this.undo(fault.forMs, () => life.resume());
  }

  private clock(fault: Extract<Fault, { kind: 'clock-step' | 'clock-set' }>): void {
    const unit = this.unit(fault.unit);
    if (unit === undefined) return;
    if (fault.kind === 'clock-step') {
      unit.clockFault.utcOffMs += fault.byMs;
    } else {
      unit.clockFault.utcOffMs = 0;
      unit.clockFault.trusted = true;
    }
  }

  private speak(fault: Fault, number: number): void {
    const { world } = this;
    if (fault.kind === 'reroute') {
      world.anycast.routing++;
    } else if (fault.kind === 'replay') {
      if (fault.forgotten) for (const server of world.servers) server.forgetNonces();
      const stream = new Stream(world.seed, 'replay', number);
      for (const datagram of stream.some(world.anycast.overheard, fault.count))
        world.anycast.replay(datagram);
    } else if (fault.kind === 'forge') {
      world.anycast.forge(forgedJoin(fault.unit, new Stream(world.seed, 'forge', number).bytes(nonceBytes)));
    } else if (fault.kind === 'write') {
      if (this.unit(fault.server)?.isAlive === true) {
        world.write(
          fault.server,
          'note',
          fault.id,
          fault.value === undefined ? undefined : Buffer.from(fault.value),
        );
      }
    } else if (fault.kind === 'query') {
      const server = this.unit(fault.server);
      if (server?.isAlive === true) this.people.asked(server, world.ask(server.id, fault.camera));
    }
  }
}

function forgedJoin(unit: string, nonce: Buffer): Packet {
  const header = {
    version: protocolVersion,
    site: 'sim',
    sender: unit,
    incarnation: 0xffff_0000,
    network: undefined,
  };
  const link = { host: 'attacker', port: 1 };
  return { name: 'ss-join', header, body: { nonce, link, ring: 32, attempt: 0, degree: 0 } };
}
