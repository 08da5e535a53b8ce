/**
 * Time as everything outside `io` sees it, so that services run unchanged in virtual time.
 *
 * Invariants: `monotonicMs` never goes back and counts from an arbitrary start; `utcMs` may step when the machine's
 * clock is set. Durations are measured with the former, dates come from the latter. All in milliseconds.
 */

/** A clock and a timer. */
export interface Clock {
  /** Milliseconds since 1970 in UTC, as far as this machine knows. */
  utcMs(): number;
  /** Milliseconds since an arbitrary start, with fractions. */
  monotonicMs(): number;
  /** Runs `task` once, no earlier than `delayMs` from now and never within this call. Call the result to cancel. */
  after(delayMs: number, task: () => void): () => void;
}
