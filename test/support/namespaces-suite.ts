/** Suites that need network namespaces; where there are none they say so and are skipped. */
import { describe, test } from 'node:test';
import { namespacesMissing } from './namespaces.ts';

/** A suite that needs these programs too. Where something is missing it is one test, skipped with the reason. */
export function describeOnNetwork(name: string, programs: readonly string[], suite: () => void): void {
  const reason = namespacesMissing(...programs);
  // Not a skipped suite: that counts as no test at all.
  if (reason === false) describe(name, suite);
  else test(name, { skip: reason }, () => undefined);
}
