/**
 * Who may do what on this server: users, tokens, sessions, links and the audit log, put together.
 *
 * `start` gives it the site document; until then nobody is known. The page, the API and the command line reach it by
 * the routes in `viewing/routes`, everybody else by `identify`, `current` and `trail`.
 */
import type { Clock } from '../base/clock.ts';
import type { DocumentRow } from '../overlay/packets.ts';
import type { SealKey } from '../site/seal.ts';
import type { AccessControl, AccessRequest, Identified } from '../viewing/access-control.ts';
import { Administration } from './administration.ts';
import type { AuditLog } from './audit-log.ts';
import { AuditNotes } from './audit-notes.ts';
import type { AuditTrail } from './audit-trail.ts';
import { Identification } from './identification.ts';
import { Links } from './links.ts';
import { LocalKey } from './local-key.ts';
import { LoginLimits } from './login-limits.ts';
import { Passwords } from './passwords.ts';
import type { Principal } from './principal.ts';
import { Sessions } from './sessions.ts';
import { SignIn } from './sign-in.ts';
import { SigningKeys } from './signing-keys.ts';
import type { SiteAccounts, WriteRow } from './site-accounts.ts';

export interface AccessOptions {
  readonly site: string;
  readonly sealKeys: readonly SealKey[];
  readonly accounts: SiteAccounts;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly random: (size: number) => Uint8Array;
  /** whoever can reach this server may do everything */
  readonly open: boolean;
}

export class Access implements AccessControl {
  readonly accounts: SiteAccounts;
  readonly audit: AuditLog;
  readonly trail: AuditTrail;
  readonly links: Links;
  readonly localKey: LocalKey;
  readonly signIn: SignIn;
  readonly administration: Administration;
  readonly identification: Identification;

  constructor(options: AccessOptions) {
    const { site, sealKeys, accounts, audit, clock, random, open } = options;
    const passwords = new Passwords();
    const limits = new LoginLimits(clock);
    const sessions = new Sessions({
      keys: new SigningKeys(sealKeys, 'session'),
      clock: accounts.clock,
      site,
    });
    const generationOf = (user: string): Buffer | undefined => accounts.generationOf(user);
    this.accounts = accounts;
    this.audit = audit;
    this.links = new Links({ keys: new SigningKeys(sealKeys, 'link'), clock: accounts.clock, generationOf });
    this.localKey = new LocalKey(random);
    this.identification = new Identification({
      accounts,
      sessions,
      links: this.links,
      localKey: this.localKey,
      open,
    });
    const { identification } = this;
    this.trail = new AuditNotes({ clock, audit, identification });
    this.signIn = new SignIn({ accounts, sessions, passwords, limits, identification, audit, random });
    this.administration = new Administration({ accounts, passwords, random });
  }

  start(write: WriteRow, document: readonly DocumentRow[]): void {
    this.accounts.start(write, document);
  }

  /** Rows of the site document that are new here. */
  documentChanged(rows: readonly DocumentRow[]): void {
    this.accounts.take(rows);
  }

  identify(request: AccessRequest): Promise<Identified> {
    return this.identification.identify(request);
  }

  current(principal: Principal): Principal | undefined {
    return this.identification.current(principal);
  }
}
