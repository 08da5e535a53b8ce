/**
 * Tokens: what programs show instead of a password, `starling_<id>_<secret>` with 256 random bits. A token belongs to
 * the site and not to whoever made it: it has rights of its own and goes on when its maker is gone, until it expires
 * or is revoked.
 *
 * Invariants: only the SHA-256 of a token is kept, which is enough for a secret that nobody can guess; each server
 * gives `tokensPerServerMax` ids at most, and uses those of revoked tokens again when all were given.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { accept, type Result, reject } from '../base/result.ts';
import type { DocumentRow } from '../overlay/packets.ts';
import { decodeToken, encodeToken, type Token, tokenKind } from './access-rows.ts';
import { type DamagedRow, nextSlot, type RowToWrite } from './document-rows.ts';

const tokensPerServerMax = 64;
const tokensMax = 500;
const secretBytes = 32;
const prefix = 'starling';
const tokenPattern = /^starling_([a-z0-9.-]{1,48})_([\w-]{43})$/;

/** A token as it is shown once. */
export interface NewToken {
  readonly row: RowToWrite;
  readonly token: Token;
  readonly text: string;
}

export type TokenWish = Omit<Token, 'id' | 'hash'>;

export class TokenTable {
  /** undefined: revoked, or damaged */
  private readonly tokens = new Map<string, Token | undefined>();
  private readonly onDamaged: DamagedRow;

  constructor(onDamaged: DamagedRow) {
    this.onDamaged = onDamaged;
  }

  take(row: DocumentRow): void {
    if (row.kind !== tokenKind) return;
    const token = row.value === undefined ? undefined : decodeToken(row.id, row.value);
    if (token?.ok === false) this.onDamaged(row, token.reason);
    this.tokens.set(row.id, token?.ok === true ? token.value : undefined);
  }

  /** A token that has not expired. */
  get(id: string, nowMs: number): Token | undefined {
    const token = this.tokens.get(id);
    return token !== undefined && nowMs < (token.expiresAtMs ?? Number.POSITIVE_INFINITY) ? token : undefined;
  }

  /** By id; expired ones too. */
  all(): Token[] {
    return [...this.tokens.values()]
      .filter((token) => token !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** The token that `text` is, if it has neither expired nor been revoked. */
  find(text: string, nowMs: number): Token | undefined {
    const id = tokenPattern.exec(text)?.[1];
    const token = id === undefined ? undefined : this.get(id, nowMs);
    return token !== undefined && timingSafeEqual(tokenHash(text), token.hash) ? token : undefined;
  }

  /** Makes a token of `server`. */
  create(server: string, wish: TokenWish, random: (size: number) => Uint8Array): Result<NewToken> {
    if (wish.role === 'admin' && wish.cameras !== 'all') return reject('an admin sees all cameras');
    if (this.all().length >= tokensMax) return reject('there are too many tokens');
    // An id names a token in the audit log: those of revoked ones are given again only when all were given.
    const isNew = (slot: string): boolean => !this.tokens.has(slot);
    const isRevoked = (slot: string): boolean => this.tokens.get(slot) === undefined;
    const id = nextSlot(server, tokensPerServerMax, isNew, isRevoked);
    if (id === undefined) return reject(`there are ${tokensPerServerMax} tokens made on ${server}`);
    const text = tokenText(id, random);
    const token: Token = { ...wish, id, hash: tokenHash(text) };
    const value = encodeToken(token);
    if (!value.ok) return value;
    return accept({ row: { kind: tokenKind, id, value: value.value }, token, text });
  }

  /** The row that revokes a token; undefined when there is none of this id. */
  rowWithout(id: string): RowToWrite | undefined {
    return this.tokens.get(id) === undefined ? undefined : { kind: tokenKind, id, value: undefined };
  }
}

/** A new secret with its id. */
export function tokenText(id: string, random: (size: number) => Uint8Array): string {
  return `${prefix}_${id}_${Buffer.from(random(secretBytes)).toString('base64url')}`;
}

export function tokenHash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
