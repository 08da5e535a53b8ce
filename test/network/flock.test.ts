/**
 * Twelve servers and forty cameras on one LAN. Servers are killed, one, two that are linked, three that are not, and
 * one is frozen, for a second and for long: each time what is left is one network that has every camera once.
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { Namespaces } from '../support/namespaces.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { assertContiguous, disagreement, Field, type FieldUnit } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { addSyntheticUnits } from '../support/synthetic-unit-process.ts';

const cameras = Array.from({ length: 40 }, (_, number) => `cam-${number + 1}`);

describeOnNetwork('a flock of twelve servers', [], () => {
  let rig: Namespaces;
  let field: Field;
  const servers: FieldUnit[] = [];
  const running = (): FieldUnit[] => servers.filter(({ isRunning }) => isRunning);

  before(async () => {
    rig = new Namespaces();
    const lan = rig.switch();
    field = await Field.open(rig);
    for (let number = 1; number <= 12; number++) {
      const machine = rig.machine(`ss-${number}`);
      lan.plug(machine, `fd00:1::${number}/64`);
      servers.push(await field.server(`ss-${number}`, machine));
    }
    const machine = rig.machine('cams');
    lan.plug(machine, 'fd00:1::100/64');
    const cams = await addSyntheticUnits(field, machine, cameras);
    for (const one of servers) one.start();
    cams.start();
  });
  after(() => (field ?? rig)?.[Symbol.dispose]());

  async function killAll(victims: readonly FieldUnit[]): Promise<void> {
    await Promise.all(victims.map((one) => one.untilRemembered()));
    console.log(`killed: ${victims.map(({ id }) => id).join(', ')}`);
    await Promise.all(victims.map((one) => one.kill()));
  }

  /** So many running servers with many cameras, each linked to each other one, or none to any. */
  async function victims(count: number, how: 'linked' | 'apart'): Promise<FieldUnit[]> {
    const tables = await Promise.all(running().map((one) => one.tables()));
    const linked = new Map(
      tables.map(({ server, neighbor }) => [server, neighbor.oneHop.map((row) => row.server)]),
    );
    const byLoad = [...tables].sort((a, b) => b.query.direct.length - a.query.direct.length);
    for (const { server: first } of byLoad) {
      const chosen = [first];
      for (const { server } of byLoad) {
        const fits = chosen.every(
          (one) => one !== server && linked.get(one)?.includes(server) === (how === 'linked'),
        );
        if (fits && chosen.length < count) chosen.push(server);
      }
      if (chosen.length === count) return servers.filter(({ id }) => chosen.includes(id));
    }
    throw new Error(`no ${count} servers are ${how}`);
  }

  test('becomes one network that has all forty cameras, and records them', async () => {
    await field.untilWhole('cold start', servers, cameras);
    await until('every camera is recorded', async () => {
      const statuses = await Promise.all(
        servers.map(({ machine }) => machine.ask<{ cameras: { samples: number }[] }>('/api/status')),
      );
      return (
        statuses.flatMap((status) => status.cameras).filter(({ samples }) => samples > 5).length ===
        cameras.length
      );
    });
  });

  test('a server that stands still for a second is suspected and refuted, not buried', async () => {
    const [frozen] = await victims(1, 'apart');
    assert(frozen);
    const others = servers.filter((one) => one !== frozen);
    const since = Date.now();
    const suspecting = (): FieldUnit[] =>
      others.filter((one) => one.said(new RegExp(`${frozen.id} .*→ suspected`), since));
    // A second is too long only for a neighbor that had last heard it half a second before: about one in four.
    let times = 0;
    for (; times < 20 && suspecting().length === 0; times++) await frozen.freeze(1_000, 2_000);
    console.log(
      `suspected the ${times}. time by: ${
        suspecting()
          .map(({ id }) => id)
          .join(', ') || 'nobody'
      }`,
    );
    assert.notEqual(suspecting().length, 0, 'somebody has suspected it');
    for (const one of suspecting()) {
      const refuted = new RegExp(`${frozen.id} suspected → refuted`);
      await until(`${one.id} suspects it no more`, () => one.said(refuted, since));
    }
    await field.untilWhole(`${frozen.id} stood still for 1 s`, servers, cameras);
    const buried = others.filter((one) => one.said(new RegExp(`${frozen.id} .*dead`), since));
    assert.deepEqual(
      buried.map(({ id }) => id),
      [],
    );
  });

  test('a server that stands still for 20 s is buried, and is back when it goes on', async () => {
    const [frozen] = await victims(1, 'apart');
    assert(frozen);
    const others = servers.filter((one) => one !== frozen);
    const since = Date.now();
    const thawed = frozen.freeze(20_000);
    await field.untilWhole(`without ${frozen.id}`, others, cameras, 18_000);
    assert(
      others.some((one) => one.said(new RegExp(`${frozen.id} .*dead`), since)),
      'somebody has said so',
    );
    await thawed;
    await field.untilWhole(`${frozen.id} goes on`, servers, cameras);
  });

  test('one is killed', async () => {
    await killAll(await victims(1, 'apart'));
    await field.untilWhole('one killed', running(), cameras);
  });

  test('two that are linked are killed at once', async () => {
    await killAll(await victims(2, 'linked'));
    await field.untilWhole('two killed', running(), cameras);
  });

  test('three that are not linked are killed at once', async () => {
    await killAll(await victims(3, 'apart'));
    await field.untilWhole('three killed', running(), cameras);
  });

  test('all six come back, and every history is whole', async () => {
    for (const one of servers) if (!one.isRunning) one.start();
    await field.untilWhole('all back', servers, cameras);
    for (const camera of cameras) {
      const [asked] = servers;
      assert(asked);
      await until(`the history of ${camera} is whole`, async () => {
        assertContiguous(await asked.where(camera));
        return true;
      });
    }
    assert.equal(await disagreement(servers, cameras), undefined, 'and stays so');
  });
});
