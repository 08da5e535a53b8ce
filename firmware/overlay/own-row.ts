/**
 * What this server says of itself, and when it says it: the version of its row rises with each change, the row is
 * spread at once, or `spreadMs` after the last time, so that a herd of cameras is one piece of news.
 *
 * Invariants: two different contents never have the same (incarnation, version); the incarnation rises above anything
 * that peers remember, so that a lost disk is no trap.
 */
import { spreadMs } from './constants.ts';
import type { OriginRow } from './packets.ts';

/** Everything but the numbers. */
type Content = Omit<OriginRow, 'incarnation' | 'version'>;

export class OwnRow {
  incarnation: number;
  private version = 0;
  private published = '';
  private spreadAt = Number.POSITIVE_INFINITY;
  private lastSpreadAt = Number.NEGATIVE_INFINITY;

  constructor(incarnation: number) {
    this.incarnation = incarnation;
  }

  /** When `takeDue` has something to spread. */
  wakeAt(): number {
    return this.spreadAt;
  }

  /** The row with its present numbers. */
  of(content: Content): OriginRow {
    return { ...content, incarnation: this.incarnation, version: this.version };
  }

  /** The row with a new version if it says something new; else undefined. */
  revise(now: number, content: Content): OriginRow | undefined {
    const text = textOf(this.of(content));
    if (text === this.published) return undefined;
    this.published = text;
    this.version += 1;
    this.spreadAt = Math.min(this.spreadAt, Math.max(now, this.lastSpreadAt + spreadMs));
    return this.of(content);
  }

  /** True, once, when the row should be spread now. */
  takeDue(now: number): boolean {
    if (now < this.spreadAt) return false;
    this.spreadAt = Number.POSITIVE_INFINITY;
    this.lastSpreadAt = now;
    return true;
  }

  /** A peer remembers this row of an earlier life: true when the incarnation had to rise above it. */
  outlive(row: OriginRow): boolean {
    if (row.incarnation < this.incarnation) return false;
    const known = row.incarnation === this.incarnation && row.version <= this.version;
    const same = row.version < this.version || textOf(row) === this.published;
    if (known && same) return false;
    this.incarnation = row.incarnation + 1;
    return true;
  }
}

/** What a row says, without its version. */
function textOf({ incarnation, link, pageUrl, neighbors, cameras }: OriginRow): string {
  const states = cameras.map(({ camera, unit, epoch, online }) => [camera, unit, epoch, online]);
  return JSON.stringify([incarnation, link.host, link.port, pageUrl, neighbors, states]);
}
