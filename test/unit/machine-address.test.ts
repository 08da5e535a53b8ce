/** Which of a machine's addresses is told to other servers. */
import assert from 'node:assert';
import type { NetworkInterfaceInfo } from 'node:os';
import { test } from 'node:test';
import { machineAddress } from '../../firmware/io/machine-address.ts';

function info(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, internal, netmask: '', mac: '', cidr: null };
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
}

test('a machine is reached by its IPv4 address, never by loopback', () => {
  const lo = [info('127.0.0.1', true), info('::1', true)];
  assert.equal(
    machineAddress({ lo, eth0: [info('fe80::1'), info('2001:db8::5'), info('10.0.0.5')] }),
    '10.0.0.5',
  );
});

test('without IPv4 it is reached by a global IPv6 address, not a link-local one', () => {
  assert.equal(machineAddress({ eth0: [info('fe80::1'), info('2001:db8::5')] }), '2001:db8::5');
});

test('a machine without a network is reached from itself', () => {
  assert.equal(machineAddress({ lo: [info('127.0.0.1', true)] }), '127.0.0.1');
});

test('an address that it gave itself is the last one told: others may have none of that kind', () => {
  const own = info('169.254.7.7');
  assert.equal(machineAddress({ eth0: [own, info('fe80::1'), info('fd00:9::5')] }), 'fd00:9::5');
  assert.equal(machineAddress({ eth0: [own], eth1: [info('192.168.1.7')] }), '192.168.1.7');
  assert.equal(machineAddress({ eth0: [own, info('fe80::1')] }), '169.254.7.7');
});
