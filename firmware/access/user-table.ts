/**
 * The users of the site, as the rows of the site document tell them (last writer wins).
 *
 * Invariants: a row that is damaged is nobody; as long as the site has an admin, whatever is asked for here leaves it
 * one; a name that was given once keeps its row for ever, as a deletion, so no more than `namesMax` names are given.
 */
import { accept, type Result, reject } from '../base/result.ts';
import type { DocumentRow } from '../overlay/packets.ts';
import {
  decodeUser,
  encodeUser,
  type Rights,
  type StoredPassword,
  type User,
  userKind,
} from './access-rows.ts';
import type { DamagedRow, RowToWrite } from './document-rows.ts';

/** Users there may be, and names that were ever given. */
const usersMax = 500;
const namesMax = 1_000;

export interface UserChange extends Rights {
  readonly name: string;
  /** undefined: it stays; a new user has one */
  readonly password: StoredPassword | undefined;
  /** fresh random bytes */
  readonly generation: Buffer;
  readonly nowMs: number;
}

export class UserTable {
  /** undefined: deleted, or damaged */
  private readonly users = new Map<string, User | undefined>();
  private readonly onDamaged: DamagedRow;

  constructor(onDamaged: DamagedRow) {
    this.onDamaged = onDamaged;
  }

  take(row: DocumentRow): void {
    if (row.kind !== userKind) return;
    const user = row.value === undefined ? undefined : decodeUser(row.id, row.value);
    if (user?.ok === false) this.onDamaged(row, user.reason);
    this.users.set(row.id, user?.ok === true ? user.value : undefined);
  }

  get(name: string): User | undefined {
    return this.users.get(name);
  }

  /** By name. */
  all(): User[] {
    return [...this.users.values()]
      .filter((user) => user !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The row that makes or changes a user. */
  rowFor(change: UserChange): Result<RowToWrite> {
    const { name, role, cameras, generation, nowMs } = change;
    const known = this.users.get(name);
    const password = change.password ?? known?.password;
    if (password === undefined) return reject('a new user needs a password');
    if (role === 'admin' && cameras !== 'all') return reject('an admin sees all cameras');
    if (role !== 'admin' && this.isLastAdmin(name)) return reject(`${name} is the last admin`);
    if (known === undefined && this.isFull(name)) return reject('there are too many users');
    const mayGoOn = known !== undefined && known.role === role && change.password === undefined;
    const value = encodeUser({
      name,
      role,
      cameras,
      password,
      generation: mayGoOn ? known.generation : generation,
      createdAtMs: known?.createdAtMs ?? Math.max(0, Math.floor(nowMs)),
    });
    return value.ok ? accept({ kind: userKind, id: name, value: value.value }) : value;
  }

  /** The row that ends everything a user has signed in with; undefined when there is no such user. */
  rowRenewing(name: string, generation: Buffer): RowToWrite | undefined {
    const user = this.users.get(name);
    const value = user === undefined ? undefined : encodeUser({ ...user, generation });
    return value?.ok === true ? { kind: userKind, id: name, value: value.value } : undefined;
  }

  /** The row that deletes a user. */
  rowWithout(name: string): Result<RowToWrite> {
    return this.isLastAdmin(name)
      ? reject(`${name} is the last admin`)
      : accept({ kind: userKind, id: name, value: undefined });
  }

  private isLastAdmin(name: string): boolean {
    const admins = this.all().filter(({ role }) => role === 'admin');
    return admins.length === 1 && admins[0]?.name === name;
  }

  private isFull(name: string): boolean {
    if (this.all().length >= usersMax) return true;
    return !this.users.has(name) && this.users.size >= namesMax;
  }
}
