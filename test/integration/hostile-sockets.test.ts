/**
 * Sockets of strangers that do nothing, or everything a byte at a time: they are closed, and nobody who asks something
 * waits for them.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type HttpServer, openHttpServer } from '../../firmware/io/http-server.ts';
import { bareViewing } from '../support/bare-viewing.ts';
import { PagePair } from '../support/page-pair.ts';

const { viewing, errors } = bareViewing();
let pair: PagePair;
let server: HttpServer;

before(async () => {
  pair = await PagePair.create(['127.0.0.1']);
});
after(async () => pair[Symbol.asyncDispose]());

async function open(): Promise<HttpServer> {
  server = await openHttpServer({
    viewing,
    host: '127.0.0.1',
    port: 0,
    https: { host: '127.0.0.1', port: 0, ...pair.paths, onReload: () => undefined },
    unit: 'ss-1',
    names: [],
    signal: new AbortController().signal,
  });
  return server;
}

/** A connection that minds nothing; how it ended, and what was said on it. */
function connect(port: number): { socket: net.Socket; closed: Promise<string> } {
  const socket = net.connect(port, '127.0.0.1');
  let text = '';
  socket.on('error', () => undefined).on('data', (data: Buffer) => (text += data.toString('latin1')));
  return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve(text))) };
}

async function answers(withinMs: number): Promise<void> {
  const started = performance.now();
  const response = await fetch(`${server.url}/api/site`, { signal: AbortSignal.timeout(withinMs) });
  assert.equal(response.status, 200);
  await response.arrayBuffer();
  assert.equal(performance.now() - started < withinMs, true);
}

test('1,500 sockets that say nothing keep nobody out, and the oldest of them make room', async () => {
  await using _ = await open();
  const idle: ReturnType<typeof connect>[] = [];
  for (let number = 0; number < 1_500; number++) {
    idle.push(connect(server.port));
    if (number % 250 === 249) {
      await once(idle.at(-1)?.socket ?? assert.fail(), 'connect');
      await answers(2_000);
    }
  }
  await Promise.all(idle.slice(0, 400).map(({ closed }) => closed));
  await answers(2_000);
  for (const { socket } of idle) socket.destroy();
});

describe('who is slow', () => {
  // All at once: each takes as long as the server waits, which is 10 s.
  test('with a request, its body, or a TLS handshake is told to go, while others are served', async () => {
    await using _ = await open();
    const post = 'POST /api/leave HTTP/1.1\r\nhost: ss-1\r\nx-starling: 1\r\n';
    const json = 'POST /api/cameras/door/protected HTTP/1.1\r\nhost: ss-1\r\nx-starling: 1\r\n';
    const begins = [
      'GET / HTTP/1.1\r\nhost: ss-1\r\n',
      'GET /',
      `${json}content-type: application/json\r\ncontent-length: 5000\r\n\r\n{"from":"`,
      `${post}x-filler: `,
    ];
    const slow = begins.flatMap((begin) =>
      Array.from({ length: 20 }, () => ({ ...connect(server.port), begin })),
    );
    for (const { socket, begin } of slow) socket.write(begin);
    const drip = setInterval(() => {
      for (const { socket } of slow) if (socket.writable) socket.write('x');
    }, 200);
    const shaking = Array.from({ length: 20 }, () => connect(server.securePort ?? 0));
    for (const { socket } of shaking) socket.write(Buffer.from([0x16, 0x03, 0x01]));
    let done = false;
    const all = Promise.all([...slow, ...shaking].map(({ closed }) => closed)).finally(() => {
      done = true;
    });
    for (const deadline = performance.now() + 15_000; !done && performance.now() < deadline; )
      await answers(2_000);
    clearInterval(drip);
    assert.equal(done, true, 'some are still open after 15 s');
    const texts = await all;
    for (const [place, text] of texts.slice(0, slow.length).entries())
      assert.match(text, /^HTTP\/1\.1 40[08] /, begins[Math.floor(place / 20)]);
    assert.deepEqual(errors, []);
  });

  test('to read what was asked for is not waited for by others', async () => {
    await using _ = await open();
    const pipelined = 'GET /page.js HTTP/1.1\r\nhost: ss-1\r\n\r\n'.repeat(20);
    const readers = Array.from({ length: 50 }, () => connect(server.port));
    for (const { socket } of readers) socket.pause().write(pipelined);
    for (let i = 0; i < 20; i++) await answers(5_000);
    for (const { socket } of readers) socket.destroy();
  });
});

test('a TLS connection that asks nothing makes room, too', async () => {
  await using _ = await open();
  const sockets: tls.TLSSocket[] = [];
  for (let number = 0; number < 5; number++) {
    const socket = tls.connect({ port: server.securePort ?? 0, host: '127.0.0.1', ca: pair.ca });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    sockets.push(socket);
  }
  const idle = Array.from({ length: 1_024 }, () => connect(server.port));
  await Promise.all(sockets.map((socket) => once(socket, 'close')));
  await answers(2_000);
  for (const { socket } of idle) socket.destroy();
});
