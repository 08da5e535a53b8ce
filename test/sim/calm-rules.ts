/**
 * What must hold while nothing else is wrong: news spreads at once, nobody is buried alive. (Of deaths: death-rules.ts.)
 * Calm means that the last fault other than a death is some time ago and that the live servers are one
 * network. See invariants.ts.
 */
import type { Effect, OverlayEvent } from '../../firmware/overlay/effects.ts';
import type { Rule, Say } from './invariants.ts';
import type { SimUnit } from './sim-unit.ts';
import { distances, neighborGraph } from './truth.ts';
import type { SimWorld } from './world.ts';
import { patience } from './world-options.ts';

/** Looks once a second, for looking costs. */
export const lookMs = 1_000;

/** Since when all is well; shared by the rules of this file and of death-rules.ts. */
export class Calm implements Rule {
  readonly name = 'calm';
  private readonly world: SimWorld;
  private readonly disturbedAt: () => number;
  private oneSince = Number.POSITIVE_INFINITY;
  private lookedAt = Number.NEGATIVE_INFINITY;
  /** when servers last started or ended */
  changedAt = 0;
  /** when servers ended, the latest last, and since when it had been calm then */
  readonly deaths: { readonly at: number; readonly calmSince: number }[] = [];
  /** who was told to leave and still runs: it takes no links any more, and is no bridge */
  readonly leaving = new Set<SimUnit>();

  constructor(world: SimWorld, disturbedAt: () => number) {
    this.world = world;
    this.disturbedAt = disturbedAt;
  }

  started(unit: SimUnit): void {
    if (unit.role === 'server') this.changedAt = this.world.now;
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type === 'leave') this.leaving.add(unit);
  }

  ended(unit: SimUnit): void {
    if (unit.role !== 'server') return;
    this.leaving.delete(unit);
    this.deaths.push({ at: this.world.now, calmSince: this.since });
    this.changedAt = this.world.now;
  }

  sample(): void {
    if (this.world.now - this.lookedAt < lookMs) return;
    this.lookedAt = this.world.now;
    if (!this.isOne()) this.oneSince = Number.POSITIVE_INFINITY;
    else if (this.oneSince === Number.POSITIVE_INFINITY) this.oneSince = this.world.now;
  }

  get patience(): number {
    return patience(this.world.profile);
  }

  /** No fault but deaths since then. */
  get faultlessSince(): number {
    return this.world.paths.anyCut ? Number.POSITIVE_INFINITY : this.disturbedAt();
  }

  /** Also one network all the time, and nobody started or ended. */
  get since(): number {
    return Math.max(this.faultlessSince, this.oneSince, this.changedAt);
  }

  isOne(): boolean {
    const live = new Set(this.world.liveServers.map(({ id }) => id));
    const believed = neighborGraph(this.world);
    const mutual = new Map(
      [...believed].map(([id, neighbors]) => [
        id,
        neighbors.filter((one) => believed.get(one)?.includes(id) === true),
      ]),
    );
    const first = this.world.liveServers[0];
    return first !== undefined && distances(mutual, first.id).size === live.size;
  }
}

interface News {
  readonly at: number;
  readonly holds: () => string | undefined;
}

const spreadMs = 4_000;

/** What is written, and who manages a camera, is known everywhere a moment later. */
export class NewsSpreads implements Rule {
  readonly name = `news is everywhere within ${spreadMs} ms`;
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly calm: Calm;
  private news = new Map<string, News>();

  constructor(world: SimWorld, say: Say, calm: Calm) {
    this.world = world;
    this.say = say;
    this.calm = calm;
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type !== 'write') return;
    const { kind, id, value } = event;
    this.tell(`write ${kind} ${id}`, () => {
      for (const server of this.world.liveServers) {
        const row = this.world
          .serverNode(server.id)
          .document()
          .find((one) => one.kind === kind && one.id === id);
        const same =
          row !== undefined &&
          (row.value === undefined ? value === undefined : value?.equals(row.value) === true);
        if (!same)
          return `${server.id} has ${row?.value?.toString() ?? 'nothing'} for ${id}; ${unit.id} wrote ${value?.toString() ?? 'a deletion'}`;
      }
      return undefined;
    });
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'unmanaged') this.news.delete(`manager ${unit.id}`);
      if (effect.type !== 'managed') continue;
      const { server, epoch } = effect;
      this.tell(`manager ${unit.id}`, () => this.managerKnown(unit, server, epoch));
    }
  }

  private managerKnown(camera: SimUnit, manager: string, epoch: number): string | undefined {
    if (camera.management?.epoch !== epoch || camera.life?.isPaused === true) return undefined;
    for (const { id } of this.world.liveServers) {
      const view = this.world
        .serverNode(id)
        .cameras()
        .find((one) => one.unit === camera.id);
      // A server may know of a later management before the camera has its confirmation.
      if ((view?.manager === manager && view.epoch === epoch) || (view?.epoch ?? 0) > epoch) continue;
      return `${id} shows ${camera.id} with ${view?.manager ?? 'nobody'}, epoch ${view?.epoch}; it is with ${manager}, epoch ${epoch}`;
    }
    return undefined;
  }

  private tell(key: string, holds: () => string | undefined): void {
    // The latest of its kind counts.
    this.news.delete(key);
    this.news.set(key, { at: this.world.now, holds });
  }

  sample(): void {
    for (const [key, { at, holds }] of this.news) {
      if (this.world.now - at < spreadMs) return;
      // TCP holds a link up after a cut until that is as long ago as it lasted, or the link is given up as silent.
      const { suspectMs, indirectMs, replyMs } = this.world.profile;
      const flowsAt = this.calm.since + suspectMs + indirectMs + replyMs + 1_000;
      if (this.calm.since < at && this.world.now < flowsAt) continue;
      this.news.delete(key);
      const problem = this.calm.since < at ? holds() : undefined;
      if (problem !== undefined) this.say(this.name, problem);
    }
  }
}

