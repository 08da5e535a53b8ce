/**
 * The network of servers against Serf, real processes side by side: how long until the loss of a member is noticed by
 * the first and by the last, what the network costs while nothing happens, and how many living members are declared
 * dead when some get too little processor time. Each member has a machine of its own (overlay-field.ts), with a link
 * that no other program uses; all of them share the processors of this one.
 *
 * The peer is Debian's `serf` with its profile for local networks, as it comes: over UDP and not encrypted; Starling's
 * servers talk mutual TLS. Both get the same victims and the same starved members, drawn from the seed.
 *
 * Validity gate: overlay-trials.ts. What is not valid is named on standard error, left out of the table, and makes the
 * run fail.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stream } from '../../test/sim/randomness.ts';
import type { Figure } from '../bench.ts';
import { type Contender, nameOf, serf, starling } from './overlay-contenders.ts';
import { Field } from './overlay-field.ts';
import { Flock, pause } from './overlay-flock.ts';
import { loadText } from './overlay-load.ts';
import { benchOverlay as benchSimulated } from './overlay-sim.ts';
import {
  type Detection,
  detect,
  type Idle,
  idle,
  type Loss,
  losses,
  reunionMs,
  type Starvation,
  starve,
} from './overlay-trials.ts';

/** How much is done with flocks of one size. */
interface Plan {
  readonly size: number;
  /** how often a member is lost in each way */
  readonly times: Readonly<Record<Loss, number>>;
  /** between coming together and being at rest */
  readonly calmSeconds: number;
  readonly idleSeconds: number;
  readonly starvedSeconds: number;
}

const minute = { calmSeconds: 60, idleSeconds: 60, starvedSeconds: 60 };
const plans: readonly Plan[] = [
  { size: 10, times: { 'silent cut': 5, 'long SIGSTOP': 3, 'kill -9': 3 }, ...minute },
  { size: 30, times: { 'silent cut': 5, 'long SIGSTOP': 2, 'kill -9': 2 }, ...minute },
  { size: 100, times: { 'silent cut': 3, 'long SIGSTOP': 1, 'kill -9': 1 }, ...minute },
];
const quickPlans: readonly Plan[] = [
  {
    size: 5,
    times: { 'silent cut': 1, 'long SIGSTOP': 1, 'kill -9': 1 },
    calmSeconds: 5,
    idleSeconds: 10,
    starvedSeconds: 10,
  },
];
/** Share of the members that are starved, rounded up. */
const starvedShare = 0.2;

/** All that was found out about one contender at one size. */
interface Findings {
  readonly detections: readonly Detection[];
  readonly idle: Idle | undefined;
  readonly starvation: Starvation | undefined;
  readonly troubles: readonly string[];
}

/**
 * Runs it: more than an hour, half of it in virtual time; quick about three minutes. STARLING_BENCH_SIZES=10,30: only
 * flocks of these sizes, and nothing in virtual time.
 */
