/**
 * Users, tokens and revoked sessions as this server knows them from the site document, and writing to it.
 *
 * What is written here holds at once on this server and within moments on all others.
 */
import type { Clock } from '../base/clock.ts';
import type { DocumentRow } from '../overlay/packets.ts';
import { AccessClock } from './access-clock.ts';
import { type RowToWrite, sameRow } from './document-rows.ts';
import type { Principal } from './principal.ts';
import { Revocations } from './revocations.ts';
import { TokenTable } from './token-table.ts';
import { UserTable } from './user-table.ts';

export type WriteRow = (kind: string, id: string, value: Buffer | undefined) => void;

export interface SiteAccountsOptions {
  readonly server: string;
  readonly clock: Clock;
  readonly clockTrusted: () => boolean;
  /** a row that is left alone, and the server that wrote it */
  readonly onDamaged: (reason: string, author: string) => void;
}

export class SiteAccounts {
  readonly server: string;
  readonly clock: AccessClock;
  readonly users: UserTable;
  readonly tokens: TokenTable;
  readonly revocations: Revocations;
  private writeRow: WriteRow | undefined;
  /** the row that is being written, until it is told */
  private awaited: RowToWrite | undefined;

  constructor({ server, clock, clockTrusted, onDamaged }: SiteAccountsOptions) {
    this.server = server;
    this.clock = new AccessClock(clock, clockTrusted);
    const damaged = ({ kind, author }: DocumentRow, reason: string): void =>
      onDamaged(`a damaged row of kind ${kind}: ${reason}`, author);
    this.users = new UserTable(damaged);
    this.tokens = new TokenTable(damaged);
    this.revocations = new Revocations(damaged);
  }

  /** Begins; `document` is what was remembered. Before that nobody is known and nothing can be written. */
  start(write: WriteRow, document: readonly DocumentRow[]): void {
    this.writeRow = write;
    this.take(document);
  }

  /** Rows of the site document that are new here. */
  take(rows: readonly DocumentRow[]): void {
    for (const row of rows) {
      if (!this.clock.isSet()) this.clock.observe(row.time.ms);
      this.users.take(row);
      this.tokens.take(row);
      this.revocations.take(row);
      if (this.awaited !== undefined && sameRow(this.awaited, row)) this.awaited = undefined;
    }
  }

  /** False when the site document is full, or the server is only starting. */
  write(row: RowToWrite): boolean {
    if (this.writeRow === undefined) return false;
    this.awaited = row;
    this.writeRow(row.kind, row.id, row.value);
    const isWritten = this.awaited === undefined;
    this.awaited = undefined;
    return isWritten;
  }

  /** Somebody by the name that principals have; undefined when there is no such user or token (any more). */
  principalOf(name: string, via: Principal['via']): Principal | undefined {
    if (name === serverPrincipalName(this.server)) return { name, role: 'admin', cameras: 'all', via };
    const id = tokenIdOf(name);
    const account = id === undefined ? this.users.get(name) : this.tokens.get(id, this.clock.nowMs());
    return account === undefined ? undefined : { name, role: account.role, cameras: account.cameras, via };
  }

  /** What a user's links and sessions are bound to: it changes with the password and the role. */
  generationOf(name: string): Buffer | undefined {
    if (name === serverPrincipalName(this.server)) return ownGeneration;
    const id = tokenIdOf(name);
    if (id === undefined) return this.users.get(name)?.generation;
    return this.tokens.get(id, this.clock.nowMs())?.hash;
  }
}

const tokenPrefix = 'token:';
/** Links that somebody at the server's own machine has made. */
const ownGeneration = Buffer.from('server');

/** The name of a server's own business, and of whoever shows the key of its machine. */
export function serverPrincipalName(server: string): string {
  return `server:${server}`;
}

/** The name of a principal who has shown a token. */
export function tokenPrincipalName(id: string): string {
  return tokenPrefix + id;
}

function tokenIdOf(name: string): string | undefined {
  return name.startsWith(tokenPrefix) ? name.slice(tokenPrefix.length) : undefined;
}
