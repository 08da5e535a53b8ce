/** Links over real TLS on this machine: how they end, and whom they refuse. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { Failure } from '../../firmware/base/failure.ts';
import type { UnitIdentity } from '../../firmware/io/tls-identity.ts';
import { dialLink, type LinkListener, listenForLinks, type TlsLink } from '../../firmware/io/tls-link.ts';
import type { LinkHandlers } from '../../firmware/overlay/surroundings.ts';
import { createSiteAuthority, issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { serverIdentity } from '../support/unit-identity.ts';

const host = '127.0.0.1';
const wanted = new AbortController().signal;

let identity: UnitIdentity;
let listener: LinkListener;
let accepted: (link: TlsLink) => void = () => undefined;
let refusals: string[] = [];

before(async () => {
  identity = await serverIdentity();
  listener = await listen();
});

after(() => listener[Symbol.asyncDispose]());

function listen(): Promise<LinkListener> {
  return listenForLinks({
    identity,
    host,
    port: 0,
    onLink: (link) => accepted(link),
    onRefused: (reason) => refusals.push(reason),
  });
}

const handlers = (some: Partial<LinkHandlers> = {}): LinkHandlers => ({
  frame: () => undefined,
  refused: () => undefined,
  closed: () => undefined,
  drained: () => undefined,
  ...some,
});

/** Both ends of a link, opened. */
async function pair(
  ours: Partial<LinkHandlers> = {},
  theirs: Partial<LinkHandlers> = {},
): Promise<{ dialled: TlsLink; other: TlsLink }> {
  const other = new Promise<TlsLink>((resolve) => {
    accepted = (link) => {
      link.open(handlers(theirs));
      resolve(link);
    };
  });
  const dialled = await dialLink(identity, { host, port: listener.port }, wanted);
  dialled.open(handlers(ours));
  return { dialled, other: await other };
}

describe('a link', () => {
  test('that is ended is gone soon, though its peer goes on sending', { timeout: 10_000 }, async () => {
    const { dialled, other } = await pair();
    // It reads nothing, so it does not see the end behind this frame either, and it never stops.
    other.pause();
    dialled.send(300, [Buffer.alloc(100)]);
    const chatter = setInterval(() => other.send(300, [Buffer.alloc(100)]), 20);
    try {
      await dialled.end('enough');
    } finally {
      clearInterval(chatter);
      other.close('test');
    }
  });

  test('that is ended delivers all that was sent before, and nothing is sent after', async () => {
    const body = Buffer.alloc(60_000, 1);
    let received = 0;
    let reason = '';
    const gone = new Promise<void>((resolve) => {
      void pair(
        // More on every drain, as a stream does that still has a backlog.
        { drained: () => void link?.send(300, [body]) },
        {
          frame: () => {
            received += 1;
          },
          closed: (why) => {
            reason = why;
            resolve();
          },
        },
      ).then(({ dialled }) => {
        link = dialled;
        for (let n = 0; n < 50; n++) dialled.send(300, [body]);
        void dialled.end('enough');
        assert.equal(dialled.send(300, [body]), false);
      });
    });
    let link: TlsLink | undefined;
    await gone;
    assert.equal(received, 50);
    assert.equal(reason, 'closed by the peer');
  });

  test('is refused by the one who dials when the other end does not say that it speaks links', async () => {
    const { ca, certificate: cert, key } = identity;
    const server = tls.createServer({ ca, cert, key, minVersion: 'TLSv1.3' }).listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    await assert.rejects(dialLink(identity, { host, port }, wanted), (thrown) => {
      assert(thrown instanceof Failure && thrown.code === 'UNREACHABLE');
      assert.match(thrown.message, /speaks another protocol/);
      return true;
    });
    server.close();
  });

  test('is dialled thirty times at once without a warning', async () => {
    const warnings: string[] = [];
    const note = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', note);
    const stop = new AbortController();
    // Nobody answers there: the dials wait until they are no longer wanted.
    const silent = net.createServer().listen(0, host);
    await once(silent, 'listening');
    const { port } = silent.address() as net.AddressInfo;
    const dials = Array.from({ length: 30 }, () => dialLink(identity, { host, port }, stop.signal));
    stop.abort();
    const results = await Promise.allSettled(dials);
    assert(results.every(({ status }) => status === 'rejected'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', note);
    silent.close();
    assert.deepEqual(warnings, []);
  });
});

describe('the listener', () => {
  test('closes at once, though somebody is in the middle of a handshake', { timeout: 3_000 }, async () => {
    const brief = await listen();
    const half = net.connect(brief.port, host);
    half.on('error', () => undefined);
    await once(half, 'connect');
    // Once a later connection is through, the half one was accepted too.
    accepted = (link) => link.close('test');
    const whole = await dialLink(identity, { host, port: brief.port }, wanted);
    whole.close('test');
    await brief[Symbol.asyncDispose]();
    if (!half.destroyed) await once(half, 'close');
  });

  test('says what is wrong with its address', async () => {
    const refused = (thrown: unknown, code: string, advice: RegExp): boolean => {
      assert(thrown instanceof Failure);
      assert.equal(thrown.code, code);
      assert.match(thrown.advice, advice);
      return true;
    };
    const at = (address: string, port: number): Promise<LinkListener> =>
      listenForLinks({ identity, host: address, port, onLink: () => undefined, onRefused: () => undefined });
    await assert.rejects(at(host, listener.port), (thrown) => refused(thrown, 'PORT_IN_USE', /link\.port/));
    await assert.rejects(at('192.0.2.99', 0), (thrown) => refused(thrown, 'CONFIG_INVALID', /link\.host/));
  });

  test('refuses a certificate of another site also when it comes with the ticket of an earlier try', async () => {
    const stranger = await createSiteAuthority('home');
    const { certificate: cert, key } = await issueUnitCertificate(stranger, {
      unit: 'ss-2',
      role: 'server',
      cameras: [],
    });
    let links = 0;
    accepted = () => {
      links += 1;
    };
    refusals = [];
    const options = { ca: identity.ca, cert, key, host, port: listener.port, ALPNProtocols: ['starling/1'] };
    let session: Buffer | undefined;
    for (let n = 0; n < 3; n++) {
      const socket = tls.connect({
        ...options,
        ...(session === undefined ? {} : { session }),
        checkServerIdentity: () => undefined,
      });
      socket.on('error', () => undefined);
      socket.on('session', (ticket) => {
        session = ticket;
      });
      socket.resume();
      await once(socket, 'close');
    }
    assert.equal(links, 0);
    assert.equal(refusals.filter((reason) => /did not issue/.test(reason)).length, 3);
  });
});
