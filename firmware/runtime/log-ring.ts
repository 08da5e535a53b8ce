/**
 * The last lines of a unit's log, in memory, so that anybody who may ask the unit can read what happened lately
 * without its disk or its terminal.
 *
 * Invariants: at most `entriesMax` entries of at most `textCharactersMax` each; entries are numbered from 1 without a
 * hole, so a reader notices what it has missed. `info` and above are kept whatever the log itself shows.
 */
import type { Clock } from '../base/clock.ts';
import type { Log, LogLevel } from './log.ts';

/** Most entries that are kept. */
export const entriesMax = 500;
/** Longest text of one entry; the rest is cut. */
const textCharactersMax = 1_000;

export interface LogEntry {
  /** counts from 1 in each run of the unit */
  readonly number: number;
  /** ms since 1970 in UTC, as far as the unit knew */
  readonly utcMs: number;
  readonly level: LogLevel;
  /** the message and its fields */
  readonly text: string;
}

export class LogRing {
  private readonly clock: Clock;
  /** the entry of number n lies at n modulo `entriesMax` */
  private readonly ring: LogEntry[] = [];
  private newest = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** A log that is kept here and passed on; `debug` entries are only kept when the log shows them. */
  keeping(log: Log, shows: { readonly debug: boolean }): Log {
    return (level, message, fields) => {
      if (level !== 'debug' || shows.debug) this.add(level, message, fields);
      log(level, message, fields);
    };
  }

  /** The last `lines` entries, oldest first. */
  last(lines: number): readonly LogEntry[] {
    const count = Math.max(0, Math.min(Math.floor(lines), this.newest, entriesMax));
    const entries: LogEntry[] = [];
    for (let number = this.newest - count + 1; number <= this.newest; number++) {
      const entry = this.ring[number % entriesMax];
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  private add(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    this.newest += 1;
    const whole = fields === undefined ? message : `${message} ${JSON.stringify(fields)}`;
    const text = whole.length > textCharactersMax ? `${whole.slice(0, textCharactersMax - 1)}…` : whole;
    this.ring[this.newest % entriesMax] = { number: this.newest, utcMs: this.clock.utcMs(), level, text };
  }
}
