/**
 * Byte ranges and conditional requests (RFC 9110 §13, §14) for one representation of known length and strong ETag.
 *
 * Invariant: several ranges, and everything malformed, are answered with the whole, as §14.2 allows.
 */

/** Which bytes to send: `whole` is 200, `part` is 206, `none` is 416. Bytes [start, end). */
export type RangeChoice =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'none' };

const singleRange = /^bytes=\s*(?:(\d{1,16})-(\d{1,16})?|-(\d{1,16}))\s*$/i;

/** Chooses by the headers `range` and `if-range`; `length` is that of the representation. */
export function chooseRange(
  headers: { range: string | undefined; ifRange: string | undefined },
  length: number,
  etag: string,
): RangeChoice {
  const match = headers.range === undefined ? null : singleRange.exec(headers.range);
  if (match === null || (headers.ifRange !== undefined && headers.ifRange !== etag)) return { kind: 'whole' };
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const start = Math.max(0, length - Number(suffix));
    return start === length ? { kind: 'none' } : { kind: 'part', start, end: length };
  }
  const start = Number(first);
  const end = last === undefined ? length : Math.min(length, Number(last) + 1);
  if (last !== undefined && Number(last) < start) return { kind: 'whole' };
  return start >= length ? { kind: 'none' } : { kind: 'part', start, end };
}

/** Whether an `if-none-match` header names this ETag; the comparison is the weak one (§13.1.2). */
export function matchesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => {
    const trimmed = tag.trim();
    return trimmed === '*' || trimmed.replace(/^W\//, '') === etag;
  });
}
