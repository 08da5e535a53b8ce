/** What browsers need to trust a site's pages: `starling site ca` and `starling site renew`. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { isHost } from '../config/endpoint.ts';
import { writePageCertificate } from '../io/page-issue.ts';
import { openSite, replaceNames } from '../io/site-folder.ts';
import { pageDaysMax } from '../site/certificates.ts';

interface RenewOptions {
  readonly unit: string;
  readonly name?: readonly string[];
  readonly out?: string;
  readonly json?: true;
}

export function addSitePageCommands(site: Command): void {
  site
    .command('renew')
    .description(`make a new certificate for a server's page; it lasts ${pageDaysMax} days`)
    .argument('<dir>', 'folder of the site')
    .requiredOption('--unit <id>', 'the server')
    .option('--name <host...>', 'names and addresses by which browsers reach it (default: as before)')
    .option('--out <folder>', 'where the files go (default: DIR/units/ID)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  starling site renew ./home --unit server-1 --name nvr.example.org')
    .action(renew);
  site
    .command('ca')
    .description("print the certificate of the site's authority, for browsers to import")
    .argument('<dir>', 'folder of the site')
    .addHelpText('after', '\nExample:\n  starling site ca ./home > home-ca.crt')
    .action(printAuthority);
}

async function renew(dir: string, options: RenewOptions): Promise<void> {
  const { unit, name, out, json } = options;
  const { authority, units } = await openSite(dir);
  const record = units.find((one) => one.unit === unit);
  if (record === undefined || record.role !== 'server') {
    const advice = 'See `starling site list` for its units; only servers have a page.';
    throw new Failure('NOT_FOUND', `the site has no server ${unit}`, { advice });
  }
  const wrong = name?.find((one) => !isHost(one));
  if (wrong !== undefined) {
    const advice = 'Write it as nvr.example.org or 10.0.0.5.';
    throw new Failure('USAGE', `--name ${wrong} is neither a name nor an address`, { advice });
  }
  const names = name ?? record.names ?? [];
  const folder = resolve(out ?? join(dir, 'units', unit));
  const paths = await writePageCertificate(authority, { unit, names, folder });
  if (name !== undefined) await replaceNames(dir, record, name);
  process.stdout.write(json === true ? `${JSON.stringify({ unit, ...paths })}\n` : `${paths.certificate}\n`);
  tell(`Copy page.crt and page.key to ${unit}; it takes them within seconds.`);
}

async function printAuthority(dir: string): Promise<void> {
  const { authority } = await openSite(dir);
  process.stdout.write(authority.certificate);
  tell(`This is what vouches for the pages of ${authority.site}. Import it, and browsers trust them:`);
  tell('  Firefox: Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import');
  tell(
    '  Chrome, Edge on Windows: open the file, Install Certificate, Trusted Root Certification Authorities',
  );
  tell('  macOS: open the file in Keychain Access, set it to Always Trust');
  tell('  Chrome on Linux: chrome://certificate-manager, Custom, Installed by you, Import');
  tell('  Debian: copy it to /usr/local/share/ca-certificates/NAME.crt, then update-ca-certificates');
  tell('  Android: Settings, Security, Install a certificate, CA certificate');
  tell(
    '  iOS: open the file, install the profile, then Settings, General, About, Certificate Trust Settings',
  );
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
