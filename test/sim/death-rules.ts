/**
 * What must hold when a server dies in calm times (calm-rules.ts): its death is noticed in time, repaired soon, and told
 * to its cameras by one or two. See invariants.ts.
 */
import type { OverlayEvent } from '../../firmware/overlay/effects.ts';
import { type Calm, lookMs } from './calm-rules.ts';
import type { Rule, Say } from './invariants.ts';
import type { SimUnit } from './sim-unit.ts';
import { neighborGraph } from './truth.ts';
import type { SimWorld } from './world.ts';

/** Former neighbors agree who tells the cameras of the dead: one of them, or two that see it differently. */
export class RejoinIsToldOnce implements Rule {
  readonly name = 'at most two servers tell a camera to rejoin';
  private readonly say: Say;
  private readonly calm: Calm;
  private readonly tellers = new Map<string, Set<string>>();

  constructor(say: Say, calm: Calm) {
    this.say = say;
    this.calm = calm;
  }

  event(unit: SimUnit, event: OverlayEvent): void {
    if (event.type !== 'packet' || event.packet.name !== 'cam-rejoin' || unit.role !== 'camera') return;
    const { header, body } = event.packet;
    const [last, before] = [this.calm.deaths.at(-1), this.calm.deaths.at(-2)];
    if (last === undefined || header.sender === body.server) return;
    if (this.calm.faultlessSince > last.at - 3_000 * this.calm.patience) return;
    // Of several that die together, each survivor knows a part.
    if (before !== undefined && last.at - before.at < 10_000 * this.calm.patience) return;
    const key = `${body.server} ${unit.id} ${body.epoch}`;
    const tellers = this.tellers.get(key) ?? new Set();
    this.tellers.set(key, tellers.add(header.sender));
    if (tellers.size > 2)
      this.say(this.name, `${[...tellers].join(', ')} tell ${unit.id} that ${body.server} is dead`);
  }
}

/** One or two deaths are repaired soon: detection, a round of reconnections, and dials that hang. */
export class DeathsAreRepaired implements Rule {
  readonly name = 'one or two deaths are repaired soon';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly calm: Calm;
  private lookedAt = 0;
  private last: string | undefined;
  /** since when nobody has the dead server as a neighbor */
  private buriedAt: number | undefined;

  constructor(world: SimWorld, say: Say, calm: Calm) {
    this.world = world;
    this.say = say;
    this.calm = calm;
  }

  ended(unit: SimUnit): void {
    if (unit.role !== 'server') return;
    this.last = unit.id;
    this.buriedAt = undefined;
  }

  private isBuried(): boolean {
    for (const neighbors of neighborGraph(this.world).values())
      if (this.last === undefined || neighbors.includes(this.last)) return false;
    return true;
  }

  sample(): void {
    const { world, calm } = this;
    const death = calm.deaths.at(-1)?.at;
    if (death === undefined || calm.faultlessSince >= death || calm.changedAt !== death) return;
    // It was one network when it happened, and nothing else has happened since.
    const lately = calm.deaths.filter(({ at }) => world.now - at < 40_000 * calm.patience);
    const wasOne = lately[0] !== undefined && lately[0].calmSince < lately[0].at - lookMs;
    if (!wasOne || lately.length > 2 || calm.leaving.size > 0) return;
    if (this.buriedAt === undefined && this.isBuried()) this.buriedAt = world.now;
    if (world.now - death <= this.boundMs(lately.length) && !this.isLateAfterBurial(lately.length)) return;
    if (world.now - this.lookedAt < lookMs) return;
    this.lookedAt = world.now;
    if (calm.isOne()) return;
    this.say(this.name, `${Math.round(world.now - death)} ms after a death the rest is in parts`);
  }

  private boundMs(deaths: number): number {
    const { suspectMs, buryMs, replyMs } = this.world.profile;
    // Of two that die together, each survivor may first dial the other one, and that hangs.
    return deaths === 1 ? suspectMs + buryMs + 5 * replyMs : 2 * (suspectMs + buryMs) + 5_000 + 4 * replyMs;
  }

  /**
   * The former neighbors of a single one all live: they ask each other as they bury it, and again a round (repairMs)
   * later. Merge probes would bring the parts together as well, in some seconds.
   */
  private isLateAfterBurial(deaths: number): boolean {
    const { now, profile } = this.world;
    return deaths === 1 && this.buriedAt !== undefined && now - this.buriedAt > 2 * profile.replyMs;
  }
}

/** A death is noticed by its silence, long before TCP gives up. */
export class DeathsAreNoticed implements Rule {
  readonly name = 'a dead server is noticed in time';
  private readonly world: SimWorld;
  private readonly say: Say;
  private readonly calm: Calm;
  private open: { readonly unit: SimUnit; readonly life: number; readonly at: number }[] = [];

  constructor(world: SimWorld, say: Say, calm: Calm) {
    this.world = world;
    this.say = say;
    this.calm = calm;
  }

  ended(unit: SimUnit): void {
    if (unit.role === 'server') this.open.push({ unit, life: unit.starts, at: this.world.now });
  }

  sample(): void {
    const { world, calm } = this;
    const { suspectMs, buryMs } = world.profile;
    // A server that doubts its own health takes its time.
    const boundMs = 3 * (suspectMs + buryMs);
    const first = this.open[0];
    if (first === undefined || world.now - first.at <= boundMs) return;
    this.open.shift();
    const alone =
      calm.deaths.filter(({ at }) => Math.abs(at - first.at) < 20_000 * calm.patience).length === 1;
    const wasCalm = calm.faultlessSince <= first.at - 3_000 * calm.patience;
    if (!alone || first.unit.starts !== first.life || !wasCalm) return;
    for (const { id } of world.liveServers) {
      if (!world.serverNode(id).inspect().neighbors.includes(first.unit.id)) continue;
      this.say(
        this.name,
        `${id} has ${first.unit.id} as a neighbor ${Math.round(world.now - first.at)} ms after its death`,
      );
    }
  }
}
