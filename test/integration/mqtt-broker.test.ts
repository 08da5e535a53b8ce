/** The MQTT client against a real Mosquitto: names and passwords, TLS, wills, rights, a broker that hangs. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { parseBrokerUrl } from '../../firmware/config/mqtt-section.ts';
import { type MqttBrokerOptions, mqttBroker } from '../../firmware/io/mqtt-broker.ts';
import type { BrokerSession, HeardMessage } from '../../firmware/telemetry/broker.ts';
import { brokerCertificates } from '../support/broker-certificates.ts';
import { Mosquitto } from '../support/mosquitto.ts';
import { until } from '../support/network.ts';

const will = { topic: 'test/will', payload: 'offline', retained: true };

interface Session {
  readonly session: BrokerSession;
  readonly heard: (HeardMessage & { text: string })[];
}

async function connect(url: string, rest: Partial<MqttBrokerOptions> = {}): Promise<Session> {
  const address = parseBrokerUrl(url);
  assert(address !== undefined, url);
  const heard: Session['heard'] = [];
  const session = await mqttBroker({ address, clientId: 'starling-test', ...rest }).connect({
    will,
    receive: (message) => {
      heard.push({ ...message, text: Buffer.from(message.payload).toString('utf8') });
      return 0;
    },
  });
  return { session, heard };
}

/** The Failure of a session that must not come about. */
async function refusal(url: string, rest: Partial<MqttBrokerOptions> = {}): Promise<Failure> {
  const failure = await connect(url, rest).then(
    ({ session }) => session.close().then(() => assert.fail('it was connected')),
    (error: unknown) => error,
  );
  assert(failure instanceof Failure, String(failure));
  assert.equal(failure.advice.length > 10, true, 'no advice');
  return failure;
}

describe('a session with a broker', () => {
  test('publishes, hears what others publish and never itself, and says what was to be retained', async () => {
    await using broker = await Mosquitto.open();
    const seen = await broker.listen('test/#');
    const { session, heard } = await connect(broker.url);
    assert.equal(await session.subscribe(['test/command', 'test/own']), undefined);
    assert.equal(await session.publish({ topic: 'test/own', payload: 'mine', retained: true }), undefined);
    assert.equal(
      await session.publish({ topic: 'test/bytes', payload: new Uint8Array([0, 255, 10]), retained: false }),
      undefined,
    );
    await broker.publish('test/command', 'now');
    await broker.publish('test/command', 'kept', { retain: true });
    await until('both are heard', () => heard.length === 2);
    assert.deepEqual(
      heard.map(({ topic, text, retained }) => `${topic} ${text} ${retained}`),
      ['test/command now false', 'test/command kept true'],
    );
    await until('all are seen', () => seen.filter(({ topic }) => /own|bytes/.test(topic)).length === 2);
    const [own, bytes] = seen.filter(({ topic }) => /own|bytes/.test(topic));
    assert.deepEqual([own?.text, own?.retained, own?.qos], ['mine', true, 1]);
    assert.deepEqual([...(bytes?.payload ?? [])], [0, 255, 10]);
    await session.close();
  });

  test('that takes leave has no will, and one that is cut off has', async () => {
    await using broker = await Mosquitto.open();
    const seen = await broker.listen('test/will');
    const { session } = await connect(broker.url);
    await session.close();
    assert.match(await session.closed, /./);
    const address = parseBrokerUrl(broker.url);
    assert(address !== undefined, 'no address');
    const second = await connect(broker.url);
    // Another of the same name takes its place: the broker cuts the first one off.
    const third = await connect(broker.url);
    assert.match(await second.session.closed, /taken over|closed/i);
    await until('the will is published', () => seen.length > 0);
    assert.deepEqual(
      seen.map(({ text, retained }) => `${text} ${retained}`),
      ['offline true'],
    );
    await third.session.close();
  });

  test('does not hear what is larger than a command may be', async () => {
    await using broker = await Mosquitto.open();
    const { session, heard } = await connect(broker.url);
    await session.subscribe(['test/command']);
    await broker.publish('test/command', Buffer.alloc(10_000_000, 'x'));
    await broker.publish('test/command', 'small');
    await until('the small one is heard', () => heard.length > 0);
    assert.deepEqual(
      heard.map(({ text }) => text),
      ['small'],
    );
    await session.close();
  });

  test('rejects what was not acknowledged when it ends', async () => {
    await using broker = await Mosquitto.open();
    const { session } = await connect(broker.url);
    broker.freeze();
    const published = session.publish({ topic: 'test/lost', payload: 'x', retained: false });
    const rejected = assert.rejects(
      published,
      (error) => error instanceof Failure && error.code === 'UNREACHABLE',
    );
    await broker.stop();
    await rejected;
    assert.match(await session.closed, /./);
    await assert.rejects(session.publish({ topic: 'test/late', payload: 'x', retained: false }), Failure);
  });

  test('takes leave of a broker that hangs within two seconds', async () => {
    await using broker = await Mosquitto.open();
    const { session } = await connect(broker.url);
    broker.freeze();
    void session.publish({ topic: 'test/lost', payload: 'x', retained: false }).catch(() => undefined);
    const beganMs = performance.now();
    await session.close();
    assert.equal(performance.now() - beganMs < 2_000, true);
  });
});

