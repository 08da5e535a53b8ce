/**
 * What must hold for cameras at every moment: epochs, one manager per epoch, offers only for joins of their own, and
 * the gap in the recording after a death. See invariants.ts.
 */
import { admissionsPerSecond, joinBackoffMs, rings } from '../../firmware/overlay/constants.ts';
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import type { Rule, Say } from './invariants.ts';
import type { SimUnit } from './sim-unit.ts';
import type { SimWorld } from './world.ts';

/** A camera is the linearisation point of its own management; its disk knows an epoch before anybody else. */
export class EpochsRise implements Rule {
  readonly name = 'epochs never fall';
  private readonly say: Say;
  private readonly highest = new Map<SimUnit, number>();
  private readonly onDisk = new Map<SimUnit, number>();

  constructor(say: Say) {
    this.say = say;
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'persist')
        this.onDisk.set(unit, effect.state['epoch'] ?? this.onDisk.get(unit) ?? 0);
      else if (effect.type === 'managed') this.managed(unit, effect.epoch);
      else if (effect.type === 'send' && unit.role === 'camera' && effect.packet.name === 'cam-connection') {
        this.accepts(unit, effect.packet.body.epoch);
      }
    }
  }

  private accepts(unit: SimUnit, epoch: number): void {
    const known = this.onDisk.get(unit) ?? 0;
    if (epoch > known) this.say(this.name, `${unit.id} accepts with epoch ${epoch}, its disk knows ${known}`);
  }

  private managed(unit: SimUnit, epoch: number): void {
    const before = this.highest.get(unit) ?? 0;
    // A camera that has lost its disk begins again; its managers lead it up.
    if (epoch <= before && !unit.disk.hasLied) {
      this.say(this.name, `${unit.id} is managed with epoch ${epoch} after ${before}`);
    }
    this.highest.set(unit, Math.max(before, epoch));
  }
}

/** Never two managers with one (camera, epoch). */
export class OneManagerPerEpoch implements Rule {
  readonly name = 'no two managers with one (camera, epoch)';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly managers = new Map<string, string>();

  constructor(world: SimWorld, say: Say) {
    this.world = world;
    this.say = say;
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'managed') this.claim(unit, effect.epoch, effect.server);
      else if (effect.type === 'attached') this.claim(this.world.unit(effect.unit), effect.epoch, unit.id);
    }
  }

  private claim(camera: SimUnit, epoch: number, server: string): void {
    if (camera.disk.hasLied) return;
    const key = `${camera.id} ${epoch}`;
    const before = this.managers.get(key);
    if (before !== undefined && before !== server) {
      this.say(this.name, `${camera.id} has epoch ${epoch} with ${before} and with ${server}`);
    }
    this.managers.set(key, server);
  }
}

/** A forged or replayed join changes nothing: whoever joins takes only what its own joins of this life have asked for. */
export class OffersAnswerOwnJoins implements Rule {
  readonly name = 'a forged or replayed join changes nothing';
  private readonly say: Say;
  private readonly asked = new Map<SimUnit, Set<string>>();
  private readonly offered = new Map<SimUnit, Map<number, string>>();

  constructor(say: Say) {
    this.say = say;
  }

  started(unit: SimUnit): void {
    this.asked.set(unit, new Set());
    this.offered.set(unit, new Map());
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type !== 'packet') return;
    const { packet } = event;
    if (packet.name === 'cam-response' || packet.name === 'ss-response') {
      if (packet.body.nonce !== undefined)
        this.offered.get(unit)?.set(event.link, packet.body.nonce.toString('hex'));
    } else if (packet.name === 'cam-transfer' && packet.body.nonce !== undefined) {
      // Its manager has announced this offer.
      this.asked.get(unit)?.add(packet.body.nonce.toString('hex'));
    }
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'anycast') {
        const { body } = effect.packet;
        if ('nonce' in body && body.nonce !== undefined)
          this.asked.get(unit)?.add(body.nonce.toString('hex'));
      } else if (effect.type === 'send') {
        const { name } = effect.packet;
        if (name === 'cam-connection' && unit.role === 'camera') this.taken(unit, effect.link);
        else if (name === 'ss-connection') this.taken(unit, effect.link);
      }
    }
  }

  private taken(unit: SimUnit, link: number): void {
    const nonce = this.offered.get(unit)?.get(link);
    if (nonce === undefined || this.asked.get(unit)?.has(nonce) === true) return;
    this.say(this.name, `${unit.id} takes an offer for a join it has not made in this life`);
  }
}

