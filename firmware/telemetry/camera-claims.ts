/**
 * Which cameras a server speaks for at a broker. Only a camera's manager publishes for it; who that is, two servers
 * may see differently for a while, and a server that was away believes what was true before. The camera's epoch, which
 * it raises with every manager, decides: it is in every state that is published, and the manager listens to what is
 * published for its cameras.
 *
 * Invariants: nothing is published for a camera before the broker had `settleMs` to say what it retains of it; a state
 * with a higher epoch silences this server; one with a lower epoch, or a stranger's, is published over; a server that
 * holds the camera itself for `overruleMs` after it was silenced speaks again, because
 * then the epochs of the broker are those of another life of the camera. Pure; times are monotonic ms.
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
  silenced: { readonly atMs: number; readonly epoch: number } | undefined;
}

export interface ClaimChanges {
  /** to be listened to from now on, and no longer */
  readonly begun: readonly string[];
  readonly ended: readonly string[];
}

export class CameraClaims {
  private readonly self: string;
  private readonly goneMs: number;
  private readonly held = new Map<string, Held>();

  /** A camera that was lost is told as gone after `goneMs`: until then another server may have it. */
  constructor(self: string, goneMs: number) {
    this.self = self;
    this.goneMs = goneMs;
  }

  /** Compares with what the overlay says now. */
  observe(nowMs: number, cameras: readonly ManagedCamera[]): ClaimChanges {
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
        if (held.online !== online) Object.assign(held, { online, sinceMs: nowMs });
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
    if (claim !== undefined && claim.epoch >= held.epoch && claim.manager !== this.self) {
      held.silenced = { atMs: nowMs, epoch: claim.epoch };
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
    return nowMs - held.sinceMs < this.goneMs ? 'silent' : 'gone';
  }

  private isSilenced(nowMs: number, { silenced, epoch, online, sinceMs }: Held): boolean {
    if (silenced === undefined || silenced.epoch < epoch) return false;
    return !online || nowMs - Math.max(sinceMs, silenced.atMs) < overruleMs;
  }
}
