/** Joins on real sockets of this machine: where they are heard, and by which way they came. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { AnycastEndpoint } from '../../firmware/config/unit-config.ts';
import { sendAnycast } from '../../firmware/io/anycast.ts';
import { type AnycastReceiver, receiveAnycast } from '../../firmware/io/anycast-receiver.ts';
import { type Address, type Packet, protocolVersion } from '../../firmware/overlay/packets.ts';
import { until } from '../support/network.ts';

const host = '127.0.0.1';
const keys = [{ id: 1, secret: randomBytes(32) }];

function join(sender: string): Packet {
  const header = { version: protocolVersion, site: 'home', sender, incarnation: 1, network: undefined };
  const link = { host, port: 9 };
  return { name: 'ss-join', header, body: { nonce: randomBytes(16), link, ring: 2, attempt: 0, degree: 0 } };
}

async function freePort(): Promise<number> {
  const socket = await holdPort();
  const { port } = socket.address();
  socket.close();
  return port;
}

/** A receiver, and what it was told: `<sender> <multicast>`. */
async function listener(endpoints: AnycastEndpoint[]): Promise<AnycastReceiver & { heard: string[] }> {
  const heard: string[] = [];
  const receiver = await receiveAnycast({
    endpoints,
    keys,
    nowMs: () => 0,
    onPacket: ({ header }, _from, multicast) => heard.push(`${header.sender} ${multicast}`),
    onRefused: () => undefined,
    onFailed: (endpoint, reason) => heard.push(`${endpoint.host} ${reason}`),
    retryMs: 60_000,
  });
  return Object.assign(receiver, { heard });
}

function send(
  sender: string,
  endpoints: readonly AnycastEndpoint[],
  also: readonly Address[] = [],
): string[] {
  const failed: string[] = [];
  const onFailed = (target: Address, reason: string): void =>
    void failed.push(`${target.host}:${target.port} ${reason}`);
  sendAnycast({ packet: join(sender), keys, endpoints, also, onFailed });
  return failed;
}

/** A UDP port that nobody else can bind until the socket is closed. */
async function holdPort(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, host);
  await once(socket, 'listening');
  return socket;
}

describe('the receiver of joins', () => {
  test('listens on an endpoint as soon as that becomes possible, and tells of it once', async () => {
    const holder = await holdPort();
    const other = await holdPort();
    const free = other.address().port;
    other.close();
    const { port } = holder.address();
    const failed: string[] = [];
    let refused = 0;
    await using _receiver = await receiveAnycast({
      endpoints: [
        { kind: 'address', host, port },
        { kind: 'address', host, port: free },
      ],
      keys,
      nowMs: () => 0,
      onPacket: () => undefined,
      onRefused: () => {
        refused += 1;
      },
      onFailed: (endpoint, reason) => failed.push(`${endpoint.port} ${reason}`),
      retryMs: 5,
    });
    holder.close();
    const sender = createSocket('udp4');
    await until('a datagram is heard', () => {
      sender.send('hello', port, host);
      return refused > 0;
    });
    sender.close();
    assert.equal(failed.length, 1);
    assert.match(failed[0] ?? '', new RegExp(`^${port} .*EADDRINUSE`));
  });

  test('does not start when there is nothing to listen on', async () => {
    const holder = await holdPort();
    const start = receiveAnycast({
      endpoints: [{ kind: 'address', host, port: holder.address().port }],
      keys,
      nowMs: () => 0,
      onPacket: () => undefined,
      onRefused: () => undefined,
      onFailed: () => undefined,
    });
    await assert.rejects(start, { code: 'PORT_IN_USE' });
    holder.close();
  });
});

describe('a join', () => {
  test('to a group is multicast, also for one who listens on every address', async () => {
    const port = await freePort();
    const group = { kind: 'multicast', host: '239.83.84.9', port, interface: host } as const;
    await using receiver = await listener([{ kind: 'address', host: '0.0.0.0', port }, group]);
    for (let n = 0; n < 20; n++) {
      send(`ss-${n}`, [group]);
      await until(`join ${n} is heard`, () => receiver.heard.length > n);
    }
    assert.deepEqual(
      receiver.heard,
      Array.from({ length: 20 }, (_, n) => `ss-${n} true`),
    );
  });

  test('to an anycast address, a seed or a known server is not', async () => {
    const port = await freePort();
    const link = await freePort();
    const group = { kind: 'multicast', host: '239.83.84.9', port, interface: host } as const;
    const own = [port, link].map((number) => ({ kind: 'address' as const, host: '127.0.0.1', port: number }));
    await using receiver = await listener([...own, group]);
    send('ss-1', [{ kind: 'address', host, port }]);
    send('ss-2', [{ kind: 'seed', host, port }]);
    send('ss-3', [], [{ host, port: link }]);
    await until('all are heard', () => receiver.heard.length >= 3);
    assert.deepEqual(receiver.heard.sort(), ['ss-1 false', 'ss-2 false', 'ss-3 false']);
  });

  test('that comes by a group and by an address is told once, as multicast', async () => {
    const port = await freePort();
    const group = { kind: 'multicast', host: '239.83.84.9', port, interface: host } as const;
    const address = { kind: 'address', host, port } as const;
    await using receiver = await listener([address, group]);
    for (let n = 0; n < 20; n++) send(`ss-${n}`, n % 2 === 0 ? [address, group] : [group, address]);
    send('end', [address]);
    await until('all are heard', () => receiver.heard.includes('end false'));
    const rest = receiver.heard.filter((line) => line !== 'end false');
    assert.deepEqual(new Set(rest), new Set(Array.from({ length: 20 }, (_, n) => `ss-${n} true`)));
    assert.equal(rest.length, 20);
  });

  test('goes to all that can be reached, and says which cannot', async () => {
    const port = await freePort();
    await using receiver = await listener([{ kind: 'address', host, port }]);
    const nowhere = { kind: 'multicast', host: '239.83.84.9', port, interface: 'no-such-card' } as const;
    const failed = send('ss-1', [nowhere, { kind: 'seed', host, port }], [{ host, port: 0 }]);
    await until('it is heard and told', () => receiver.heard.length > 0 && failed.length > 1);
    const [first, second] = failed.sort();
    assert.match(first ?? '', /^127\.0\.0\.1:0 /);
    assert.equal(second, `239.83.84.9:${port} no interface no-such-card with an IPv4 address`);
  });

  test('tells from which IPv4 address it came, also when it was heard by IPv6', async () => {
    const port = await freePort();
    const came: string[] = [];
    await using _receiver = await receiveAnycast({
      endpoints: [{ kind: 'address', host: '::', port }],
      keys,
      nowMs: () => 0,
      onPacket: (_packet, from) => came.push(from),
      onRefused: () => undefined,
      onFailed: () => undefined,
    });
    send('ss-1', [], [{ host, port }]);
    await until('it is heard', () => came.length > 0);
    assert.deepEqual(came, [host]);
  });

  test('to this server’s own anycast address is not missed before that is up', async () => {
    const port = await freePort();
    const owned = { kind: 'address', host: '192.0.2.254', port, interface: 'lo' } as const;
    await using receiver = await listener([owned, { kind: 'address', host, port }]);
    assert.deepEqual(receiver.heard, [], 'that it is down at first is no failure');
  });
});
