/**
 * Failure: the environment's fault (a disk, a port, a file, another program), never the peer's and never a bug.
 * Every failure names what a person can do about it.
 */

/** The closed list of failure codes; append only, because scripts match on them. */
export type FailureCode =
  | 'CONFIG_INVALID'
  | 'FILE_MISSING'
  | 'FILE_IO'
  | 'PORT_IN_USE'
  | 'SITE_INVALID'
  | 'SITE_EXISTS'
  | 'SOURCE_FAILED'
  | 'CAPTURE_DIED'
  | 'LINK_BROKEN'
  | 'INDEX_DAMAGED'
  | 'UNREACHABLE'
  | 'NOT_FOUND'
  | 'PARTIAL'
  | 'USAGE'
  | 'ACCESS_DENIED'
  | 'SERVER_FAILED'
  | 'DISK_FULL'
  | 'PROBLEMS_FOUND'
  | 'BUSY'
  | 'FILE_REFUSED';

/** An environment failure: `message` says what happened, `advice` what to do about it. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly advice: string;

  constructor(code: FailureCode, message: string, options: { advice: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Failure';
    this.code = code;
    this.advice = options.advice;
  }
}

/** The text of anything that was thrown, for a log line. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
