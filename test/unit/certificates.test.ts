import assert from 'node:assert';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, test } from 'node:test';
import tls from 'node:tls';
import 'reflect-metadata';
import { X509Certificate as Asn1Certificate, BasicConstraintsExtension } from '@peculiar/x509';
import {
  type CertificateAndKey,
  createSiteAuthority,
  issueUnitCertificate,
  type SiteAuthority,
} from '../../firmware/site/certificates.ts';
import { peerIdentity } from '../../firmware/site/identity.ts';

let authority: SiteAuthority;
let server: CertificateAndKey;
let camera: CertificateAndKey;

before(async () => {
  authority = await createSiteAuthority('demo');
  server = await issueUnitCertificate(authority, { unit: 'server-1', role: 'server', cameras: [] });
  camera = await issueUnitCertificate(authority, {
    unit: 'cam-1',
    role: 'camera',
    cameras: ['yard', 'gate'],
  });
});

/** One side's view of a finished handshake, or the error it met. */
interface Side {
  readonly protocol?: string | null;
  readonly authorized?: boolean;
  readonly peer?: string | undefined;
  readonly error?: Error;
}

function sideOf(socket: tls.TLSSocket): Side {
  const { subjectaltname: peer } = socket.getPeerCertificate();
  return { protocol: socket.getProtocol(), authorized: socket.authorized, peer };
}

interface End extends CertificateAndKey {
  readonly ca: string;
}

/** Dials over loopback with mutual TLS 1.3, as links do, and returns what each side saw. */
async function handshake(listening: End, dialing: Partial<End> & { readonly ca: string }) {
  const listener = tls.createServer({
    ...contextOf(listening),
    requestCert: true,
    rejectUnauthorized: true,
  });
  const accepted = new Promise<Side>((resolve) => {
    listener.once('secureConnection', (socket) => {
      resolve(sideOf(socket));
      socket.on('error', () => undefined).end();
    });
    listener.once('tlsClientError', (error) => resolve({ error }));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const dialed = new Promise<Side>((resolve) => {
    const socket = tls.connect({
      ...contextOf(dialing),
      host: '127.0.0.1',
      port,
      checkServerIdentity: () => undefined,
    });
    socket.once('secureConnect', () => resolve(sideOf(socket)));
    socket.on('error', (error) => resolve({ error }));
    socket.resume().on('end', () => socket.end());
  });
  const result = { listening: await accepted, dialing: await dialed };
  listener.close();
  await once(listener, 'close');
  return result;
}

function contextOf({ ca, certificate, key }: Partial<End>): tls.SecureContextOptions {
  const own = certificate === undefined || key === undefined ? {} : { cert: certificate, key };
  return { ...own, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.3' };
}

test("two units of a site shake hands by TLS 1.3 and read each other's names", async () => {
  const ca = authority.certificate;
  const { listening, dialing } = await handshake({ ...server, ca }, { ...camera, ca });
  assert.deepStrictEqual(listening, {
    protocol: 'TLSv1.3',
    authorized: true,
    peer: 'URI:starling://demo/camera/cam-1',
  });
  assert.deepStrictEqual(dialing, {
    protocol: 'TLSv1.3',
    authorized: true,
    peer: 'URI:starling://demo/server/server-1',
  });
  assert.deepStrictEqual(peerIdentity(listening.peer, 'demo'), {
    ok: true,
    value: { unit: 'cam-1', role: 'camera' },
  });
});

test('either unit may dial the other', async () => {
  const ca = authority.certificate;
  const { listening, dialing } = await handshake({ ...camera, ca }, { ...server, ca });
  assert.strictEqual(listening.authorized, true);
  assert.strictEqual(dialing.authorized, true);
});

test('a unit of another site is refused, also when both sites have one name', async () => {
  const other = await createSiteAuthority('demo');
  const stranger = await issueUnitCertificate(other, { unit: 'cam-1', role: 'camera', cameras: ['yard'] });
  const ca = authority.certificate;
  const dialedByStranger = await handshake({ ...server, ca }, { ...stranger, ca });
  assert.ok(dialedByStranger.listening.error !== undefined);
  const dialingStranger = await handshake({ ...stranger, ca: other.certificate }, { ...camera, ca });
  assert.ok(dialingStranger.dialing.error !== undefined);
});

test('a peer without a certificate is refused', async () => {
  const ca = authority.certificate;
  const { listening } = await handshake({ ...server, ca }, { ca });
  assert.ok(listening.error !== undefined);
});

test('a unit cannot sign another unit', async () => {
  const forger = { site: 'demo', ...camera };
  const forged = await issueUnitCertificate(forger, { unit: 'server-1', role: 'server', cameras: [] });
  const ca = authority.certificate;
  const chain = forged.certificate + camera.certificate;
  const { listening } = await handshake({ ...server, ca }, { ca, certificate: chain, key: forged.key });
  assert.ok(listening.error !== undefined);
});

test('certificates are valid from 1970 for ever, so that a board without a clock is let in', () => {
  for (const { certificate } of [authority, server, camera]) {
    const { validFrom, validTo } = new X509Certificate(certificate);
    assert.strictEqual(new Date(validFrom).toISOString(), '1970-01-01T00:00:00.000Z');
    assert.strictEqual(new Date(validTo).toISOString(), '9999-12-31T23:59:59.000Z');
  }
});

test("a unit's certificate names the unit and nothing else", () => {
  const certificate = new X509Certificate(camera.certificate);
  assert.strictEqual(certificate.subject, undefined);
  assert.strictEqual(certificate.subjectAltName, 'URI:starling://demo/camera/cam-1');
  assert.doesNotMatch(certificate.raw.toString('latin1'), /yard|gate/);
});

test("a unit's certificate is for clients and servers and cannot sign; the authority's can", () => {
  const unit = new X509Certificate(camera.certificate);
  assert.deepStrictEqual([...unit.keyUsage].sort(), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.strictEqual(unit.ca, false);
  assert.strictEqual(
    new Asn1Certificate(camera.certificate).getExtension(BasicConstraintsExtension)?.ca,
    false,
  );
  const ca = new X509Certificate(authority.certificate);
  assert.strictEqual(ca.ca, true);
  assert.ok(unit.checkIssued(ca) && unit.verify(ca.publicKey) && ca.verify(ca.publicKey));
  assert.strictEqual(unit.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

test('serial numbers are random, positive and no longer than 20 bytes (RFC 5280 §4.1.2.2)', async () => {
  const serials = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const { certificate } = await issueUnitCertificate(authority, { unit: 's', role: 'server', cameras: [] });
    const { serialNumber } = new X509Certificate(certificate);
    assert.match(serialNumber, /^[0-9A-F]{24,40}$/);
    serials.add(serialNumber);
  }
  assert.strictEqual(serials.size, 20);
});

test('a unit that could not run is never signed', async () => {
  const nine = Array.from({ length: 9 }, (_, place) => `cam-${place}`);
  const wrong = [
    { unit: 'No', role: 'server', cameras: [] },
    { unit: 'a', role: 'server', cameras: ['b'] },
    { unit: 'a', role: 'camera', cameras: [] },
    { unit: 'a', role: 'camera', cameras: ['B'] },
    { unit: 'a', role: 'camera', cameras: nine },
  ] as const;
  for (const unit of wrong)
    await assert.rejects(issueUnitCertificate(authority, unit), { code: 'ERR_ASSERTION' });
});
