/** Why a disk was not flashed: each reason has words of its own and an exit code that scripts may rely on. */

/** Append only. 0 to 7 are those of every command (done, failed, usage, not found, no access, …). */
export const refusalCodes = {
  'not-a-disk': 10,
  'system-disk': 11,
  mounted: 12,
  'too-small': 13,
  'card-lies': 14,
  'verification-failed': 15,
  'image-damaged': 16,
  'not-confirmed': 17,
  'write-failed': 18,
  'read-only': 19,
} as const;

export type RefusalKind = keyof typeof refusalCodes;

export class Refusal extends Error {
  readonly kind: RefusalKind;
  readonly advice: string;

  constructor(kind: RefusalKind, message: string, advice: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Refusal';
    this.kind = kind;
    this.advice = advice;
  }

  get exitCode(): number {
    return refusalCodes[this.kind];
  }
}
