/** `npm run sim` as people use it: many seeds on all cores, and a last line that says how many failed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

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

/** A few of the planted bugs, which few seeds find; `npm run sim -- --mutants` plants all of them. */
const mutants = [
  'fences do not rise',
  'the camera does not raise its epoch',
  'networks that meet do not merge',
  'a query is answered from the own table',
];
for (const mutant of mutants) {
  test(`a planted bug is found: ${mutant}`, () => {
    const options = ['--mutants', '--only', mutant, '--budget', '100'];
    const run = spawnSync('npm', ['run', '-s', 'sim', '--', ...options], {
      encoding: 'utf8',
      timeout: 100_000,
    });
    assert.match(run.stdout, /^found /m, run.stdout + run.stderr.slice(-500));
    assert.equal(run.stdout.trimEnd().split('\n').at(-1), '1 passed, 0 failed', run.stdout);
  });
}
