// Runs the tests: `tsx scripts/test.ts [suite ...] [--only SUBSTRING]`. Without a suite it runs `check` and then every
// suite that has tests, but for those that are run by hand. An empty suite is a failure: `node --test` on nothing says 0, and nobody notices.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const suites = [
  'unit',
  'contract',
  'sim',
  'integration',
  'network',
  'recording',
  'power',
  'page',
  'browser',
  'board',
  'board-arm64',
  'readme',
  'boot',
];
// Node applies this to each test file as a whole as well as to each test in it.
const testTimeoutMs = 300_000;
/** Of guests with a translated processor, the README's commands, many power cuts, many files in one process. */
const longTimeoutMs = 1_500_000;
const takesLong = new Set(['unit', 'power', 'board', 'board-arm64', 'readme', 'boot']);
/** Files that run at the same time: more where they mostly wait. Of the others one after the other. */
const atATime: Readonly<Record<string, number>> = {
  unit: 2,
  contract: 2,
  sim: 2,
  integration: 3,
  network: 2,
  recording: 3,
};
/** Their files share processes: to start one and to load the firmware takes longer than most of these tests. */
const sharesProcesses = new Set(['unit']);
const processesMax = 12;
// Too long for every run: `npm run test:page`, `npm run test:board`, `npm run test:board:arm64`.
const byHand = new Set(['page', 'board', 'board-arm64']);
/**
 * Real processes on real clocks: a shared machine that stands still for two seconds makes some of them late. A few files
 * that fail are run again, one at a time, and the summary names them; what fails three times has failed.
 */
const getsMoreTries = new Set([
  'contract',
  'integration',
  'network',
  'recording',
  'power',
  'page',
  'browser',
  'readme',
  'boot',
]);
/** Their faults are drawn from a seed: a file that is run again gets the same ones. */
const seeded = new Set(['integration', 'recording', 'power']);
const seed = process.env['SEED'] ?? String(Date.now() % 1_000_000);
const filesAgainMax = 6;
const triesMax = 3;
const usage = `usage: tsx scripts/test.ts [${suites.join('|')} ...] [--only SUBSTRING]`;

interface Result {
  readonly name: string;
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly trouble?: string;
  /** files that failed, and passed when they were run again */
  readonly triedAgain?: readonly string[];
}

interface Report extends Result {
  /** files with a test that failed, as far as the report names them */
  readonly failedFiles: readonly string[];
}

function main(argv: readonly string[]): number {
  process.chdir(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
  const { requested, only } = parseArguments(argv);
  refuseStrayTests();
  refuseHollowTests();

  const chosen = requested.length > 0 ? requested : usual();
  const plan = chosen.map((name) => ({ name, files: filesOf(name, '.test.ts') }));
  for (const { name, files } of plan) {
    if (files.length === 0) return refuse(`suite ${name} has no test file (test/${name}/**/*.test.ts)`);
  }
  const filtered = plan.map(({ name, files }) => ({
    name,
    files: files.filter((file) => file.includes(only)),
  }));
  if (!filtered.some(({ files }) => files.length > 0)) {
    return refuse(only === '' ? 'there is no test at all' : `--only ${only} matches no test file`);
  }
  if (requested.length === 0) {
    const absent = suites.filter((suite) => !chosen.includes(suite) && !byHand.has(suite));
    if (absent.length > 0) console.log(`no tests yet in: ${absent.join(', ')}`);
  }

  const results: Result[] = [];
  if (requested.length === 0) results.push(runCheck());
  for (const { name, files } of filtered) {
    if (results.some(isBad)) break;
    if (files.length > 0) results.push(runSuite(name, files));
  }
  return summarise(
    results,
    filtered.map(({ name }) => name),
  );
}

/** What runs when nothing is named. */
function usual(): string[] {
  return suites.filter((suite) => !byHand.has(suite) && filesOf(suite, '').length > 0);
}

function parseArguments(argv: readonly string[]): { requested: string[]; only: string } {
  const requested: string[] = [];
  let only = '';
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (argument === '--only') {
      only = argv[++index] ?? '';
      if (only === '') process.exit(refuse(`--only needs a part of a file name\n${usage}`));
    } else if (suites.includes(argument)) {
      requested.push(argument);
    } else {
      process.exit(refuse(`unknown argument ${argument}\n${usage}`));
    }
  }
  return { requested: suites.filter((suite) => requested.includes(suite)), only };
}

