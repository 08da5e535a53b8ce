/**
 * Signed links: an address that shows one thing of one camera to whoever has it, for a limited time, in players that
 * cannot sign in.
 *
 *     /api/cameras/door/video.mp4?from=…&to=…&user=anna&expires=1795341600&signature=…
 *
 * The signature is over the method, the path, the rest of the query in sorted order, and the generation of the user's
 * row: a link ends when it expires, when the user goes, and when the user gets another password or role. What the
 * user may see is looked up when the link is used. A playlist signs the address of each of its parts like this, with
 * the same user and end (`covering`).
 *
 * Invariants: a link reads (GET, HEAD) and changes nothing; it is of exactly one path and query; its end is at most
 * seven days away.
 */
import type { AccessClock } from './access-clock.ts';
import { clockSlackMs } from './sessions.ts';
import { type SigningKeys, signatureBytes } from './signing-keys.ts';

const linkSecondsMax = 7 * 24 * 3600;
/** Longest path and query that is looked at. */
const targetCharsMax = 4_096;

/** What a link says about itself. */
export interface LinkClaim {
  readonly user: string;
  readonly expiresAtMs: number;
  /** of the path /api/cameras/{camera}/… */
  readonly camera: string;
}

/** Of a user or token that exists now; undefined when it does not. */
export type GenerationOf = (user: string) => Buffer | undefined;

export class Links {
  private readonly keys: SigningKeys;
  private readonly clock: AccessClock;
  private readonly generationOf: GenerationOf;

  constructor(options: { keys: SigningKeys; clock: AccessClock; generationOf: GenerationOf }) {
    this.keys = options.keys;
    this.clock = options.clock;
    this.generationOf = options.generationOf;
  }

  /** Signs `target` (path and query); undefined when there is no key, or no such user. */
  sign(target: string, { user, expiresAtMs }: { user: string; expiresAtMs: number }): string | undefined {
    const url = urlOf(target);
    url?.searchParams.set('user', user);
    url?.searchParams.set('expires', String(Math.floor(expiresAtMs / 1000)));
    url?.searchParams.delete('signature');
    const signed = url === undefined ? undefined : this.content(url, user);
    const signature = signed === undefined ? undefined : this.keys.sign(signed);
    if (url === undefined || signature === undefined) return undefined;
    url.searchParams.set('signature', signature.toString('base64url'));
    return url.pathname + url.search;
  }

  /**
   * Signs more addresses for whoever used the signed `target`: the parts of a playlist. For a request that was
   * identified in another way they stay as they are.
   */
  covering(target: string): (part: string) => string {
    const query = urlOf(target)?.searchParams;
    const user = query?.get('user') ?? undefined;
    const expiresAtMs = Number(query?.get('expires')) * 1000;
    if (query?.has('signature') !== true || user === undefined) return (part) => part;
    return (part) => this.sign(part, { user, expiresAtMs }) ?? part;
  }

  /** Whether `target` is a signed link at all, good or not. */
  isLink(target: string): boolean {
    return /[?&]signature=/.test(target.slice(0, targetCharsMax));
  }

  /** Reads a signed link; a text says why it does not hold. */
  read(method: string, target: string): LinkClaim | string {
    const url = urlOf(target);
    const query = url?.searchParams;
    const user = query?.get('user') ?? '';
    const expires = query?.get('expires') ?? '';
    const signature = query?.get('signature') ?? '';
    const camera = /^\/api\/cameras\/([^/]+)\//.exec(url?.pathname ?? '')?.[1];
    if (method !== 'GET' && method !== 'HEAD') return 'a link only reads';
    if (url === undefined || camera === undefined || !/^\d{1,12}$/.test(expires)) return 'malformed link';
    // A parameter that comes twice might be read in two ways.
    if (new Set(query?.keys()).size !== [...url.searchParams].length) return 'malformed link';
    const content = this.content(url, user);
    const given = Buffer.from(signature, 'base64url');
    const isCanonical = given.length === signatureBytes && given.toString('base64url') === signature;
    if (content === undefined || !isCanonical || !this.keys.verify(content, given)) {
      return 'this link was not made by this site, or its user has changed since';
    }
    const expiresAtMs = Number(expires) * 1000;
    const nowMs = this.clock.nowMs();
    if (nowMs >= expiresAtMs) return 'this link has expired';
    const tooFar = nowMs + linkSecondsMax * 1000 + clockSlackMs;
    if (this.clock.isSet() && expiresAtMs > tooFar) return 'this link lasts too long';
    return { user, expiresAtMs, camera };
  }

  private content(url: URL, user: string): Buffer | undefined {
    const generation = this.generationOf(user);
    if (generation === undefined) return undefined;
    const rest = [...url.searchParams].filter(([name]) => name !== 'signature');
    const sorted = rest.map(([name, value]) => JSON.stringify([name, value])).sort();
    return Buffer.from(['GET', url.pathname, ...sorted, generation.toString('hex')].join('\n'));
  }
}

function urlOf(target: string): URL | undefined {
  if (!target.startsWith('/') || target.startsWith('//') || target.length > targetCharsMax) return undefined;
  const base = 'http://link.invalid';
  return URL.canParse(target, base) ? new URL(target, base) : undefined;
}
