/**
 * Who sends a request. What counts, in this order: the certificate of another server (and the user it asks for), a
 * token, a signed link, a session, and last, on a server that asks nobody, whoever it is.
 *
 * Invariants: whatever is shown in a header or a URL, this never throws; rights are those of the site document now,
 * also when another server asks for somebody; a token or link that does not hold is refused, never passed over. A
 * cookie that does not hold is nothing: browsers send what they have.
 */
import { isIPv4 } from 'node:net';
import type { AccessControl, AccessRequest, Identified } from '../viewing/access-control.ts';
import type { LinkClaim, Links } from './links.ts';
import type { LocalKey } from './local-key.ts';
import { addressKey } from './login-limits.ts';
import { type Principal, seesCamera } from './principal.ts';
import { expiryOf, type Session, type Sessions, sessionMsMax } from './sessions.ts';
import { type SiteAccounts, serverPrincipalName, tokenPrincipalName } from './site-accounts.ts';

export interface IdentificationOptions {
  readonly accounts: SiteAccounts;
  readonly sessions: Sessions;
  readonly links: Links;
  readonly localKey: LocalKey;
  /** whoever can reach this server may do everything */
  readonly open: boolean;
}

/** How somebody was identified, to see later whether it still holds. */
interface Shown {
  readonly address: string;
  readonly session?: Session;
  readonly link?: LinkClaim;
  /** nothing of it can change */
  readonly fixed?: true;
}

export class Identification implements AccessControl {
  private readonly options: IdentificationOptions;
  private readonly shown = new WeakMap<Principal, Shown>();

  constructor(options: IdentificationOptions) {
    this.options = options;
  }

  identify(request: AccessRequest): Promise<Identified> {
    return Promise.resolve(this.identified(request));
  }

  current(principal: Principal): Principal | undefined {
    const shown = this.shown.get(principal);
    if (shown === undefined || shown.fixed === true) return shown === undefined ? undefined : principal;
    const { accounts } = this.options;
    const nowMs = accounts.clock.nowMs();
    if (shown.link !== undefined) {
      if (nowMs >= shown.link.expiresAtMs) return undefined;
      return this.kept(principal, this.linkPrincipal(shown.link), shown);
    }
    // A page that stays open renews its cookie with other requests.
    if (shown.session !== undefined && nowMs >= shown.session.startedAtMs + sessionMsMax) return undefined;
    if (shown.session !== undefined && !this.isLive(shown.session)) return undefined;
    return this.kept(principal, accounts.principalOf(principal.name, principal.via), shown);
  }

  /** The session by which somebody was identified. */
  sessionOf(principal: Principal): Session | undefined {
    return this.shown.get(principal)?.session;
  }

  /** IP address from which somebody has asked. */
  addressOf(principal: Principal): string {
    return this.shown.get(principal)?.address ?? '';
  }

  /** ms UTC; undefined for what does not end by itself */
  expiryOf(principal: Principal): number | undefined {
    const { session, link } = this.shown.get(principal) ?? {};
    if (session !== undefined) return expiryOf(session);
    if (link !== undefined) return link.expiresAtMs;
    const id = principal.name.startsWith('token:') ? principal.name.slice('token:'.length) : '';
    return this.options.accounts.tokens.get(id, this.options.accounts.clock.nowMs())?.expiresAtMs;
  }

  /** The rights of a session that has just begun; undefined when its user is gone. */
  begun(session: Session, address: string): Principal | undefined {
    const principal = this.options.accounts.principalOf(session.user, 'session');
    return principal === undefined ? undefined : this.seen(principal, { address, session });
  }

  private identified(request: AccessRequest): Identified {
    const { peer, remoteAddress: address } = request;
    if (peer !== undefined) return this.byPeer(peer, request.header('x-starling-user'), address);
    const bearer = /^bearer +(\S.*)$/i.exec(request.header('authorization') ?? '')?.[1];
    if (bearer !== undefined) return this.byToken(bearer.trim(), address);
    if (request.target.startsWith('/api/cameras/') && this.options.links.isLink(request.target)) {
      return this.byLink(request);
    }
    return (
      this.bySession(request) ?? (this.options.open ? this.everybody(address) : { principal: undefined })
    );
  }

