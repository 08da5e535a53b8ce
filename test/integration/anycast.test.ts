/** The other ways to a first server: a routed anycast address, and a seed. (Every other test here uses multicast.) */
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { getCameras, startNetwork, type TestNetwork, until } from '../support/network.ts';

/** Replaces where a unit sends its joins. */
function setEndpoints(
  network: TestNetwork,
  unit: string,
  endpoints: (known: { port: number }[]) => object[],
): void {
  const { settings } = network.unit(unit).unit;
  const config = parse(readFileSync(settings, 'utf8')) as { anycast: { endpoints: { port: number }[] } };
  const next = { ...config, anycast: { endpoints: endpoints(config.anycast.endpoints) } };
  writeFileSync(settings, stringify(next));
}

async function untilManaged(network: TestNetwork, camera: string): Promise<void> {
  await until(`${camera} is live`, async () => {
    const cameras = await getCameras(network.url());
    return cameras.some(
      ({ id, state, lastFrameAt }) => id === camera && state === 'online' && lastFrameAt !== null,
    );
  });
}

describe('a camera without multicast', () => {
  let network: TestNetwork;

  before(async () => {
    network = await startNetwork({ servers: 1, cameras: 2, start: [] });
    let port = 0;
    // ::1 stands for an anycast address: routed to this machine, and not the one that the server's links use.
    setEndpoints(network, 'ss-1', (known) => {
      port = known[0]?.port ?? 0;
      return [...known, { kind: 'address', host: '::1', port: port + 1 }];
    });
    assert(port > 0);
    setEndpoints(network, 'cam-1', () => [{ kind: 'seed', host: '127.0.0.1', port }]);
    setEndpoints(network, 'cam-2', () => [{ kind: 'address', host: '::1', port: port + 1 }]);
    for (const unit of network.units.values()) unit.start();
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('joins through a seed', () => untilManaged(network, 'cam-1'));

  test('joins through a routed anycast address', () => untilManaged(network, 'cam-2'));
});

/** Addresses of the loopback interface, as `ip` prints them. */
function loopbackAddresses(): string {
  return execFileSync('ip', ['address', 'show', 'dev', 'lo'], { encoding: 'utf8' });
}

/** Whether this process may put addresses up. */
function mayChangeAddresses(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  const netAdmin = 12n;
  return ((effective >> netAdmin) & 1n) === 1n;
}

describe('a server that owns an anycast address', {
  skip: mayChangeAddresses() ? false : 'needs CAP_NET_ADMIN',
}, () => {
  // One of 65,536, so that two runs on one machine seldom meet.
  const host = `10.83.${process.pid % 256}.${(process.pid >> 8) % 256}`;
  let network: TestNetwork;

  before(async () => {
    network = await startNetwork({ servers: 1, cameras: 1, start: [] });
    let port = 0;
    setEndpoints(network, 'ss-1', (known) => {
      port = (known[0]?.port ?? 0) + 1;
      return [...known, { kind: 'address', host, port, interface: 'lo' }];
    });
    setEndpoints(network, 'cam-1', () => [{ kind: 'address', host, port }]);
    for (const unit of network.units.values()) unit.start();
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('puts it up when it is in a network, and hears joins at once', async () => {
    await untilManaged(network, 'cam-1');
    // Deprecated: nothing is sent from it. A server that is alone takes it down for moments, to look for others.
    const line = new RegExp(`inet ${host.replaceAll('.', '\\.')}/32 .*deprecated`);
    await until('the address is up', () => line.test(loopbackAddresses()));
    assert.deepEqual(
      network.messages.filter((text) => /anycast|receive joins/.test(text)),
      [],
    );
  });

  test('takes it down before it ends', async () => {
    await network.unit('ss-1').stop();
    assert(!loopbackAddresses().includes(`${host}/`));
  });

  test('takes down at its start what a killed run has left', async () => {
    execFileSync('ip', ['address', 'add', `${host}/32`, 'dev', 'lo']);
    const server = network.unit('ss-1');
    server.start();
    await until(
      'it was taken down, or put up anew',
      () => !loopbackAddresses().includes(`inet ${host}/32 scope global lo`),
    );
    await server.stop();
    assert(!loopbackAddresses().includes(`${host}/`));
  });
});
