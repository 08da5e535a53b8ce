/**
 * A viewer whose link carries half of what its camera sends, and nobody tells the server so: the kernels on the way take
 * hundreds of kilobytes. It loses pictures, and what it sees is new; at the manager, and through another server.
 */
import assert from 'node:assert';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Namespaces, pagePort } from '../support/namespaces.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { Field, type FieldUnit } from '../support/namespaces-units.ts';
import { addSyntheticUnits } from '../support/synthetic-unit-process.ts';
import type { WhatWasSeen } from '../support/watching-viewer.ts';

const program = fileURLToPath(new URL('../support/watching-viewer.ts', import.meta.url));
/** 500 kbit/s: ten pictures a second, a keyframe, which has four times the bytes, each second. */
const load = { frameMs: 100, framesPerGroup: 10, sampleBytes: 4_800, sound: false };
const weakKbps = 250;
const watchedSeconds = 30;
/** Up to 4.2 s were seen; in 40 s without pings 17 s, and then the viewer was cut off. */
const lagMsMax = 8_000;

describeOnNetwork('a weak link', [], () => {
  let rig: Namespaces;
  let field: Field;
  const servers: FieldUnit[] = [];

  before(async () => {
    rig = new Namespaces();
    const lan = rig.switch();
    field = await Field.open(rig);
    for (const number of [1, 2]) {
      const machine = rig.machine(`ss-${number}`);
      lan.plug(machine, `fd00:1::${number}/64`);
      servers.push(await field.server(`ss-${number}`, machine));
    }
    const machine = rig.machine('cams');
    lan.plug(machine, 'fd00:1::100/64');
    (await addSyntheticUnits(field, machine, ['cam-1'], { load })).start();
    for (const one of servers) one.start();
    await field.untilWhole('the LAN', servers, ['cam-1']);
    // Viewers are on the servers' machines: their loopback is the link.
    for (const { machine: own } of servers) {
      own.ip('link', 'set', 'dev', 'lo', 'mtu', '1500');
      const bucket = ['rate', `${weakKbps}kbit`, 'burst', '8kb', 'latency', '500ms'];
      own.run('tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'tbf', ...bucket);
    }
  });
  after(() => (field ?? rig)?.[Symbol.dispose]());

  test('carries new pictures, not old ones, at the manager and through another server', async () => {
    const { manager } = await (servers[0] ?? assert.fail('there is no server')).where('cam-1');
    const url = `ws://127.0.0.1:${pagePort}/api/cameras/cam-1/live`;
    const seen = await Promise.all(
      servers.map(async ({ id, machine }) => {
        const args = ['--import', 'tsx', program, url, String(watchedSeconds)];
        const line = await machine.runLong(process.execPath, args, (watchedSeconds + 60) * 1_000);
        return {
          at: id === manager ? 'the manager' : 'another server',
          ...(JSON.parse(line) as WhatWasSeen),
        };
      }),
    );
    for (const one of seen) {
      console.log(JSON.stringify(one));
      assert(!one.closed, `${one.at} has ended it`);
      assert(one.dropped > 0, `through ${one.at} it lost nothing: the link was not weak`);
      assert(one.pictures > watchedSeconds, `through ${one.at} it saw ${one.pictures} pictures`);
      assert(one.worstLagMs < lagMsMax, `through ${one.at} a picture came ${one.worstLagMs} ms late`);
    }
  });
});
