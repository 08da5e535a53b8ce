/** The rig itself: cables that are cut without a link going down, switches that split, and BIRD's anycast route. */
import assert from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { birdSettled, hasAddress, routeOf, startBird } from '../support/bird.ts';
import { type Machine, Namespaces, namespaceNames, removeStale } from '../support/namespaces.ts';
import { describeOnNetwork } from '../support/namespaces-suite.ts';
import { until } from '../support/network.ts';

const echoPort = 7;
/** What OSPF would wait without BFD: `dead` of firmware/boxcare/bird-config.ts. */
const ospfDeadMs = 8_000;
/** Echoes what it is sent, with the host it runs on in front. */
const echoServer = `require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(${echoPort}, '::')`;

/** Milliseconds that `bytes` take there and back, or undefined when they do not within `limitMs`. */
async function echoMs(from: Machine, host: string, bytes = 1, limitMs = 1_500): Promise<number | undefined> {
  const script = `const t = performance.now(); let got = 0;
    const s = require('net').connect(${echoPort}, '${host}', () => s.write(Buffer.alloc(${bytes})));
    s.on('data', (d) => { got += d.length; if (got >= ${bytes}) { console.log(performance.now() - t); process.exit(); } });`;
  return from.runLong('node', ['-e', script], limitMs).then(Number, () => undefined);
}

describeOnNetwork('the rig', [], () => {
  let rig: Namespaces;
  let machines: Machine[] = [];

  before(() => {
    rig = new Namespaces();
    machines = ['a', 'b', 'c'].map((name) => rig.machine(name));
  });
  after(() => rig?.[Symbol.dispose]());

  test('cuts, splits and heals a switch while all links stay up, and makes it slow', async () => {
    const lan = rig.switch();
    for (const [place, machine] of machines.entries()) lan.plug(machine, `fd00:1::${place + 1}/64`);
    const [a, b, c] = machines as [Machine, Machine, Machine];
    for (const machine of machines) machine.spawn('node', ['-e', echoServer], { stdio: 'ignore' });
    await until(
      'a and c reach b',
      async () => (await echoMs(a, 'fd00:1::2')) && (await echoMs(c, 'fd00:1::2')),
    );

    lan.cut(b);
    assert.equal(await echoMs(a, 'fd00:1::2'), undefined, 'b is cut off');
    assert(await echoMs(a, 'fd00:1::3'), 'the others go on');
    for (const machine of machines) assert.match(machine.ip('link', 'show', 'dev', 'eth0'), /state UP/);
    lan.heal();
    await until('b is back', () => echoMs(a, 'fd00:1::2'));

    lan.split(a, b);
    assert(await echoMs(a, 'fd00:1::2'), 'both on one side');
    assert.equal(await echoMs(c, 'fd00:1::2'), undefined, 'one on each side');
    lan.heal();
    /** Whether 20 kB there and back take no longer than a quarter of what they take at 1 Mbit/s. */
    const isQuick = (ms: number | undefined): boolean => ms !== undefined && ms < 80;
    await until('c reaches b quickly again', async () => isQuick(await echoMs(c, 'fd00:1::2', 20_000)));
    lan.slow(1_000);
    const slowMs = await until('c reaches b slowly', () => echoMs(c, 'fd00:1::2', 20_000, 5_000));
    assert(slowMs > 150, `20 kB there and back at 1 Mbit/s: ${slowMs} ms`);
  });

  test('goes with its process, and what a killed one left goes when the next one opens', async () => {
    const script = `import { Namespaces } from './test/support/namespaces.ts';
      const rig = new Namespaces();
      rig.machine('left').spawn('sleep', ['60'], { stdio: 'ignore' });
      console.log('up');
      setInterval(() => undefined, 1000);`;
    const start = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
      await once(child.stdout, 'data');
      return child;
    };
    const left = (pid = 0): boolean => namespaceNames().some((name) => name.startsWith(`starling-${pid}-`));
    const interrupted = await start();
    assert(left(interrupted.pid));
    interrupted.kill('SIGINT');
    await once(interrupted, 'exit');
    assert(!left(interrupted.pid), 'SIGINT');

    const killed = await start();
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    assert(left(killed.pid));
    removeStale();
    assert(!left(killed.pid), 'SIGKILL');
    assert(namespaceNames().length > 0, 'those of a living process stay');
  });
});

describeOnNetwork('BIRD', ['bird', 'birdc'], () => {
  const anycast = 'fd00:5354::1';
  let rig: Namespaces;
  before(() => {
    rig = new Namespaces();
  });
  after(() => rig?.[Symbol.dispose]());

  test('leads to the nearest holder of the address, past a silent cut long before OSPF alone would notice, and back', async () => {
    const [near, far] = [rig.machine('near'), rig.machine('far')];
    const router = rig.machine('router', 'router');
    const cables = [rig.switch(), rig.switch()] as const;
    for (const [place, machine] of [near, far].entries()) {
      cables[place as 0 | 1].plug(router, `fd00:${place}::1/64`);
      cables[place as 0 | 1].plug(machine, `fd00:${place}::2/64`);
      machine.ip('addr', 'add', `${anycast}/128`, 'dev', 'lo', 'nodad', 'preferred_lft', '0');
      await startBird(rig, machine, { anycast, costs: { eth0: 10 } });
    }
    await startBird(rig, router, { anycast, costs: { eth0: 10, eth1: 20 } });
    const leadsTo = (device: string) => () => routeOf(router, anycast)?.endsWith(`dev ${device}`);
    await until('the route leads to the near one', leadsTo('eth0'));
    await until('OSPF has settled', () => birdSettled(rig, router));
    const cutAt = Date.now();
    cables[0].cut(near);
    await until('the route leads to the far one', leadsTo('eth1'));
    const movedMs = Date.now() - cutAt;
    console.log(`the anycast route moved ${movedMs} ms after a silent cut`);
    assert(movedMs < ospfDeadMs - 1_000, `${movedMs} ms`);
    cables[0].heal();
    await until('the route leads to the near one again', leadsTo('eth0'));
    near.ip('addr', 'del', `${anycast}/128`, 'dev', 'lo');
    assert(!hasAddress(near, anycast));
    await until('the route follows the address', leadsTo('eth1'));
  });
});
