/**
 * Runs a scenario: trouble first, with the rules of invariants.ts watched all the time, then everything heals and the
 * network must converge (truth.ts) within a stated time, and answer every question rightly. It stops at the first
 * violation, or as soon as all is well.
 */
import {
  deadRetryMs,
  digestMs,
  joinBackoffMs,
  mergeProbeMs,
  profiles,
} from '../../firmware/overlay/constants.ts';
import type { Endpoint } from './anycast-carrier.ts';
import { Troublemaker } from './apply-fault.ts';
import { Calm, NewsSpreads, NobodyIsBuriedAlive, SuspicionsAreRefuted } from './calm-rules.ts';
import { EpochsRise, GapsAreShort, OffersAnswerOwnJoins, OneManagerPerEpoch } from './camera-rules.ts';
import { DeathsAreNoticed, DeathsAreRepaired, RejoinIsToldOnce } from './death-rules.ts';
import { LinkEnds, QueriesAreAnswered, type Rule, serverRules } from './invariants.ts';
import { epochUtcMs } from './life.ts';
import type { CameraPlan, Scenario, ServerPlan } from './scenario.ts';
import type { SimUnit } from './sim-unit.ts';
import { TenureRecord } from './tenure-record.ts';
import { disagreement, managers } from './truth.ts';
import { SimWorld } from './world.ts';

export interface Violation {
  readonly rule: string;
  readonly detail: string;
  /** ms of virtual time */
  readonly at: number;
}

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly traceHash: string;
  /** from the healing to the convergence, ms */
  readonly convergedMs: number;
  readonly virtualMs: number;
  readonly packets: number;
  readonly longestGapMs: number;
}

const sampleMs = 250;
/** So many events between two samples are a flood; 40 servers that start at once have a tenth of it. */
const floodEvents = 1_000_000;
/** After the last check of the tables nothing may change them again for so long. */
const settledMs = 1_500;

/**
 * How long convergence may take after the healing: the longest back-off of a joiner with its jitter, a merge probe of
 * two parts that do not know each other, the retry of dead peers, two digests, and the death of who is still believed
 * alive. Mostly it takes a few seconds.
 */
function convergenceLimitMs(scenario: Scenario): number {
  const { suspectMs, buryMs, leaseMs, replyMs } = profiles[scenario.profile];
  return (
    1.25 * (joinBackoffMs.max + deadRetryMs) +
    2 * mergeProbeMs +
    2 * digestMs +
    8 * (suspectMs + buryMs) +
    leaseMs +
    10 * replyMs
  );
}

export function runScenario(
  scenario: Scenario,
  options: { readonly record?: boolean; readonly onWorld?: (world: SimWorld) => void } = {},
): Outcome {
  const run = new Run(scenario, options.record ?? false);
  options.onWorld?.(run.world);
  return run.toTheEnd();
}

class Run {
  readonly world: SimWorld;
  private readonly scenario: Scenario;
  private readonly trouble: Troublemaker;
  private readonly rules: Rule[];
  private readonly gaps: GapsAreShort;
  private readonly queries: QueriesAreAnswered;
  private readonly tenures: TenureRecord;
  private violation: Violation | undefined;
  /** how often a camera found or lost a manager */
  private changes = 0;

  constructor(scenario: Scenario, record: boolean) {
    this.scenario = scenario;
    const { seed, latencyMs, spreadMs } = scenario;
    this.world = new SimWorld({
      seed,
      profile: profiles[scenario.profile],
      latencyMs,
      spreadMs,
      endpoints: endpointsOf(scenario),
      record,
    });
    const { world } = this;
    world.eventsPerRunMax = floodEvents;
    const say = (rule: string, detail: string): void => {
      this.violation ??= { rule, detail, at: world.now };
    };
    const ends = new LinkEnds();
    this.tenures = new TenureRecord(world);
    this.queries = new QueriesAreAnswered(world, say);
    this.trouble = new Troublemaker(world, scenario, this.queries);
    this.gaps = new GapsAreShort(world, say, () => this.trouble.disturbedAt);
    const calm = new Calm(world, () => this.trouble.disturbedAt);
    this.rules = [
      calm,
      new NewsSpreads(world, say, calm),
      new NobodyIsBuriedAlive(world, say, () => this.trouble.disturbedAt),
      ...(onlyProgramsFail(scenario)
        ? [new SuspicionsAreRefuted(world, say, () => this.trouble.disturbedAt)]
        : []),
      new RejoinIsToldOnce(say, calm),
      new DeathsAreRepaired(world, say, calm),
      new DeathsAreNoticed(world, say, calm),
      ...serverRules(world, say, ends, scenario.degree.max),
      new EpochsRise(say),
      new OneManagerPerEpoch(world, say),
      new OffersAnswerOwnJoins(say),
      this.gaps,
      this.queries,
    ];
    world.watchers.push(ends, this.tenures, ...this.rules, {
      effects: (_unit, _event, effects) => {
        if (effects.some(({ type }) => type === 'managed' || type === 'unmanaged')) this.changes++;
      },
    });
    for (const plan of scenario.servers) this.addServer(plan);
    for (const plan of scenario.cameras) this.addCamera(plan);
    this.trouble.plan();
  }