interface Gap {
  readonly lostAt: number;
  readonly why: string;
}

/**
 * A camera whose manager is gone has another one soon, while nothing else is wrong: no cut, no loss, no pause, enough
 * capacity. The gap runs from the manager's end (not from when the camera notices) to the next management; without any
 * server, from when one is there again.
 */
export class GapsAreShort implements Rule {
  readonly name = 'the recording gap is at most lease, detection and slot';
  /** the longest gap that was measured */
  longestMs = 0;
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly calmSince: () => number;
  private readonly gaps = new Map<SimUnit, Gap>();
  /** when a server ended, or the first one came */
  private sinceMs = 0;

  constructor(world: SimWorld, say: Say, calmSince: () => number) {
    this.world = world;
    this.say = say;
    this.calmSince = calmSince;
  }

  started(unit: SimUnit): void {
    const { liveServers, now } = this.world;
    if (unit.role === 'server' && liveServers.every((one) => one === unit)) this.sinceMs = now;
  }

  ended(unit: SimUnit): void {
    if (unit.role === 'camera') {
      this.gaps.delete(unit);
      return;
    }
    this.sinceMs = this.world.now;
    for (const camera of this.world.liveCameras) {
      if (camera.management?.server === unit.id) this.begin(camera, `${unit.id} ended`);
    }
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'unmanaged') this.begin(unit, effect.reason);
      if (effect.type !== 'managed') continue;
      const gap = this.gaps.get(unit);
      this.gaps.delete(unit);
      if (gap !== undefined && this.isCalm(gap))
        this.longestMs = Math.max(this.longestMs, this.world.now - gap.lostAt);
    }
  }

  sample(): void {
    for (const [camera, gap] of this.gaps) {
      const lastMs = this.world.now - Math.max(gap.lostAt, this.sinceMs);
      const boundMs = this.boundMs();
      if (lastMs <= boundMs || !this.isCalm(gap) || !this.hasRoom()) continue;
      this.gaps.delete(camera);
      this.say(
        this.name,
        `${camera.id} has no manager for ${Math.round(lastMs)} ms (at most ${Math.round(boundMs)}): ${gap.why}`,
      );
    }
  }

  private begin(camera: SimUnit, why: string): void {
    if (!this.gaps.has(camera)) this.gaps.set(camera, { lostAt: this.world.now, why });
  }

  private isCalm({ lostAt }: Gap): boolean {
    return lostAt > this.calmSince() && !this.world.paths.anyCut;
  }

  /** Somebody has room for it, and has been in the network for a while. */
  private hasRoom(): boolean {
    const { liveServers, liveCameras } = this.world;
    if (liveServers.some(({ life }) => life?.isPaused === true)) return false;
    // A last server or two take their anycast address down again and again, to look for others: a camera that knows no
    // other address may then ask in vain for a while.
    const isAnycastOnly = this.world.anycast.endpoints.every(({ kind }) => kind === 'anycast');
    if (isAnycastOnly && liveServers.length < 3) return false;
    const rooms = liveServers.map((server) => server.camerasMax);
    const spare = rooms.reduce((sum, room) => sum + room, 0);
    return spare >= 2 * liveCameras.length && rooms.every((room) => room >= liveCameras.length);
  }

  /** Lease, the slot of a herd, the wait for the last manager, and three joins in vain while routing learns of the death. */
  private boundMs(): number {
    const { profile } = this.world;
    const slotMs = (1_000 * this.world.liveCameras.length) / admissionsPerSecond;
    const joinsMs = 1.25 * joinBackoffMs.first * (1 + 2 + 4) + 3 * rings.length * profile.ringMs;
    return profile.leaseMs + slotMs + profile.lastManagerMs + joinsMs + profile.replyMs;
  }
}
