/**
 * The log as the rest of the program sees it: a message, its level, and fields. Everything a stranger's packet can
 * cause is logged through `Refusals`, once per reason, so that garbage cannot fill a disk.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Distinct reasons that are counted by name; the rest are counted together. */
const reasonsMax = 64;

/** Counts what peers were refused for; logs the first of each reason. */
export class Refusals {
  private readonly counts = new Map<string, number>();
  private readonly log: Log;

  constructor(log: Log) {
    this.log = log;
  }

  refuse(reason: string, peer: string): void {
    const key = this.counts.has(reason) || this.counts.size < reasonsMax ? reason : 'other';
    const count = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, count);
    if (count === 1)
      this.log('warn', `refused: ${reason} (from ${peer}; counted from now on, not logged again)`);
  }

  /** Counts by reason. */
  snapshot(): Record<string, number> {
    return Object.fromEntries(this.counts);
  }
}
