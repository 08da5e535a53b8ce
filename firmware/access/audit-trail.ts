/**
 * What is written down about people: who signed in or failed to, watched, exported, steered, changed or deleted
 * something. Entries are bytes of bounded length; what a person made up (names of users that do not exist) is cut.
 */
import { type Codec, decode, encode, oneOf, optional, shortText, struct } from '../base/codec.ts';
import { shortId } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import type { Principal } from './principal.ts';

/** Append only: the place is the number in the row. */
export const auditActions = [
  'sign-in',
  'sign-in-failed',
  'sign-out',
  'watch',
  'snapshot',
  'export',
  'steer',
  'change',
  'protect',
  'delete',
] as const;
export type AuditAction = (typeof auditActions)[number];

export interface AuditEntry {
  /** ms UTC; no two of a server are equal */
  readonly atMs: number;
  /** name of a user, `token:ID`, `server:ID`, or `everybody` */
  readonly user: string;
  readonly action: AuditAction;
  readonly camera: string | undefined;
  readonly detail: string;
  /** IP address */
  readonly from: string;
}

/** What there is to say about something done. */
export interface AuditNote {
  readonly camera?: string | undefined;
  readonly detail?: string;
}

/** Where routes note what was done. Noting never fails and never waits. */
export interface AuditTrail {
  note(principal: Principal, action: AuditAction, note?: AuditNote): void;
}

const bytesMax = { user: 100, detail: 200, from: 64 } as const;

const value: Codec<Omit<AuditEntry, 'atMs'>> = struct({
  user: shortText(bytesMax.user),
  action: oneOf(auditActions),
  camera: optional(shortId),
  detail: shortText(bytesMax.detail),
  from: shortText(bytesMax.from),
});

export const auditPrefix = 'audit/1/';
/** The year 2255, in 13 digits. */
const atMsMax = Math.floor(Number.MAX_SAFE_INTEGER / 1_000);
const keyPattern = /^audit\/1\/(\d{13})$/;

/** Keys sort by time. */
export function auditKey(atMs: number): string {
  const bounded = Math.min(Math.max(0, Math.floor(atMs)), atMsMax);
  return auditPrefix + String(bounded).padStart(13, '0');
}

export function encodeEntry({ user, action, camera, detail, from }: AuditEntry): Buffer {
  return encode(value, {
    user: cut(user, bytesMax.user),
    action,
    camera,
    detail: cut(detail, bytesMax.detail),
    from: cut(from, bytesMax.from),
  });
}

export function decodeEntry(key: string, row: Uint8Array): Result<AuditEntry> {
  const at = keyPattern.exec(key)?.[1];
  if (at === undefined) return reject('malformed key');
  const decoded = decode(value, row);
  return decoded.ok ? accept({ atMs: Number(at), ...decoded.value }) : decoded;
}

/** At most so many bytes of UTF-8, on whole characters and without controls. */
function cut(text: string, max: number): string {
  const plain = text.slice(0, max).replaceAll(/[\p{Cc}\p{Cs}]/gu, ' ');
  let kept = '';
  let size = 0;
  for (const character of plain) {
    size += Buffer.byteLength(character);
    if (size > max) break;
    kept += character;
  }
  return kept;
}
