/**
 * Leaving in good order: the anycast address goes down first, then the cameras are handed over, then their histories,
 * then the neighbors are told, who connect each other as after a death but suspect nobody.
 *
 * Invariant: it ends, after `leaveMs` at the latest, with the effect `left`.
 */
import type { Exchange } from './exchange.ts';
import type { HistoryHandover } from './history-handover.ts';
import type { ServedCameras } from './served-cameras.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerJoins } from './server-joins.ts';
import type { Transfer } from './transfer.ts';

export interface LeavingParts {
  readonly exchange: Exchange;
  readonly handover: HistoryHandover;
  readonly served: ServedCameras;
  readonly joins: ServerJoins;
  readonly transfer: Transfer;
}

export class Leaving {
  private readonly context: ServerContext;
  private readonly parts: LeavingParts;
  private stage: 'no' | 'cameras' | 'neighbors' | 'done' = 'no';
  private waiting = new Set<string>();
  /** managed here when it began */
  private cameras: readonly string[] = [];

  constructor(context: ServerContext, parts: LeavingParts) {
    this.context = context;
    this.parts = parts;
  }

  begin(): void {
    const { context, parts } = this;
    if (this.stage !== 'no') return;
    this.stage = 'cameras';
    this.cameras = this.parts.served.attached().flatMap(({ cameras }) => cameras);
    context.leaving = true;
    context.story(`${context.self} leaves`);
    parts.joins.leave();
    parts.transfer.leave();
    const { leaveMs } = context.profile;
    context.timers.set('leave-rest', context.now + leaveMs / 2, () => parts.transfer.leaveRest());
    context.timers.set('leave-last', context.now + (3 * leaveMs) / 4, () => this.tellNeighbors());
    context.timers.set('leave-end', context.now + leaveMs, () => this.finish());
    this.proceed();
  }

  /** Looks whether the present stage is over. */
  proceed(): void {
    const { context, parts } = this;
    if (this.stage === 'neighbors' && this.waiting.size === 0) return this.finish();
    if (this.stage !== 'cameras' || parts.served.attached().length > 0) return;
    // A camera is seen elsewhere a little after it went; its new manager wants its history.
    if (!parts.handover.hasHandedOver(this.cameras)) {
      context.timers.set('leave-next', context.now + 50, () => this.proceed());
      return;
    }
    this.tellNeighbors();
  }

  private tellNeighbors(): void {
    const { context } = this;
    if (this.stage !== 'cameras') return;
    this.stage = 'neighbors';
    this.parts.exchange.sayGone();
    const others = context.neighbors.ids();
    for (const { server, link } of context.neighbors.live()) {
      if (link === undefined) continue;
      this.waiting.add(server);
      const body = { stage: 'leave' as const, fence: 0, witness: undefined, neighbors: others, reason: '' };
      context.send(link, 'ss-disconnection', body);
    }
    this.proceed();
  }

  /** A neighbor has heard it, or is gone. */
  released(server: string): void {
    if (this.waiting.delete(server)) this.proceed();
  }

  private finish(): void {
    const { context } = this;
    if (this.stage === 'done') return;
    this.stage = 'done';
    for (const name of context.timers.names()) context.timers.clear(name);
    context.story(`${context.self} has left`);
    context.emit({ type: 'left' });
  }
}
