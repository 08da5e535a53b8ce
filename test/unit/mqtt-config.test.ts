/** The settings of MQTT: what is taken, and what a person is told about the rest. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseBrokerUrl } from '../../firmware/config/mqtt-section.ts';
import { parseUnitConfig, type ServerUnitConfig } from '../../firmware/config/unit-config.ts';

function mqttOf(yaml: string): ServerUnitConfig['server']['mqtt'] {
  const lines = yaml.split('\n').map((line) => `    ${line}`);
  const text = ['unit: ss-1', 'role: server', 'site: { name: home }', 'server:', '  mqtt:', ...lines].join(
    '\n',
  );
  return (parseUnitConfig(text, '/etc/starling') as ServerUnitConfig).server.mqtt;
}

describe('server.mqtt', () => {
  test('is off unless it is there', () => {
    const config = parseUnitConfig(
      'unit: ss-1\nrole: server\nsite: { name: home }\n',
      '/',
    ) as ServerUnitConfig;
    assert.equal('mqtt' in config.server && config.server.mqtt !== undefined, false);
  });

  test('needs only an address, and files are taken from the folder of unit.yaml', () => {
    assert.deepEqual(mqttOf('url: mqtt://broker.lan'), {
      url: 'mqtt://broker.lan',
      prefix: 'starling',
      discoveryPrefix: 'homeassistant',
      snapshotSeconds: 60,
    });
    const whole = mqttOf(
      'url: mqtts://broker.lan:8884\nuser: starling\npasswordFile: mqtt.password\nca: /etc/ca.crt',
    );
    assert.equal(whole?.passwordFile, '/etc/starling/mqtt.password');
    assert.equal(whole?.ca, '/etc/ca.crt');
  });

  test('says what is wrong', () => {
    const wrong: [string, RegExp][] = [
      ['url: http://broker', /server\.mqtt\.url: expected mqtt:\/\/HOST/],
      ['url: mqtt://user:secret@broker', /user and passwordFile are settings of their own/],
      ['url: mqtt://broker:0', /server\.mqtt\.url/],
      ['url: mqtt://broker:65536', /server\.mqtt\.url/],
      ['url: mqtt://broker/topic', /server\.mqtt\.url/],
      ['user: me', /server\.mqtt\.url: .*got nothing/],
      [
        'url: mqtt://broker\npassword: secret',
        /server\.mqtt\.password: put it into a file and name that in passwordFile/,
      ],
      ['url: mqtt://broker\npasswordFile: p', /server\.mqtt\.user: expected a user/],
      ['url: mqtt://broker\nca: ca.crt', /server\.mqtt\.url: expected mqtts:/],
      ['url: mqtt://broker\nprefix: a/#', /server\.mqtt\.prefix: expected one to four words/],
      ['url: mqtt://broker\ndiscoveryPrefix: ""', /server\.mqtt\.discoveryPrefix/],
      ['url: mqtt://broker\nsnapshotSeconds: -1', /server\.mqtt\.snapshotSeconds: expected 0\.\.3600/],
    ];
    for (const [yaml, message] of wrong) assert.throws(() => mqttOf(yaml), message, yaml);
    assert.throws(
      () => mqttOf('url: mqtt://broker\npassword: hunter2'),
      ({ message }: Error) => !message.includes('hunter2'),
    );
  });
});

test('the address of a broker is a host and a port, by default those of MQTT', () => {
  const good: [string, object][] = [
    ['mqtt://broker', { tls: false, host: 'broker', port: 1883 }],
    ['mqtts://broker.lan/', { tls: true, host: 'broker.lan', port: 8883 }],
    ['MQTTS://192.0.2.1:1', { tls: true, host: '192.0.2.1', port: 1 }],
    ['mqtt://[2001:db8::1]:1884', { tls: false, host: '2001:db8::1', port: 1884 }],
  ];
  for (const [text, address] of good) assert.deepEqual(parseBrokerUrl(text), address);
  for (const bad of [
    '',
    'broker',
    'mqtt://',
    'mqtt://a b',
    'mqtt://[1.2.3.4',
    'mqtt://a?x',
    'mqtt://a#x',
    'ws://a',
    'mqtt://a:b',
  ]) {
    assert.equal(parseBrokerUrl(bad), undefined, bad);
  }
});
