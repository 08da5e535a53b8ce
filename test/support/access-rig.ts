/**
 * Servers of one site as far as users are concerned: each with its own tables, audit log and login limits, over one
 * site document that reaches all of them at once, or late where a test holds it back.
 */
import { randomBytes } from 'node:crypto';
import { Access } from '../../firmware/access/access.ts';
import { type AuditLog, openAuditLog } from '../../firmware/access/audit-log.ts';
import type { AuditEntry } from '../../firmware/access/audit-trail.ts';
import type { SignedIn } from '../../firmware/access/sign-in.ts';
import { SiteAccounts } from '../../firmware/access/site-accounts.ts';
import type { DocumentRow } from '../../firmware/overlay/packets.ts';
import { SiteDocument } from '../../firmware/overlay/site-document.ts';
import type { IndexChange, IndexStore } from '../../firmware/recording/index-store.ts';
import type { AccessRequest, Identified } from '../../firmware/viewing/access-control.ts';
import { VirtualClock } from './virtual-clock.ts';

export const oldKey = { id: 1, secret: Buffer.alloc(32, 1) };
export const newKey = { id: 2, secret: Buffer.alloc(32, 2) };

/** A password that all users of a rig have, unless a test says otherwise. */
export const password = 'correct horse';

export interface RigServer {
  readonly access: Access;
  readonly audit: AuditLog;
  readonly clock: VirtualClock;
  readonly index: MemoryIndex;
  readonly damaged: string[];
}

interface RigOptions {
  readonly clock?: VirtualClock;
  readonly trusted?: () => boolean;
  readonly sealKeys?: readonly { id: number; secret: Buffer }[];
  readonly open?: boolean;
}

/** An index in memory that refuses when it is told to. */
export class MemoryIndex implements Pick<IndexStore, 'commit' | 'range'> {
  readonly rows = new Map<string, Buffer>();
  refuses = false;
  commits = 0;

  async commit(changes: readonly IndexChange[]): Promise<void> {
    if (this.refuses) throw new Error('the disk is gone');
    this.commits += 1;
    for (const change of changes) {
      if (change.type === 'put') this.rows.set(change.key, change.value);
      else this.rows.delete(change.key);
    }
  }

  async range(range: Parameters<IndexStore['range']>[0]): Promise<{ key: string; value: Buffer }[]> {
    const { from, to, limit, reverse = false } = range;
    const keys = [...this.rows.keys()].filter((key) => key >= from && key < to).sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => ({ key, value: this.rows.get(key) ?? Buffer.alloc(0) }));
  }
}

export class AccessRig {
  readonly clock = new VirtualClock();
  readonly document = new SiteDocument([]);
  readonly servers = new Map<string, RigServer>();
  /** rows that have not reached the other servers */
  held: DocumentRow[] | undefined;
  private writes = 0;

  async server(id = 'ss-1', options: RigOptions = {}): Promise<RigServer> {
    const { clock = this.clock, trusted = () => true, sealKeys = [oldKey], open = false } = options;
    const damaged: string[] = [];
    const index = new MemoryIndex();
    const accounts = new SiteAccounts({
      server: id,
      clock,
      clockTrusted: trusted,
      onDamaged: (reason, author) => damaged.push(`${author}: ${reason}`),
    });
    const audit = await openAuditLog({ index, clock, accessClock: accounts.clock, log: () => undefined });
    const access = new Access({ site: 'home', sealKeys, accounts, audit, clock, random: randomBytes, open });
    access.start((kind, row, value) => this.write(id, { kind, id: row, value }), this.document.rows());
    const server = { access, audit, clock, index, damaged };
    this.servers.set(id, server);
    return server;
  }

  /** Whatever a unit might write. */
  write(author: string, row: { kind: string; id: string; value: Buffer | undefined }): void {
    this.writes += 1;
    const written: DocumentRow = { ...row, author, time: { ms: this.clock.utcMs() + this.writes, count: 0 } };
    if (!this.document.write(written)) return;
    for (const [id, { access }] of this.servers) {
      if (id === author || this.held === undefined) access.documentChanged([written]);
    }
    this.held?.push(written);
  }

  /** What was held back reaches everybody. */
  release(): void {
    const rows = this.held ?? [];
    this.held = undefined;
    for (const { access } of this.servers.values()) access.documentChanged(rows);
  }
}

/** Makes a user by an admin's hand. */
export async function addUser(
  { access }: RigServer,
  name: string,
  rights: { role?: 'viewer' | 'operator' | 'admin'; cameras?: 'all' | string[] } = {},
): Promise<void> {
  const { role = 'viewer', cameras = 'all' } = rights;
  const made = await access.administration.putUser(
    name,
    { role, cameras, password },
    { isStillAdmin: () => true },
  );
  if (!made.ok) throw new Error(made.error);
}

/** Signs in; throws when that is refused. */
export async function signIn(
  { access }: RigServer,
  user: string,
  { address = '192.0.2.1', secure = true, typed = password } = {},
): Promise<SignedIn> {
  const signedIn = await access.signIn.signIn({ user, password: typed }, { address, secure });
  if (!signedIn.ok) throw new Error(`${signedIn.status} ${signedIn.error}`);
  return signedIn.value;
}

/** The `cookie` header after a `set-cookie`. */
export function cookieOf(setCookie: string): string {
  return setCookie.split(';')[0] ?? '';
}

/** What a server makes of a request. */
export function identify(
  { access }: RigServer,
  headers: Readonly<Record<string, string>>,
  request: Partial<Omit<AccessRequest, 'header'>> = {},
): Promise<Identified> {
  return access.identify({
    method: 'GET',
    target: '/api/cameras',
    peer: undefined,
    remoteAddress: '192.0.2.1',
    secure: true,
    ...request,
    header: (name) => headers[name],
  });
}

/** All entries, the newest first, without their times. */
export async function entriesOf({ audit }: RigServer): Promise<Omit<AuditEntry, 'atMs'>[]> {
  const { entries } = await audit.read({ beforeMs: Number.MAX_SAFE_INTEGER / 1000, limit: 500 });
  return entries.map(({ user, action, camera, detail, from }) => ({ user, action, camera, detail, from }));
}
