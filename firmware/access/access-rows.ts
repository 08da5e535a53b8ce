/**
 * The rows of the site document that say who may do what, as bytes:
 *
 *   user     <name>            rights, password (scrypt), generation
 *   token    <server>.<n>      rights, SHA-256 of the secret, expiry
 *   revoked  <server>.<n>      a session that was signed out, until it would have ended anyway
 *
 * The server in an id is the one that wrote it: two servers that write at the same time never write over each other's
 * rows. Rows come from other units and disks and may be damaged: whatever is out of bounds is refused as a whole.
 */
import {
  type Codec,
  decode,
  encode,
  fixedBytes,
  list,
  oneOf,
  optional,
  shortText,
  struct,
  u64,
} from '../base/codec.ts';
import { shortId as cameraId, isId } from '../base/ids.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { type CameraList, type Role, roles } from './principal.ts';
import { userName, userNameBytesMax } from './user-name.ts';

export const userKind = 'user';
export const tokenKind = 'token';
export const revokedKind = 'revoked';

/** Longest value of a row, in bytes, as the site document has it. */
const valueBytesMax = 4_096;
/** A list of so many would not fit anyway. */
const camerasMax = 2_048;
export const generationBytes = 8;
export const sessionIdBytes = 12;
/** The year 2255: no clock shows more. */
const timeMsMax = Math.floor(Number.MAX_SAFE_INTEGER / 1_000);
/** Longest name of a token, in bytes. */
export const tokenNameBytesMax = 100;

/** A password as it is kept: scrypt with N = 2^15, r = 8, p = 1 (RFC 7914). */
export interface StoredPassword {
  readonly scheme: 'scrypt-15-8-1';
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export interface Rights {
  readonly role: Role;
  readonly cameras: CameraList;
}

/** Somebody who may sign in. */
export interface User extends Rights {
  readonly name: string;
  readonly password: StoredPassword;
  /** random, new with every password and role: sessions and links made before end */
  readonly generation: Buffer;
  readonly createdAtMs: number;
}

/** What a program shows instead of a password. */
export interface Token extends Rights {
  readonly id: string;
  /** what it is for */
  readonly name: string;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly expiresAtMs: number | undefined;
  /** SHA-256 of the whole token */
  readonly hash: Buffer;
}

export interface Revocation {
  readonly session: Buffer;
  /** the session would have ended by then */
  readonly untilMs: number;
}

const rights = { role: oneOf(roles), cameras: optional(list(cameraId, camerasMax)) };
const password: Codec<StoredPassword> = struct({
  scheme: oneOf(['scrypt-15-8-1']),
  salt: fixedBytes(16),
  hash: fixedBytes(32),
});

const userValue = struct({
  ...rights,
  password,
  generation: fixedBytes(generationBytes),
  createdAtMs: u64,
});
const tokenValue = struct({
  ...rights,
  name: shortText(tokenNameBytesMax),
  createdAtMs: u64,
  createdBy: shortText(userNameBytesMax + 'token:'.length),
  expiresAtMs: optional(u64),
  hash: fixedBytes(32),
});
const revokedValue: Codec<Revocation> = struct({ session: fixedBytes(sessionIdBytes), untilMs: u64 });

/** The value of a user's row; refused when it does not fit into one. */
export function encodeUser(user: User): Result<Buffer> {
  const { role, password: stored, generation, createdAtMs } = user;
  const value = { role, cameras: listed(user), password: stored, generation, createdAtMs };
  return fitting(user, () => encode(userValue, value));
}

export function encodeToken(token: Token): Result<Buffer> {
  const { role, name, createdAtMs, createdBy, expiresAtMs, hash } = token;
  const value = { role, cameras: listed(token), name, createdAtMs, createdBy, expiresAtMs, hash };
  return fitting(token, () => encode(tokenValue, value));
}

export function encodeRevocation(revocation: Revocation): Buffer {
  return encode(revokedValue, revocation);
}

export function decodeUser(id: string, row: Uint8Array): Result<User> {
  if (userName(id) !== id) return reject('malformed name');
  const decoded = decodeBounded(userValue, row);
  if (!decoded.ok) return decoded;
  const { cameras, role, password: stored, generation, createdAtMs } = decoded.value;
  if (!isTime(createdAtMs)) return reject('time out of bounds');
  if (role === 'admin' && cameras !== undefined) return reject('an admin with a list of cameras');
  return accept({ name: id, role, cameras: cameras ?? 'all', password: stored, generation, createdAtMs });
}

export function decodeToken(id: string, row: Uint8Array): Result<Token> {
  if (slotOf(id) === undefined) return reject('malformed id');
  const decoded = decodeBounded(tokenValue, row);
  if (!decoded.ok) return decoded;
  const { cameras, role, name, createdAtMs, createdBy, expiresAtMs, hash } = decoded.value;
  if (!isTime(createdAtMs) || !isTime(expiresAtMs ?? 0)) return reject('time out of bounds');
  if (role === 'admin' && cameras !== undefined) return reject('an admin with a list of cameras');
  return accept({ id, role, cameras: cameras ?? 'all', name, createdAtMs, createdBy, expiresAtMs, hash });
}

export function decodeRevocation(id: string, row: Uint8Array): Result<Revocation> {
  if (slotOf(id) === undefined) return reject('malformed id');
  const decoded = decodeBounded(revokedValue, row);
  return decoded.ok && !isTime(decoded.value.untilMs) ? reject('time out of bounds') : decoded;
}

/** The parts of `<server>.<n>`; undefined for ids that no server writes. */
function slotOf(id: string): { server: string; n: number } | undefined {
  const [server = '', n = '', ...more] = id.split('.');
  return isId(server) && /^[1-9]\d{0,4}$/.test(n) && more.length === 0 ? { server, n: Number(n) } : undefined;
}

function decodeBounded<T>(codec: Codec<T>, row: Uint8Array): Result<T> {
  return row.length > valueBytesMax ? reject('too long') : decode(codec, row);
}

function isTime(ms: number): boolean {
  return ms <= timeMsMax;
}

function listed({ cameras }: Rights): string[] | undefined {
  return cameras === 'all' ? undefined : [...cameras];
}

function fitting({ cameras }: Rights, make: () => Buffer): Result<Buffer> {
  const tooMany = 'the list of cameras is too long; give all cameras, or fewer';
  if (cameras.length > camerasMax) return reject(tooMany);
  const value = make();
  return value.length > valueBytesMax ? reject(tooMany) : accept(value);
}
