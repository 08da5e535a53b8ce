/**
 * Hybrid logical clock: time stamps that follow UTC where clocks are set, and still order events where they are not.
 * They are join times [0034], the founding times of networks, and the times of rows of the site document.
 *
 * Invariants: readings of one clock rise strictly, are at least the local UTC, and are above every reading that was
 * believed before; whatever is heard or read, a reading fits its field on the wire. ms since 1970.
 */
import { clockAheadMs } from './constants.ts';
import type { HlcTime } from './packets.ts';

/** Before every reading. */
export const zeroHlc: HlcTime = { ms: 0, count: 0 };

const countMax = 0xffff;

/**
 * Readings above are never believed, not even by a clock that was not set: the year 2255, where µs no longer fit into
 * 53 bits. What lies between here and the end of the field is room for counting on.
 */
const believableMsMax = Math.floor(Number.MAX_SAFE_INTEGER / 1_000);

/** Negative when `a` is earlier, 0 when they are equal: a total order. */
export function compareHlc(a: HlcTime, b: HlcTime): number {
  return a.ms - b.ms || a.count - b.count;
}

/** The next reading after `time`. */
export function afterHlc({ ms, count }: HlcTime): HlcTime {
  return count < countMax ? { ms, count: count + 1 } : { ms: ms + 1, count: 0 };
}

/** Whether a clock could have read this: what is above came from no clock, and there might be no reading after it. */
export function isBelievable(time: HlcTime): boolean {
  return time.ms <= believableMsMax;
}

export class HybridClock {
  private readonly utcUs: () => number;
  private readonly trusted: () => boolean;
  private last = zeroHlc;

  /** `utcUs` reads the local clock; `trusted` tells whether that clock was set. */
  constructor(utcUs: () => number, trusted: () => boolean) {
    this.utcUs = utcUs;
    this.trusted = trusted;
  }

  /** A reading above all earlier ones. */
  now(): HlcTime {
    const localMs = this.localMs();
    this.last = localMs > this.last.ms ? { ms: localMs, count: 0 } : afterHlc(this.last);
    return this.last;
  }

  /**
   * Later readings will be above `time`. False when it is not believed and changes nothing: further than
   * `clockAheadMs` ahead of a local clock that was set. A clock that was not set follows whatever it hears.
   */
  observe(time: HlcTime): boolean {
    if (!isBelievable(time)) return false;
    if (this.trusted() && time.ms > this.localMs() + clockAheadMs) return false;
    if (compareHlc(time, this.last) > 0) this.last = time;
    return true;
  }

  private localMs(): number {
    return Math.min(Math.floor(this.utcUs() / 1_000), believableMsMax);
  }
}
