/** The overlay in the simulator: some seeds, the scenarios that failed once, and the simulator's own promises. */
import assert from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { generateScenario } from './generate.ts';
import { editProblem, plant } from './mutant-run.ts';
import { mutants } from './mutants.ts';
import { runScenario } from './run-scenario.ts';
import { readScenario, type Scenario } from './scenario.ts';
import { shrinkScenario } from './shrink.ts';

const seeds = 60;
const folder = path.join(import.meta.dirname, 'scenarios');

test(`seeds 1 to ${seeds} pass`, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = runScenario(generateScenario(seed));
    assert.equal(
      violation,
      undefined,
      `replay: npm run sim -- --seed ${seed} --trace\n${JSON.stringify(violation)}`,
    );
  }
});

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  test(`the scenario ${file} passes`, () => {
    const { violation } = runScenario(readScenario(path.join(folder, file)));
    assert.equal(
      violation,
      undefined,
      `replay: npm run sim -- --scenario test/sim/scenarios/${file} --trace`,
    );
  });
}

test('the same seed twice has the same trace, another seed another', () => {
  const hashOf = (seed: number): string => runScenario(generateScenario(seed)).traceHash;
  for (const seed of [3, 11, 42]) assert.equal(hashOf(seed), hashOf(seed));
  assert.notEqual(hashOf(3), hashOf(11));
});

test('recording a run does not change it', () => {
  const scenario = generateScenario(8);
  assert.equal(runScenario(scenario, { record: true }).traceHash, runScenario(scenario).traceHash);
});

test('leaving out a fault that comes later does not change what comes before', () => {
  const scenario = generateScenario(21);
  const until = (changed: Scenario): string => {
    const hashes: string[] = [];
    runScenario(changed, { onWorld: (world) => world.at(1_000, () => hashes.push(world.traceHash)) });
    return hashes.join();
  };
  const late = [...scenario.faults, { at: 1_500, kind: 'reroute' as const }];
  assert.equal(until({ ...scenario, faults: late }), until(scenario));
});

test('a failure is made smaller and fails in the same way', () => {
  // Two networks that never meet: nobody hears anybody, by way of an endpoint that leads nowhere.
  const scenario: Scenario = { ...generateScenario(1), endpoints: [], faults: [], servers: [], cameras: [] };
  const servers = ['s01', 's02', 's03', 's04'].map((id) => ({ id, startMs: 0 }));
  const faults = [{ at: 100, kind: 'reroute' as const }];
  const failing = { ...scenario, servers, faults, healMs: 500 };
  const { violation } = runScenario(failing);
  assert.match(violation?.detail ?? '', /networks/);
  assert.ok(violation);
  const small = shrinkScenario(failing, violation);
  assert.equal(small.scenario.servers.length, 2);
  assert.equal(small.scenario.faults.length, 0);
  assert.match(small.violation.detail, /networks/);
});

test('every mutant has its place in the source', () => {
  const root = path.join(import.meta.dirname, '../../firmware');
  const problems = mutants.flatMap(({ name, edits }) =>
    edits.map((edit) => ({
      name,
      problem: editProblem(edit, readFileSync(path.join(root, edit.file), 'utf8')),
    })),
  );
  assert.deepEqual(
    problems.filter(({ problem }) => problem !== undefined),
    [],
  );
});

test('a mutant whose place is gone is an error', () => {
  const mutant = { file: 'f', find: 'a + b', replace: '$& - b' };
  assert.equal(plant(mutant, 'x = a + b;'), 'x = $& - b;');
  assert.throws(() => plant(mutant, 'x = 0;'), /occurs 0 times/);
  assert.throws(() => plant(mutant, 'x = a + b + a + b;'), /occurs 2 times/);
});
