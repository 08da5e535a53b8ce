/**
 * Passwords by the rules of NIST SP 800-63B: 8 to 256 characters, any of them, compared in the normalized form NFC,
 * and no demands on what they consist of. Kept as scrypt (RFC 7914) with N = 2^15, r = 8, p = 1: 32 MiB and some
 * 60 ms for each guess.
 *
 * Invariants: at most `workersMax` are computed at a time and `waitingMax` wait, so that a crowd at the door costs
 * neither the memory nor the threads that recording needs; a name that nobody has takes as long as a wrong password.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { StoredPassword } from './access-rows.ts';

const lengthBounds = { min: 8, max: 256 } as const;
const parameters = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const saltBytes = 16;
const hashBytes = 32;
const workersMax = 2;
const waitingMax = 16;

/** Why a password is not taken; undefined when it is. */
export function passwordFault(text: string): string | undefined {
  const length = Array.from(text.normalize('NFC')).length;
  if (length < lengthBounds.min) return `a password has at least ${lengthBounds.min} characters`;
  return length > lengthBounds.max ? `a password has at most ${lengthBounds.max} characters` : undefined;
}

/** Nobody's: its hash is no scrypt result that anybody knows a password for. */
const nobody: StoredPassword = {
  scheme: 'scrypt-15-8-1',
  salt: randomBytes(saltBytes),
  hash: randomBytes(hashBytes),
};

export class Passwords {
  private working = 0;
  private readonly waiting: (() => void)[] = [];

  /** For a row of the site document; undefined when too many wait already. */
  async store(text: string): Promise<StoredPassword | undefined> {
    const salt = randomBytes(saltBytes);
    const hash = await this.derive(text, salt);
    return hash === undefined ? undefined : { scheme: 'scrypt-15-8-1', salt, hash };
  }

  /** Whether it is the password; `stored` is undefined for nobody's. `busy` when too many wait already. */
  async verify(text: string, stored: StoredPassword | undefined): Promise<boolean | 'busy'> {
    const { salt, hash } = stored ?? nobody;
    // What is too long to be a password is not worth more work than one.
    const derived = await this.derive(text.slice(0, 2 * lengthBounds.max), salt);
    if (derived === undefined) return 'busy';
    return timingSafeEqual(derived, hash) && stored !== undefined && passwordFault(text) === undefined;
  }

  private async derive(text: string, salt: Buffer): Promise<Buffer | undefined> {
    if (this.working >= workersMax) {
      if (this.waiting.length >= waitingMax) return undefined;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.working += 1;
    }
    try {
      return await scryptOf(text.normalize('NFC'), salt);
    } finally {
      const next = this.waiting.shift();
      // Whoever waits takes this place.
      if (next === undefined) this.working -= 1;
      else next();
    }
  }
}

function scryptOf(text: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(text, salt, hashBytes, parameters, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