describe('user and password', () => {
  test('are given from a file, which is read for every session', async () => {
    await using broker = await Mosquitto.open({ users: { starling: 'first secret' } });
    const passwordFile = join(broker.folder, 'password');
    const named = { user: 'starling', passwordFile };
    const missing = await refusal(broker.url, named);
    assert.equal(missing.code, 'FILE_MISSING');
    assert.match(missing.message, /password is missing/);
    await writeFile(passwordFile, '\n');
    assert.match((await refusal(broker.url, named)).message, /holds no password/);
    await writeFile(passwordFile, 'wrong\n');
    assert.match(
      (await refusal(broker.url, named)).message,
      /does not accept this user and password|not allow/,
    );
    await writeFile(passwordFile, 'first secret\n');
    const { session } = await connect(broker.url, named);
    await session.close();
    assert.match((await refusal(broker.url)).message, /does not accept this user and password|not allow/);
  });

  test('that may not do everything: what is refused is told, the rest goes on', async () => {
    await using broker = await Mosquitto.open({
      users: { starling: 'secret' },
      acl: ['user starling', 'topic readwrite test/mine/#', 'topic write test/will'],
    });
    const passwordFile = join(broker.folder, 'password');
    await writeFile(passwordFile, 'secret');
    const { session } = await connect(broker.url, { user: 'starling', passwordFile });
    assert.match(
      (await session.publish({ topic: 'test/other', payload: '', retained: false })) ?? '',
      /not allow/,
    );
    assert.equal(await session.publish({ topic: 'test/mine/a', payload: '', retained: false }), undefined);
    assert.equal(await session.subscribe(['test/mine/b']), undefined);
    await session.close();
  });
});

describe('over TLS', () => {
  test('the broker’s certificate must be of the authority that is named, and for its host', async () => {
    const certificates = await brokerCertificates('localhost');
    const strangers = await brokerCertificates('localhost');
    await using broker = await Mosquitto.open({ tls: certificates });
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(broker.folder, name), text);
      return join(broker.folder, name);
    };
    const ca = await file('good.crt', certificates.ca);
    const seen = await broker.listen('test/tls');
    const { session } = await connect(broker.url, { ca });
    await session.publish({ topic: 'test/tls', payload: 'encrypted', retained: false });
    await until('it is seen', () => seen.length === 1);
    await session.close();

    const stranger = await refusal(broker.url, { ca: await file('other.crt', strangers.ca) });
    assert.match(stranger.message, /self.signed|certificate|signature/i);
    assert.match(stranger.advice, /server\.mqtt\.ca/);
    assert.match((await refusal(broker.url)).advice, /server\.mqtt\.ca/);
    const byAddress = await refusal(broker.url.replace('localhost', '127.0.0.1'), { ca });
    assert.match(byAddress.message, /altname|does not match/i);
    assert.match(
      (await refusal(broker.url, { ca: join(broker.folder, 'none.crt') })).message,
      /none.crt is missing/,
    );
    // A broker without TLS, and TLS where none is expected.
    assert.equal((await refusal(broker.url.replace('mqtts', 'mqtt'))).code, 'UNREACHABLE');
    await using plain = await Mosquitto.open();
    assert.equal((await refusal(plain.url.replace('mqtt:', 'mqtts:'), { ca })).code, 'UNREACHABLE');
  });
});

test('a broker that is not there, and one that never answers, are told within the time allowed', async () => {
  assert.match((await refusal('mqtt://127.0.0.1:1')).message, /ECONNREFUSED/);
  assert.match((await refusal('mqtt://no-such-host.invalid:1883')).message, /ENOTFOUND|EAI_AGAIN/);
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as { port: number };
  assert.match((await refusal(`mqtt://127.0.0.1:${port}`)).message, /does not answer/);
  mute.close();
});

test('no session leaves anything behind that keeps the program alive', async () => {
  await using broker = await Mosquitto.open();
  for (let number = 0; number < 20; number++) {
    const { session } = await connect(broker.url);
    await session.close();
  }
  const sockets = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap');
  assert.equal(sockets.length <= 1, true, sockets.join(' '));
});
