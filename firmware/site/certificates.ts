/**
 * The site's certificate authority and the certificates of its units (X.509 v3, RFC 5280; ECDSA P-256 with SHA-256).
 *
 * Invariants: a certificate is valid from 1970-01-01 to 9999-12-31T23:59:59Z (RFC 5280 §4.1.2.5: "no well-defined
 * expiration date"), because a board without a clock wakes in 1970 and must still be let in. A unit's certificate has
 * an empty subject and exactly one name, see `identity.ts`; it serves as client and as server, because either side
 * may dial. A page's certificate is for browsers: names of hosts, server only, and at most 825 days, because some
 * refuse more; it names no unit, so no unit takes it for another. Serial numbers are random and say nothing. Everything in and out is PEM text; private keys are PKCS #8.
 */
import 'reflect-metadata';
import assert from 'node:assert';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { isId } from '../base/ids.ts';
import { identityUri, type UnitName } from './identity.ts';

/** A certificate and its private key, PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** What signs the units of one site. Whoever holds `key` can make units. */
export interface SiteAuthority extends CertificateAndKey {
  readonly site: string;
}

/** Most cameras on one unit. */
const camerasPerUnitMax = 8;

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
const validity = { notBefore: new Date('1970-01-01T00:00:00Z'), notAfter: new Date('9999-12-31T23:59:59Z') };

/** Makes a new authority for the site called `site` (an id). Two sites of one name do not accept each other. */
export async function createSiteAuthority(site: string): Promise<SiteAuthority> {
  assert(isId(site), `not an id: ${site}`);
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      ...validity,
      name: `CN=${site}, O=Starling site`,
      keys,
      signingAlgorithm,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { site, certificate: pemText(certificate), key: await exportKey(keys.privateKey) };
}

/**
 * Makes a key for one unit and signs it. The certificate names the unit and its role, never its cameras: they are
 * asked for so that no unit is made which could not run (1 to 8 on a camera unit, none on a server).
 */
export async function issueUnitCertificate(
  authority: SiteAuthority,
  unit: UnitName & { readonly cameras: readonly string[] },
): Promise<CertificateAndKey> {
  assert(isId(unit.unit), `not an id: ${unit.unit}`);
  assert(unit.cameras.every(isId), `not all ids: ${unit.cameras.join(', ')}`);
  assert(
    unit.role === 'server' ? unit.cameras.length === 0 : unit.cameras.length >= 1,
    'wrong number of cameras',
  );
  assert(unit.cameras.length <= camerasPerUnitMax, `more than ${camerasPerUnitMax} cameras`);

  const issuer = new X509Certificate(authority.certificate);
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const name = { type: 'url' as const, value: identityUri(authority.site, unit) };
  const certificate = await X509CertificateGenerator.create(
    {
      ...validity,
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey: await importKey(authority.key),
      signingAlgorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]),
        // Critical, because the subject is empty (RFC 5280 §4.2.1.6).
        new SubjectAlternativeNameExtension([name], true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: pemText(certificate), key: await exportKey(keys.privateKey) };
}

/** Names of a page's certificate: hosts and IP addresses. */
export interface PageNames {
  readonly unit: string;
  readonly hosts: readonly string[];
  readonly addresses: readonly string[];
}

/** Longest that browsers take, in days (Apple since 2019). */
export const pageDaysMax = 825;
const dayMs = 24 * 3_600_000;

/** Makes a key for the page of a server and signs it, from a day before `nowMs` (clocks differ). */
export async function issuePageCertificate(
  authority: SiteAuthority,
  { unit, hosts, addresses }: PageNames,
  nowMs: number,
): Promise<CertificateAndKey> {
  const issuer = new X509Certificate(authority.certificate);
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const names = [
    ...hosts.map((value) => ({ type: 'dns' as const, value })),
    ...addresses.map((value) => ({ type: 'ip' as const, value })),
  ];
  const certificate = await X509CertificateGenerator.create(
    {
      notBefore: new Date(nowMs - dayMs),
      notAfter: new Date(nowMs + (pageDaysMax - 1) * dayMs),
      subject: `CN=${unit}, O=Starling site ${authority.site}`,
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey: await importKey(authority.key),
      signingAlgorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        new SubjectAlternativeNameExtension(names),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await AuthorityKeyIdentifierExtension.create(issuer, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: pemText(certificate), key: await exportKey(keys.privateKey) };
}

function pemText(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${PemConverter.encode(pkcs8, PemConverter.PrivateKeyTag)}\n`;
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), keyAlgorithm, false, ['sign']);
}
