/**
 * Joins that this server is willing to answer, until it dials. Dialling waits a little, the longer the more loaded
 * the server is, so that the earliest responder [0053] is naturally the best placed.
 *
 * Invariants: bounded; one pending answer per joiner, the newest join's.
 */
import { answerDelayMs, pendingAnswersMax } from './constants.ts';
import type { Peer, Random } from './effects.ts';
import type { Address } from './packets.ts';

export interface Answer {
  readonly joiner: Peer;
  readonly address: Address;
  readonly nonce: Buffer;
  readonly dueAt: number;
}

export class PendingAnswers {
  private readonly answers = new Map<string, Answer>();
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** `load` is the share of the capacity in use, 0 to 1. False when too many joins wait already. */
  add(now: number, join: Omit<Answer, 'dueAt'>, load: number): boolean {
    if (this.answers.size >= pendingAnswersMax && !this.answers.has(join.joiner.unit)) return false;
    const delay = answerDelayMs.base + load * answerDelayMs.load + this.random.unit() * answerDelayMs.jitter;
    // A joiner that asks again has waited already.
    const dueAt = Math.min(
      now + delay,
      this.answers.get(join.joiner.unit)?.dueAt ?? Number.POSITIVE_INFINITY,
    );
    this.answers.set(join.joiner.unit, { ...join, dueAt });
    return true;
  }

  /** Takes out those whose time has come. */
  due(now: number): Answer[] {
    const due = [...this.answers.values()].filter((answer) => answer.dueAt <= now);
    for (const answer of due) this.answers.delete(answer.joiner.unit);
    return due;
  }

  wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const answer of this.answers.values()) at = Math.min(at, answer.dueAt);
    return at;
  }
}
