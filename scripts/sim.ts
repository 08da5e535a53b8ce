/**
 * `npm run sim`: the overlay in virtual time, thousands of seeds, each a network with its own troubles.
 *
 *     npm run sim -- --seeds 2000 [--first SEED] [--jobs J] [--stop]   many seeds; --stop: only until one fails
 *     npm run sim -- --seed S [--trace]                                one seed; with everything that was said and sent
 *     npm run sim -- --scenario FILE [--trace]                         a scenario from a file
 *     npm run sim -- --servers 1000 --cameras 10 [--kill 0,10,50,90] [--trace]
 *         one large network; what it costs to start it, to be idle, to let one server join, and to lose so many percent
 *         of its servers at once (0: one server); --trace tells where it is
 *     npm run sim -- --mutants [--budget SEEDS] [--only NAME]          planted bugs: every one must be found
 *
 * The last line is `N passed, N failed`. The first failure is made smaller (unless `--whole`) and written to a scenario
 * file; put it into test/sim/scenarios to keep it as a test (`--save` does so).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import cliProgress from 'cli-progress';
import { generateScenario } from '../test/sim/generate.ts';
import { runMutants } from '../test/sim/mutant-run.ts';
import { runScenario, type Violation } from '../test/sim/run-scenario.ts';
import { printScale } from '../test/sim/scale.ts';
import { readScenario, type Scenario } from '../test/sim/scenario.ts';
import { runSeeds, type SeedResult, serveSeeds } from '../test/sim/seed-pool.ts';
import { shrinkScenario } from '../test/sim/shrink.ts';
import { traceLines } from '../test/sim/trace-lines.ts';
import type { SimWorld } from '../test/sim/world.ts';

const script = fileURLToPath(import.meta.url);
const root = path.dirname(path.dirname(script));

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    scenario: { type: 'string' },
    servers: { type: 'string' },
    cameras: { type: 'string', default: '10' },
    trace: { type: 'boolean', default: false },
    kill: { type: 'string', default: '0,10,50,90' },
    mutants: { type: 'boolean', default: false },
    budget: { type: 'string', default: '400' },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    stop: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    whole: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`sim: --${name} wants a whole number, not "${text}"`);
  return process.exit(2);
}

/** Numbers from 0 to 99, separated by commas; an empty text: none. */
function percents(name: string, text: string): number[] {
  const values = text === '' ? [] : text.split(',').map((one) => wholeNumber(name, one));
  if (values.every((value) => value < 100)) return values;
  console.error(`sim: --${name} wants percents below 100, not "${text}"`);
  return process.exit(2);
}

