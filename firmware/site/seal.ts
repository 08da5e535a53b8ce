/**
 * Sealed datagrams: what tells a join from this site's units apart from any other packet on an anycast address.
 *
 *     offset  0  magic "STRL"                      4 bytes
 *             4  version 1                         u8
 *             5  key id                            u32
 *             9  nonce                             16 bytes
 *            25  body                              0 to 1143 bytes
 *           end  HMAC-SHA-256 of all before it     32 bytes   (RFC 2104, FIPS 180-4)
 *
 * Invariants: a datagram is at most 1200 bytes, so that it is never fragmented; opening never throws; nothing of a
 * datagram is believed before its seal is checked, in time that does not depend on the bytes. A seal proves a holder
 * of the site's key, not freshness: pass the nonce to a `NonceCache`.
 */
import assert from 'node:assert';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { accept, type Result, reject } from '../base/result.ts';

/** One shared secret of the site, 32 bytes. `id` is a u32 that says which key sealed a datagram; it is not secret. */
export interface SealKey {
  readonly id: number;
  readonly secret: Buffer;
}

/** Gives `size` unpredictable bytes, as `randomBytes` of node:crypto does. */
export type RandomBytes = (size: number) => Uint8Array;

/** What was inside a sealed datagram. `nonce` is 16 bytes. */
export interface OpenedDatagram {
  readonly body: Buffer;
  readonly nonce: Buffer;
  readonly keyId: number;
}

/** Longest datagram, in bytes. */
export const datagramBytesMax = 1200;

const magicAndVersion = Buffer.from('STRL\x01', 'latin1');
const keyIdOffset = magicAndVersion.length;
const nonceOffset = keyIdOffset + 4;
const nonceBytes = 16;
const bodyOffset = nonceOffset + nonceBytes;
const sealBytes = 32;

/** Longest body, in bytes. */
export const datagramBodyBytesMax = datagramBytesMax - bodyOffset - sealBytes;

/** Seals `body` (at most `datagramBodyBytesMax` bytes) with the first of `keys` and a nonce from `random`. */
export function sealDatagram(keys: readonly SealKey[], body: Uint8Array, random: RandomBytes): Buffer {
  const key = keys[0];
  assert(key !== undefined, 'no seal key');
  assert(body.length <= datagramBodyBytesMax, `datagram body of ${body.length} bytes`);
  const keyId = Buffer.alloc(4);
  keyId.writeUInt32BE(key.id);
  const nonce = random(nonceBytes);
  assert(nonce.length === nonceBytes, `nonce of ${nonce.length} bytes`);
  const sealed = Buffer.concat([magicAndVersion, keyId, nonce, body]);
  return Buffer.concat([sealed, sealOf(key, sealed)]);
}

/** Checks the seal of a datagram with whichever of `keys` it names, and copies out what was inside. */
export function openDatagram(keys: readonly SealKey[], datagram: Uint8Array): Result<OpenedDatagram> {
  if (datagram.length < bodyOffset + sealBytes) return reject('datagram is truncated');
  if (datagram.length > datagramBytesMax) return reject('datagram is too long');
  const bytes = Buffer.from(datagram);
  if (!bytes.subarray(0, keyIdOffset).equals(magicAndVersion))
    return reject('not a datagram of this version');
  const keyId = bytes.readUInt32BE(keyIdOffset);
  const key = keys.find((candidate) => candidate.id === keyId);
  if (key === undefined) return reject('sealed with an unknown key');
  const sealOffset = bytes.length - sealBytes;
  const seal = sealOf(key, bytes.subarray(0, sealOffset));
  if (!timingSafeEqual(seal, bytes.subarray(sealOffset))) return reject('seal is broken');
  return accept({
    body: bytes.subarray(bodyOffset, sealOffset),
    nonce: bytes.subarray(nonceOffset, bodyOffset),
    keyId,
  });
}

function sealOf(key: SealKey, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key.secret).update(bytes).digest();
}
