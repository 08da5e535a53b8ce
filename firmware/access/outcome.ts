/** What comes of something that a person asked for: done, or why not, with the HTTP status that says it. */

export interface Refused {
  readonly ok: false;
  readonly status: 400 | 401 | 403 | 404 | 409 | 412 | 429 | 503;
  readonly error: string;
  readonly advice: string;
  /** when to try again */
  readonly retryAfterSeconds?: number;
}

export type Outcome<T> = { readonly ok: true; readonly value: T } | Refused;

export function done<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

export function refused(
  status: Refused['status'],
  error: string,
  advice: string,
  retryAfterSeconds?: number,
): Refused {
  return {
    ok: false,
    status,
    error,
    advice,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

export const documentFull = refused(
  503,
  'the site cannot write this down now',
  'Try again in a moment; if it stays so, its document is full: remove what is not needed.',
  2,
);

export const tooBusy = refused(503, 'too many people sign in just now', 'Try again in a moment.', 2);
