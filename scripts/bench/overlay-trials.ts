/**
 * What is done to a flock and measured: idling, the loss of one member in three ways, and members that get too little
 * processor time. Times in milliseconds.
 *
 * Validity: a result counts only if all members held all others for alive before, all that were left agreed on
 * who was left after, and the machine was fit (overlay-load.ts). Otherwise it carries the reason and no figure of it is used.
 */
import type { Stream } from '../../test/sim/randomness.ts';
import { nameOf } from './overlay-contenders.ts';
import type { Traffic } from './overlay-field.ts';
import { type Flock, pause } from './overlay-flock.ts';
import { type Load, watchLoad } from './overlay-load.ts';

/** How a member is lost. A stopped process keeps its address and its connections; a killed one loses both at once. */
export const losses = ['silent cut', 'long SIGSTOP', 'kill -9'] as const;
export type Loss = (typeof losses)[number];

export interface Detection {
  readonly loss: Loss;
  /** until the first other member declares it dead, and until the last one does */
  readonly firstMs: number;
  readonly allMs: number;
  /** pairs of members of which one declared the other dead, though it was alive */
  readonly falseOnes: number;
  readonly load: Load | undefined;
  readonly trouble: string | undefined;
}

/** Of one member on average, per second. */
export interface Idle {
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly load: Load;
  readonly trouble: string | undefined;
}

export interface Starvation {
  readonly starved: number;
  /** pairs of members of which one declared the other dead, a starved one or another; all of them were alive */
  readonly aboutStarved: number;
  readonly aboutOthers: number;
  /** members declared dead by somebody */
  readonly declared: number;
  readonly load: Load;
  readonly trouble: string | undefined;
}

/** A member that is gone is declared dead by all within this time, or the trial counts as failed. */
const knownMs = 60_000;
/** After the last declaration the members' own lists follow. */
const settleMs = 10_000;
/** All see all again within this time after everything was put right. */
export const reunionMs = 120_000;
/** A member comes back into a flock that is at rest again. */
const restMs = 3_000;
const watchMs = 20;

/** A starved member is stopped for this share of each of its slices. */
const stoppedShare = 0.6;
const stoppedMs = { min: 500, max: 1_000 } as const;

/** Counts the traffic of a flock that is at rest. */
export async function idle(flock: Flock, seconds: number): Promise<Idle> {
  const before = flock.field.traffic();
  const startedAt = performance.now();
  const watch = watchLoad(flock.pids());
  await pause(seconds * 1_000);
  const load = watch.end();
  const after = flock.field.traffic();
  const memberSeconds = ((performance.now() - startedAt) / 1_000) * flock.field.size;
  const perSecond = (count: (traffic: Traffic) => number): number =>
    (total(after, count) - total(before, count)) / memberSeconds;
  const trouble = load.trouble ?? (await flock.disagreement(flock.all(), flock.all(), settleMs));
  return {
    sentBytes: perSecond(({ sentBytes }) => sentBytes),
    sentPackets: perSecond(({ sentPackets }) => sentPackets),
    receivedBytes: perSecond(({ receivedBytes }) => receivedBytes),
    receivedPackets: perSecond(({ receivedPackets }) => receivedPackets),
    load,
    trouble,
  };
}

function total<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((sum, item) => sum + count(item), 0);
}

/** Loses `victim` and waits until everybody has noticed; then brings it back. */
export async function detect(flock: Flock, loss: Loss, victim: number, random: Stream): Promise<Detection> {
  const failed = (trouble: string): Detection => {
    return { loss, firstMs: Number.NaN, allMs: Number.NaN, falseOnes: 0, load: undefined, trouble };
  };
  const before = await flock.disagreement(flock.all(), flock.all(), reunionMs);
  if (before !== undefined) return failed(`before: ${before}`);
  // Members act in rounds: the loss comes at any point of one.
  await pause(restMs + random.unit() * 1_000);

  const lostAt = performance.now();
  const watch = watchLoad(flock.pids());
  await lose(flock, loss, victim);
  const { firstMs, allMs } = await noticed(flock, victim, lostAt);
  const load = watch.end();
  // What the victim itself believes of the others is no mistake: it cannot hear them.
  const falseOnes = pairs(flock, lostAt).filter((pair) => !pair.includes(nameOf(victim))).length;
  const trouble =
    (Number.isNaN(allMs) ? `not all knew of it after ${knownMs / 1_000} s` : undefined) ??
    noticeable(flock, loss, victim) ??
    load.trouble ??
    prefixed('after: ', await flock.disagreement(flock.others(victim), flock.others(victim), settleMs));
  await bringBack(flock, loss, victim);
  return { loss, firstMs, allMs, falseOnes, load, trouble };
}

