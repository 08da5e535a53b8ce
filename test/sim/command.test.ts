/** `npm run sim` as people use it: many seeds on all cores, and a last line that says how many failed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const seeds = 2_000;

test(`${seeds} seeds of 3 to 40 servers pass`, () => {
  const run = spawnSync('npm', ['run', '-s', 'sim', '--', '--seeds', String(seeds), '--first', '200001'], {
    encoding: 'utf8',
    timeout: 170_000,
  });
  const last = run.stdout.trimEnd().split('\n').at(-1);
  assert.equal(
    last,
    `${seeds} passed, 0 failed`,
    `replay what failed:\n${run.stdout.slice(-2_000)}${run.stderr.slice(-500)}`,
  );
  assert.equal(run.status, 0, 'the exit code says the same');
});
