/**
 * What an admin does with users and tokens.
 *
 * Invariants: the site keeps an admin; whoever loses a password, a role or the account has no session left, and what
 * they asked for before and is not done yet is not done; a token's secret is in the answer that makes it and nowhere else.
 */
import { isGivenName } from '../base/given-name.ts';
import { generationBytes, type Rights, type Token, tokenNameBytesMax, type User } from './access-rows.ts';
import { documentFull, done, type Outcome, refused, tooBusy } from './outcome.ts';
import { type Passwords, passwordFault } from './passwords.ts';
import type { SiteAccounts } from './site-accounts.ts';
import { userName, userNameAdvice } from './user-name.ts';

const tokenDaysMax = 3_650;
const dayMs = 24 * 3_600_000;

export interface AdministrationOptions {
  readonly accounts: SiteAccounts;
  readonly passwords: Passwords;
  readonly random: (size: number) => Uint8Array;
}

export interface TokenOrder extends Rights {
  readonly name: string;
  readonly days: number | undefined;
  readonly createdBy: string;
}

export class Administration {
  private readonly options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.options = options;
  }

  /** By name. */
  users(): User[] {
    return this.options.accounts.users.all();
  }

  /**
   * Makes or changes a user; whether it was made. `isStillAdmin` tells of whoever asks, when it is about to be written;
   * `only`: one that is there already is not changed, or one that is not there (any longer) is not made.
   */
  async putUser(
    typed: string,
    { role, cameras, password }: Rights & { password: string | undefined },
    { isStillAdmin, only }: { isStillAdmin: () => boolean; only?: 'new' | 'known' | undefined },
  ): Promise<Outcome<{ user: User; isNew: boolean }>> {
    const { accounts, passwords, random } = this.options;
    const name = userName(typed);
    if (name === undefined) return refused(400, 'nobody can have this name', userNameAdvice);
    const fault = password === undefined ? undefined : passwordFault(password);
    if (fault !== undefined) return refused(400, fault, 'Choose another password.');
    const stored = password === undefined ? undefined : await passwords.store(password);
    if (password !== undefined && stored === undefined) return tooBusy;
    if (!isStillAdmin()) return noAdminAnyMore;
    const isNew = accounts.users.get(name) === undefined;
    if (only === 'new' && !isNew) {
      return refused(412, `there is a user ${name} already`, 'Choose another name, or change that user.');
    }
    if (only === 'known' && isNew) {
      return refused(412, `there is no user ${name} any longer`, 'Add the user again, if that is wanted.');
    }
    const row = accounts.users.rowFor({
      name,
      role,
      cameras,
      password: stored,
      generation: Buffer.from(random(generationBytes)),
      nowMs: accounts.clock.nowMs(),
    });
    if (!row.ok) return refused(409, row.reason, adviceFor(row.reason));
    if (!accounts.write(row.value)) return documentFull;
    const user = accounts.users.get(name);
    return user === undefined ? documentFull : done({ user, isNew });
  }

  removeUser(typed: string): Outcome<undefined> {
    const { accounts } = this.options;
    const name = userName(typed);
    if (name === undefined || accounts.users.get(name) === undefined) {
      return refused(404, 'there is no such user', 'List the users for those there are.');
    }
    const row = accounts.users.rowWithout(name);
    if (!row.ok) return refused(409, row.reason, adviceFor(row.reason));
    return accounts.write(row.value) ? done(undefined) : documentFull;
  }

  /** By id; expired ones too. */
  tokens(): Token[] {
    return this.options.accounts.tokens.all();
  }

  /** Makes a token; `text` is never to be had again. */
  addToken({ name, role, cameras, days, createdBy }: TokenOrder): Outcome<{ token: Token; text: string }> {
    const { accounts, random } = this.options;
    if (!isGivenName(name, tokenNameBytesMax) || Buffer.byteLength(name) > tokenNameBytesMax) {
      return refused(
        400,
        'a token cannot have this name',
        `Say in up to ${tokenNameBytesMax} bytes what it is for.`,
      );
    }
    if (days !== undefined && !(days > 0 && days <= tokenDaysMax)) {
      return refused(
        400,
        'a token cannot last so long',
        `Give it up to ${tokenDaysMax} days, or none at all.`,
      );
    }
    const nowMs = Math.max(0, Math.floor(accounts.clock.nowMs()));
    const expiresAtMs = days === undefined ? undefined : Math.ceil(nowMs + days * dayMs);
    const wish = { name, role, cameras, createdAtMs: nowMs, createdBy, expiresAtMs };
    const made = accounts.tokens.create(accounts.server, wish, random);
    if (!made.ok) return refused(409, made.reason, adviceFor(made.reason));
    const { row, token, text } = made.value;
    return accounts.write(row) ? done({ token, text }) : documentFull;
  }

  /** Revokes a token; it is returned as it was. */
  removeToken(id: string): Outcome<Token> {
    const { accounts } = this.options;
    const row = accounts.tokens.rowWithout(id);
    const token = accounts.tokens.all().find((one) => one.id === id);
    if (row === undefined || token === undefined) {
      return refused(404, 'there is no such token', 'List the tokens for those there are.');
    }
    return accounts.write(row) ? done(token) : documentFull;
  }
}

const noAdminAnyMore = refused(403, 'only an admin may do this', 'Ask an admin of the site.');

function adviceFor(reason: string): string {
  if (reason.endsWith('is the last admin')) return 'Make somebody else an admin first.';
  if (reason === 'a new user needs a password') return 'Send one with the request.';
  if (reason === 'an admin sees all cameras') return 'Give all cameras, or another role.';
  return 'Remove what is not needed any more.';
}