const afterCutMs = 20_000;
/** Who resumes answers at once; this is time enough for it to be heard. */
const hearableMsMin = 500;
/** In `lan`: a server that has just started may be buried for its former life, or not know much yet. */
const settledMs = 8_000;

/** Who can be heard is not buried: pauses end in refutation, and a dead link is not a dead server. */
export class NobodyIsBuriedAlive implements Rule {
  readonly name = 'a server that can be heard is not buried';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly faultlessSince: () => number;
  private readonly seen = new Set<string>();
  private wasCut = false;
  private readonly startedAt = new Map<SimUnit, number>();
  private readonly pausedAt = new Map<SimUnit, number>();

  constructor(world: SimWorld, say: Say, faultlessSince: () => number) {
    this.world = world;
    this.say = say;
    this.faultlessSince = faultlessSince;
  }

  started(unit: SimUnit): void {
    this.startedAt.set(unit, this.world.now);
  }

  sample(): void {
    if (this.world.paths.anyCut) this.wasCut = true;
    for (const unit of this.world.servers) {
      if (unit.life?.isPaused === true) this.pausedAt.set(unit, this.world.now);
    }
  }

  effects(unit: SimUnit, _event: OverlayEvent, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type !== 'send' || effect.packet.name !== 'ss-exchange') continue;
      for (const { origin, incarnation, version, standing } of effect.packet.body.rows) {
        if (standing !== 'dead') continue;
        const key = `${origin} ${incarnation} ${version}`;
        if (this.seen.has(key)) continue;
        this.seen.add(key);
        this.buried(unit, this.world.unit(origin));
      }
    }
  }

  private buried(by: SimUnit, dead: SimUnit): void {
    if (!dead.isAlive || by === dead) return;
    const { now } = this.world;
    const since = (times: Map<SimUnit, number>, unit: SimUnit): number => now - (times.get(unit) ?? 0);
    const hearableMs = since(this.pausedAt, dead);
    const newMs = settledMs * patience(this.world.profile);
    if (hearableMs < hearableMsMin || since(this.startedAt, dead) < newMs) return;
    if (since(this.pausedAt, by) < newMs || since(this.startedAt, by) < newMs) return;
    // After a cut TCP needs up to as long again as the cut has lasted until bytes flow.
    const calmMs = now - this.faultlessSince();
    if (calmMs < (this.wasCut ? afterCutMs : hearableMsMin)) return;
    this.say(
      this.name,
      `${by.id} buries ${dead.id}, which could be heard for ${Math.round(Math.min(hearableMs, calmMs))} ms`,
    );
  }
}

/** Who was only paused and is heard again is not suspected any more. */
export class SuspicionsAreRefuted implements Rule {
  readonly name = 'a suspicion ends when the suspect is heard';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly faultlessSince: () => number;
  private readonly pausedAt = new Map<SimUnit, number>();
  /** those of them that have not been looked at since */
  private readonly waiting = new Set<SimUnit>();

  constructor(world: SimWorld, say: Say, faultlessSince: () => number) {
    this.world = world;
    this.say = say;
    this.faultlessSince = faultlessSince;
  }

  sample(): void {
    for (const unit of this.world.servers) {
      if (unit.life?.isPaused !== true) continue;
      this.pausedAt.set(unit, this.world.now);
      this.waiting.add(unit);
    }
    for (const unit of this.waiting) {
      const pausedAt = this.pausedAt.get(unit) ?? 0;
      const agoMs = this.world.now - pausedAt;
      if (agoMs < 1_000) continue;
      this.waiting.delete(unit);
      // The pause was the last fault, and its end is the last change.
      if (unit.isAlive && this.faultlessSince() <= pausedAt + 500) this.look(unit, agoMs);
    }
  }

  private look(unit: SimUnit, agoMs: number): void {
    for (const other of this.world.liveServers) {
      const paused = this.world.now - (this.pausedAt.get(other) ?? Number.NEGATIVE_INFINITY);
      if (other === unit || paused < 10_000 * patience(this.world.profile)) continue;
      const node = this.world.serverNode(other.id);
      if (!node.inspect().neighbors.includes(unit.id)) continue;
      const row = node.tables().neighbor.oneHop.find(({ server }) => server === unit.id);
      if (row?.suspected !== true) continue;
      this.say(this.name, `${other.id} suspects ${unit.id}, which has been back for ${Math.round(agoMs)} ms`);
    }
  }
}
