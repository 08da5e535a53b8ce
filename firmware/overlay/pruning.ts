/**
 * Redundant links go, one at a time, under the exchange lock [0076][0077] (claims 8, 20). i–j is dropped only if,
 * while both are locked, both have more links than they want and share a live neighbor that keeps them connected. The
 * lower id of the two begins, so its lock is taken first; who is locked says BUSY; nobody waits while it holds.
 *
 * Why the witness w needs no lock: to drop i–w or w–j somebody would need the lock of i or of j. Why nothing is lost
 * when a reply is: until i knows what j did with its commit, it stays locked and j is no witness for anybody.
 */
import { lockLeaseMs, pruneMs } from './constants.ts';
import type { LinkId } from './effects.ts';
import { ExchangeLock } from './exchange-lock.ts';
import type { Neighbor } from './neighbor-table.ts';
import type { Neighborhood } from './neighborhood.ts';
import type { PacketBody } from './packets.ts';
import type { ServerContext } from './server-context.ts';

interface Attempt {
  readonly peer: string;
  readonly link: LinkId;
  /** of this server's own lock */
  readonly fence: number;
  /** of the peer's lock, once it was told to commit under it */
  committed: number | undefined;
}

export class Pruning {
  private readonly context: ServerContext;
  private readonly neighborhood: Neighborhood;
  private readonly lock = new ExchangeLock();
  private attempt: Attempt | undefined;

  constructor(context: ServerContext, neighborhood: Neighborhood) {
    this.context = context;
    this.neighborhood = neighborhood;
  }

  /** Who holds this server's lock, for tests and status displays. */
  holder(): { holder: string; until: number } | undefined {
    return this.lock.current(this.context.now);
  }

  /** Looks for redundant links soon, if there are more than wanted. */
  consider(): void {
    const { timers, now, neighbors, degree, random } = this.context;
    if (neighbors.size <= degree.target || timers.has('prune')) return;
    timers.set('prune', now + pruneMs * (1 + random.unit()), () => this.begin());
  }

  private begin(): void {
    const { context } = this;
    const candidate = context.leaving ? undefined : this.costliest();
    this.consider();
    if (candidate?.link === undefined || this.attempt !== undefined) return;
    const fence = this.lock.tryHold(context.now, context.self);
    if (fence === undefined) return;
    this.attempt = {
      peer: candidate.server,
      link: candidate.link,
      fence,
      committed: undefined,
    };
    this.say(candidate.link, { stage: 'lock', neighbors: this.witnesses() });
    context.timers.set('prune-wait', context.now + lockLeaseMs, () => this.tooLate());
  }

  /** The costliest link that this server may begin to drop: cost, load, id. */
  private costliest(): Neighbor | undefined {
    const { context } = this;
    const live = context.neighbors.live();
    const candidates = live.filter(({ server, costUs, card }) => {
      if (server < context.self || card === undefined || card.neighbors.length <= context.degree.target)
        return false;
      // Of some triangle it is the costliest side; a little slack, since the two ends measure at different times.
      return card.neighbors.some((far) => {
        const near = live.find((one) => one.server === far.server);
        return near !== undefined && Math.max(near.costUs, far.costUs) <= 1.25 * costUs + 1_000;
      });
    });
    candidates.sort(
      (a, b) =>
        b.costUs - a.costUs || (b.card?.load ?? 0) - (a.card?.load ?? 0) || (a.server < b.server ? 1 : -1),
    );
    return candidates[0];
  }

  /** Neighbors that may keep two servers connected: alive, and not about to be dropped. */
  private witnesses(): string[] {
    const uncertain = this.attempt?.committed === undefined ? undefined : this.attempt.peer;
    return this.context.neighbors
      .live()
      .map(({ server }) => server)
      .filter((server) => server !== uncertain);
  }

  private say(
    link: LinkId,
    parts: Partial<PacketBody<'ss-disconnection'>> & Pick<PacketBody<'ss-disconnection'>, 'stage'>,
  ): void {
    const body = { fence: 0, witness: undefined, neighbors: [], reason: '', ...parts };
    this.context.send(link, 'ss-disconnection', body);
  }

