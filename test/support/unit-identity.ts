/** A site and one of its servers, made for a test. */
import type { UnitIdentity } from '../../firmware/io/tls-identity.ts';
import { createSiteAuthority, issueUnitCertificate } from '../../firmware/site/certificates.ts';

/** The identity of server ss-1 in a new site named `home`, without sealing keys. */
export async function serverIdentity(): Promise<UnitIdentity> {
  const authority = await createSiteAuthority('home');
  const name = { unit: 'ss-1', role: 'server' } as const;
  const { certificate, key } = await issueUnitCertificate(authority, { ...name, cameras: [] });
  return { site: 'home', ...name, ca: authority.certificate, certificate, key, sealKeys: [] };
}
