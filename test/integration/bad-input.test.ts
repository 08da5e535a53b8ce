/** Strangers: whatever they send to the anycast port or the TLS port is refused, counted, logged once, and harmless. */
import assert from 'node:assert';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { framePrefix } from '../../firmware/base/frames.ts';
import { encodeDatagram, encodePacketBody } from '../../firmware/overlay/packet-codec.ts';
import { type Packet, protocolVersion } from '../../firmware/overlay/packets.ts';
import { createSiteAuthority, issueUnitCertificate } from '../../firmware/site/certificates.ts';
import { sealDatagram } from '../../firmware/site/seal.ts';
import { parseSealKeys } from '../../firmware/site/seal-keys.ts';
import {
  getCameras,
  getSite,
  getStatus,
  startNetwork,
  type TestNetwork,
  until,
  untilUp,
} from '../support/network.ts';

interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

describe('a stranger', () => {
  let network: TestNetwork;
  let serverPort = 0;
  let cameraPort = 0;
  let anycastPort = 0;
  let cameraIdentity: Credentials;
  let serverIdentity: Credentials;
  let logged = 0;

  before(async () => {
    network = await startNetwork({ servers: 2, cameras: 1 });
    await untilUp(network, 2, 1);
    serverPort = portIn(network, 'ss-1', /links on 127\.0\.0\.1 port (\d+)/);
    cameraPort = portIn(network, 'cam-1', /listens on 127\.0\.0\.1 port (\d+)/);
    anycastPort = Number(new URL(network.url()).port) + 84;
    cameraIdentity = credentialsOf(join(network.folder, 'cam-1'));
    serverIdentity = credentialsOf(join(network.folder, 'ss-2'));
  });

  after(async () => {
    await assertUnharmed();
    await network?.[Symbol.asyncDispose]();
  });

  /** Nothing else has changed: the same links, the same manager, the same processes. */
  async function assertUnharmed(): Promise<void> {
    const cameras = await getCameras(network.url());
    assert.deepEqual(
      cameras.map(({ id, state, epoch }) => [id, state, epoch]),
      [['cam-1', 'online', 1]],
    );
    const { servers } = await getSite(network.url());
    assert.deepEqual(
      servers.map(({ id, state }) => [id, state]),
      [
        ['ss-1', 'self'],
        ['ss-2', 'reachable'],
      ],
    );
  }

  /** Waits until ss-1 has counted `times` refusals that match, and checks that it logged the reason once. */
  async function untilCounted(reason: RegExp, times: number): Promise<void> {
    await until(`${reason} counted ${times} times`, async () => {
      const { refused } = await getStatus(network.url());
      const matching = Object.entries(refused).filter(([text]) => reason.test(text));
      return matching.reduce((sum, [, count]) => sum + count, 0) >= times;
    });
    const said = (): string[] =>
      logOf(network, 'ss-1').filter((line) => line.includes('refused: ') && reason.test(line));
    await until(`${reason} is logged`, () => said().length > 0);
    const lines = said();
    assert.equal(lines.length, 1, lines.join('\n'));
    logged += 1;
  }

  test('who sends garbage to the anycast port is refused', async () => {
    await using socket = await openSocket();
    for (const bytes of [0, 1, 25, 57, 300, 1200]) {
      for (let n = 0; n < 5; n++) await sendTo(socket, randomBytes(bytes), anycastPort);
    }
    await sendTo(socket, randomBytes(9_000), anycastPort);
    await untilCounted(/truncated/, 15);
    await untilCounted(/too long/, 1);
    await untilCounted(/not a datagram of this version/, 10);
  });

  test('who seals a join with another key is refused', async () => {
    await using socket = await openSocket();
    const join = encodeDatagram(joinPacket('ss-9'));
    await sendTo(
      socket,
      sealDatagram([{ id: 4_242, secret: randomBytes(32) }], join, randomBytes),
      anycastPort,
    );
    const [known] = sealKeys();
    assert(known);
    await sendTo(
      socket,
      sealDatagram([{ id: known.id, secret: randomBytes(32) }], join, randomBytes),
      anycastPort,
    );
    await untilCounted(/unknown key/, 1);
    await untilCounted(/seal is broken/, 1);
  });

  test('who replays a sealed join makes nothing happen', async () => {
    await using socket = await openSocket();
    // A join in the name of a unit that does not exist: each answered join would be a dialled connection.
    const dialled: net.Socket[] = [];
    const listener = net.createServer((connection) => dialled.push(connection));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as net.AddressInfo;
    const packet = joinPacket('ss-9', port);
    const datagram = sealDatagram(sealKeys(), encodeDatagram(packet), randomBytes);
    for (let n = 0; n < 20; n++) await sendTo(socket, datagram, anycastPort);
    await until('both servers dialled', () => dialled.length >= 2);
    // A fresh join afterwards is answered, so the replays before it were seen and dropped.
    const marker = sealDatagram(sealKeys(), encodeDatagram(joinPacket('ss-8', port)), randomBytes);
    await sendTo(socket, marker, anycastPort);
    await until('both servers dialled again', () => dialled.length >= 4);
    assert.equal(dialled.length, 4);
    for (const connection of dialled) connection.destroy();
    listener.close();
  });

  test('who speaks no TLS on the link port is refused', async () => {
    for (let n = 0; n < 3; n++) {
      const socket = net.connect(serverPort, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
      await closed(socket);
    }
    await untilCounted(/TLS handshake failed/, 3);
  });

  test('with a certificate of another site is refused by servers and cameras', async () => {
    const authority = await createSiteAuthority('demo');
    const unit = await issueUnitCertificate(authority, { unit: 'ss-2', role: 'server', cameras: [] });
    const foreign = { ca: cameraIdentity.ca, cert: unit.certificate, key: unit.key };
    await refusedConnection(serverPort, foreign);
    await refusedConnection(cameraPort, foreign);
    await untilCounted(/certificate that this site did not issue/, 1);
    await until('the camera said so', () =>
      logOf(network, 'cam-1').some((line) => line.includes('certificate that this site did not issue')),
    );
  });

  test('without any certificate is refused', async () => {
    const { ca } = cameraIdentity;
    await refusedConnection(serverPort, { ca });
    await until('counted', async () => {
      const { refused } = await getStatus(network.url());
      return Object.values(refused).reduce((sum, count) => sum + count, 0) > logged;
    });
  });

  test('with a camera’s certificate in a server’s role is refused', async () => {
    await refusedConnection(serverPort, cameraIdentity);
    await untilCounted(/a camera certificate in a server/, 1);
    await refusedConnection(cameraPort, cameraIdentity);
    await until('the camera said so', () =>
      logOf(network, 'cam-1').some((line) => line.includes('a camera certificate in a server')),
    );
  });

  test('who sends an over-long packet is cut off', async () => {
    const socket = await connect(serverPort, serverIdentity);
    socket.write(framePrefix(6, 0x7fff_fff0));
    await closed(socket);
    await untilCounted(/over-long packet/, 1);
  });

  test('who sends broken packets, or packets in another unit’s name, is cut off', async () => {
    const broken = await connect(serverPort, serverIdentity);
    broken.write(Buffer.concat([framePrefix(6, 40), randomBytes(40)]));
    await closed(broken);
    await untilCounted(/^ss-exchange: |refused: ss-exchange: /, 1);
    const forged = await connect(serverPort, serverIdentity);
    const body = encodePacketBody(joinPacket('ss-1'));
    forged.write(Buffer.concat([framePrefix(1, body.length), body]));
    await closed(forged);
    await untilCounted(/another unit/, 1);
  });

  function sealKeys() {
    const keys = parseSealKeys(readFileSync(join(network.folder, 'ss-1', 'seal.key'), 'utf8'));
    assert(keys.ok);
    return keys.value;
  }
});

function joinPacket(sender: string, port = 9): Packet {
  return {
    name: 'ss-join',
    header: { version: protocolVersion, site: 'demo', sender, incarnation: 1, network: undefined },
    body: {
      nonce: randomBytes(16),
      link: { host: '127.0.0.1', port },
      ring: 2,
      attempt: 0,
      degree: 0,
    },
  };
}

interface Sender extends AsyncDisposable {
  readonly socket: Socket;
}

/** A socket that sends to the multicast group on the loopback interface. */
async function openSocket(): Promise<Sender> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, resolve));
  socket.setMulticastInterface('127.0.0.1');
  const close = (): Promise<void> => new Promise((resolve) => socket.close(() => resolve()));
  return { socket, [Symbol.asyncDispose]: close };
}

