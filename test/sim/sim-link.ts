/**
 * A simulated connection between two units, as `io/tls-link.ts` offers it: two flows, and an end for each program.
 * When a program ends, its machine tells the peer (if it is still on); data for a program that is gone is answered
 * with a reset; a machine that is off answers nothing.
 */
import type { FrameParts } from '../../firmware/base/frames.ts';
import type { Peer } from '../../firmware/overlay/effects.ts';
import type { FrameLink, LinkHandlers } from '../../firmware/overlay/surroundings.ts';
import { Flow, type Item, type Sink } from './flow.ts';
import type { Life, Timeline } from './life.ts';
import type { Paths } from './paths.ts';

/** A unit, as its links see it. */
export interface Host {
  readonly id: string;
  readonly role: 'camera' | 'server';
  /** the machine runs; its program may not */
  readonly isOn: boolean;
  /** old firmware skips packets from this number on; undefined: none */
  readonly skipsFrom: number | undefined;
  /** newer firmware says something unknown first */
  readonly speaksUnknown: boolean;
}

/** What the world wants to know of links. */
export interface LinkWatcher {
  sent(end: SimLinkEnd, kind: number, body: Buffer): void;
  received(end: SimLinkEnd, kind: number, body: Buffer): void;
}

const lingerMs = 1_000;
/** A packet number that nobody here knows. */
const unknownKind = 200;

export interface LinkOptions {
  readonly timeline: Timeline;
  readonly paths: Paths;
  readonly watcher: LinkWatcher;
  readonly dialler: { readonly host: Host; readonly life: Life };
  readonly acceptor: { readonly host: Host; readonly life: Life };
}

/** Makes a connection; the dialler's end first. */
export function connectEnds(options: LinkOptions): [SimLinkEnd, SimLinkEnd] {
  const near = new SimLinkEnd(options, options.dialler, options.acceptor.host);
  const far = new SimLinkEnd(options, options.acceptor, options.dialler.host);
  near.join(far);
  far.join(near);
  return [near, far];
}

export class SimLinkEnd implements FrameLink, Sink {
  readonly peer: Peer;
  readonly host: Host;
  readonly life: Life;
  private readonly options: LinkOptions;
  private handlers: LinkHandlers | undefined;
  private flow: Flow | undefined;
  private other: SimLinkEnd | undefined;
  private early: (() => void)[] = [];
  private held = false;
  private reason: string | undefined;
  private ending = false;
  private done = false;
  /** the machine has forgotten the connection */
  private gone = false;

  constructor(options: LinkOptions, own: { readonly host: Host; readonly life: Life }, peer: Host) {
    this.options = options;
    this.host = own.host;
    this.life = own.life;
    this.peer = { unit: peer.id, role: peer.role };
  }

  join(other: SimLinkEnd): void {
    const { timeline, paths } = this.options;
    const ends = [this.host.id, other.host.id] as const;
    this.other = other;
    this.flow = new Flow({
      timeline,
      paths,
      ends,
      sink: other,
      onTimeout: () => this.fail('read ETIMEDOUT'),
    });
  }

  get isOpen(): boolean {
    return !this.done && !this.gone && this.life.alive;
  }

  get answers(): boolean {
    return this.host.isOn;
  }

  open(handlers: LinkHandlers): void {
    this.handlers = handlers;
    if (this.host.speaksUnknown) this.send(unknownKind, [Buffer.from('from the future')]);
    this.flushSoon();
  }

  send(kind: number, parts: readonly Uint8Array[]): boolean {
    if (this.done || this.ending || this.gone || !this.life.alive) return false;
    const body = parts.length === 1 ? Buffer.from(parts[0] as Uint8Array) : Buffer.concat(parts);
    this.flow?.push({ kind, body });
    this.options.watcher.sent(this, kind, body);
    return true;
  }

  pause(): void {
    this.held = true;
  }

  resume(): void {
    this.held = false;
    this.flushSoon();
  }

  close(reason: string): void {
    if (!this.life.alive || this.done) return;
    this.hangUp('closed by the peer');
    this.finish(reason);
  }

  end(reason: string): Promise<void> {
    if (!this.life.alive || this.done) return Promise.resolve();
    this.reason ??= reason;
    this.ending = true;
    this.flow?.push({ end: 'closed by the peer' });
    const { timeline } = this.options;
    timeline.heap.plan(timeline.now + lingerMs, () => this.life.run(() => this.finish(reason)));
    return Promise.resolve();
  }

  /** The program has ended, its machine goes on: it closes what the program left open. */
  programEnded(): void {
    if (!this.gone) this.hangUp('read ECONNRESET');
  }

  /** The path forgets the connection and tells nobody. */
  silence(): void {
    if (this.flow !== undefined) this.flow.silent = true;
    if (this.other?.flow !== undefined) this.other.flow.silent = true;
  }

  /** Something on the way resets the connection at both ends. */
  reset(): void {
    this.fail('read ECONNRESET');
    this.other?.fail('read ECONNRESET');
  }

  arrive(item: Item): void {
    if (!this.host.isOn) {
      this.other?.flow?.stall();
    } else if (!this.life.alive || this.gone) {
      if (this.other?.gone === false) this.answerReset();
    } else if ('end' in item) {
      this.hangUp('closed by the peer');
      this.whenRead(() => this.finish(this.reason ?? item.end));
    } else {
      this.whenRead(() => this.frame(item.kind, item.body));
    }
  }

  private frame(kind: number, body: Buffer): void {
    if (this.done || (this.host.skipsFrom !== undefined && kind >= this.host.skipsFrom)) return;
    const parts: FrameParts = body.length === 0 ? [] : [body];
    this.handlers?.frame(kind, parts);
    this.options.watcher.received(this, kind, body);
  }

  /** The machine, not the program: nobody here knows this connection. */
  private answerReset(): void {
    const { other } = this;
    if (other === undefined) return;
    const { timeline, paths } = this.options;
    const path = paths.between(this.host.id, other.host.id);
    if (path.cuts > 0) return other.flow?.stall();
    timeline.heap.plan(timeline.now + path.latencyMs, () => other.fail('read ECONNRESET'));
  }

  private hangUp(how: 'closed by the peer' | 'read ECONNRESET'): void {
    if (this.gone) return;
    this.gone = true;
    this.flow?.push({ end: how });
  }

  private fail(reason: string): void {
    if (this.gone && this.done) return;
    this.gone = true;
    this.flow?.drop();
    this.life.run(() => this.finish(reason));
  }

  /** The program reads in order, and only while it wants to. */
  private whenRead(task: () => void): void {
    this.life.run(() => {
      if (this.handlers === undefined || this.held || this.early.length > 0) this.early.push(task);
      else task();
    });
  }

  /** Never within the call: the owner first does what it does with a new link. */
  private flushSoon(): void {
    const { timeline } = this.options;
    if (this.early.length > 0) timeline.heap.plan(timeline.now, () => this.life.run(() => this.flush()));
  }

  private flush(): void {
    if (this.handlers === undefined) return;
    while (!this.held && this.early.length > 0) this.early.shift()?.();
  }

  private finish(reason: string): void {
    if (this.done) return;
    this.done = true;
    this.handlers?.closed(this.reason ?? reason);
  }
}
