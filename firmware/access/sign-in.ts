/**
 * Signing in and out, and changing one's own password.
 *
 * Invariants: every wrong password counts against the address and the user, wherever it was typed; the answer and the
 * time it takes are the same for a wrong password and for a name that nobody has; a password opens the generation of
 * the row that it was compared with, and no later one: rows change while passwords are computed.
 */
import { generationBytes, sessionIdBytes } from './access-rows.ts';
import type { AuditLog } from './audit-log.ts';
import type { Identification } from './identification.ts';
import type { LoginLimits } from './login-limits.ts';
import { documentFull, done, type Outcome, refused, tooBusy } from './outcome.ts';
import { type Passwords, passwordFault } from './passwords.ts';
import type { Principal } from './principal.ts';
import { clockSlackMs, type Session, type Sessions, sessionMs } from './sessions.ts';
import type { SiteAccounts } from './site-accounts.ts';
import { userName } from './user-name.ts';

export interface SignInOptions {
  readonly accounts: SiteAccounts;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly limits: LoginLimits;
  readonly identification: Identification;
  readonly audit: Pick<AuditLog, 'add'>;
  readonly random: (size: number) => Uint8Array;
}

/** Where a request came from. */
export interface From {
  readonly address: string;
  /** over HTTPS */
  readonly secure: boolean;
}

export interface SignedIn {
  readonly principal: Principal;
  /** value of `set-cookie` */
  readonly cookie: string;
}

export class SignIn {
  private readonly options: SignInOptions;

  constructor(options: SignInOptions) {
    this.options = options;
  }

  async signIn(typed: { user: string; password: string }, from: From): Promise<Outcome<SignedIn>> {
    const name = userName(typed.user);
    const checked = await this.check(name ?? '', typed.password, from.address);
    if (!checked.ok) return checked;
    const begun = this.begin(name ?? '', checked.value, from);
    if (begun.ok) this.note('sign-in', name ?? '', from.address, '');
    return begun;
  }

  /** Ends a session everywhere; the value of `set-cookie` that forgets it. */
  signOut(principal: Principal | undefined, from: From): Outcome<string> {
    const { sessions, identification } = this.options;
    const session = principal && identification.sessionOf(principal);
    if (session !== undefined) {
      if (!this.revoke(session)) return documentFull;
      this.note('sign-out', session.user, from.address, '');
    }
    return done(sessions.noCookie(from.secure));
  }

  /** A user's own password; other sessions of theirs end, this one goes on with a new cookie. */
  async changePassword(
    principal: Principal,
    passwords: { old: string; new: string },
    from: From,
  ): Promise<Outcome<SignedIn>> {
    const { accounts, identification, random } = this.options;
    if (identification.sessionOf(principal) === undefined) {
      return refused(
        403,
        'only somebody who has signed in has a password',
        'Sign in with name and password.',
      );
    }
    const fault = passwordFault(passwords.new);
    if (fault !== undefined) return refused(400, fault, 'Choose another password.');
    const checked = await this.check(principal.name, passwords.old, from.address);
    if (!checked.ok) return checked.status === 401 ? wrongOldPassword : checked;
    const stored = await this.options.passwords.store(passwords.new);
    if (stored === undefined) return tooBusy;
    const user = accounts.users.get(principal.name);
    if (user === undefined || identification.current(principal) === undefined) return signedOutMeanwhile;
    const generation = Buffer.from(random(generationBytes));
    const row = accounts.users.rowFor({
      ...user,
      password: stored,
      generation,
      nowMs: accounts.clock.nowMs(),
    });
    if (!row.ok) return refused(409, row.reason, 'Ask an admin of the site.');
    if (!accounts.write(row.value)) return documentFull;
    this.note('change', user.name, from.address, 'own password');
    return this.begin(user.name, generation, from);
  }

  /** The generation of the user's row, if that has their password before it is computed and after. */
  private async check(user: string, password: string, address: string): Promise<Outcome<Buffer>> {
    const { accounts, limits, passwords } = this.options;
    const waitSeconds = limits.begin(user, address);
    if (waitSeconds > 0) {
      const advice = `Try again in ${waitSeconds} s.`;
      return refused(429, 'too many tries that failed', advice, waitSeconds);
    }
    const row = accounts.users.get(user);
    const verdict = await passwords.verify(password, row?.password);
    const isUnchanged = row !== undefined && accounts.generationOf(user)?.equals(row.generation) === true;
    const isRight = verdict === true && isUnchanged;
    if (isRight || verdict === 'busy') limits.succeeded(user, address);
    if (isRight) return done(row.generation);
    if (verdict === 'busy') return tooBusy;
    // People type passwords where names belong: only names that exist are written down.
    const known = accounts.users.get(user) !== undefined;
    this.note('sign-in-failed', known ? user : '-', address, known ? 'wrong password' : 'unknown name');
    return unknownOrWrong;
  }

  private begin(user: string, generation: Buffer, from: From): Outcome<SignedIn> {
    const { accounts, sessions, identification, random } = this.options;
    const nowMs = Math.floor(accounts.clock.nowMs());
    const id = Buffer.from(random(sessionIdBytes));
    const session: Session = { user, generation, id, startedAtMs: nowMs, renewedAtMs: nowMs };
    const cookie = sessions.cookie(session, from.secure);
    const principal = identification.begun(session, from.address);
    if (principal === undefined) return unknownOrWrong;
    if (cookie === undefined) {
      return refused(503, 'this server cannot sign sessions', 'Give it the seal key of its site.');
    }
    return done({ principal, cookie });
  }

  private revoke(session: Session): boolean {
    const { accounts, random } = this.options;
    const nowMs = Math.floor(accounts.clock.nowMs());
    const revocation = { session: session.id, untilMs: nowMs + sessionMs + clockSlackMs };
    const row =
      accounts.revocations.rowFor(accounts.server, revocation, nowMs) ??
      // No row is free: all sessions of the user end instead.
      accounts.users.rowRenewing(session.user, Buffer.from(random(generationBytes)));
    return row !== undefined && accounts.write(row);
  }

  private note(
    action: 'sign-in' | 'sign-in-failed' | 'sign-out' | 'change',
    user: string,
    from: string,
    detail: string,
  ): void {
    this.options.audit.add({ user, action, camera: undefined, detail, from });
  }
}

const unknownOrWrong = refused(
  401,
  'unknown name, or wrong password',
  'Check both; capital letters count in passwords.',
);
const signedOutMeanwhile = refused(401, 'this session has ended meanwhile', 'Sign in again.');
const wrongOldPassword = refused(
  403,
  'the old password is wrong',
  'Type the password that you signed in with.',
);
