/**
 * Makes a failing scenario smaller with fast-check: it leaves out faults, units and circumstances, as long as the same
 * rule is broken. Draws are keyed by who and what, so leaving one thing out does not reshuffle the rest.
 */
import fc from 'fast-check';
import { runScenario, type Violation } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';

/** Longest time for shrinking, ms of real time. */
const shrinkMs = 60_000;

/** The part of a rule's name that does not depend on the scenario. */
const kindOf = (violation: Violation | undefined): string | undefined => violation?.rule.replace(/\d+/g, '#');

/** Every scenario that is part of this one. */
function partsOf(scenario: Scenario): fc.Arbitrary<Scenario> {
  const { servers, cameras, faults } = scenario;
  return fc
    .record({
      servers: fc.subarray([...servers], { minLength: 1 }),
      cameras: fc.subarray([...cameras]),
      faults: fc.subarray([...faults]),
      spread: fc.constantFrom(...new Set([0, scenario.spreadMs])),
      latency: fc.constantFrom(...new Set([1, scenario.latencyMs])),
    })
    .map(
      ({ spread, latency, ...parts }) => ({ ...scenario, ...parts, spreadMs: spread, latencyMs: latency }),
      (whole) => {
        const { servers: s, cameras: c, faults: f, spreadMs, latencyMs } = whole as Scenario;
        return { servers: [...s], cameras: [...c], faults: [...f], spread: spreadMs, latency: latencyMs };
      },
    );
}

/** The smallest scenario found that breaks the same rule, and how. */
export function shrinkScenario(
  scenario: Scenario,
  violation: Violation,
): { scenario: Scenario; violation: Violation } {
  const wanted = kindOf(violation);
  const broken = (candidate: Scenario): Violation | undefined => {
    const found = runScenario(candidate).violation;
    return kindOf(found) === wanted ? found : undefined;
  };
  const property = fc.property(partsOf(scenario), (candidate) => broken(candidate) === undefined);
  const result = fc.check(property, {
    numRuns: 1,
    seed: scenario.seed,
    examples: [[scenario]],
    interruptAfterTimeLimit: shrinkMs,
    markInterruptAsFailure: false,
  });
  const smallest = result.counterexample?.[0] ?? scenario;
  return { scenario: smallest, violation: broken(smallest) ?? violation };
}
