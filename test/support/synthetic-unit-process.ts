/** Starts test/support/synthetic-units.ts on a machine of the test rig: many camera units in one process. */
import { fileURLToPath } from 'node:url';
import type { UnitOverrides } from '../../firmware/config/enrollment.ts';
import type { Machine } from './namespaces.ts';
import type { Field, FieldUnit } from './namespaces-units.ts';
import { lightLoad, type SyntheticLoad } from './synthetic-camera.ts';

const program = fileURLToPath(new URL('./synthetic-units.ts', import.meta.url));

interface SyntheticUnitsOptions {
  readonly load?: SyntheticLoad;
  readonly camera?: UnitOverrides['camera'] | undefined;
  readonly anycast?: UnitOverrides['anycast'];
}

/** Enrolls one camera unit for each id, with a camera of the same id; the process that runs all is not started. */
export async function addSyntheticUnits(
  field: Field,
  machine: Machine,
  ids: readonly string[],
  { load = lightLoad, camera, anycast }: SyntheticUnitsOptions = {},
): Promise<FieldUnit> {
  const settings: string[] = [];
  for (const id of ids) {
    const cameras = [{ id, source: 'test', bitrateKbps: 64 }];
    const overrides = {
      link: { port: 0 },
      ...(camera === undefined ? {} : { camera }),
      ...(anycast === undefined ? {} : { anycast }),
    };
    settings.push(await field.enroll(id, 'camera', { cameras, overrides }));
  }
  const args = ['--load', JSON.stringify(load), ...settings];
  return field.add(machine.name, machine, args, ['--import', 'tsx', program]);
}
