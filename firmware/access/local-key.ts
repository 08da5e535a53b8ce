/**
 * The key of this machine: whoever may read the file in the server's data folder (its own user, and root) may do on
 * this server what an admin may, from this machine alone. The command line shows it, and it is the way back in when a
 * password was forgotten.
 *
 * Invariant: a key is made anew at each start and never leaves the machine; it holds for this server only.
 */
import { timingSafeEqual } from 'node:crypto';
import { tokenHash, tokenText } from './token-table.ts';

export class LocalKey {
  /** `starling_local_…` */
  readonly text: string;
  private readonly hash: Buffer;

  constructor(random: (size: number) => Uint8Array) {
    this.text = tokenText('local', random);
    this.hash = tokenHash(this.text);
  }

  is(text: string): boolean {
    return timingSafeEqual(tokenHash(text), this.hash);
  }
}
