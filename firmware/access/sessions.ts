/**
 * Sessions: what a browser shows after a person has signed in, in a cookie that every server of the site has the key
 * to. Nothing is kept on any server, so a session holds wherever its cookie gets.
 *
 * A session names the user and the generation of the user's row: when the row is given another, all sessions made
 * before end. It holds for 12 hours, is renewed when a quarter of these has passed, and ends 30 days after it began.
 *
 *     cookie = base64url(1, content, signature)
 *
 * Invariants: whatever is in a cookie, reading it never throws; nothing of it is believed before its signature is
 * checked; over HTTPS only a `__Host-` cookie counts (RFC 6265bis), which no other host and no plain HTTP can set.
 */
import { decode, encode, fixedBytes, shortText, struct, u64 } from '../base/codec.ts';
import type { AccessClock } from './access-clock.ts';
import { generationBytes, sessionIdBytes } from './access-rows.ts';
import { type SigningKeys, signatureBytes } from './signing-keys.ts';
import { userNameBytesMax } from './user-name.ts';

export const sessionMs = 12 * 3_600_000;
const renewAfterMs = sessionMs / 4;
export const sessionMsMax = 30 * 24 * 3_600_000;
/** Clocks of servers may differ by so much. */
export const clockSlackMs = 10 * 60_000;

const version = 1;
const cookieBytesMax = 512;

/** A session whose signature was good. Times are ms UTC. */
export interface Session {
  readonly user: string;
  readonly generation: Buffer;
  readonly id: Buffer;
  readonly startedAtMs: number;
  readonly renewedAtMs: number;
}

const content = struct<Session>({
  user: shortText(userNameBytesMax),
  generation: fixedBytes(generationBytes),
  id: fixedBytes(sessionIdBytes),
  startedAtMs: u64,
  renewedAtMs: u64,
});

/** When a session ends unless it is renewed. */
export function expiryOf({ startedAtMs, renewedAtMs }: Session): number {
  return Math.min(renewedAtMs + sessionMs, startedAtMs + sessionMsMax);
}

export class Sessions {
  private readonly keys: SigningKeys;
  private readonly clock: AccessClock;
  private readonly site: string;

  constructor(options: { keys: SigningKeys; clock: AccessClock; site: string }) {
    this.keys = options.keys;
    this.clock = options.clock;
    this.site = options.site;
  }

  /** The value of `set-cookie` that keeps a session; undefined for a server without a key. */
  cookie(session: Session, secure: boolean): string | undefined {
    const body = Buffer.concat([Buffer.from([version]), encode(content, session)]);
    const signature = this.keys.sign(body);
    if (signature === undefined) return undefined;
    const seconds = Math.max(1, Math.ceil((expiryOf(session) - session.renewedAtMs) / 1000));
    return this.setCookie(Buffer.concat([body, signature]).toString('base64url'), seconds, secure);
  }

  /** The value of `set-cookie` that forgets it. */
  noCookie(secure: boolean): string {
    return this.setCookie('', 0, secure);
  }

  /** The session that a request shows in its `cookie` header, if it has not ended. */
  read(header: string | undefined, secure: boolean): Session | undefined {
    const name = this.nameFor(secure);
    for (const pair of (header ?? '').split(';')) {
      const text = pair.trim();
      const session = text.startsWith(`${name}=`) ? this.open(text.slice(name.length + 1)) : undefined;
      if (session !== undefined && this.holds(session)) return session;
    }
    return undefined;
  }

  /** The session as it is to be shown from now on, or undefined while the old cookie will do. */
  renewed(session: Session): Session | undefined {
    const nowMs = this.clock.nowMs();
    if (nowMs - session.renewedAtMs < renewAfterMs) return undefined;
    const next = { ...session, renewedAtMs: nowMs };
    return expiryOf(next) > expiryOf(session) ? next : undefined;
  }

  private open(value: string): Session | undefined {
    if (value.length > cookieBytesMax) return undefined;
    const bytes = Buffer.from(value, 'base64url');
    // Of one session there is one cookie, character for character.
    if (bytes.toString('base64url') !== value) return undefined;
    const body = bytes.subarray(0, -signatureBytes);
    if (body[0] !== version || !this.keys.verify(body, bytes.subarray(-signatureBytes))) return undefined;
    const decoded = decode(content, body.subarray(1));
    return decoded.ok ? decoded.value : undefined;
  }

  /** A clock that is far ahead must not make sessions that last for years. */
  private holds(session: Session): boolean {
    if (!this.clock.isSet()) this.clock.observe(session.renewedAtMs);
    const nowMs = this.clock.nowMs();
    return (
      nowMs < expiryOf(session) &&
      session.renewedAtMs <= nowMs + clockSlackMs &&
      session.startedAtMs <= session.renewedAtMs
    );
  }

  private setCookie(value: string, seconds: number, secure: boolean): string {
    const attributes = `Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
    return `${this.nameFor(secure)}=${value}; ${attributes}`;
  }

  private nameFor(secure: boolean): string {
    return `${secure ? '__Host-' : ''}starling-${this.site}`;
  }
}
