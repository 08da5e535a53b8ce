/**
 * Users, tokens and sessions of a whole site in one process: the real accounts of each server, over a site document that
 * what one writes is in at once on all.
 */
import { randomBytes } from 'node:crypto';
import { Access } from '../../firmware/access/access.ts';
import { AuditLog } from '../../firmware/access/audit-log.ts';
import type { CameraList, Role } from '../../firmware/access/principal.ts';
import { SiteAccounts } from '../../firmware/access/site-accounts.ts';
import type { Clock } from '../../firmware/base/clock.ts';
import { systemClock } from '../../firmware/io/system-clock.ts';
import type { DocumentRow } from '../../firmware/overlay/packets.ts';
import { createSealKey } from '../../firmware/site/seal-keys.ts';

export interface Rights {
  readonly role: Role;
  readonly cameras: CameraList;
}

export class AccessSite {
  private readonly servers = new Map<string, Access>();
  private readonly sealKeys = [createSealKey(randomBytes)];
  private readonly clock: Clock;
  private rows = 0;

  constructor(ids: readonly string[], { clock = systemClock }: { clock?: Clock } = {}) {
    this.clock = clock;
    for (const id of ids) this.servers.set(id, this.openServer(id));
  }

  of(server: string): Access {
    const access = this.servers.get(server);
    if (access === undefined) throw new Error(`no server ${server}`);
    return access;
  }

  /** A token that holds on all servers; its id is the part before the last dot of nothing else. */
  token(name: string, rights: Rights): { readonly id: string; readonly text: string } {
    const [first] = this.servers.values();
    const made = first?.administration.addToken({ name, ...rights, days: 1, createdBy: 'test' });
    if (made?.ok !== true) throw new Error(`no token for ${name}`);
    return { id: made.value.token.id, text: made.value.text };
  }

  /** A user of this password. */
  async user(name: string, rights: Rights & { readonly password: string }): Promise<void> {
    const [first] = this.servers.values();
    const made = await first?.administration.putUser(name, rights, { isStillAdmin: () => true });
    if (made?.ok !== true) throw new Error(`no user ${name}`);
  }

  private openServer(server: string): Access {
    const { clock } = this;
    const accounts = new SiteAccounts({
      server,
      clock,
      clockTrusted: () => true,
      onDamaged: (reason) => {
        throw new Error(reason);
      },
    });
    const index = { commit: async () => undefined, range: async () => [] };
    const audit = new AuditLog({ index, clock, accessClock: accounts.clock, log: () => undefined });
    const access = new Access({
      site: 'demo',
      sealKeys: this.sealKeys,
      accounts,
      audit,
      clock,
      random: randomBytes,
      open: false,
    });
    access.start((kind, id, value) => this.write(server, { kind, id, value }), []);
    return access;
  }

  private write(author: string, row: Pick<DocumentRow, 'kind' | 'id' | 'value'>): void {
    this.rows += 1;
    const written: DocumentRow = { ...row, time: { ms: this.clock.utcMs(), count: this.rows }, author };
    for (const access of this.servers.values()) access.documentChanged([written]);
  }
}
