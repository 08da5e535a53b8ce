/**
 * Routed anycast: three servers behind two routers hold one IPv6 address, BIRD announces it over OSPFv3, and nobody
 * has multicast or seeds.
 *
 *     cams ── r1 ═══ slow ═══ r2 ───────── ss-2
 *             │               └─══ slow ══─ ss-3
 *            ss-1
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { addressEvents, birdSettled, hasAddress, routeOf, startBird } from '../support/bird.ts';
import { type Machine, Namespaces, type Switch } from '../support/namespaces.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { assertContiguous, Field, type FieldUnit, managersOf } from '../support/namespaces-units.ts';
import { until } from '../support/network.ts';
import { addSyntheticUnits } from '../support/synthetic-unit-process.ts';

const anycast = 'fd00:5354::1';
const cameras = Array.from({ length: 5 }, (_, number) => `cam-${number + 1}`);
/** Who answers first depends on the luck of the scheduler too, so not every camera gets the nearest server. */
const mostCameras = 3;
/** Cables to what is far: a handshake over one takes some 150 ms. */
const slowKbps = 200;
/** OSPF costs of each machine's interfaces, in the order in which they are plugged in. */
const costs: Readonly<Record<string, readonly number[]>> = {
  r1: [10, 10, 10],
  r2: [10, 10, 100],
  'ss-1': [10],
  'ss-2': [10],
  'ss-3': [100],
};