  /** The peer has not answered: the attempt is over, unless it has been told to commit. */
  private tooLate(): void {
    const { attempt } = this;
    if (attempt === undefined || attempt.committed !== undefined) return;
    this.lock.release(this.context.self, attempt.fence);
    this.attempt = undefined;
    this.consider();
  }

  received(link: LinkId, peer: string, body: PacketBody<'ss-disconnection'>): void {
    if (this.context.neighbors.get(peer)?.link !== link) return;
    if (body.stage === 'lock') return this.asked(link, peer);
    if (body.stage === 'commit') return this.commit(link, peer, body);
    if (body.stage === 'release') {
      this.lock.release(peer, body.fence);
      return;
    }
    const { attempt } = this;
    if (attempt?.peer !== peer || attempt.link !== link) return;
    if (body.stage === 'locked' && attempt.committed === undefined) return this.locked(attempt, body);
    // A cut holds answers up: one that is not of this fence answers an earlier question, not the commit.
    if (body.stage === 'busy' && body.fence === (attempt.committed ?? 0)) return this.over(attempt);
    if (body.stage === 'done') {
      this.over(attempt);
      this.context.story(`${peer}: the link is redundant, ${body.witness ?? '?'} connects both`);
      this.neighborhood.lose(peer, 'redundant');
    }
  }

  private asked(link: LinkId, peer: string): void {
    const fence = this.attempt === undefined ? this.lock.tryHold(this.context.now, peer) : undefined;
    if (fence === undefined) return this.say(link, { stage: 'busy' });
    this.say(link, { stage: 'locked', fence, neighbors: this.witnesses() });
  }

  /** Both are locked: is the link still redundant? */
  private locked(attempt: Attempt, { fence, neighbors }: PacketBody<'ss-disconnection'>): void {
    const { context } = this;
    const { target } = context.degree;
    const holds = this.lock.holds(context.now, context.self, attempt.fence);
    const witness = this.witnesses().find((server) => server !== attempt.peer && neighbors.includes(server));
    const enough = context.neighbors.live().length > target && neighbors.length > target;
    if (!holds || !enough || witness === undefined) {
      this.say(attempt.link, { stage: 'release', fence });
      return this.over(attempt);
    }
    attempt.committed = fence;
    this.say(attempt.link, { stage: 'commit', fence, witness });
  }

  private commit(link: LinkId, peer: string, { fence, witness }: PacketBody<'ss-disconnection'>): void {
    const { context } = this;
    const holds = this.lock.holds(context.now, peer, fence);
    const connected = witness !== undefined && this.witnesses().includes(witness);
    const enough = context.neighbors.live().length > context.degree.target;
    this.lock.release(peer, fence);
    if (!holds || !connected || !enough) return this.say(link, { stage: 'busy', fence });
    this.say(link, { stage: 'done', witness });
    context.story(`${peer}: the link is redundant, ${witness} connects both`);
    // The other end closes it when it has read this.
    this.neighborhood.demote(peer);
    this.consider();
  }

  private over(attempt: Attempt): void {
    this.context.timers.clear('prune-wait');
    this.lock.release(this.context.self, attempt.fence);
    this.attempt = undefined;
    this.consider();
  }

  /** The link is gone. True when that is what this server wanted, and no reason to suspect anybody. */
  closed(link: LinkId): boolean {
    const { attempt } = this;
    if (attempt?.link !== link) return false;
    this.over(attempt);
    return attempt.committed !== undefined;
  }

  /** The link was replaced: whatever the peer did with the commit, it is a neighbor again. */
  replaced(link: LinkId): void {
    if (this.attempt?.link === link) this.over(this.attempt);
  }

  /** A neighbor is one no longer, for whatever reason. */
  lost(server: string): void {
    if (this.attempt?.peer === server) this.over(this.attempt);
  }
}
