/** The client that servers ask each other with, against a server that does what the test says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Failure } from '../../firmware/base/failure.ts';
import { createPeerClient, type OpenPeerClient } from '../../firmware/io/peer-client.ts';
import { createSiteAuthority, issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { peerIdentity } from '../../firmware/site/identity.ts';

let server: https.Server;
let client: OpenPeerClient;

before(async () => {
  const authority = await createSiteAuthority('home');
  const unit = { unit: 'ss-1', role: 'server', cameras: [] } as const;
  const { certificate: cert, key } = await issueUnitCertificate(authority, unit);
  const ca = authority.certificate;
  server = https.createServer(
    { ca, cert, key, requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      response.writeHead(200);
      if (request.url === '/long') response.write('the rest comes when somebody reads');
      else response.end('short');
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  client = createPeerClient({
    ca,
    cert,
    key,
    identify: (name) => peerIdentity(name, 'home'),
    resolve: () => ({ host: '127.0.0.1', port }),
  });
});

after(() => {
  client[Symbol.dispose]();
  server.closeAllConnections();
  server.close();
});

describe('the client of other servers', () => {
  test('gets short answers while very many long ones are read slowly', async () => {
    const readers = Array.from({ length: 40 }, () => new AbortController());
    const long = readers.map(({ signal }) =>
      client.get('ss-1', '/long', { timeoutMs: 5_000, lasting: true, signal }),
    );
    try {
      const [first] = await Promise.all(long.slice(0, 32));
      assert.equal(first?.status, 200);
      const { body } = await client.get('ss-1', '/short', { timeoutMs: 3_000 });
      assert.equal(Buffer.concat(await body.toArray()).toString(), 'short');
    } finally {
      for (const reader of readers) reader.abort();
      await Promise.allSettled(long);
    }
  });

  test('fails as for a server that cannot be reached when a request cannot be sent', async () => {
    const unreachable = (thrown: unknown): boolean =>
      thrown instanceof Failure && thrown.code === 'UNREACHABLE';
    await assert.rejects(client.get('ss-1', '/a b', { timeoutMs: 3_000 }), unreachable);
    const headers = { 'x-starling-own': 'a\nb' };
    await assert.rejects(client.get('ss-1', '/short', { timeoutMs: 3_000, headers }), unreachable);
  });

  test('gives up in time, and when nobody wants the answer, also while it waits for a connection', async () => {
    const readers = Array.from({ length: 33 }, () => new AbortController());
    const long = readers.map(({ signal }) => client.get('ss-1', '/long', { timeoutMs: 5_000, signal }));
    try {
      await Promise.all(long.slice(0, 32));
      await assert.rejects(client.get('ss-1', '/short', { timeoutMs: 50 }), /no answer in time/);
      readers.at(-1)?.abort();
      await assert.rejects(long.at(-1) ?? Promise.resolve(), /no longer wanted/);
    } finally {
      for (const reader of readers) reader.abort();
    }
  });
});
