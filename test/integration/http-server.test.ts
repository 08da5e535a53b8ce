/** The HTTP server at the level of bytes and sockets, and the client that servers ask each other with. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { type HttpServer, openHttpServer } from '../../firmware/io/http-server.ts';
import { createPeerClient } from '../../firmware/io/peer-client.ts';
import { createSiteAuthority, issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { peerIdentity } from '../../firmware/site/identity.ts';
import type { Viewing } from '../../firmware/viewing/http-api.ts';
import { ViewingSite } from '../support/viewing-site.ts';

let site: ViewingSite;

before(async () => {
  site = await ViewingSite.open('a', 'b');
});

after(() => site[Symbol.asyncDispose]());

/** Sends bytes as they are and returns everything that comes back until the server closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(bytes);
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: Buffer | string) => {
    text += chunk.toString();
  });
  await once(socket, 'close');
  return text;
}

const host = (): string => `127.0.0.1:${site.server('a').http.port}`;

describe('hostile requests', () => {
  for (const [what, target, status] of [
    ['dot segments', '/../../etc/passwd', 404],
    ['encoded dot segments', '/%2e%2e/%2e%2e/etc/passwd', 404],
    ['a backslash', '/..\\..\\etc', 400],
    ['an encoded NUL', '/api/cameras/%00/recordings', 400],
    ['a broken escape', '/api/cameras/%zz/recordings', 400],
    ['a prototype', '/api/cameras/__proto__/recordings', 400],
    ['an absolute URL of another host', 'http://evil.example/api/site', 200],
    ['no slash', 'api/site', 400],
    ['an asterisk', '*', 400],
  ] as const) {
    test(`${what} in the path`, async () => {
      const { http, errors } = site.server('a');
      const answer = await raw(
        http.port,
        `GET ${target} HTTP/1.1\r\nhost: ${host()}\r\nconnection: close\r\n\r\n`,
      );
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      if (status >= 400) assert.match(answer, /"error":".*"advice":"/);
      assert.deepEqual(errors, []);
    });
  }

  for (const [what, request, status] of [
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['another host', 'GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n', 421],
    ['a name that only begins right', 'GET / HTTP/1.1\r\nhost: localhost.evil.example\r\n\r\n', 421],
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a NUL in a header', 'GET / HTTP/1.1\r\nhost: \0\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 400],
  ] as const) {
    test(`${what} is ${status}`, async () => {
      const answer = await raw(site.server('a').http.port, request);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(answer, /"advice":"/);
    });
  }

  for (const name of ['localhost', '127.0.0.1', '[::1]', 'LOCALHOST']) {
    test(`${name} is a name of a loopback server`, async () => {
      const { port } = site.server('a').http;
      const answer = await raw(
        port,
        `GET /api/site HTTP/1.1\r\nhost: ${name}:${port}\r\nconnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 200 /);
    });
  }

  test('a body is refused without being read', async () => {
    const { port } = site.server('a').http;
    const head = `POST /api/site HTTP/1.1\r\nhost: ${host()}\r\nconnection: close\r\ncontent-length: 1000000000000\r\n\r\n`;
    assert.match(await raw(port, `${head}${'x'.repeat(1000)}`), /^HTTP\/1\.1 413 /);
    const get = `GET /api/site HTTP/1.1\r\nhost: ${host()}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
    assert.match(await raw(port, get), /^HTTP\/1\.1 413 /);
  });

  test('an upgrade to something else than WebSocket is refused', async () => {
    const { port } = site.server('a').http;
    const lines = [
      'GET /api/cameras/x/live HTTP/1.1',
      `host: ${host()}`,
      'connection: upgrade',
      'upgrade: h2c',
    ];
    assert.match(await raw(port, `${lines.join('\r\n')}\r\n\r\n`), /^HTTP\/1\.1 400 /);
  });
});

const refuseAll: Viewing = {
  answer: async () => new Response('ok'),
  admitLive: async () => ({ ok: false, status: 404, answer: { error: 'nothing here', advice: 'go away' } }),
};

interface Wish {
  host?: string;
  port?: number;
  signal?: AbortSignal;
  viewing?: Viewing;
}

function open(options: Wish = {}): Promise<HttpServer> {
  const { signal = new AbortController().signal } = options;
  return openHttpServer({
    viewing: options.viewing ?? refuseAll,
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    unit: 'nvr-1',
    names: ['nvr.example'],
    signal,
  });
}

describe('the listener', () => {
  test('sends every trailer that an answer adds', async () => {
    const answer: Viewing['answer'] = async (_request, connection) => {
      connection.trailer('x-first', '1');
      connection.trailer('x-second', '2');
      const headers = { 'transfer-encoding': 'chunked', trailer: 'x-first, x-second' };
      return new Response('ok', { headers });
    };
    await using server = await open({ viewing: { ...refuseAll, answer } });
    const lines = ['GET / HTTP/1.1', `host: 127.0.0.1:${server.port}`, 'connection: close', '', ''];
    assert.match(await raw(server.port, lines.join('\r\n')), /x-first: 1\r\nx-second: 2\r\n\r\n$/i);
  });

  test('a port in use is a Failure that says what to do', async () => {
    await using first = await open();
    await assert.rejects(open({ port: first.port }), (thrown) => {
      assert(thrown instanceof Failure && thrown.code === 'PORT_IN_USE');
      assert.match(thrown.advice, /another HTTP port/);
      return true;
    });
  });

  test('an address that this machine lacks is a Failure too', async () => {
    await assert.rejects(
      open({ host: '192.0.2.1' }),
      (thrown) => thrown instanceof Failure && thrown.code === 'CONFIG_INVALID',
    );
  });

  test('closing ends idle and half-open connections, and is told', async () => {
    const stop = new AbortController();
    const server = await open({ signal: stop.signal });
    const half = net.connect(server.port, '127.0.0.1');
    half.on('error', () => undefined);
    half.write('GET / HTTP/1.1\r\nhost:');
    await once(half, 'connect');
    await fetch(server.url);
    const ended = once(half, 'close');
    stop.abort();
    await server.closed;
    await ended;
    await assert.rejects(fetch(server.url));
  });

  test('answers to its own names only, wherever it listens and whatever port a proxy has', async () => {
    await using server = await open({ host: '0.0.0.0' });
    const status = async (name: string): Promise<string> => {
      const answer = await raw(server.port, `GET / HTTP/1.1\r\nhost: ${name}\r\nconnection: close\r\n\r\n`);
      return answer.slice(9, 12);
    };
    for (const name of ['nvr.example', 'NVR.example:443', 'nvr-1', 'nvr-1.local.', '127.0.0.1:9', '[::1]:9'])
      assert.equal(await status(name), '200', name);
    for (const name of [
      'evil.example',
      'nvr.example.evil',
      '192.0.2.1',
      'nvr-2',
      'nvr-1.local.evil:80',
      '[::2]',
    ])
      assert.equal(await status(name), '421', name);
  });
});

describe('asking another server', () => {
  /** A client of the site, or of a stranger's. */
  async function client(options: {
    as?: string;
    stranger?: boolean;
    port?: number;
  }): Promise<ReturnType<typeof createPeerClient>> {
    const authority = options.stranger ? await createSiteAuthority('demo') : site.authority;
    const unit = await issueUnitCertificate(authority, {
      unit: options.as ?? 'c',
      role: 'server',
      cameras: [],
    });
    return createPeerClient({
      ca: authority.certificate,
      cert: unit.certificate,
      key: unit.key,
      identify: (name) => peerIdentity(name, 'demo'),
      resolve: (server) =>
        server === 'nowhere'
          ? undefined
          : { host: '127.0.0.1', port: options.port ?? site.server('b').links.port },
    });
  }

  const unreachable = (reason: RegExp) => (thrown: unknown) => {
    assert(thrown instanceof Failure && thrown.code === 'UNREACHABLE', String(thrown));
    assert.match(thrown.message, reason);
    return true;
  };

  test('a server of the site is answered', async () => {
    using peers = await client({});
    const { status, body } = await peers.get('b', '/api/site', { timeoutMs: 2000 });
    const chunks: Buffer[] = [];
    for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk);
    assert.equal(status, 200);
    assert.match(Buffer.concat(chunks).toString(), /"server":"b"/);
  });

  test('one server is not taken for another', async () => {
    using peers = await client({});
    await assert.rejects(
      peers.get('a', '/api/site', { timeoutMs: 2000 }),
      unreachable(/server b answered instead/),
    );
    const socket = peers.webSocket('a', '/api/cameras/x/live');
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /server b answered instead/);
  });

  test('a server of another authority with the same names is refused', async () => {
    using peers = await client({ stranger: true });
    await assert.rejects(peers.get('b', '/api/site', { timeoutMs: 2000 }), unreachable(/certificate/));
  });

  test('an unknown server fails at once, for a request and for a WebSocket', async () => {
    using peers = await client({});
    await assert.rejects(peers.get('nowhere', '/', { timeoutMs: 2000 }), unreachable(/no way to it/));
    const [error] = (await once(peers.webSocket('nowhere', '/'), 'error')) as [Error];
    assert.match(error.message, /no way to it/);
  });

  test('a server that says nothing fails in time', async () => {
    const sockets = new Set<net.Socket>();
    const silent = net
      .createServer((socket) => void sockets.add(socket.on('error', () => undefined)))
      .listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      using peers = await client({ port: (silent.address() as net.AddressInfo).port });
      const startMs = performance.now();
      await assert.rejects(peers.get('b', '/api/site', { timeoutMs: 300 }), unreachable(/no answer in time/));
      assert(performance.now() - startMs < 1500);
      const stop = new AbortController();
      const stopped = peers.get('b', '/api/site', { timeoutMs: 60_000, signal: stop.signal });
      stop.abort();
      await assert.rejects(stopped, unreachable(/no longer wanted/));
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });

  test('a closed port fails as unreachable', async () => {
    const closed = await open();
    await closed[Symbol.asyncDispose]();
    using peers = await client({ port: closed.port });
    await assert.rejects(peers.get('b', '/api/site', { timeoutMs: 2000 }), unreachable(/ECONNREFUSED/));
  });
});
