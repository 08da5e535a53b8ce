/**
 * Whether this machine's clock is set, which decides whose date a network goes by and whether anything is deleted for
 * its age. Pure.
 *
 * A board without a battery begins with some old date, or, where the system restores it, with the time at which the
 * power went: a date that looks right and may be weeks late. So without a battery a clock is believed when a time server
 * was heard; with one, unless it is behind what this unit itself has seen before.
 */
import type { Clock } from '../base/clock.ts';
import type { UnitConfig } from '../config/unit-config.ts';

/** No clock that is set shows a date before this program was written. Boards without a battery begin in 1970. */
export const writtenUtcMs = Date.UTC(2026, 10, 1);

/** Clocks are set back by so much every day. */
const slackMs = 120_000;

/** What is known of a clock besides what it shows. */
export interface ClockSigns {
  /** it goes on while the power is off */
  readonly battery: boolean;
  /** a time server has been heard since the machine was started */
  readonly synchronized: boolean;
  /**
   * the last time that was trusted in an earlier run; undefined when there is none. Not of this run: whoever sets the
   * clock back while it runs means it
   */
  readonly lastKnownUtcMs: number | undefined;
}

/** Of a machine that keeps its time, and of which no more is known. */
const ordinary: ClockSigns = { battery: true, synchronized: false, lastKnownUtcMs: undefined };

export interface ClockVerdict {
  readonly trusted: boolean;
  readonly why: string;
}

export function judgeClock(
  { trusted }: UnitConfig['clock'],
  utcMs: number,
  { battery, synchronized, lastKnownUtcMs = 0 }: ClockSigns,
): ClockVerdict {
  if (trusted !== 'auto') return { trusted: trusted === 'yes', why: `clock.trusted is ${trusted}` };
  if (utcMs < writtenUtcMs) return { trusted: false, why: 'it shows a date before this program was written' };
  if (synchronized) return { trusted: true, why: 'set by a time server' };
  if (utcMs < lastKnownUtcMs - slackMs)
    return { trusted: false, why: 'it shows an earlier time than this unit has seen before' };
  if (!battery) return { trusted: false, why: 'the board has no battery, and no time server was heard yet' };
  return { trusted: true, why: 'kept by its battery' };
}

/** Asked again each time: a clock is often set after the unit has started. */
export function clockTrust(
  config: UnitConfig['clock'],
  clock: Clock,
  signs: () => ClockSigns = () => ordinary,
): () => boolean {
  return () => judgeClock(config, clock.utcMs(), signs()).trusted;
}
