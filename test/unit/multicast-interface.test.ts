/** The interface of a multicast group, as a person writes it and as a socket wants it. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import type { AnycastEndpoint } from '../../firmware/config/unit-config.ts';
import { multicastInterface } from '../../firmware/io/anycast.ts';

const groups = { IPv4: '239.83.84.1', IPv6: 'ff02::5354:1' };

function endpoint(host: string, through?: string): AnycastEndpoint {
  const common = { kind: 'multicast', host, port: 8_384 } as const;
  return through === undefined ? common : { ...common, interface: through };
}

test('without an interface the system chooses', () => {
  for (const host of Object.values(groups)) assert.equal(multicastInterface(endpoint(host)), undefined);
});

test('an interface may be named or given by its address, and a socket takes what comes of it', async () => {
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const { family, address } of addresses) {
      const group = groups[family];
      const byName = multicastInterface(endpoint(group, name));
      const byAddress = multicastInterface(endpoint(group, address));
      if (family === 'IPv6') assert.deepEqual([byName, byAddress], [`::%${name}`, `::%${name}`]);
      else assert.equal(byAddress, address);
      assert(byName !== undefined);
      const socket = dgram.createSocket(family === 'IPv6' ? 'udp6' : 'udp4');
      await new Promise<void>((resolve) => socket.bind(0, resolve));
      assert.doesNotThrow(() => socket.setMulticastInterface(byName));
      socket.close();
    }
  }
});

test('what already has a zone stays as it is', () => {
  assert.equal(multicastInterface(endpoint(groups.IPv6, '::%eth7')), '::%eth7');
});

test('an interface that is not there is told by its name', () => {
  assert.throws(
    () => multicastInterface(endpoint(groups.IPv4, 'nope0')),
    /no interface nope0 with an IPv4 address/,
  );
  assert.throws(() => multicastInterface(endpoint(groups.IPv6, '10.255.255.254')), /10\.255\.255\.254/);
});
