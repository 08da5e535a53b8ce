/**
 * What the viewing side asks of whoever knows users, sessions and tokens: who sends this request, and whether that
 * still holds. `firmware/access` implements it.
 */
import { includesRole, type Principal, seesCamera } from '../access/principal.ts';

/** A request as far as it shows who sends it. */
export interface AccessRequest {
  readonly method: string;
  /** path and query */
  readonly target: string;
  /** of an HTTP header, in lower case; undefined when it is not there */
  header(name: string): string | undefined;
  /** id of the server that asks, shown by its certificate; undefined for a person */
  readonly peer: string | undefined;
  /** IP address of the other end */
  readonly remoteAddress: string;
  /** came over HTTPS */
  readonly secure: boolean;
}

export interface Identified {
  /** undefined: nobody in particular */
  readonly principal: Principal | undefined;
  /** why what was shown is not accepted, such as an expired link; for people */
  readonly reason?: string;
  /** to be sent with the answer, such as the cookie of a session that was renewed */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AccessControl {
  /** Never rejects. */
  identify(request: AccessRequest): Promise<Identified>;
  /**
   * The rights now of somebody `identify` returned before (the same object): changed since, or undefined once the
   * session or token was revoked, or the user removed. Asked every few seconds for as long as somebody watches.
   */
  current(principal: Principal): Principal | undefined;
}

/** How often whoever watches or downloads is asked again whether they still may, ms. */
export const recheckMs = 2_000;

/** Whether somebody who began to watch a camera still may: rights change, and sessions and tokens are revoked. */
export function stillWatches(
  access: Pick<AccessControl, 'current'>,
  principal: Principal,
  camera: string,
): boolean {
  const now = access.current(principal);
  return now !== undefined && includesRole(now.role, 'viewer') && seesCamera(now, camera);
}

/** Whoever can reach this server may do everything: `server.http.access: everybody`, on loopback only. */
export const openAccess: AccessControl = {
  identify: async ({ peer }) => ({ principal: peer === undefined ? everybody : ownBusiness(peer) }),
  current: (principal) => principal,
};

const everybody: Principal = { name: 'everybody', role: 'admin', cameras: 'all', via: 'open' };

function ownBusiness(server: string): Principal {
  return { name: `server:${server}`, role: 'admin', cameras: 'all', via: 'peer' };
}