  private addServer(plan: ServerPlan): void {
    const { world } = this;
    const { degree } = this.scenario;
    const { camerasMax } = plan;
    const options = camerasMax === undefined ? { degree } : { degree, camerasMax };
    const unit = world.addServer(plan.id, { ...options, start: false });
    unit.skipsFrom = plan.skipsFrom;
    unit.speaksUnknown = plan.speaksUnknown ?? false;
    this.begin(unit, plan);
  }

  private addCamera(plan: CameraPlan): void {
    const { cameras } = plan;
    this.begin(
      this.world.addCamera(plan.id, { ...(cameras === undefined ? {} : { cameras }), start: false }),
      plan,
    );
  }

  private begin(unit: SimUnit, plan: ServerPlan | CameraPlan): void {
    const { clock = {} } = plan;
    unit.clockFault.rate = clock.rate ?? 1;
    unit.clockFault.monotonicStartMs = clock.monotonicStartMs ?? 0;
    unit.clockFault.utcOffMs = clock.is1970 === true ? -epochUtcMs : (clock.utcOffMs ?? 0);
    unit.clockFault.trusted = clock.is1970 !== true;
    this.world.at(plan.startMs, () => {
      if (unit.starts === 0) unit.start();
    });
  }

  toTheEnd(): Outcome {
    const { world, scenario } = this;
    let convergedMs = Number.NaN;
    try {
      while (this.violation === undefined && world.now < scenario.healMs)
        this.advance(scenario.healMs - world.now);
      const healedAt = world.now;
      convergedMs = this.converge();
      if (this.violation === undefined) this.askEverybody();
      if (this.violation === undefined) convergedMs = Math.max(convergedMs, this.settle() - healedAt);
    } catch (error) {
      this.violation ??= {
        rule: 'a node does not throw',
        detail: String((error as Error).stack),
        at: world.now,
      };
    }
    return {
      violation: this.violation,
      traceHash: world.traceHash,
      convergedMs,
      virtualMs: world.now,
      packets: world.sentPackets,
      longestGapMs: this.gaps.longestMs,
    };
  }

  private advance(mostMs: number): void {
    this.world.run(Math.min(sampleMs, mostMs));
    for (const rule of this.rules) rule.sample?.();
  }

  private converge(): number {
    const startedAt = this.world.now;
    const limitMs = convergenceLimitMs(this.scenario);
    for (;;) {
      const problem = disagreement(this.world, this.tenures);
      if (problem === undefined || this.violation !== undefined) return this.world.now - startedAt;
      if (this.world.now - startedAt > limitMs) {
        this.violation = { rule: `converges within ${limitMs} ms`, detail: problem, at: this.world.now };
        return Number.NaN;
      }
      this.advance(sampleMs);
    }
  }

  /** A query from any server finds the true manager and owners, also if it must be asked again as things change. */
  private askEverybody(): void {
    for (let tries = 0; tries < 3 && this.violation === undefined; tries++) {
      const before = this.changes;
      const problem = this.wrongAnswer();
      if (problem === undefined) return;
      if (this.changes === before) {
        this.violation ??= { rule: 'a query finds the true manager', detail: problem, at: this.world.now };
      }
      this.converge();
    }
  }

  private wrongAnswer(): string | undefined {
    const { world } = this;
    const asked: { server: string; camera: string; manager: SimUnit; query: number }[] = [];
    const truth = [...managers(world)];
    const every = Math.max(1, Math.ceil(truth.length / 3));
    for (const [place, server] of world.liveServers.entries()) {
      // Every camera is asked about somewhere, every server asks about some.
      for (const [camera, manager] of truth.filter((_, at) => (at + place) % every === 0)) {
        asked.push({ server: server.id, camera, manager, query: world.ask(server.id, camera) });
      }
    }
    const isAnswered = (): boolean => asked.every(({ query }) => world.answerTo(query) !== undefined);
    const limitMs = 10 * world.profile.replyMs;
    for (let waitedMs = 0; waitedMs < limitMs && !isAnswered(); waitedMs += 100) world.run(100);
    for (const { server, camera, manager, query } of asked) {
      const answer = world.answerTo(query);
      if (answer?.manager === manager.id && answer.state === 'online') continue;
      return `${server} says of ${camera}: ${JSON.stringify(answer)}; it is with ${manager.id}`;
    }
    return undefined;
  }

  /** Still so after a while; what changes once more must come to rest again. Returns when it was so. */
  private settle(): number {
    const before = this.world.now;
    this.advance(settledMs);
    if (this.violation !== undefined || disagreement(this.world, this.tenures) === undefined) return before;
    this.converge();
    return this.world.now;
  }
}

/** No path fails, and no connection: who is silent does not run. */
function onlyProgramsFail({ faults }: Scenario): boolean {
  return !faults.some(({ kind }) => kind === 'links' || kind === 'cut' || kind === 'partition');
}

function endpointsOf({ endpoints, servers }: Scenario): Endpoint[] {
  return endpoints.flatMap((kind): Endpoint[] => {
    if (kind !== 'seeds') return [{ kind }];
    return servers.slice(0, 8).map(({ id }) => ({ kind: 'seed', server: id }));
  });
}
