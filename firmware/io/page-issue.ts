/**
 * The certificate that a server shows to browsers, of the site's own authority: `page.crt` and `page.key` in the unit's
 * folder. It ends after 825 days; whoever has the site makes a new one, and the server takes it without a restart.
 */
import { join } from 'node:path';
import { isAddress } from '../config/endpoint.ts';
import { issuePageCertificate, type SiteAuthority } from '../site/certificates.ts';
import { writeText } from './text-files.ts';

/** Names of every page, besides its unit's. */
const ownNames = { hosts: ['localhost'], addresses: ['127.0.0.1', '::1'] } as const;

export interface PageOrder {
  readonly unit: string;
  /** host names and IP addresses by which browsers reach it */
  readonly names: readonly string[];
  /** where the files go; it must be there */
  readonly folder: string;
}

/** Writes a new pair over the old one. Throws the Failure FILE_IO. */
export async function writePageCertificate(
  authority: SiteAuthority,
  { unit, names, folder }: PageOrder,
): Promise<{ certificate: string; key: string }> {
  const hosts = [unit, `${unit}.local`, ...ownNames.hosts, ...names.filter((name) => !isAddress(name))];
  const addresses = [...ownNames.addresses, ...names.filter(isAddress)];
  const unique = { hosts: [...new Set(hosts)], addresses: [...new Set(addresses)] };
  const pair = await issuePageCertificate(authority, { unit, ...unique }, Date.now());
  const paths = { certificate: join(folder, 'page.crt'), key: join(folder, 'page.key') };
  await writeText(paths.key, pair.key, { mode: 0o600 });
  await writeText(paths.certificate, pair.certificate);
  return paths;
}
