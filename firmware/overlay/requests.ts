/**
 * Requests that wait for a reply: every one is answered by whom it was sent to, or times out. Numbers are u32, not 0,
 * and begin anywhere.
 */
import type { Random } from './effects.ts';
import type { Timers } from './timers.ts';

interface Waiting<R> {
  readonly from: string;
  readonly done: (reply: R | undefined) => void;
}

export class Requests<R> {
  private readonly waiting = new Map<number, Waiting<R>>();
  private readonly timers: Timers;
  private readonly name: string;
  private last: number;

  /** `name` tells this kind's alarms apart. */
  constructor(parts: { readonly timers: Timers; readonly random: Random }, name: string) {
    this.timers = parts.timers;
    this.name = name;
    this.last = Math.floor(parts.random.unit() * 0x4000_0000);
  }

  /** Opens a request to `from`; `done` is called once, with its reply or, at `until`, with undefined. */
  open(until: number, from: string, done: (reply: R | undefined) => void): number {
    this.last = this.last >= 0x7fff_fff0 ? 1 : this.last + 1;
    const request = this.last;
    this.waiting.set(request, { from, done });
    this.timers.set(`${this.name}:${request}`, until, () => this.settle(request, from, undefined));
    return request;
  }

  /** Whether it still waits. */
  has(request: number): boolean {
    return this.waiting.has(request);
  }

  /** A reply of `from` came; false when nobody waits for it, or not from there. */
  settle(request: number, from: string, reply: R | undefined): boolean {
    const waiting = this.waiting.get(request);
    if (waiting?.from !== from) return false;
    this.waiting.delete(request);
    this.timers.clear(`${this.name}:${request}`);
    waiting.done(reply);
    return true;
  }
}