describeOnNetwork('routed anycast', ['bird', 'birdc'], () => {
  let rig: Namespaces;
  let field: Field;
  let servers: FieldUnit[];
  let cams: FieldUnit;
  const cables = new Map<string, Switch>();
  const machine = (id: string): Machine => {
    const found = rig.machines.find(({ name }) => name === id);
    assert(found, id);
    return found;
  };
  const server = (id: string): FieldUnit => {
    const found = servers.find((one) => one.id === id);
    assert(found, id);
    return found;
  };
  const others = (id: string): FieldUnit[] => servers.filter((one) => one.id !== id);
  /** The server that has most of the cameras, and how many. */
  const busiest = async (of: readonly FieldUnit[]): Promise<{ id: string; count: number }> => {
    const counts = new Map<string, number>();
    for (const id of (await managersOf(of)).values()) counts.set(id, (counts.get(id) ?? 0) + 1);
    const [[id, count] = ['', 0]] = [...counts].sort((a, b) => b[1] - a[1]);
    return { id, count };
  };

  before(async () => {
    rig = new Namespaces();
    layCables();
    for (const one of rig.machines) {
      const interfaces = Object.fromEntries((costs[one.name] ?? []).map((cost, n) => [`eth${n}`, cost]));
      if (costs[one.name] !== undefined) {
        await startBird(rig, one, { anycast, costs: interfaces });
      }
    }
    field = await Field.open(rig, [{ kind: 'address', host: anycast, port: 8384, interface: 'lo' }]);
    servers = await Promise.all(['ss-1', 'ss-2', 'ss-3'].map((id) => field.server(id, machine(id))));
    cams = await addSyntheticUnits(field, machine('cams'), cameras);
  });
  after(() => (field ?? rig)?.[Symbol.dispose]());

  function layCables(): void {
    for (const id of ['r1', 'r2']) rig.machine(id, 'router');
    for (const id of ['ss-1', 'ss-2', 'ss-3', 'cams']) rig.machine(id);
    const ends: [string, string, string][] = [
      ['r1', 'r2', 'fd00:12'],
      ['r1', 'ss-1', 'fd00:1'],
      ['r1', 'cams', 'fd00:c'],
      ['r2', 'ss-2', 'fd00:2'],
      ['r2', 'ss-3', 'fd00:3'],
    ];
    for (const [a, b, net] of ends) {
      const cable = rig.switch();
      cable.plug(machine(a), `${net}::1/64`);
      cable.plug(machine(b), `${net}::2/64`);
      cables.set(`${a} ${b}`, cable);
    }
    for (const far of ['r1 r2', 'r2 ss-3']) cables.get(far)?.slow(slowKbps);
    // Cameras run no routing daemon.
    machine('cams').ip('-6', 'route', 'add', 'default', 'via', 'fd00:c::1');
  }

  test('three servers started together find each other by the anycast address alone', async () => {
    for (const one of servers) one.start();
    await field.untilWhole('cold start', servers, []);
    for (const one of servers) {
      await until(`${one.id} has the address`, () => hasAddress(one.machine, anycast));
    }
  });

  test('cameras join the nearest server', async () => {
    await until('OSPF has settled', () => birdSettled(rig, machine('r1')));
    await until('the route leads to ss-1', () => routeOf(machine('r1'), anycast)?.endsWith('dev eth1'));
    cams.start();
    await field.untilWhole('cameras join', servers, cameras);
    const { id, count } = await busiest(servers);
    assert(id === 'ss-1' && count >= mostCameras, `${id} has ${count} of ${cameras.length}`);
  });

  test('cameras whose server is cut off silently join the next one', async () => {
    await server('ss-1').untilRemembered();
    const cutAt = Date.now();
    cables.get('r1 ss-1')?.cut(machine('ss-1'));
    const left = others('ss-1');
    await until('they are managed elsewhere', async () => (await managersOf(left)).size === cameras.length);
    console.log(`all cameras managed elsewhere ${Date.now() - cutAt} ms after a silent cut`);
    await field.untilWhole('without ss-1', left, cameras);
    // The next entry passes the joins on to its neighbors, so that either may be the earliest to answer.
    const managers = new Set((await managersOf(left)).values());
    assert.ok(!managers.has('ss-1'), `managers are ${[...managers].join(', ')}`);
  });

  test('the server that was cut off comes back, and the two networks become one', async () => {
    const healedAt = Date.now();
    cables.get('r1 ss-1')?.heal();
    await field.untilWhole('after the cut', servers, cameras);
    // On a machine that is very busy a manager may be silent for longer than its lease; otherwise cameras stay.
    for (const [camera, manager] of await managersOf(servers)) {
      const lost = cams.said(new RegExp(`${camera} .*lost ss-`), healedAt);
      assert(manager !== 'ss-1' || lost, `${camera} went to ss-1 though it had not lost its manager`);
    }
    for (const one of servers) {
      await until(`${one.id} tells whole histories`, async () => {
        for (const camera of cameras) assertContiguous(await one.where(camera));
        return true;
      });
    }
  });

  test('the address goes down before a server leaves in good order', async () => {
    const { id: leaver } = await busiest(servers);
    const events = addressEvents(machine(leaver), anycast);
    // It may be down for a moment, while the server looks for other networks.
    await until(`${leaver} has the address`, () => hasAddress(machine(leaver), anycast));
    const leftAt = Date.now();
    await server(leaver).command('leave');
    await until('its process has ended', () => !server(leaver).isRunning);
    const down = events.find(({ is, at }) => is === 'down' && at >= leftAt);
    const released = cams.said(new RegExp(`managed by (?!${leaver})`), leftAt);
    assert(down && down.at < (server(leaver).endedAt ?? 0), 'while the server still runs');
    assert(released === undefined || down.at <= released.at, 'and before its cameras go');
    await field.untilWhole('after the leave', others(leaver), cameras);
    const suspicions = others(leaver).filter((one) => one.said(new RegExp(`${leaver} .*suspected`), leftAt));
    assert.deepEqual(
      suspicions.map(({ id }) => id),
      [],
      'nobody suspects who says good-bye',
    );
    server(leaver).start();
    await field.untilWhole('left and back', servers, cameras);
  });

  test('a killed server whose address is taken down with it loses its cameras to others', async () => {
    const { id: dead } = await busiest(servers);
    await server(dead).untilRemembered();
    const killedAt = Date.now();
    await server(dead).kill();
    // What the unit's service does once the process has ended.
    if (hasAddress(machine(dead), anycast)) machine(dead).ip('addr', 'del', `${anycast}/128`, 'dev', 'lo');
    const left = others(dead);
    await until('they are managed elsewhere', async () => (await managersOf(left)).size === cameras.length);
    console.log(`all cameras managed elsewhere ${Date.now() - killedAt} ms after kill -9`);
    await field.untilWhole('after kill -9', left, cameras);
  });
});
