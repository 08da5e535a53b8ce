/** The receiver of joins on real sockets of this machine. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { receiveAnycast } from '../../firmware/io/anycast.ts';
import { until } from '../support/network.ts';

const host = '127.0.0.1';
const keys = [{ id: 1, secret: randomBytes(32) }];

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
