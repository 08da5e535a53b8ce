/**
 * Keeps what is known of this machine's clock: whether a time server was heard, and the last time that was trusted,
 * which outlives a power cut in the data folder.
 *
 * Invariants: a time is kept only while it is trusted; a file that cannot be read or written changes nothing but that
 * less is known.
 */
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/failure.ts';
import type { Finding } from '../boxcare/findings.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import type { Log } from '../runtime/log.ts';
import type { DisksAnswer } from '../viewing/api.ts';
import { type ClockSigns, type ClockVerdict, judgeClock } from './clock-trust.ts';

/** How often a time server is looked for until one was heard: while the clock is not trusted, at first and later; else. */
const askMs = { first: 2_000, later: 30_000, trusted: 300_000 };
const firstMs = 120_000;
const settleMs = 500;
/** A power cut makes the kept time so much older. */
const keepMs = 300_000;

export interface ClockCareOptions {
  readonly config: UnitConfig['clock'];
  readonly clock: Clock;
  readonly log: Log;
  /** the clock goes on while the power is off */
  readonly battery: boolean;
  /** whether a time server was heard since the machine was started */
  readonly synchronized: () => Promise<boolean>;
  /** ms UTC; undefined when none was kept */
  readonly readLast: () => Promise<number | undefined>;
  readonly keepLast: (utcMs: number) => Promise<void>;
}

export class ClockCare implements AsyncDisposable {
  private readonly options: ClockCareOptions;
  private signs: ClockSigns;
  private busy: Promise<void> = Promise.resolve();
  private keptUtcMs: number | undefined;
  private keptAtMs = Number.NEGATIVE_INFINITY;
  private cancel = (): void => undefined;
  private readonly openedMs: number;
  private stopped = false;
  private told: boolean | undefined;
  private problem = false;

  private constructor(options: ClockCareOptions, lastKnownUtcMs: number | undefined) {
    this.options = options;
    this.openedMs = options.clock.monotonicMs();
    this.signs = { battery: options.battery, synchronized: false, lastKnownUtcMs };
  }

  /** Knows the last time, and whether a time server was heard already. */
  static async open(options: ClockCareOptions): Promise<ClockCare> {
    const last = await options.readLast().catch(() => undefined);
    const care = new ClockCare(options, last);
    // A unit whose clock is well starts without asking anybody.
    if (!care.trusted()) await care.ask();
    await care.turn();
    care.repeat();
    return care;
  }

  /** When the run before this one is last known to have lived, ms UTC; undefined when nobody knows. */
  get livedUtcMs(): number | undefined {
    return this.signs.lastKnownUtcMs;
  }

  readonly trusted = (): boolean => this.verdict().trusted;

  verdict(): ClockVerdict {
    return judgeClock(this.options.config, this.options.clock.utcMs(), this.signs);
  }

  /**
   * Resolves when the clock is trusted, or after `waitMs`. Only a board without a battery is waited for: its date is
   * wrong after every power cut, and right as soon as a time server answers.
   */
  async settled(waitMs: number): Promise<void> {
    const { clock, config, battery, log } = this.options;
    if (this.trusted() || battery || config.trusted !== 'auto') return;
    const untilMs = clock.monotonicMs() + waitMs;
    log('info', `waits for a time server, ${waitMs / 1000} s at most: cameras keep what they see meanwhile`);
    while (!this.trusted() && !this.stopped && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => void clock.after(settleMs, resolve));
    }
  }

  /** For the report about the machine. */
  facts(): { clock: DisksAnswer['clock']; findings: Finding[] } {
    const { trusted, why } = this.verdict();
    const { battery } = this.signs;
    const lastKnownUtcMs = this.keptUtcMs ?? this.signs.lastKnownUtcMs;
    const now = new Date(this.options.clock.utcMs()).toISOString();
    const lastKnown = lastKnownUtcMs === undefined ? null : new Date(lastKnownUtcMs).toISOString();
    const next =
      'Let the machine reach a time server (see chrony.conf), or set its clock by hand and say `clock: { trusted: yes }` in unit.yaml. Until then nothing is deleted for its age.';
    return {
      clock: { now, trusted, why, battery, lastKnown },
      findings: trusted ? [] : [{ verdict: 'WARN', about: 'clock', text: why, next }],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopped = true;
    this.cancel();
    await this.busy;
    if (this.trusted()) await this.keep();
  }

  private repeat(): void {
    if (this.stopped) return;
    const { clock } = this.options;
    const first = clock.monotonicMs() < this.openedMs + firstMs;
    const ms = this.trusted() ? askMs.trusted : first ? askMs.first : askMs.later;
    this.cancel = clock.after(ms, () => {
      this.busy = this.ask()
        .then(() => this.turn())
        .finally(() => this.repeat());
    });
  }

  /** Heard once is enough: until the next start the crystal keeps the time well enough. */
  private async ask(): Promise<void> {
    if (this.signs.synchronized || this.options.config.trusted !== 'auto') return;
    const synchronized = await this.options.synchronized().catch(() => false);
    if (synchronized) this.signs = { ...this.signs, synchronized };
  }

  private async turn(): Promise<void> {
    const { clock, log } = this.options;
    const { trusted, why } = this.verdict();
    if (trusted !== this.told) {
      if (!trusted) log('warn', `the clock is not trusted: ${why}`);
      else if (this.told === false) log('info', `the clock is trusted now: ${why}`);
      this.told = trusted;
    }
    if (trusted && clock.monotonicMs() >= this.keptAtMs + keepMs) await this.keep();
  }

  private async keep(): Promise<void> {
    const { clock, keepLast, log } = this.options;
    const utcMs = clock.utcMs();
    this.keptAtMs = clock.monotonicMs();
    this.keptUtcMs = utcMs;
    try {
      await keepLast(utcMs);
      this.problem = false;
    } catch (error) {
      if (!this.problem) log('warn', `the time is not kept for the next start: ${messageOf(error)}`);
      this.problem = true;
    }
  }
}
