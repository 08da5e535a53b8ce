/** What a server opens to know people: accounts from the site document, the audit log, the key of this machine. */
import { Access } from '../access/access.ts';
import { openAuditLog } from '../access/audit-log.ts';
import { withFirstAdmin } from '../access/first-admin.ts';
import { SiteAccounts } from '../access/site-accounts.ts';
import type { Clock } from '../base/clock.ts';
import { Failure, messageOf } from '../base/failure.ts';
import type { ServerUnitConfig } from '../config/unit-config.ts';
import { writeLocalKey } from '../io/local-key-file.ts';
import { systemRandom } from '../io/system-random.ts';
import { readText } from '../io/text-files.ts';
import type { UnitIdentity } from '../io/tls-identity.ts';
import type { Memory } from '../overlay/effects.ts';
import type { IndexStore } from '../recording/index-store.ts';
import type { Log, Refusals } from '../runtime/log.ts';
import type { ServiceStack } from '../runtime/service-stack.ts';

const firstAdminBytesMax = 16 * 1024;

export interface ServerAccessOptions {
  readonly config: ServerUnitConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly clockTrusted: () => boolean;
  readonly identity: UnitIdentity;
  readonly index: IndexStore;
  readonly refusals: Refusals;
}

/** Who may do what here; nobody is known before it is started with the site document. */
export async function openServerAccess(
  options: ServerAccessOptions,
  services: ServiceStack,
): Promise<Access> {
  const { config, clock, log, clockTrusted, identity, index, refusals } = options;
  const accounts = new SiteAccounts({
    server: config.unit,
    clock,
    clockTrusted,
    onDamaged: (reason, author) => refusals.refuse(reason, author),
  });
  const audit = await openAuditLog({ index, clock, accessClock: accounts.clock, log });
  services.use(audit);
  const { site, sealKeys } = identity;
  const random = (size: number): Uint8Array => systemRandom.bytes(size);
  const open = config.server.http.access === 'everybody';
  return new Access({ site, sealKeys, accounts, audit, clock, random, open });
}

/** What the node begins with: with the first admin, where nobody is known. */
export async function memoryWithFirstAdmin(
  memory: Memory,
  { config, log }: ServerAccessOptions,
): Promise<Memory> {
  const path = config.site.firstAdmin;
  try {
    const text = await readText(path, { bytesMax: firstAdminBytesMax, advice: '' });
    const document = withFirstAdmin(memory.document, text);
    if (document.ok) return { ...memory, document: document.value };
    log('warn', `${path} is not used: ${document.reason}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code !== 'FILE_MISSING') log('warn', `${path} is not used: ${messageOf(error)}`);
  }
  return memory;
}

/** Gives the command line of this machine its key, and says so when nobody can sign in. */
export async function startServerAccess(
  access: Access,
  { config, log }: ServerAccessOptions,
  { url, services }: { url: string; services: ServiceStack },
): Promise<void> {
  try {
    services.use(await writeLocalKey(config.data, { url, key: access.localKey.text }));
  } catch (error) {
    log('warn', `the command line of this machine has no key: ${messageOf(error)}`);
  }
  if (config.server.http.access === 'everybody' || access.administration.users().length > 0) return;
  log(
    'warn',
    'this site knows no user: make one here with `starling users add NAME --role admin --config UNIT.YAML`',
  );
}
