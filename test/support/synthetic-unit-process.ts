/** Starts test/support/synthetic-units.ts on a machine of the test rig: many camera units in one process. */
import { fileURLToPath } from 'node:url';
import type { Machine } from './namespaces.ts';
import type { Field, FieldUnit } from './namespaces-units.ts';

const program = fileURLToPath(new URL('./synthetic-units.ts', import.meta.url));

/** Enrolls one camera unit for each id, with a camera of the same id; the process that runs all is not started. */
export async function addSyntheticUnits(
  field: Field,
  machine: Machine,
  ids: readonly string[],
): Promise<FieldUnit> {
  const settings: string[] = [];
  for (const id of ids) {
    settings.push(await field.enroll(id, 'camera', [{ id, source: 'test', bitrateKbps: 64 }], 0));
  }
  return field.add(machine.name, machine, settings, ['--import', 'tsx', program]);
}