export async function benchOverlay(quick: boolean): Promise<Figure[]> {
  const seed = Number(process.env['STARLING_BENCH_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  say(`seed ${seed}; with STARLING_BENCH_SEED=${seed} the same members are chosen again`);
  const figures: Figure[] = [];
  const sizes = process.env['STARLING_BENCH_SIZES']?.split(',').map(Number);
  const all = quick ? quickPlans : plans;
  const chosen = sizes === undefined ? all : all.filter(({ size }) => sizes.includes(size));
  if (chosen.length === 0) {
    say(`STARLING_BENCH_SIZES: there are ${all.map(({ size }) => size).join(', ')}`);
    process.exit(2);
  }
  for (const plan of chosen) {
    const folder = mkdtempSync(join(tmpdir(), 'starling-bench-'));
    try {
      const ours = await measure(plan, seed, () => starling(folder, plan.size));
      const peers = await measure(plan, seed, () => Promise.resolve(serf()));
      figures.push(...figuresOf(plan, ours, peers));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return sizes === undefined ? [...figures, ...simulated(quick)] : figures;
}

/** Sizes that no single machine can run, in virtual time. */
function simulated(quick: boolean): Figure[] {
  try {
    return benchSimulated(quick);
  } catch (error) {
    process.exitCode = 1;
    say(`in virtual time: NOT VALID: ${String(error)}`);
    return [];
  }
}

async function measure(plan: Plan, seed: number, make: () => Promise<Contender>): Promise<Findings> {
  const contender = await make();
  const label = `N = ${plan.size}, ${contender.name}`;
  const troubles: string[] = [];
  const note = (what: string, trouble: string | undefined): void => {
    if (trouble === undefined) return;
    troubles.push(`${what}: ${trouble}`);
    process.exitCode = 1;
    say(`${label}, ${what}: NOT VALID: ${trouble}`);
  };
  const detections: Detection[] = [];
  let resting: Idle | undefined;
  let starvation: Starvation | undefined;
  try {
    using field = new Field(plan.size);
    await using flock = new Flock(contender, field);
    const startedAt = performance.now();
    await flock.start();
    const together = await flock.disagreement(flock.all(), flock.all(), reunionMs);
    if (together !== undefined) throw new Error(`the flock does not come together: ${together}`);
    say(`${label}: together ${((performance.now() - startedAt) / 1_000).toFixed(1)} s after the first start`);
    await pause(plan.calmSeconds * 1_000);
    resting = await idle(flock, plan.idleSeconds);
    say(`${label}: ${idleText(resting)}`);
    note('idle', resting.trouble);

    const victims = new Stream(seed, plan.size, 'victims');
    const moments = new Stream(seed, plan.size, 'moments');
    for (const loss of losses) {
      for (let time = 1; time <= plan.times[loss]; time++) {
        const victim = victims.pick(flock.all());
        const found = await detect(flock, loss, victim, moments);
        detections.push(found);
        say(`${label}: ${detectionText(found, nameOf(victim))}`);
        note(`${loss} of ${nameOf(victim)}`, found.trouble);
      }
    }
    const starving = new Stream(seed, plan.size, 'starved');
    const starved = starving.some(flock.all(), Math.ceil(plan.size * starvedShare));
    starvation = await starve(flock, starved, plan.starvedSeconds, starving);
    say(`${label}: ${starvationText(starvation)}`);
    note('starvation', starvation.trouble);
  } catch (error) {
    note('the rest', String(error));
  }
  return { detections, idle: resting, starvation, troubles };
}

/** Of both, what is valid of both. */
function figuresOf(plan: Plan, ours: Findings, peers: Findings): Figure[] {
  const at = `N = ${plan.size}`;
  const both = (figure: string, unit: string, of: (findings: Findings) => number | undefined): Figure[] => {
    const value = of(ours);
    const peer = of(peers);
    if (value === undefined) return [];
    return [
      {
        figure: `${at}, ${figure}`,
        value,
        unit,
        ...(peer === undefined ? {} : { peer: { name: 'Serf', value: peer } }),
      },
    ];
  };
  const resting = (of: (found: Idle) => number) => (findings: Findings) => valid(findings.idle, of);
  const starved = (of: (found: Starvation) => number) => (findings: Findings) =>
    valid(findings.starvation, of);
  return [
    ...losses.flatMap((loss) => [
      ...both(`${loss}: the first knows, median`, 's', (found) => median(found, loss, 'firstMs')),
      ...both(`${loss}: all know, median`, 's', (found) => median(found, loss, 'allMs')),
    ]),
    ...both(
      'idle, sent by each member',
      'bytes/s',
      resting(({ sentBytes }) => sentBytes),
    ),
    ...both(
      'idle, sent by each member',
      'packets/s',
      resting(({ sentPackets }) => sentPackets),
    ),
    ...both(
      'idle, received by each member',
      'bytes/s',
      resting(({ receivedBytes }) => receivedBytes),
    ),
    ...both(
      'some starved: living members that somebody declared dead',
      `of ${plan.size}`,
      starved(({ declared }) => declared),
    ),
    ...both(
      'some starved: declarations about starved members',
      '',
      starved(({ aboutStarved }) => aboutStarved),
    ),
    ...both(
      'some starved: declarations about the others',
      '',
      starved(({ aboutOthers }) => aboutOthers),
    ),
    ...both('losses: declarations about living members', '', falseOnes),
    ...both('runs that are not valid', '', ({ troubles }) => troubles.length),
  ];
}

/** Undefined when no loss was measured. */
function falseOnes({ detections }: Findings): number | undefined {
  const counted = detections.filter(({ trouble }) => trouble === undefined);
  if (counted.length === 0) return undefined;
  return counted.reduce((sum, found) => sum + found.falseOnes, 0);
}

function valid<T extends { readonly trouble: string | undefined }>(
  found: T | undefined,
  of: (found: T) => number,
): number | undefined {
  return found === undefined || found.trouble !== undefined ? undefined : of(found);
}

/** In seconds, of the valid ones; undefined when there is none. */
function median({ detections }: Findings, loss: Loss, time: 'firstMs' | 'allMs'): number | undefined {
  const counted = detections.filter((found) => found.loss === loss && found.trouble === undefined);
  const sorted = counted.map((found) => found[time]).sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2_000;
}

function idleText({ sentBytes, sentPackets, receivedBytes, load }: Idle): string {
  const sent = `${sentBytes.toFixed(0)} bytes/s in ${sentPackets.toFixed(1)} packets/s`;
  return `idle, each member sends ${sent}, receives ${receivedBytes.toFixed(0)} bytes/s; ${loadText(load)}`;
}

function detectionText({ loss, firstMs, allMs, falseOnes, load }: Detection, victim: string): string {
  const times = `the first knows after ${(firstMs / 1_000).toFixed(2)} s, all after ${(allMs / 1_000).toFixed(2)} s`;
  const wrong = falseOnes === 0 ? '' : `, ${falseOnes} false declarations`;
  return `${loss} of ${victim}: ${times}${wrong}${load === undefined ? '' : `; ${loadText(load)}`}`;
}

function starvationText({ starved, declared, aboutStarved, aboutOthers, load }: Starvation): string {
  const wrong = `${declared} living members declared dead, ${aboutStarved} times starved ones, ${aboutOthers} times others`;
  return `${starved} members starved: ${wrong}; ${loadText(load)}`;
}

function say(text: string): void {
  console.error(`overlay: ${text}`);
}