async function lose(flock: Flock, loss: Loss, victim: number): Promise<void> {
  if (loss === 'silent cut') flock.field.cut(victim);
  else if (loss === 'long SIGSTOP') flock.signal(victim, 'SIGSTOP');
  else await flock.kill(victim);
}

/** When the others declared it dead, the first and the last of them; NaN what did not happen in time. */
async function noticed(
  flock: Flock,
  victim: number,
  lostAt: number,
): Promise<{ firstMs: number; allMs: number }> {
  const others = flock.field.size - 1;
  const knownAt = new Map<string, number>();
  for (let read = flock.declarations.length; performance.now() < lostAt + knownMs; await pause(watchMs)) {
    for (; read < flock.declarations.length; read++) {
      const { atMs, by, subject } = flock.declarations[read] ?? { atMs: 0, by: '', subject: '' };
      if (subject !== nameOf(victim) || by === subject || knownAt.has(by)) continue;
      knownAt.set(by, atMs - lostAt);
    }
    if (knownAt.size === others) break;
  }
  const times = [...knownAt.values()];
  return {
    firstMs: times.length === 0 ? Number.NaN : Math.min(...times),
    allMs: times.length < others ? Number.NaN : Math.max(...times),
  };
}

/** A cut must be silent: a member that saw its carrier go would have been told. */
function noticeable(flock: Flock, loss: Loss, victim: number): string | undefined {
  if (loss !== 'silent cut' || flock.field.hasCarrier(victim)) return undefined;
  return 'the cut was not silent: the carrier is gone';
}

/** The stopped one goes on by itself; the others start anew, for a healed cut is another question. */
async function bringBack(flock: Flock, loss: Loss, victim: number): Promise<void> {
  if (loss === 'long SIGSTOP') {
    flock.signal(victim, 'SIGCONT');
    return;
  }
  await flock.kill(victim);
  if (loss === 'silent cut') flock.field.heal();
  await flock.startOne(victim);
}

/** Stops `starved` over and over for a part of the time and counts who is declared dead: nobody is. */
export async function starve(
  flock: Flock,
  starved: readonly number[],
  seconds: number,
  random: Stream,
): Promise<Starvation> {
  const before = await flock.disagreement(flock.all(), flock.all(), reunionMs);
  const startedAt = performance.now();
  const watch = watchLoad(flock.pids());
  const until = startedAt + seconds * 1_000;
  // Each has slices of its own, drawn now so that both contenders get the same ones.
  const schedules = starved.map((member) => ({ member, slices: slicesFor(seconds, random) }));
  await Promise.all(
    schedules.map(async ({ member, slices }) => {
      for (const slice of slices) {
        if (performance.now() >= until) break;
        await pause(slice.runMs);
        flock.signal(member, 'SIGSTOP');
        await pause(slice.stopMs);
        flock.signal(member, 'SIGCONT');
      }
    }),
  );
  const load = watch.end();
  // What was begun meanwhile ends in a declaration a little later.
  await pause(settleMs);
  const subjects = pairs(flock, startedAt).map(([, subject]) => subject);
  const names = new Set(starved.map(nameOf));
  return {
    starved: starved.length,
    aboutStarved: subjects.filter((subject) => names.has(subject)).length,
    aboutOthers: subjects.filter((subject) => !names.has(subject)).length,
    declared: new Set(subjects).size,
    load,
    trouble:
      prefixed('before: ', before) ??
      load.trouble ??
      prefixed('after: ', await flock.disagreement(flock.all(), flock.all(), reunionMs)),
  };
}

/** Who has declared whom dead since then; each pair once, however often. */
function pairs(flock: Flock, sinceMs: number): [by: string, subject: string][] {
  const found = new Map<string, [string, string]>();
  for (const { atMs, by, subject } of flock.declarations) {
    if (atMs >= sinceMs && by !== subject) found.set(`${by} ${subject}`, [by, subject]);
  }
  return [...found.values()];
}

/** Times of running and of being stopped, in turn, for so many seconds. */
function slicesFor(seconds: number, random: Stream): { runMs: number; stopMs: number }[] {
  const slices: { runMs: number; stopMs: number }[] = [];
  for (let leftMs = seconds * 1_000; leftMs > 0; ) {
    const stopMs = stoppedMs.min + random.unit() * (stoppedMs.max - stoppedMs.min);
    const runMs = (stopMs * (1 - stoppedShare)) / stoppedShare;
    slices.push({ runMs, stopMs });
    leftMs -= runMs + stopMs;
  }
  return slices;
}

function prefixed(prefix: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${prefix}${text}`;
}
