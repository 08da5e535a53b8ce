/**
 * What waits to be published in one session with a broker.
 *
 * Invariants: of each topic only the newest message waits, so a broker that is slow hears less, and never old news;
 * at most `inFlightMax` messages are unacknowledged; at most `topicsMax` topics and `bytesMax` bytes wait, and more
 * are not taken. A session that does not acknowledge for `answerMs` is given up.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { BrokerMessage, BrokerSession } from './broker.ts';

const inFlightMax = 8;
/** Some ten for each camera and server there can be. */
const topicsMax = 4_096;
const bytesMax = 16 * 1024 * 1024;
/** A broker that works acknowledges within milliseconds. */
const answerMs = 20_000;

export type PublishOutcome = 'published' | 'refused' | 'failed' | 'replaced' | 'dropped';

export interface OutgoingOptions {
  readonly session: Pick<BrokerSession, 'publish'>;
  readonly clock: Clock;
  /** A message was acknowledged, refused, or never sent because others were newer or too many waited. */
  readonly count: (outcome: PublishOutcome) => void;
  /** The broker does not take this topic, and says why. */
  readonly onRefused: (topic: string, reason: string) => void;
  /** the session is of no use any more */
  readonly onStuck: (reason: string) => void;
}

export class Outgoing {
  private readonly options: OutgoingOptions;
  /** by topic, those first that wait longest */
  private readonly waiting = new Map<string, BrokerMessage>();
  private waitingBytes = 0;
  private inFlight = 0;
  private closed = false;
  private readonly cancels = new Set<() => void>();
  private idle: (() => void) | undefined;

  constructor(options: OutgoingOptions) {
    this.options = options;
  }

  /** False when it was not taken, because too much waits. */
  put(message: BrokerMessage): boolean {
    if (this.closed) return false;
    if (this.take(message.topic) !== undefined) this.options.count('replaced');
    if (this.waiting.size >= topicsMax || this.waitingBytes + sizeOf(message) > bytesMax) {
      this.options.count('dropped');
      return false;
    }
    this.waiting.set(message.topic, message);
    this.waitingBytes += sizeOf(message);
    this.pump();
    return true;
  }

  /** Resolves when nothing waits or is under way, or the queue was closed. */
  drained(): Promise<void> {
    if (this.isIdle()) return Promise.resolve();
    return new Promise((resolve) => {
      this.idle = resolve;
    });
  }

  /** Drops everything. */
  close(): void {
    this.closed = true;
    this.waiting.clear();
    this.waitingBytes = 0;
    for (const cancel of this.cancels) cancel();
    this.cancels.clear();
    this.idle?.();
  }

  private isIdle(): boolean {
    return this.closed || (this.inFlight === 0 && this.waiting.size === 0);
  }

  private take(topic: string): BrokerMessage | undefined {
    const message = this.waiting.get(topic);
    if (message === undefined) return undefined;
    this.waiting.delete(topic);
    this.waitingBytes -= sizeOf(message);
    return message;
  }

  private pump(): void {
    for (const topic of this.waiting.keys()) {
      if (this.inFlight >= inFlightMax) return;
      const message = this.take(topic);
      if (message !== undefined) this.send(message);
    }
  }

  private send(message: BrokerMessage): void {
    const { session, clock, count, onRefused, onStuck } = this.options;
    this.inFlight += 1;
    const cancel = clock.after(answerMs, () => onStuck(`no acknowledgement for ${answerMs / 1000} s`));
    this.cancels.add(cancel);
    const settle = (outcome: PublishOutcome): void => {
      cancel();
      this.cancels.delete(cancel);
      this.inFlight -= 1;
      count(outcome);
      if (!this.closed && outcome !== 'failed') this.pump();
      if (this.isIdle()) this.idle?.();
    };
    session.publish(message).then(
      (refusal) => {
        if (refusal !== undefined) onRefused(message.topic, refusal);
        settle(refusal === undefined ? 'published' : 'refused');
      },
      (error: unknown) => {
        settle('failed');
        // What waits goes with the session.
        this.close();
        onStuck(messageOf(error));
      },
    );
  }
}

function sizeOf({ topic, payload }: BrokerMessage): number {
  return topic.length + payload.length;
}
