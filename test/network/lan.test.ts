/**
 * A plain LAN with the default settings: units find each other by multicast on ff02::. Then the switch falls into two
 * halves with servers and cameras in both, and is whole again.
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { Namespaces, type Switch } from '../support/namespaces.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { assertContiguous, Field, type FieldUnit } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { addSyntheticUnits } from '../support/synthetic-unit-process.ts';

const sides = ['west', 'east'] as const;
type Side = (typeof sides)[number];
const camerasPerSide = 4;
const splitMs = 25_000;

describeOnNetwork('a LAN', [], () => {
  let rig: Namespaces;
  let field: Field;
  let lan: Switch;
  const servers: Record<Side, FieldUnit[]> = { west: [], east: [] };
  const cameras: Record<Side, string[]> = { west: [], east: [] };
  const allServers = (): FieldUnit[] => [...servers.west, ...servers.east];
  const allCameras = (): string[] => [...cameras.west, ...cameras.east];

  before(async () => {
    rig = new Namespaces();
    lan = rig.switch();
    field = await Field.open(rig);
    let host = 1;
    for (const [place, side] of sides.entries()) {
      for (const number of [1, 2]) {
        const id = `ss-${place * 2 + number}`;
        const machine = rig.machine(id);
        lan.plug(machine, `fd00:1::${host++}/64`);
        servers[side].push(await field.server(id, machine));
      }
      const machine = rig.machine(`cams-${side}`);
      lan.plug(machine, `fd00:1::${host++}/64`);
      const ids = Array.from({ length: camerasPerSide }, (_, number) => `cam-${side}-${number + 1}`);
      cameras[side] = ids;
      (await addSyntheticUnits(field, machine, ids)).start();
    }
    for (const one of allServers()) one.start();
  });
  after(() => (field ?? rig)?.[Symbol.dispose]());

  test('units with the default settings become one network that has every camera once', async () => {
    await field.untilWhole('the LAN', allServers(), allCameras());
  });

  test('each half of a switch that splits is a network of its own, with the cameras of its side', async () => {
    const splitAt = Date.now();
    lan.split(
      ...rig.machines.filter(
        ({ name }) => servers.east.some(({ id }) => id === name) || name === 'cams-east',
      ),
    );
    await field.untilWhole('west', servers.west, cameras.west);
    await field.untilWhole('east', servers.east, cameras.east);
    // So long that nobody still tries to repair what was lost: now only a look around finds the other half.
    await until('the split has lasted', () => Date.now() - splitAt > splitMs);
  });

  test('the halves become one network again, one manager for each camera, with whole histories', async () => {
    lan.heal();
    await field.untilWhole('healed', allServers(), allCameras());
    const [asked] = servers.east;
    assert(asked);
    for (const camera of allCameras()) {
      await until(`the history of ${camera} is whole`, async () => {
        assertContiguous(await asked.where(camera));
        return true;
      });
    }
    for (const one of allServers()) {
      const { camera, manager, tenures } = await one.command<Awaited<ReturnType<FieldUnit['where']>>>(
        'where',
        'cam-west-1',
      );
      assert.deepEqual(
        { camera, manager, tenures },
        pick(await asked.where('cam-west-1')),
        `asked at ${one.id}`,
      );
    }
  });
});

function pick({ camera, manager, tenures }: Awaited<ReturnType<FieldUnit['where']>>): object {
  return { camera, manager, tenures };
}
