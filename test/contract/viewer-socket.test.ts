/** What every ViewerSocket promises, run against the server's end of a real WebSocket and the one that tests use. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { binaryFrame, framedSocket } from '../../firmware/viewing/framed-socket.ts';
import type { FramedViewerSocket } from '../../firmware/viewing/live-socket.ts';
import { QueueSocket } from '../support/viewer-sockets.ts';

interface Subject extends AsyncDisposable {
  readonly socket: FramedViewerSocket;
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
  const server = createServer();
  const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const opened = new Promise<{ webSocket: WebSocket; stream: Duplex }>((resolve) => {
    server.on('upgrade', (request, stream, head) => {
      webSockets.handleUpgrade(request, stream, head, (webSocket) => resolve({ webSocket, stream }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const viewer = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const received: (string | number)[] = [];
  viewer.on('error', () => undefined);
  viewer.on('message', (data: Buffer, isBinary: boolean) =>
    received.push(isBinary ? data.length : data.toString()),
  );
  const { webSocket, stream } = await opened;
  await once(viewer, 'open');
  return {
    socket: framedSocket(webSocket, stream),
    block: (blocked) => (blocked ? viewer.pause() : viewer.resume()),
    arrived: async (count) => {
      while (received.length < count) await once(viewer, 'message');
      return received;
    },
    [Symbol.asyncDispose]: async () => {
      viewer.terminate();
      webSocket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

for (const [name, make] of [
  ['queue socket', queueSubject],
  ['socket of ws with frames of our own', webSocketSubject],
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

    test('frames of every length arrive as messages, in order with what is sent otherwise', async () => {
      await using subject = await make();
      const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];
      for (const length of lengths) {
        const half = Math.floor(length / 2);
        subject.socket.sendFrame(binaryFrame([Buffer.alloc(half, 1), Buffer.alloc(length - half, 2)]));
        subject.socket.send(`text ${length}`, () => undefined);
      }
      const arrived = await subject.arrived(2 * lengths.length);
      assert.deepEqual(
        arrived,
        lengths.flatMap((length) => [length, `text ${length}`]),
      );
    });

    test('a ping is answered once all before it was read, and not before', async () => {
      await using subject = await make();
      const pongs: string[] = [];
      const answered = new Promise<void>((resolve) => {
        subject.socket.onPong((data) => {
          pongs.push(data.toString());
          if (pongs.length === 2) resolve();
        });
      });
      subject.block(true);
      subject.socket.sendFrame(binaryFrame([Buffer.alloc(100_000)]));
      subject.socket.ping(Buffer.from('one'));
      subject.socket.sendFrame(binaryFrame([Buffer.alloc(100_000)]));
      subject.socket.ping(Buffer.from('two'));
      await new Promise(setImmediate);
      assert.deepEqual(pongs, []);
      subject.block(false);
      await answered;
      assert.deepEqual(pongs, ['one', 'two']);
      assert.deepEqual(await subject.arrived(2), [100_000, 100_000]);
    });

    test('a frame for a viewer that does not read is counted, and one after the end does no harm', async () => {
      await using subject = await make();
      subject.block(true);
      const frame = binaryFrame([Buffer.alloc(1024 * 1024)]);
      for (let sent = 0; subject.socket.bufferedAmount < 4 * frame.length; sent++) {
        assert(sent < 100, 'nothing is counted');
        subject.socket.sendFrame(frame);
        await new Promise(setImmediate);
      }
      subject.socket.terminate();
      subject.socket.sendFrame(frame);
    });

    test('after its end a message is not delivered, and done says so without a throw', async () => {
      await using subject = await make();
      subject.socket.terminate();
      const error = await new Promise<Error | undefined>((resolve) => subject.socket.send('late', resolve));
      assert(error instanceof Error);
    });
  });
}
