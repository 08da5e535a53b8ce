/**
 * Tells the system's service manager how the unit does (sd_notify(3)): that it still starts, that it is ready once it
 * has joined the network, what it is doing, and that it is alive, which it says only while its work goes on.
 *
 * Invariants: one message on its way at a time; without a service manager nothing happens; a message that does not
 * arrive is lost, and the next one says it again.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { Log } from './log.ts';

/** A unit without a network is ready after this: it does what it can, and says so. */
const joinMs = 45_000;
/** Between two signs of life; a third of the watchdog's time when that is less. */
const turnMsMax = 10_000;
/** A start that goes on (recovery of many recordings) asks for so much more each time, and for an hour at most. */
const extendMs = 45_000;
const startMsMax = 3_600_000;
const statusMax = 200;

/** The service manager, where there is one. */
export interface ServiceManager {
  /** of its watchdog; undefined when it has none */
  readonly watchdogMs: number | undefined;
  /** Assignments such as `READY=1`. Rejects when they cannot be told. */
  readonly notify: (assignments: readonly string[]) => Promise<void>;
}

export interface ServiceState {
  readonly joined: boolean;
  /** one line for people */
  readonly status: string;
  /** the unit's work goes on, or there is none */
  readonly working: boolean;
}

export interface ServiceNoticeOptions {
  readonly manager: ServiceManager | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class ServiceNotice implements AsyncDisposable {
  private readonly options: ServiceNoticeOptions;
  private readonly turnMs: number;
  private readonly beganMs: number;
  private state: (() => ServiceState) | undefined;
  private startedMs = 0;
  private ready = false;
  private lastStatus = '';
  private wasStuck = false;
  private problem = '';
  private cancel = (): void => undefined;
  private sending: Promise<void> | undefined;
  private waits = false;
  private stopped = false;

  /** Says at once that the unit starts. */
  constructor(options: ServiceNoticeOptions) {
    this.options = options;
    this.turnMs = Math.min(turnMsMax, (options.manager?.watchdogMs ?? Number.POSITIVE_INFINITY) / 3);
    this.beganMs = options.clock.monotonicMs();
    if (options.manager !== undefined) this.turn();
  }

  /** The unit runs; from now on `state` says how it does. */
  started(state: () => ServiceState): void {
    this.state = state;
    this.startedMs = this.options.clock.monotonicMs();
    this.now();
  }

  /** Something has changed, such as that it has joined: tells it now and not at the next turn. */
  now(): void {
    if (this.options.manager === undefined || this.stopped) return;
    this.cancel();
    this.turn();
  }

  /** The unit stops; nothing but that is told any more. */
  stopping(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.cancel();
    if (this.options.manager !== undefined) this.send(['STOPPING=1', 'STATUS=stops']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping();
    await this.sending;
  }

  private turn(): void {
    this.cancel = this.options.clock.after(this.turnMs, () => this.turn());
    // A machine that is very busy: what is to be said is said when the message before has arrived.
    this.waits = this.sending !== undefined;
    if (this.waits) return;
    const assignments = this.assignments();
    if (assignments.length > 0) this.send(assignments);
  }

  private assignments(): string[] {
    const nowMs = this.options.clock.monotonicMs();
    if (this.state === undefined) {
      if (nowMs - this.beganMs > startMsMax) return [];
      return [`EXTEND_TIMEOUT_USEC=${(extendMs + this.turnMs) * 1000}`, ...this.statusOf('starts')];
    }
    const { joined, status, working } = this.state();
    const said: string[] = [];
    if (!this.ready && (joined || nowMs - this.startedMs >= joinMs)) said.push('READY=1');
    else if (!this.ready) said.push(`EXTEND_TIMEOUT_USEC=${(extendMs + this.turnMs) * 1000}`);
    if (said[0] === 'READY=1') this.ready = true;
    if (working && this.options.manager?.watchdogMs !== undefined) said.push('WATCHDOG=1');
    if (!working && !this.wasStuck) this.options.log('error', `the watchdog is not fed: ${status}`);
    this.wasStuck = !working;
    return [...said, ...this.statusOf(status)];
  }

  private statusOf(text: string): string[] {
    const status = text.replace(/\p{Cc}/gu, ' ').slice(0, statusMax);
    if (status === this.lastStatus) return [];
    this.lastStatus = status;
    return [`STATUS=${status}`];
  }

  private send(assignments: readonly string[]): void {
    const { manager, log } = this.options;
    if (manager === undefined) return;
    const before = this.sending;
    const sending = (async (): Promise<void> => {
      await before;
      try {
        await manager.notify(assignments);
        this.problem = '';
      } catch (error) {
        const problem = messageOf(error);
        if (problem !== this.problem) log('warn', `the service manager cannot be told anything: ${problem}`);
        this.problem = problem;
        this.lastStatus = '';
        if (assignments.includes('READY=1')) this.ready = false;
      }
    })();
    this.sending = sending;
    void sending.then(() => {
      if (this.sending !== sending) return;
      this.sending = undefined;
      if (this.waits && !this.stopped) this.now();
    });
  }
}
