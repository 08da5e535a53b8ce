/**
 * A unit's own identity, read from the files that its settings name.
 *
 * Invariant: what is returned fits together: the key belongs to the certificate, the site's authority signed it, and
 * it names the unit, role and site of the settings. So a unit with mixed-up files says so when it starts, and not by
 * links that others refuse.
 */
import { Failure } from '../base/failure.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { peerIdentity, type UnitRole } from '../site/identity.ts';
import type { SealKey } from '../site/seal.ts';
import { parseSealKeys } from '../site/seal-keys.ts';
import { checkKeyPair, readCertificate } from './key-pair.ts';
import { readText } from './text-files.ts';

/** Who this unit is, with what proves it. Certificates and key are PEM. */
export interface UnitIdentity {
  readonly site: string;
  readonly unit: string;
  readonly role: UnitRole;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly sealKeys: readonly SealKey[];
}

const identityFileBytesMax = 64 * 1024;
const advice =
  'Copy the files of this unit again from the site, or enroll the unit with `starling site enroll`.';

/**
 * Loads and checks the identity of a unit. Throws the Failures FILE_MISSING, FILE_IO and SITE_INVALID, each naming
 * the file.
 */
export async function loadIdentity(config: UnitConfig): Promise<UnitIdentity> {
  const read = (path: string) => readText(path, { bytesMax: identityFileBytesMax, advice });
  const { site: files, unit, role } = config;
  const [ca, certificate, key, sealKeyText] = await Promise.all([
    read(files.ca),
    read(files.certificate),
    read(files.key),
    read(files.sealKey),
  ]);

  checkCertificate(config, { ca, certificate, key });
  const sealKeys = parseSealKeys(sealKeyText);
  if (!sealKeys.ok) throw unfit(files.sealKey, sealKeys.reason);
  return { site: files.name, unit, role, ca, certificate, key, sealKeys: sealKeys.value };
}

function checkCertificate(config: UnitConfig, pem: { ca: string; certificate: string; key: string }): void {
  const { site } = config;
  checkKeyPair({ path: site.certificate, pem: pem.certificate }, { path: site.key, pem: pem.key }, advice);
  const ca = readCertificate({ path: site.ca, pem: pem.ca }, advice);
  const certificate = readCertificate({ path: site.certificate, pem: pem.certificate }, advice);
  const named = peerIdentity(certificate.subjectAltName, site.name);
  if (!named.ok) throw unfit(site.certificate, named.reason);
  const { unit, role } = named.value;
  if (unit !== config.unit) throw unfit(site.certificate, `is of unit ${unit}, not ${config.unit}`);
  if (role !== config.role) throw unfit(site.certificate, `is of a ${role}, not a ${config.role}`);
  if (!certificate.checkIssued(ca) || !certificate.verify(ca.publicKey)) {
    throw unfit(site.certificate, `was not signed by ${site.ca}`);
  }
}

function unfit(path: string, reason: string): Failure {
  return new Failure('SITE_INVALID', `${path}: ${reason}`, { advice });
}