function sendTo({ socket }: Sender, bytes: Buffer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, '239.83.84.1', (error) => (error ? reject(error) : resolve()));
  });
}

function connect(port: number, identity: Partial<Credentials>): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...identity,
      host: '127.0.0.1',
      port,
      ALPNProtocols: ['starling/1'],
      checkServerIdentity: () => undefined,
    });
    socket.on('error', reject);
    socket.once('secureConnect', () => resolve(socket));
  });
}

/** The other end hangs up, before or after the handshake. */
async function refusedConnection(port: number, identity: Partial<Credentials>): Promise<void> {
  const socket = await connect(port, identity).catch(() => undefined);
  if (socket !== undefined) await closed(socket);
}

function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.resume();
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

function credentialsOf(folder: string): Credentials {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { ca: read('ca.crt'), cert: read('unit.crt'), key: read('unit.key') };
}

function logOf(network: TestNetwork, unit: string): string[] {
  return readFileSync(join(network.folder, unit, 'unit.log'), 'utf8').split('\n');
}

function portIn(network: TestNetwork, unit: string, pattern: RegExp): number {
  const port = logOf(network, unit)
    .map((line) => pattern.exec(line)?.[1])
    .find(Boolean);
  assert(port, `${unit} names its port`);
  return Number(port);
}
