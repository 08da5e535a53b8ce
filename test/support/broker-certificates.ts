/** Certificates for a broker on this machine, by an authority made for the test. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
const validity = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2100-01-01T00:00:00Z') };

/** PEM. */
export interface BrokerCertificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** A certificate for `name`, and the authority that signed it. */
export async function brokerCertificates(name: string): Promise<BrokerCertificates> {
  const authority = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const issuer = 'CN=test authority';
  const ca = await X509CertificateGenerator.createSelfSigned(
    {
      ...validity,
      name: issuer,
      keys: authority,
      signingAlgorithm,
      extensions: [new BasicConstraintsExtension(true)],
    },
    webcrypto,
  );
  const keys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create(
    {
      ...validity,
      subject: `CN=${name}`,
      issuer,
      publicKey: keys.publicKey,
      signingKey: authority.privateKey,
      signingAlgorithm,
      extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
    },
    webcrypto,
  );
  const key = PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { ca: ca.toString('pem'), certificate: certificate.toString('pem'), key };
}