function finish(passed: number, failed: number): void {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function describe({ rule, detail, at }: Violation): string {
  return `  rule   ${rule}\n  saw    ${detail}\n  at     ${(at / 1000).toFixed(3)} s of virtual time`;
}

/** Makes a failing scenario smaller and writes it where it can be found. */
function keep(scenario: Scenario, violation: Violation, name: string): void {
  const small = shrinkScenario(scenario, violation);
  const folder = values.save ? path.join(root, 'test/sim/scenarios') : path.join(tmpdir(), 'starling-sim');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}.json`);
  const about = `${small.violation.rule}: ${small.violation.detail.split('\n')[0]}`;
  writeFileSync(file, `${JSON.stringify({ ...small.scenario, about }, null, 2)}\n`);
  const { servers, cameras, faults } = small.scenario;
  console.log(`smaller: ${servers.length} servers, ${cameras.length} cameras, ${faults.length} faults`);
  console.log(describe(small.violation));
  console.log(`  replay npm run sim -- --scenario ${file}${values.trace ? '' : ' --trace'}`);
}

function runOne(scenario: Scenario, name: string): void {
  let world: SimWorld | undefined;
  const outcome = runScenario(scenario, {
    record: values.trace,
    onWorld: (made) => {
      world = made;
    },
  });
  if (values.trace && world !== undefined) for (const line of traceLines(world)) console.log(line);
  console.log(
    `${name}: trace hash ${outcome.traceHash}, ${outcome.packets} packets, ${(outcome.virtualMs / 1000).toFixed(1)} s`,
  );
  if (outcome.violation === undefined) {
    console.log(
      `converged ${(outcome.convergedMs / 1000).toFixed(2)} s after the healing; longest gap ${Math.round(outcome.longestGapMs)} ms`,
    );
    return finish(1, 0);
  }
  console.log(describe(outcome.violation));
  if (values.seed !== undefined && !values.trace) keep(scenario, outcome.violation, `seed-${scenario.seed}`);
  finish(0, 1);
}

/** Percentile of a sorted list. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function runMany(first: number, count: number): Promise<void> {
  const bar = new cliProgress.SingleBar({
    format: '{bar} {value}/{total} seeds, {failed} failed, {eta} s left',
    hideCursor: true,
  });
  const terminal = process.stdout.isTTY === true;
  if (terminal) bar.start(count, 0, { failed: 0 });
  const results: SeedResult[] = [];
  const failures: SeedResult[] = [];
  await runSeeds({
    script,
    first,
    count,
    jobs: Math.max(1, wholeNumber('jobs', values.jobs)),
    stopAtFailure: values.stop,
    onResults: (some) => {
      results.push(...some);
      failures.push(...some.filter(({ violation }) => violation !== undefined));
      if (terminal) bar.update(results.length, { failed: failures.length });
    },
  });
  if (terminal) bar.stop();
  report(results);
  failures.sort((a, b) => a.seed - b.seed);
  const [worst, ...others] = failures;
  if (worst?.violation !== undefined) {
    console.log(`seed ${worst.seed} failed:\n${describe(worst.violation)}`);
    console.log(`  replay npm run sim -- --seed ${worst.seed} --trace`);
    for (const { seed, violation } of others.slice(0, 20))
      console.log(`seed ${seed} failed: ${violation?.rule}`);
    if (!values.whole) keep(generateScenario(worst.seed), worst.violation, `seed-${worst.seed}`);
  }
  finish(results.length - failures.length, failures.length);
}

function report(results: readonly SeedResult[]): void {
  const good = results.filter(({ violation }) => violation === undefined);
  const row = (name: string, pick: (result: SeedResult) => number, unit: string): string => {
    const sorted = good.map(pick).sort((a, b) => a - b);
    const [median, high, most] = [0.5, 0.99, 1].map((share) => percentile(sorted, share).toFixed(0));
    return `${name.padEnd(26)} median ${median} ${unit}, 99 % ${high} ${unit}, most ${most} ${unit}`;
  };
  console.log(row('convergence after healing', ({ convergedMs }) => convergedMs, 'ms'));
  console.log(row('recording gap when calm', ({ longestGapMs }) => longestGapMs, 'ms'));
  console.log(row('CPU per seed', ({ cpuMs }) => cpuMs, 'ms'));
  const cpuMs = good.reduce((sum, result) => sum + result.cpuMs, 0);
  console.log(
    `${'CPU of all'.padEnd(26)} ${(cpuMs / 1_000).toFixed(0)} s, ${(cpuMs / good.length).toFixed(0)} ms per seed`,
  );
}

if (values.worker) {
  serveSeeds();
} else if (values.mutants) {
  const { killed, survived } = runMutants({
    root,
    budget: wholeNumber('budget', values.budget),
    only: values.only,
    first: wholeNumber('first', values.first),
    jobs: wholeNumber('jobs', values.jobs),
  });
  finish(killed, survived);
} else if (values.servers !== undefined) {
  const servers = wholeNumber('servers', values.servers);
  const passed = printScale(
    {
      servers,
      camerasPerServer: wholeNumber('cameras', values.cameras),
      seed: wholeNumber('seed', values.seed ?? '1'),
      killPercents: percents('kill', values.kill),
    },
    values.trace,
  );
  finish(passed ? 1 : 0, passed ? 0 : 1);
} else if (values.scenario !== undefined) {
  runOne(readScenario(values.scenario), path.basename(values.scenario));
} else if (values.seed !== undefined) {
  runOne(generateScenario(wholeNumber('seed', values.seed)), `seed ${values.seed}`);
} else {
  await runMany(wholeNumber('first', values.first), wholeNumber('seeds', values.seeds ?? '100'));
}
