/**
 * Who a peer is: the one name that a unit's certificate carries, and how it is read back from a TLS connection.
 *
 * The name is a URI in the certificate's subject alternative name (RFC 5280 §4.2.1.6), `starling://site/role/unit`,
 * and it is the only one. Invariant: a name is accepted only when it equals, character for character, what
 * `identityUri` writes; there is no decoding, no case folding and no search inside a longer text.
 */
import { idBytesMax, isId } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';

/** What a unit does in its site. */
export const unitRoles = ['camera', 'server'] as const;
export type UnitRole = (typeof unitRoles)[number];

/** A unit of a site that is known from the context. */
export interface UnitName {
  readonly unit: string;
  readonly role: UnitRole;
}

const scheme = 'starling://';
const namePattern = /^URI:starling:\/\/([^/]+)\/(camera|server)\/([^/]+)$/;
const nameLengthMax = 'URI:'.length + scheme.length + 2 * idBytesMax + '/camera/'.length;

/** The URI that names one unit, such as `starling://demo/camera/cam-1`. */
export function identityUri(site: string, { unit, role }: UnitName): string {
  return `${scheme}${site}/${role}/${unit}`;
}

/**
 * Reads who the peer is.
 *
 * `subjectAltName` is what Node's `getPeerCertificate().subjectaltname` prints (`URI:…`, several names separated by
 * commas, odd names quoted as JSON); `site` is the reader's own site. Only call it on a connection that TLS has
 * authorized: this function reads the name, the site's authority vouches for it.
 */
export function peerIdentity(subjectAltName: string | undefined, site: string): Result<UnitName> {
  if (subjectAltName === undefined) return reject('certificate names no unit');
  if (subjectAltName.length > nameLengthMax) return reject('certificate name is too long');
  const [, peerSite, role, unit] = namePattern.exec(subjectAltName) ?? [];
  if (peerSite === undefined || unit === undefined)
    return reject('certificate name is not one unit of a site');
  if (peerSite !== site) return reject('certificate is of another site');
  if (!isId(unit)) return reject('certificate names a malformed unit');
  return accept({ unit, role: role as UnitRole });
}
