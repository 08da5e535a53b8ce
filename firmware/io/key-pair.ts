/** A certificate and its private key as files: read, and checked to belong together. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Failure } from '../base/failure.ts';

/** A file's path and its text, PEM. */
export interface PemFile {
  readonly path: string;
  readonly pem: string;
}

/** The certificate in a file. Throws the Failure SITE_INVALID, which names the path and gives `advice`. */
export function readCertificate({ path, pem }: PemFile, advice: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new Failure('SITE_INVALID', `${path}: is not a certificate in PEM`, { advice, cause });
  }
}

/** Throws the Failure SITE_INVALID unless the file `key` holds the private key of the one in `certificate`. */
export function checkKeyPair(certificate: PemFile, key: PemFile, advice: string): void {
  const fits = readCertificate(certificate, advice).checkPrivateKey(readKey(key, advice));
  if (fits) return;
  throw new Failure('SITE_INVALID', `${key.path}: is not the key of ${certificate.path}`, { advice });
}

function readKey({ path, pem }: PemFile, advice: string) {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new Failure('SITE_INVALID', `${path}: is not a private key in PEM`, { advice, cause });
  }
}