function filesOf(suite: string, ending: string): string[] {
  const folder = path.join('test', suite);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.join(entry.path, entry.name))
    .sort();
}

/** In a process with others, a file without a test would not be noticed. */
function refuseHollowTests(): void {
  const hollow = [...sharesProcesses]
    .flatMap((suite) => filesOf(suite, '.test.ts'))
    .filter((file) => !/^\s*(?:await )?(?:test|describe\w*)\(/m.test(readFileSync(file, 'utf8')));
  if (hollow.length > 0) process.exit(refuse(`no test in ${hollow.join(', ')}`));
}

/** A test file outside the suites would never run, and would look as if it did. */
function refuseStrayTests(): void {
  const stray = filesOf('.', '.test.ts').filter((file) => !suites.includes(file.split(path.sep)[1] ?? ''));
  if (stray.length > 0) process.exit(refuse(`in no suite, so never run: ${stray.join(', ')}`));
}

function runCheck(): Result {
  console.log('\n== check');
  const startedMs = performance.now();
  const child = spawnSync('npm', ['run', '-s', 'check'], { stdio: 'inherit' });
  const seconds = (performance.now() - startedMs) / 1000;
  const nothing = { name: 'check', seconds, passed: 0, failed: 0, skipped: 0 };
  if (child.status === 0) return nothing;
  return { ...nothing, failed: 1, trouble: 'types, lint, format or unused code: see above' };
}

function runSuite(name: string, files: readonly string[]): Result {
  console.log(`\n== ${name} (${files.length} files)`);
  const { failedFiles, ...first } = runFiles(name, files);
  const known = (failed: readonly string[]): string[] => files.filter((file) => isOneOf(file, failed));
  let bad = known(failedFiles);
  let { seconds } = first;
  const mayTryAgain = isBad(first) && first.trouble === undefined && getsMoreTries.has(name);
  for (let tries = 1; mayTryAgain && tries < triesMax; tries++) {
    if (bad.length === 0 || bad.length > filesAgainMax) break;
    console.log(`\n== ${name}, again: ${bad.join(', ')}`);
    const { failedFiles: left, ...again } = runFiles(name, bad, 1);
    seconds += again.seconds;
    if (!isBad(again))
      return {
        ...first,
        seconds,
        passed: first.passed + first.failed,
        failed: 0,
        triedAgain: known(failedFiles),
      };
    if (again.trouble !== undefined) break;
    bad = known(left);
  }
  return { ...first, seconds };
}

/** Whether a file failed: a test that a function of test/support declares is reported there, not where it is called. */
function isOneOf(file: string, failed: readonly string[]): boolean {
  const support = path.join('test', 'support') + path.sep;
  const text = readFileSync(file, 'utf8');
  return failed.some(
    (name) =>
      name === file || (name.startsWith(support) && text.includes(`/support/${path.basename(name)}'`)),
  );
}

function runFiles(name: string, files: readonly string[], together = atATime[name] ?? 1): Report {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'starling-test-'));
  const tapFile = path.join(folder, 'result.tap');
  const startedMs = performance.now();
  const child = spawnSync(
    process.execPath,
    [
      '--import',
      'tsx',
      '--test',
      `--test-timeout=${takesLong.has(name) ? longTimeoutMs : testTimeoutMs}`,
      `--test-concurrency=${together}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      '--test-reporter=tap',
      `--test-reporter-destination=${tapFile}`,
      ...(sharesProcesses.has(name) ? inProcesses(files, folder) : files),
    ],
    { stdio: 'inherit', env: { ...process.env, ...(seeded.has(name) ? { SEED: seed } : {}) } },
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const tap = existsSync(tapFile) ? readFileSync(tapFile, 'utf8') : '';
  rmSync(folder, { recursive: true, force: true });
  return { name, seconds, ...readTap(tap, child.status) };
}

/** Files that load the test files, each some of them; those with hooks for all tests of their process stay alone. */
function inProcesses(files: readonly string[], folder: string): string[] {
  const alone = files.filter((file) => /^(?:before|after)(?:Each)?\(/m.test(readFileSync(file, 'utf8')));
  const together = files.filter((file) => !alone.includes(file));
  const loaders = Array.from({ length: Math.min(processesMax, together.length) }, (_, place) => {
    const own = together.filter((_, at) => at % processesMax === place);
    const loader = path.join(folder, `tests-${place + 1}.test.mjs`);
    writeFileSync(loader, own.map((file) => `import ${JSON.stringify(path.resolve(file))};\n`).join(''));
    return loader;
  });
  return [...loaders, ...alone];
}

/** Counts from the end of node's TAP report; the last block is node's own, whatever a test printed before it. */
function readTap(tap: string, status: number | null): Omit<Report, 'name' | 'seconds'> {
  const failures = tap.matchAll(
    /^ *not ok \d+ - .*\n *---\n(?: *(?!\.\.\.|location:).*\n)*? *location: '(.*?)(?::\d+)*'$/gm,
  );
  const failedFiles = [...new Set([...failures].map((match) => path.relative('.', match[1] ?? '')))];
  const end =
    /\n# tests (\d+)\n# suites \d+\n# pass (\d+)\n# fail (\d+)\n# cancelled (\d+)\n# skipped (\d+)\n# todo (\d+)\n# duration_ms [\d.]+\s*$/.exec(
      tap,
    );
  if (end === null)
    return { passed: 0, failed: 1, skipped: 0, failedFiles, trouble: 'the test runner gave no report' };
  const [tests = 0, pass = 0, fail = 0, cancelled = 0, skipped = 0, todo = 0] = end.slice(1).map(Number);
  const counts = { passed: pass, failed: fail + cancelled, skipped: skipped + todo, failedFiles };
  // A file that declares no test is reported by node as one passing test with the file's own name.
  const hollow = [...tap.matchAll(/^ok \d+ - (\/.*\.test\.\w+)$/gm)].map((match) => match[1] ?? '');
  if (hollow.length > 0) {
    const failed = counts.failed + hollow.length;
    return { ...counts, passed: pass - hollow.length, failed, trouble: `no test in ${hollow.join(', ')}` };
  }
  if (tests === 0) return { ...counts, trouble: 'no test ran' };
  if (status !== 0 && counts.failed === 0)
    return { ...counts, failed: 1, trouble: `node ended with ${status}` };
  return counts;
}

function isBad(result: Result): boolean {
  return result.failed > 0 || result.trouble !== undefined;
}

function summarise(results: readonly Result[], planned: readonly string[]): number {
  console.log('\n== summary');
  for (const result of results) {
    const mark = isBad(result) ? 'FAILED' : 'ok';
    const counts = result.name === 'check' ? '' : countsOf(result);
    const again =
      result.triedAgain === undefined ? '' : `  (not at the first try: ${result.triedAgain.join(', ')})`;
    const trouble = result.trouble === undefined ? again : `  (${result.trouble})`;
    console.log(
      `${result.name.padEnd(12)} ${mark.padEnd(7)} ${result.seconds.toFixed(1).padStart(6)} s  ${counts}${trouble}`,
    );
  }
  const unreached = planned.filter((name) => !results.some((result) => result.name === name));
  for (const name of unreached) console.log(`${name.padEnd(12)} not run`);
  const sum = (pick: (result: Result) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  const bad = results.some(isBad);
  console.log(
    countsOf({ passed: sum((r) => r.passed), failed: sum((r) => r.failed), skipped: sum((r) => r.skipped) }),
  );
  return bad ? 1 : 0;
}

function countsOf(counts: Pick<Result, 'passed' | 'failed' | 'skipped'>): string {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

function refuse(reason: string): number {
  console.error(`test: ${reason}`);
  return 1;
}

process.exitCode = main(process.argv.slice(2));
