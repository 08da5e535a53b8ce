/**
 * What a parser returns: hostile bytes are ordinary, so decoding yields a value or a reason and never throws.
 */

/** A decoded value, or why the bytes were refused. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** Wraps a good value. */
export function accept<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Refuses, with a short reason that is fit for a log line and a counter. */
export function reject<T = never>(reason: string): Result<T> {
  return { ok: false, reason };
}