  private byPeer(peer: string, user: string | undefined, address: string): Identified {
    // A server's own business, and that of whoever is on its machine.
    if (user === undefined || user === serverPrincipalName(peer)) {
      return { principal: this.seen(serverPrincipal(peer, 'peer'), { address, fixed: true }) };
    }
    const principal = this.options.accounts.principalOf(user, 'peer');
    if (principal !== undefined) return { principal: this.seen(principal, { address }) };
    return { principal: undefined, reason: `${this.options.accounts.server} knows nobody of this name` };
  }

  private byToken(text: string, address: string): Identified {
    const { accounts, localKey } = this.options;
    if (localKey.is(text)) {
      if (!isLoopbackAddress(address)) {
        return { principal: undefined, reason: 'the key of this machine holds only on this machine' };
      }
      return { principal: this.seen(serverPrincipal(accounts.server, 'token'), { address, fixed: true }) };
    }
    const token = accounts.tokens.find(text, accounts.clock.nowMs());
    const principal = token && accounts.principalOf(tokenPrincipalName(token.id), 'token');
    if (principal !== undefined) return { principal: this.seen(principal, { address }) };
    return {
      principal: undefined,
      reason: 'this token is not valid: it was revoked, has expired, or never was',
    };
  }

  private byLink({ method, target, remoteAddress: address }: AccessRequest): Identified {
    const claim = this.options.links.read(method, target);
    if (typeof claim === 'string') return { principal: undefined, reason: claim };
    const principal = this.linkPrincipal(claim);
    if (principal !== undefined) return { principal: this.seen(principal, { address, link: claim }) };
    return { principal: undefined, reason: 'whoever made this link may not see the camera any more' };
  }

  /** A link shows one camera, as long as its user may see that one. */
  private linkPrincipal({ user, camera }: LinkClaim): Principal | undefined {
    const maker = this.options.accounts.principalOf(user, 'link');
    if (maker === undefined || !seesCamera(maker, camera)) return undefined;
    return { ...maker, role: 'viewer', cameras: [camera] };
  }

  private bySession(request: AccessRequest): Identified | undefined {
    const { sessions, accounts } = this.options;
    const session = sessions.read(request.header('cookie'), request.secure);
    if (session === undefined || !this.isLive(session)) return undefined;
    const renewed = sessions.renewed(session);
    const principal = accounts.principalOf(session.user, 'session');
    if (principal === undefined) return undefined;
    this.seen(principal, { address: request.remoteAddress, session: renewed ?? session });
    const cookie = renewed && sessions.cookie(renewed, request.secure);
    return { principal, ...(cookie === undefined ? {} : { headers: { 'set-cookie': cookie } }) };
  }

  private isLive({ user, generation, id }: Session): boolean {
    const { accounts } = this.options;
    return accounts.generationOf(user)?.equals(generation) === true && !accounts.revocations.has(id);
  }

  private everybody(address: string): Identified {
    const principal: Principal = { name: 'everybody', role: 'admin', cameras: 'all', via: 'open' };
    return { principal: this.seen(principal, { address, fixed: true }) };
  }

  private seen(principal: Principal, shown: Shown): Principal {
    this.shown.set(principal, shown);
    return principal;
  }

  /** The same object as long as nothing has changed. */
  private kept(before: Principal, now: Principal | undefined, shown: Shown): Principal | undefined {
    if (now === undefined) return undefined;
    const same = before.role === now.role && String(before.cameras) === String(now.cameras);
    return same ? before : this.seen(now, shown);
  }
}

function serverPrincipal(server: string, via: 'peer' | 'token'): Principal {
  return { name: serverPrincipalName(server), role: 'admin', cameras: 'all', via };
}

/** Whether a connection comes from this very machine. */
function isLoopbackAddress(address: string): boolean {
  const plain = addressKey(address);
  return address === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}
