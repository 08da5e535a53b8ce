/** The names that a server answers to; others belong to somebody who wants its cookies or its cameras. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HostNames } from '../../firmware/io/host-names.ts';

const address = (text: string, family: 'IPv4' | 'IPv6') => {
  return { address: text, family, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 } as const;
};

function scene(names: readonly string[] = ['NVR.Example.org', '203.0.113.7', 'FD00:0::9']) {
  let now = 0;
  const interfaces = { eth0: [address('192.0.2.5', 'IPv4'), address('fd00::5', 'IPv6')] };
  const hosts = new HostNames({ unit: 'ss-1', names, interfaces: () => interfaces, nowMs: () => now });
  return { hosts, interfaces, pass: (ms: number) => (now += ms) };
}

test('its id, with .local too, its addresses, loopback and names from the settings are its own, with any port', () => {
  const { hosts } = scene();
  for (const host of [
    'ss-1',
    'SS-1:8300',
    'ss-1.local',
    'ss-1.local.:8443',
    'localhost',
    'localhost:1',
    '127.0.0.1:8300',
    '127.1.2.3',
    '[::1]:8300',
    '192.0.2.5',
    '192.0.2.5:80',
    '[fd00::5]',
    '[FD00:0:0:0:0:0:0:5]:8443',
    'nvr.example.org:443',
    '203.0.113.7',
    '[fd00::9]:8443',
  ])
    assert.equal(hosts.accepts(host), true, host);
});

test('everything else is not', () => {
  const { hosts } = scene();
  for (const host of [
    '',
    ' ',
    'evil.example',
    'ss-2',
    'ss-1.local.evil.example',
    'ss-1.evil',
    'xss-1',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1.nip.io',
    '192.0.2.6',
    '0xc0000205',
    '[fd00::6]',
    'fd00::5',
    '[::1',
    'ss-1:port',
    'ss-1:8300:8300',
    'user@ss-1',
    'ss-1/../',
    'ss-1,evil.example',
    'ss-1 evil.example',
    'ss-1\u0000',
    '__proto__',
    'constructor',
    'a'.repeat(300),
  ])
    assert.equal(hosts.accepts(host), false, host);
});

test('an address that comes or goes is noticed', () => {
  const { hosts, interfaces, pass } = scene();
  assert.equal(hosts.accepts('198.51.100.9'), false);
  interfaces.eth0.push(address('198.51.100.9', 'IPv4'));
  pass(1_000);
  assert.equal(hosts.accepts('198.51.100.9'), true);
  interfaces.eth0.pop();
  pass(1_000);
  assert.equal(hosts.accepts('198.51.100.9'), false);
});

test('no text makes it fail', () => {
  const { hosts } = scene([]);
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.ipV6(), fc.domain()), (host) => {
      assert.equal(typeof hosts.accepts(host), 'boolean');
    }),
  );
});
