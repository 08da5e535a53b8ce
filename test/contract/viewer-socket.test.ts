/** What every ViewerSocket promises, run against the server's end of a real WebSocket and the one that tests use. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import type { ViewerSocket } from '../../firmware/viewing/live-socket.ts';
import { QueueSocket } from '../support/viewer-sockets.ts';

interface Subject extends AsyncDisposable {
  readonly socket: ViewerSocket;
  /** The viewer stops or goes on reading. */
  block(blocked: boolean): void;
  /** Resolves once `count` messages arrived. */
  arrived(count: number): Promise<(string | number)[]>;
}

async function queueSubject(): Promise<Subject> {
  const socket = new QueueSocket();
  return {
    socket,
    block: (blocked) => {
      socket.blocked = blocked;
      if (!blocked) socket.flush();
    },
    arrived: async (count) => {
      assert(socket.delivered.length >= count);
      return socket.delivered.map((data) => (typeof data === 'string' ? data : data.length));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function webSocketSubject(): Promise<Subject> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  const viewer = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const received: (string | number)[] = [];
  viewer.on('error', () => undefined);
  viewer.on('message', (data: Buffer, isBinary: boolean) =>
    received.push(isBinary ? data.length : data.toString()),
  );
  const [socket] = (await once(server, 'connection')) as [WebSocket];
  await once(viewer, 'open');
  return {
    socket,
    block: (blocked) => (blocked ? viewer.pause() : viewer.resume()),
    arrived: async (count) => {
      while (received.length < count) await once(viewer, 'message');
      return received;
    },
    [Symbol.asyncDispose]: async () => {
      viewer.terminate();
      socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

for (const [name, make] of [
  ['queue socket', queueSubject],
  ['socket of ws', webSocketSubject],
] as const) {
  describe(name, () => {
    test('messages arrive in order, texts as texts, and done is called in the same order', async () => {
      await using subject = await make();
      const done: number[] = [];
      const sent = new Promise<void>((resolve) => {
        subject.socket.send('one', () => done.push(1));
        subject.socket.send(Buffer.alloc(70_000), () => done.push(2));
        subject.socket.send('three', () => {
          done.push(3);
          resolve();
        });
      });
      await sent;
      assert.deepEqual(await subject.arrived(3), ['one', 70_000, 'three']);
      assert.deepEqual(done, [1, 2, 3]);
      assert.equal(subject.socket.bufferedAmount, 0);
    });

    test('what a viewer does not read is counted, and done waits for it', async () => {
      await using subject = await make();
      subject.block(true);
      const chunk = Buffer.alloc(1024 * 1024);
      let done = 0;
      let sent = 0;
      while (subject.socket.bufferedAmount < 8 * chunk.length) {
        subject.socket.send(chunk, () => {
          done += 1;
        });
        sent += 1;
        assert(sent < 100);
        await new Promise(setImmediate);
      }
      assert(done < sent);
      subject.block(false);
      await subject.arrived(sent);
      assert.equal(done, sent);
      assert.equal(subject.socket.bufferedAmount, 0);
    });

    test('after its end a message is not delivered, and done says so without a throw', async () => {
      await using subject = await make();
      subject.socket.terminate();
      const error = await new Promise<Error | undefined>((resolve) => subject.socket.send('late', resolve));
      assert(error instanceof Error);
    });
  });
}
