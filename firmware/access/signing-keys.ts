/**
 * The keys that sign sessions and links, one pair for each of the site's seal keys (HKDF-SHA-256, RFC 5869), so that
 * every server of the site accepts what another has signed, and a seal key that is being replaced still counts.
 *
 * Invariants: the first key signs, all of them verify; a signature tells its key by id; comparing takes the same time
 * whatever differs.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { SealKey } from '../site/seal.ts';

/** HMAC-SHA-256 (RFC 2104). */
const macBytes = 32;
const keyIdBytes = 4;
/** Of a signature: the key's id, then the HMAC. */
export const signatureBytes = keyIdBytes + macBytes;

export class SigningKeys {
  private readonly keys: readonly { readonly id: Buffer; readonly secret: Buffer }[];

  /** `purpose` keeps what is signed for one thing from being taken for another. */
  constructor(seals: readonly SealKey[], purpose: string) {
    this.keys = seals.map(({ id, secret }) => {
      const idBytes = Buffer.alloc(keyIdBytes);
      idBytes.writeUInt32BE(id);
      return {
        id: idBytes,
        secret: Buffer.from(hkdfSync('sha256', secret, '', `starling ${purpose}`, macBytes)),
      };
    });
  }

  /** Undefined for a unit without a seal key. */
  sign(content: Uint8Array): Buffer | undefined {
    const [key] = this.keys;
    return key === undefined ? undefined : Buffer.concat([key.id, macOf(key.secret, content)]);
  }

  verify(content: Uint8Array, signature: Buffer): boolean {
    if (signature.length !== signatureBytes) return false;
    const id = signature.subarray(0, keyIdBytes);
    const key = this.keys.find((candidate) => candidate.id.equals(id));
    return key !== undefined && timingSafeEqual(macOf(key.secret, content), signature.subarray(keyIdBytes));
  }
}

function macOf(secret: Buffer, content: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(content).digest();
}
