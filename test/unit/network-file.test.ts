// network.yaml: what is accepted, and what becomes of it for the programs that set up the network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { Failure } from '../../firmware/base/failure.ts';
import { parseNetworkFile } from '../../firmware/config/network-file.ts';
import { networkTexts } from '../../firmware/provisioning/network-texts.ts';

function problems(text: string): string {
  try {
    parseNetworkFile(text);
    return '';
  } catch (error) {
    assert.ok(error instanceof Failure && error.code === 'CONFIG_INVALID', String(error));
    return error.message;
  }
}

function textOf(yaml: string, path: string): string {
  return networkTexts(parseNetworkFile(yaml), 'wlan0').find((file) => file.path === path)?.text ?? '';
}

test('an empty file is a cable with DHCP and the public time servers', () => {
  const files = networkTexts(parseNetworkFile(''), 'wlan0');
  assert.deepEqual(
    files.map(({ path }) => path),
    ['starling/chrony/starling.sources'],
  );
  assert.match(files[0]?.text ?? '', /^pool /);
});

test('a fixed address is given to the wired interface, with its router and name servers', () => {
  const text = textOf(
    'address: 10.0.0.5/24\ngateway: 10.0.0.1\ndns: [10.0.0.1, 2001:db8::1]',
    'systemd/network/10-starling.network',
  );
  assert.match(text, /^\[Match\]\nType=ether\n/);
  assert.match(text, /^Address=10\.0\.0\.5\/24\nGateway=10\.0\.0\.1\nDNS=10\.0\.0\.1\nDNS=2001:db8::1$/m);
  assert.doesNotMatch(text, /DHCP=yes/);
});

test('the name of a wireless network may hold anything, as it is written in digits', () => {
  const text = textOf(
    'wifi: { ssid: "Café \\"7\\"", password: "12345678", country: DE }',
    'starling/wifi.conf',
  );
  assert.match(text, new RegExp(`ssid=${Buffer.from('Café "7"').toString('hex')}`));
  assert.match(text, /country=DE/);
  assert.match(text, /psk="12345678"/);
});

test('an open network and a key of 64 digits are told apart from a password', () => {
  assert.match(textOf('wifi: { ssid: guests }', 'starling/wifi.conf'), /key_mgmt=NONE/);
  assert.match(textOf(`wifi: { ssid: a, password: "${'ab'.repeat(32)}" }`, 'starling/wifi.conf'), /psk=abab/);
});

test('settings that cannot be meant are refused with their names', () => {
  assert.match(problems('wifi: { ssid: a, password: short }'), /wifi\.password: expected 8\.\.63/);
  assert.match(problems('wifi: { ssid: "" }'), /wifi\.ssid: expected a name of 1\.\.32 bytes/);
  assert.match(problems(`wifi: { ssid: ${'é'.repeat(17)} }`), /wifi\.ssid/);
  assert.match(problems('address: 10.0.0.5'), /address: expected an address with its prefix/);
  assert.match(problems('address: 10.0.0.5/33'), /address/);
  assert.match(problems('gateway: 10.0.0.1'), /gateway: expected an address as well/);
  assert.match(problems('wifi: { ssid: a }\naddress: 10.0.0.5/24'), /interface: expected which interface/);
  assert.match(problems('wfi: { ssid: a }'), /did you mean wifi/);
  assert.match(problems('wifi: { ssid: a, country: de }'), /country: expected two capital letters/);
});

test('no setting can end a line of the files that are made from it', () => {
  const line =
    /^(ctrl_interface=\/run\/wpa_supplicant|country=[A-Z]{2}|network=\{|\}|  (ssid=[0-9a-f]*|scan_ssid=1|key_mgmt=[\w -]+|ieee80211w=1|psk=(".{8,63}"|[0-9a-fA-F]{64})))?$/;
  fc.assert(
    fc.property(
      fc.string({ maxLength: 40, unit: 'binary' }),
      fc.string({ maxLength: 70 }),
      (ssid, password) => {
        let text: string;
        try {
          text = textOf(stringify({ wifi: { ssid, password } }), 'starling/wifi.conf');
        } catch (error) {
          assert.ok(error instanceof Failure);
          return;
        }
        for (const one of text.split('\n')) assert.match(one, line);
      },
    ),
  );
});

test('any bytes are settings or a refusal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        parseNetworkFile(text);
      } catch (error) {
        assert.ok(error instanceof Failure, String(error));
      }
    }),
  );
});
