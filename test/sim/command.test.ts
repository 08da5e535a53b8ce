/** `npm run sim` as people use it: many seeds on all cores, and a last line that says how many failed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { generateScenario } from './generate.ts';
import { mutants } from './mutants.ts';
import { runScenario } from './run-scenario.ts';

const seeds = 2_000;

test(`${seeds} seeds of 3 to 40 servers pass`, () => {
  const run = spawnSync('npm', ['run', '-s', 'sim', '--', '--seeds', String(seeds), '--first', '200001'], {
    encoding: 'utf8',
    timeout: 280_000,
  });
  const last = run.stdout.trimEnd().split('\n').at(-1);
  assert.equal(
    last,
    `${seeds} passed, 0 failed`,
    `replay what failed:\n${run.stdout.slice(-2_000)}${run.stderr.slice(-500)}`,
  );
  assert.equal(run.status, 0, 'the exit code says the same');
});

/**
 * The planted bugs that run here: those that the rules for locks, epochs, incarnations, joins, links and camera rejoins
 * must find, and a few more. `npm run sim -- --mutants` plants all of them.
 */
const planted = [
  'no exchange lock',
  'a lower epoch takes a camera over in the tables',
  'an incarnation is raised by somebody else',
  'pruning without a common neighbor',
  'a join is not forwarded as a ring',
  'everybody tells the cameras to rejoin, nobody waits for the earliest',
  'fences do not rise',
  'the camera does not raise its epoch',
  'networks that meet do not merge',
  'a query is answered from the own table',
];

for (const mutant of planted) {
  test(`a planted bug is found: ${mutant}`, () => {
    const seed = mutants.find(({ name }) => name === mutant)?.seed;
    assert.ok(seed, 'there is such a bug');
    // A seed that fails anyway would find every bug.
    assert.equal(runScenario(generateScenario(seed)).violation, undefined);
    const options = ['--mutants', '--only', mutant, '--budget', '5', '--jobs', '1'];
    const run = spawnSync('npm', ['run', '-s', 'sim', '--', ...options], {
      encoding: 'utf8',
      timeout: 100_000,
    });
    assert.match(run.stdout, /^found /m, run.stdout + run.stderr.slice(-500));
    assert.equal(run.stdout.trimEnd().split('\n').at(-1), '1 passed, 0 failed', run.stdout);
  });
}
