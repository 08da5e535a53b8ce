/**
 * Which cameras a server speaks for at a broker. Only a camera's manager publishes for it; who that is, two servers
 * may see differently for a while, and a server that was away believes what was true before. The camera's epoch, which
 * it raises with every manager, decides: it is in every state that is published, and the manager listens to what is
 * published for its cameras.
 *
 * Whoever may write at the broker can claim a camera. The overlay knows better, only later: a claim that can be true
 * silences a server for as long as the overlay may need to confirm it (`silenceMs`), and one that cannot, not at all.
 * Where it holds the camera even after that, the epochs at the broker are lies, or those of another life of the camera.
 *
 * Invariants: nothing is published for a camera before the broker had `settleMs` to say what it retains of it; a lower
 * epoch than the camera's, one that no camera can have, and a stranger are published over; claims of a camera that a
 * server holds silence it for `overruleMs` in all, however often they come, until it loses the camera. Pure; times are
 * monotonic ms.
 */

const settleMs = 300;
const overruleMs = 15_000;

/** A camera whose last manager is this server, as the overlay sees it. */
export interface ManagedCamera {
  readonly id: string;
  readonly epoch: number;
  /** it is attached here */
  readonly online: boolean;
}

/** A server of the site, as the overlay sees it. */
export interface KnownServer {
  readonly id: string;
  readonly state: 'self' | 'reachable' | 'unreachable';
}

export interface ClaimLimits {
  /** a camera that was lost is told as gone after so many ms: until then another server may have it */
  readonly goneMs: number;
  /** no camera has a higher one */
  readonly epochMax: number;
}

/** Who says in a published state that the camera is theirs. */
export interface Claim {
  readonly manager: string;
  readonly epoch: number;
}

interface Held {
  epoch: number;
  online: boolean;
  /** since when it is online or not */
  sinceMs: number;
  /** when the broker has begun to say what it retains; undefined before */
  listeningSinceMs: number | undefined;
  /** by whom, and when first */
  silenced: (Claim & { readonly atMs: number }) | undefined;
}

export interface ClaimChanges {
  /** to be listened to from now on, and no longer */
  readonly begun: readonly string[];
  readonly ended: readonly string[];
}

export class CameraClaims {
  private readonly self: string;
  private readonly limits: ClaimLimits;
  private readonly held = new Map<string, Held>();
  /** by id; none as long as nobody has said which there are */
  private servers: ReadonlyMap<string, KnownServer['state']> = new Map();

  constructor(self: string, limits: ClaimLimits) {
    this.self = self;
    this.limits = limits;
  }

  /** Compares with what the overlay says now. */
  observe(
    nowMs: number,
    cameras: readonly ManagedCamera[],
    servers: readonly KnownServer[] = [],
  ): ClaimChanges {
    this.servers = new Map(servers.map(({ id, state }) => [id, state]));
    const begun: string[] = [];
    const wanted = new Set<string>();
    for (const { id, epoch, online } of cameras) {
      wanted.add(id);
      const held = this.held.get(id);
      if (held === undefined) {
        begun.push(id);
        const unheard = { listeningSinceMs: undefined, silenced: undefined };
        this.held.set(id, { epoch, online, sinceMs: nowMs, ...unheard });
      } else {
        if (held.online !== online) {
          if (this.isOverruled(nowMs, held)) held.silenced = undefined;
          Object.assign(held, { online, sinceMs: nowMs });
        }
        held.epoch = epoch;
      }
    }
    const ended = [...this.held.keys()].filter((id) => !wanted.has(id));
    for (const id of ended) this.held.delete(id);
    return { begun, ended };
  }

  /** The broker listens to this server's wish to hear of a camera. */
  listening(nowMs: number, camera: string): void {
    const held = this.held.get(camera);
    if (held !== undefined) held.listeningSinceMs ??= nowMs;
  }

  /**
   * Somebody else has published for a camera; without a claim nobody knows who. Returns whether it is to be published
   * over.
   */
  heard(nowMs: number, camera: string, claim: Claim | undefined): boolean {
    const held = this.held.get(camera);
    if (held === undefined) return false;
    if (claim !== undefined && this.mayBeTrue(nowMs, held, claim)) {
      this.silence(nowMs, held, claim);
      return false;
    }
    return this.standing(nowMs, camera) !== 'silent';
  }

  /** `present`, `gone`: what is to be said of a camera here and now; `silent`: nothing. */
  standing(nowMs: number, camera: string): 'present' | 'gone' | 'silent' {
    const held = this.held.get(camera);
    if (held?.listeningSinceMs === undefined || nowMs - held.listeningSinceMs < settleMs) return 'silent';
    if (this.isSilenced(nowMs, held)) return 'silent';
    if (held.online) return 'present';
    return nowMs - held.sinceMs < this.limits.goneMs ? 'silent' : 'gone';
  }

  private mayBeTrue(nowMs: number, held: Held, { manager, epoch }: Claim): boolean {
    if (manager === this.self || epoch < held.epoch || epoch > this.limits.epochMax) return false;
    // What the overlay has not confirmed once, it need not be asked again.
    const isKnownLie = this.overlayTells(manager, held.online) && this.isOverruled(nowMs, held);
    return !isKnownLie && this.silenceMs(manager, held.online) > 0;
  }

  private silence(nowMs: number, held: Held, claim: Claim): void {
    const { silenced } = held;
    if (silenced === undefined || !this.isSilenced(nowMs, held)) held.silenced = { ...claim, atMs: nowMs };
    // Said again, it does not last longer.
    else if (claim.epoch >= silenced.epoch) held.silenced = { ...claim, atMs: silenced.atMs };
  }

  /** Whether this server's overlay knows for certain that the camera is not that server's, once it has had time. */
  private overlayTells(manager: string, online: boolean): boolean {
    return online || this.servers.get(manager) === 'reachable';
  }

  /** How long a claim for that server silences this one; `online`: though it holds the camera. */
  private silenceMs(manager: string, online: boolean): number {
    const state = this.servers.get(manager);
    // The camera would be among those of which that server tells the others.
    if (state === 'reachable') return Math.min(this.limits.goneMs, overruleMs);
    const isStranger = state === undefined && this.servers.size > 0;
    if (online) return isStranger ? 0 : overruleMs;
    // One that joined where this server cannot hear of it, and has the camera by now, is not to be spoken over for long.
    return isStranger && this.servers.size > 1 ? overruleMs : Number.POSITIVE_INFINITY;
  }

  private isSilenced(nowMs: number, { silenced, epoch, online, sinceMs }: Held): boolean {
    if (silenced === undefined || silenced.epoch < epoch) return false;
    return nowMs - Math.max(sinceMs, silenced.atMs) < this.silenceMs(silenced.manager, online);
  }

  /** It was silent for as long as it had to be, and the overlay has not changed its mind. */
  private isOverruled(nowMs: number, held: Held): boolean {
    const { silenced, epoch } = held;
    return silenced !== undefined && silenced.epoch >= epoch && !this.isSilenced(nowMs, held);
  }
}
