/**
 * A camera unit's joins [0061][0067]: asks by anycast, with wider and wider rings while nobody answers, again after a
 * growing pause while there is no manager; where nobody hears the anycast, it also asks servers it has known.
 *
 * Invariant: a herd that has lost one manager does not ask at once: each unit's place in the window comes from its name.
 */

import type { CameraContext } from './camera-context.ts';
import { admissionsPerSecond, joinBackoffMs, outstandingJoinsMax, rings } from './constants.ts';
import { nonceBytes } from './packets.ts';
import { textHash } from './text-hash.ts';

export class CameraJoin {
  private readonly context: CameraContext;
  private readonly isWaiting: () => boolean;
  private readonly hasOffers: () => boolean;
  /** of the joins since a manager was last lost, the newest first */
  private nonces: Buffer[] = [];
  private backoffMs: number = joinBackoffMs.first;
  private attempt = 0;

  /** `isWaiting` tells whether a manager is sought and none is being tried; `hasOffers` whether some may be tried. */
  constructor(context: CameraContext, isWaiting: () => boolean, hasOffers: () => boolean) {
    this.context = context;
    this.isWaiting = isWaiting;
    this.hasOffers = hasOffers;
  }

  /** Whether an offer with this nonce is the answer to a join. */
  isOutstanding(nonce: Buffer): boolean {
    return this.nonces.some((one) => one.equals(nonce));
  }

  /** A pause before the next join is under way. */
  isPending(): boolean {
    return this.context.alarms.has('join');
  }

  /** A unit that lost its manager with many others waits for its place. */
  isInSlot(): boolean {
    return this.context.alarms.has('slot');
  }

  /** Asks, with a fresh nonce; asks again later while there is none. */
  begin(): void {
    const { context } = this;
    const { random } = context.options;
    const nonce = random.bytes(nonceBytes);
    this.nonces = [nonce, ...this.nonces].slice(0, outstandingJoinsMax);
    this.ask(nonce, 0);
    const retryMs = this.backoffMs * (0.75 + 0.5 * random.unit()) + rings.length * context.profile.ringMs;
    // However long nobody answered: a dozen times within what the outbox holds.
    const longestMs = Math.min(joinBackoffMs.max, context.options.outboxMs / 12);
    this.backoffMs = Math.max(joinBackoffMs.first, Math.min(this.backoffMs * 2, longestMs));
    context.alarms.set('join', context.now + retryMs, () => {
      this.attempt = Math.min(this.attempt + 1, 255);
      if (this.isWaiting()) this.begin();
    });
  }

  private ask(nonce: Buffer, step: number): void {
    const { context, attempt } = this;
    const ring = rings[step];
    const { link, cameras, kbps } = context.options;
    if (ring === undefined || !this.nonces.includes(nonce)) return;
    const { lastManager, epoch } = context;
    const body = { nonce, link, cameras: [...cameras], epoch, kbps, ring, attempt, lastManager };
    // Where nobody hears the anycast, somebody who was there before may.
    const also = attempt === 0 && step === 0 ? [] : context.known.list(8).map((one) => one.link);
    context.emit({ type: 'anycast', packet: context.packet('cam-join', body), also });
    context.alarms.set('ring', context.now + context.profile.ringMs, () => {
      if (this.isWaiting() && !this.hasOffers()) this.ask(nonce, step + 1);
    });
  }

  /** The manager, with so many units, is lost: earlier joins are void, and this unit asks in its place. */
  beginInSlot(herd: number): void {
    const { alarms, now } = this.context;
    this.nonces = [];
    alarms.set('slot', now + this.slotMs(herd), () => this.begin());
  }

  /** Whoever has asked in vain for a while is told that somebody is there. */
  hurry(herd: number): void {
    const { alarms, now } = this.context;
    if (this.isInSlot()) return;
    this.backoffMs = joinBackoffMs.first;
    this.attempt = 0;
    alarms.set('slot', now + this.slotMs(herd), () => this.begin());
  }

  private slotMs(herd: number): number {
    if (herd <= 1) return 0;
    const { unit, outboxMs } = this.context.options;
    const window = Math.min((herd / admissionsPerSecond) * 1000, outboxMs / 2);
    return (textHash(unit).readUInt32BE(0) / 2 ** 32) * window;
  }

  /** It has what it sought: nothing is outstanding any more. */
  end(): void {
    this.nonces = [];
    this.backoffMs = joinBackoffMs.first;
    this.attempt = 0;
    for (const name of ['join', 'ring', 'slot']) this.context.alarms.clear(name);
  }
}
