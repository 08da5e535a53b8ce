/** The page over HTTPS: the certificate is checked, read anew when it changes, and nothing of it depends on plain HTTP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import { WebSocket } from 'ws';
import { Failure } from '../../firmware/base/failure.ts';
import { type HttpServer, openHttpServer } from '../../firmware/io/http-server.ts';
import { createLiveHub } from '../../firmware/viewing/live-hub.ts';
import { AccessSite } from '../support/access-site.ts';
import { bareViewing } from '../support/bare-viewing.ts';
import { fullParts } from '../support/full-site.ts';
import { videoTrack } from '../support/media-samples.ts';
import { until } from '../support/network.ts';
import { PagePair } from '../support/page-pair.ts';

const access = new AccessSite(['ss-1']);
const live = createLiveHub({ onWatched: () => undefined });
const { viewing } = bareViewing({ ...fullParts(access, 'ss-1'), live });
const reloads: (string | undefined)[] = [];
let pair: PagePair;
let server: HttpServer;

function open(paths: { certificate: string; key: string }): Promise<HttpServer> {
  return openHttpServer({
    viewing,
    host: '127.0.0.1',
    port: 0,
    https: { host: '127.0.0.1', port: 0, ...paths, onReload: (fault) => reloads.push(fault) },
    unit: 'ss-1',
    names: [],
    signal: new AbortController().signal,
  });
}

before(async () => {
  live.publishTracks('door', [videoTrack('boot-1.1', 'door')]);
  await access.user('ann', { role: 'admin', cameras: 'all', password: 'a long password' });
  pair = await PagePair.create(['127.0.0.1']);
  server = await open(pair.paths);
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await pair[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

async function ask(path: string, options: https.RequestOptions = {}, body = ''): Promise<Answer> {
  const request = https.request({
    host: '127.0.0.1',
    port: server.securePort,
    path,
    ca: pair.ca,
    agent: false,
    ...options,
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString(),
  };
}

async function signIn(): Promise<string> {
  const body = JSON.stringify({ user: 'ann', password: 'a long password' });
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-starling': '1',
  };
  const answer = await ask('/api/session', { method: 'POST', headers }, body);
  assert.equal(answer.status, 200, answer.text);
  return String(answer.headers['set-cookie']);
}

test('whoever trusts the authority of the site gets the page, whoever does not gets nothing', async () => {
  const answer = await ask('/');
  assert.equal(answer.status, 200);
  assert.match(answer.text, /<div id="app">/);
  await assert.rejects(ask('/', { ca: [] }), /self-signed|unable to (get|verify)/);
  await assert.rejects(
    ask('/', { servername: 'ss-2', host: '127.0.0.1', checkServerIdentity: tls.checkServerIdentity }),
    /ss-2/,
  );
});

test('a session begins here with a cookie that no other host and no plain HTTP can set', async () => {
  const cookie = await signIn();
  assert.match(cookie, /^__Host-starling-demo=[\w-]+; /);
  for (const attribute of ['Secure', 'HttpOnly', 'SameSite=Strict', 'Path=/'])
    assert.match(cookie, new RegExp(`; ${attribute}(;|$)`), attribute);
  assert.doesNotMatch(cookie, /domain/i);
  const shown = cookie.split(';')[0] ?? '';
  assert.equal((await ask('/api/site', { headers: { cookie: shown } })).status, 200);
  assert.equal((await ask('/api/site')).status, 401);
  const plain = await fetch(`${server.url}/api/site`, { headers: { cookie: shown } });
  assert.equal(plain.status, 401, 'over plain HTTP it counts for nothing');
});

test('no answer forces browsers to HTTPS for months, and every one has the strict policy', async () => {
  for (const path of ['/', '/api/site', '/nothing']) {
    const { headers } = await ask(path);
    assert.equal(headers['strict-transport-security'], undefined, path);
    assert.match(String(headers['content-security-policy']), /default-src 'none'.*connect-src 'self';/, path);
  }
});

test('the door is the same: other names are refused, pages of other sites change nothing, WebSockets are checked', async () => {
  const cookie = (await signIn()).split(';')[0] ?? '';
  assert.equal((await ask('/', { servername: 'localhost', headers: { host: 'evil.example' } })).status, 421);
  const leave = { method: 'POST', headers: { cookie, 'x-starling': '1', origin: 'https://evil.example' } };
  assert.equal((await ask('/api/leave', leave)).status, 403);
  const host = `127.0.0.1:${server.securePort}`;
  const status = async (headers: Record<string, string>): Promise<number> => {
    const socket = new WebSocket(`wss://${host}/api/cameras/door/live`, { ca: pair.ca, headers });
    socket.on('error', () => undefined);
    const opened = once(socket, 'open').then(() => 101);
    const refused = once(socket, 'unexpected-response').then(([, { statusCode }]) => Number(statusCode));
    const first = await Promise.race([opened, refused]);
    for (const waiting of [opened, refused]) waiting.catch(() => undefined);
    socket.terminate();
    return first;
  };
  assert.equal(await status({ cookie, origin: `https://${host}` }), 101);
  assert.equal(await status({ cookie, origin: 'https://evil.example' }), 403);
  assert.equal(await status({ cookie, origin: `https://evil.example:${server.securePort}` }), 403);
  assert.equal(await status({ origin: `https://${host}` }), 401);
});

test('old versions of TLS are not spoken', async () => {
  const socket = tls.connect({
    port: server.securePort ?? 0,
    host: '127.0.0.1',
    ca: pair.ca,
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
  });
  const [error] = (await once(socket, 'error')) as [Error];
  assert.match(String(error), /protocol|alert|version/i);
});

test('a certificate that changes is used for the next connection; one that is broken is not', async () => {
  const serial = async (): Promise<string> => {
    const socket = tls.connect({ port: server.securePort ?? 0, host: '127.0.0.1', ca: pair.ca });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serial();
  await pair.replace(['127.0.0.1', 'nvr.example']);
  await until('it is read anew', () => reloads.includes(undefined));
  const next = await serial();
  assert.notEqual(next, before);
  reloads.length = 0;
  await writeFile(pair.paths.certificate, 'no certificate');
  await until('it is refused', () => reloads.some((fault) => fault !== undefined));
  assert.equal(await serial(), next, 'the old one stays');
  assert.match(reloads[0] ?? '', /no certificate with its key/);
  reloads.length = 0;
  await pair.replace(['127.0.0.1']);
  await until('it is read anew', () => reloads.includes(undefined));
  assert.notEqual(await serial(), next);
});

test('files that are no certificate with its key keep a server from starting, and it says which', async () => {
  const missing = { certificate: '/nonexistent/page.crt', key: pair.paths.key };
  for (const paths of [missing, { certificate: pair.paths.key, key: pair.paths.key }]) {
    await assert.rejects(open(paths), (thrown) => {
      assert.equal(thrown instanceof Failure && thrown.code, 'CONFIG_INVALID');
      assert.match(String(thrown), new RegExp(paths.certificate));
      return true;
    });
  }
});
