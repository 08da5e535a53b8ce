/** The other ways to a first server: a routed anycast address, and a seed. (Every other test here uses multicast.) */
import assert from 'node:assert';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { getCameras, startNetwork, type TestNetwork, until } from '../support/network.ts';

describe('a camera without multicast', () => {
  let network: TestNetwork;

  /** Replaces where a unit sends its joins. */
  function setEndpoints(unit: string, endpoints: (known: { port: number }[]) => object[]): void {
    const { settings } = network.unit(unit).unit;
    const config = parse(readFileSync(settings, 'utf8')) as { anycast: { endpoints: { port: number }[] } };
    const next = { ...config, anycast: { endpoints: endpoints(config.anycast.endpoints) } };
    writeFileSync(settings, stringify(next));
  }

  async function untilManaged(camera: string): Promise<void> {
    await until(`${camera} is live`, async () => {
      const cameras = await getCameras(network.url());
      return cameras.some(
        ({ id, state, lastFrameAt }) => id === camera && state === 'online' && lastFrameAt !== null,
      );
    });
  }

  before(async () => {
    network = await startNetwork({ servers: 1, cameras: 2, start: [] });
    let port = 0;
    // ::1 stands for an anycast address: routed to this machine, and not the one that the server's links use.
    setEndpoints('ss-1', (known) => {
      port = known[0]?.port ?? 0;
      return [...known, { kind: 'address', host: '::1', port: port + 1 }];
    });
    assert(port > 0);
    setEndpoints('cam-1', () => [{ kind: 'seed', host: '127.0.0.1', port }]);
    setEndpoints('cam-2', () => [{ kind: 'address', host: '::1', port: port + 1 }]);
    for (const unit of network.units.values()) unit.start();
  });

  after(async () => network?.[Symbol.asyncDispose]());

  test('joins through a seed', () => untilManaged('cam-1'));

  test('joins through a routed anycast address', () => untilManaged('cam-2'));
});
