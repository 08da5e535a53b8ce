/** More sockets without a handshake than a unit's TLS port takes, over real TCP: real peers get their links. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import type { UnitIdentity } from '../../firmware/io/tls-identity.ts';
import { dialLink, type LinkListener, listenForLinks, type TlsLink } from '../../firmware/io/tls-link.ts';
import type { LinkHandlers } from '../../firmware/overlay/surroundings.ts';
import { serverIdentity } from '../support/unit-identity.ts';

const host = '127.0.0.1';
const wanted = new AbortController().signal;
/** More than the port takes in all. */
const many = 1_100;
/** More than it takes from one address. */
const some = 300;
/** Fewer than the system keeps for a listener that has not accepted them yet. */
const batch = 200;
const crowded = 'too many connections without a handshake from one address';
const full = 'too many connections';

let identity: UnitIdentity;
let listener: LinkListener;
let sockets: net.Socket[];
let links: TlsLink[];
let refusals: { readonly reason: string; readonly peer: string }[];

before(async () => {
  identity = await serverIdentity();
});

beforeEach(async () => {
  [sockets, links] = [[], []];
  // What the listener before still reports at its end is not for this test.
  const counted: typeof refusals = [];
  refusals = counted;
  listener = await listenForLinks({
    identity,
    host,
    port: 0,
    onLink: (link) => {
      link.open(handlers({ frame: (kind, parts) => void link.send(kind, parts) }));
    },
    onRefused: (reason, peer) => counted.push({ reason, peer }),
  });
});

afterEach(async () => {
  for (const link of links) link.close('test');
  for (const socket of sockets) socket.destroy();
  await listener[Symbol.asyncDispose]();
});

const handlers = (one: Partial<LinkHandlers> = {}): LinkHandlers => ({
  frame: () => undefined,
  refused: () => undefined,
  closed: () => undefined,
  drained: () => undefined,
  ...one,
});

/** Opens sockets that say `first` and no more. All have been accepted, and closed or not, when this resolves. */
async function flood(count: number, localAddress: string, first = ''): Promise<void> {
  for (let left = count; left > 0; left -= batch) {
    await Promise.all(
      Array.from({ length: Math.min(left, batch) }, async () => {
        const socket = net.connect({ port: listener.port, host, localAddress });
        sockets.push(socket);
        socket.on('error', () => undefined).resume();
        await once(socket, 'connect');
        if (first !== '') socket.write(first);
      }),
    );
    // They are accepted in turn: when this one, which is refused, is gone, all before it were.
    const last = net.connect({ port: listener.port, host, localAddress: '127.0.0.9' });
    last.on('error', () => undefined).resume();
    last.write('no TLS at all');
    await new Promise((resolve) => last.once('close', resolve));
  }
}

/** Sends a frame over the link and waits for it to come back. */
type Ask = () => Promise<void>;

/** Dials, and asks once: in TLS 1.3 the one who dials is done before the other end is. */
async function dial(port = listener.port): Promise<Ask> {
  const link = await dialLink(identity, { host, port }, wanted);
  links.push(link);
  let answered = (): void => undefined;
  const closed = new Promise<never>((_resolve, reject) => {
    link.open(handlers({ frame: () => answered(), closed: (why) => reject(new Error(why)) }));
  });
  closed.catch(() => undefined);
  const ask = async (): Promise<void> => {
    const answer = new Promise<void>((resolve) => {
      answered = resolve;
    });
    link.send(300, [Buffer.alloc(100)]);
    await Promise.race([answer, closed]);
  };
  await ask();
  return ask;
}

const refusalsFor = (reason: string): string[] =>
  refusals.filter((one) => one.reason === reason).map(({ peer }) => peer);
/** On a machine that stands still for seconds some have run into the time limit of handshakes. */
const late = (): number => refusalsFor('TLS handshake failed: ERR_TLS_HANDSHAKE_TIMEOUT').length;

describe('a unit whose TLS port is flooded with silent sockets', () => {
  test('from one address links with a peer of another', { timeout: 60_000 }, async () => {
    await flood(many, '127.0.0.2');
    await dial();
  });

  test('from a peer’s own address links with it', { timeout: 60_000 }, async () => {
    await flood(many, host);
    await dial();
  });

  test('from many addresses links with a peer of another, and of one of them', {
    timeout: 60_000,
  }, async () => {
    for (const address of [host, '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6'])
      await flood(200, address);
    assert.equal(refusalsFor(crowded).length, 0);
    const closed = refusalsFor(full).length;
    assert(closed + late() >= 6 * 200 - 1024, `${closed} were closed`);
    await dial();
  });

  test('counts each that it closes once, with its address', { timeout: 60_000 }, async () => {
    await flood(some, '127.0.0.2');
    const peers = refusalsFor(crowded);
    assert(peers.length <= some - 256 && peers.length + late() >= some - 256, `${peers.length} were closed`);
    assert.deepEqual([...new Set(peers)], ['127.0.0.2']);
    // The others are those who spoke no TLS.
    assert.equal(refusals.length - peers.length - late(), Math.ceil(some / batch));
  });

  test('goes on with a handshake that had begun', { timeout: 60_000 }, async () => {
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    let release = (): void => undefined;
    // Holds back what the unit says.
    const relay = net.createServer((client) => {
      const unit = net.connect(listener.port, host);
      sockets.push(client, unit);
      client.on('error', () => undefined).pipe(unit);
      unit.on('error', () => client.destroy()).once('readable', answer);
      release = () => void unit.pipe(client);
    });
    relay.listen(0, host);
    await once(relay, 'listening');
    const link = dial((relay.address() as net.AddressInfo).port);
    await answered;
    await flood(some, host);
    release();
    relay.close();
    await link;
  });

  test('keeps its links, whatever comes from their address', { timeout: 60_000 }, async () => {
    const ask = await dial();
    // The first byte of a handshake: an unfinished connection that is older than these would go before them.
    await flood(some, host, '\x16');
    await ask();
  });
});
