/**
 * Whoever watches live is asked again every few seconds whether they still may: a session or token that was revoked, a
 * user who was removed or lost a camera, ends what they watch.
 *
 * Invariants: one timer for all viewers, and none while nobody watches.
 */
import type { Principal } from '../access/principal.ts';
import type { Clock } from '../base/clock.ts';
import { type AccessControl, recheckMs, stillWatches } from './access-control.ts';
import type { LiveMessage } from './api.ts';

/** Close code for "you may not" (RFC 6455 §7.4.1: 1008, policy). */
const closeNotAllowed = 1008;

/** What the guard needs of a viewer's socket; the one of `ws` fits. */
export interface GuardedSocket {
  send(data: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

interface Watching {
  readonly socket: GuardedSocket;
  readonly principal: Principal;
  readonly camera: string;
  ending: boolean;
}

export class LiveGuard {
  private readonly access: Pick<AccessControl, 'current'>;
  private readonly clock: Clock;
  private readonly watching = new Set<Watching>();
  private cancelCheck: (() => void) | undefined;

  constructor({ access, clock }: { access: Pick<AccessControl, 'current'>; clock: Clock }) {
    this.access = access;
    this.clock = clock;
  }

  /** Looks after an open socket until the result is called, when the socket has closed. */
  watch(socket: GuardedSocket, principal: Principal, camera: string): () => void {
    const one: Watching = { socket, principal, camera, ending: false };
    this.watching.add(one);
    this.arm();
    return () => {
      this.watching.delete(one);
      if (this.watching.size > 0) return;
      this.cancelCheck?.();
      this.cancelCheck = undefined;
    };
  }

  /**
   * How often somebody watches a camera here, whether they ask this server or another one. Those who have a link of
   * theirs are counted apart, as long as they ask this server: another one asks on behalf of whoever made the link.
   */
  count({ name, via }: Principal, camera: string): number {
    const byLink = via === 'link';
    let count = 0;
    for (const { principal, camera: watched } of this.watching) {
      const same = principal.name === name && (principal.via === 'link') === byLink;
      if (watched === camera && same) count += 1;
    }
    return count;
  }

  private arm(): void {
    this.cancelCheck ??= this.clock.after(recheckMs, () => {
      this.cancelCheck = undefined;
      for (const one of this.watching) this.check(one);
      if (this.watching.size > 0) this.arm();
    });
  }

  private check(one: Watching): void {
    const { socket, principal, camera } = one;
    // It had its chance to close; whoever still reads it reads no further.
    if (one.ending) return socket.terminate();
    if (stillWatches(this.access, principal, camera)) return;
    one.ending = true;
    const reason = 'you may no longer watch this camera';
    const message: LiveMessage = { type: 'state', state: 'ended', lastFrameAt: null, reason };
    socket.send(JSON.stringify(message));
    socket.close(closeNotAllowed, '');
  }
}
