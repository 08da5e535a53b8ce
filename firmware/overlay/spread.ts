/**
 * What goes out in ss-exchange packets: changed rows and cards, at once or `batchMs` after the last time, so that a
 * herd of cameras is one piece of news; digests; lists of versions; the site document.
 *
 * Invariants: a row goes over each link at most once in each direction, save for races; a packet is never longer than
 * `packetBytes`, but for one row or one card that is longer itself and still fits a frame.
 */
import { batchMs } from './constants.ts';
import type { LinkId } from './effects.ts';
import { rowBytes } from './origin-table.ts';
import {
  type Card,
  type DocumentRow,
  digestBytes,
  exchangeMax,
  type OriginRow,
  type PacketBody,
} from './packets.ts';
import type { ServerContext } from './server-context.ts';

/** Longest packet that is filled up, in bytes; a frame may be 64 kB. */
const packetBytes = 40_000;
/** Rows that differ while others change are probably only on their way. */
const quietMs = 1_000;
const half = digestBytes / 2;
/** When the tables of new neighbors have taken in each other's own row. */
const greetMs = 300;

const emptyBody: PacketBody<'ss-exchange'> = {
  card: undefined,
  rows: [],
  digest: undefined,
  versions: undefined,
  tenures: [],
  request: 0,
  received: 0,
  document: [],
};

/** An ss-exchange with these parts and nothing else. */
export function exchangeBody(parts: Partial<PacketBody<'ss-exchange'>>): PacketBody<'ss-exchange'> {
  return { ...emptyBody, ...parts };
}

export class Spread {
  private readonly context: ServerContext;
  private readonly card: () => Card;
  /** per neighbor link: origins whose rows it should get */
  private readonly waiting = new Map<LinkId, Set<string>>();
  /** links that should get the card */
  private readonly staleCards = new Set<LinkId>();
  /** links whose list of versions was answered since the last flush: two differing lists do not answer for ever */
  private readonly answered = new Set<LinkId>();
  /** links whose digest of rows differed the last time */
  private readonly doubted = new Set<LinkId>();
  /** neighbors whose site document differs, and who have been asked for theirs */
  private readonly unequal = new Set<LinkId>();
  private changedAt = Number.NEGATIVE_INFINITY;
  private lastFlushAt = Number.NEGATIVE_INFINITY;
  /** the next flush speaks to every neighbor, be it only with its header */
  private announce = false;

  /** `card` makes the card as it is now. */
  constructor(context: ServerContext, card: () => Card) {
    this.context = context;
    this.card = card;
  }

  private send(link: LinkId, parts: Partial<PacketBody<'ss-exchange'>>): void {
    this.context.send(link, 'ss-exchange', exchangeBody(parts));
  }

  private links(): LinkId[] {
    return this.context.neighbors.all().flatMap(({ link }) => (link === undefined ? [] : [link]));
  }

  /** A new neighbor gets the card and this server's row, and, if there was no path to it, all there is. */
  introduce(link: LinkId, fresh: boolean): void {
    const { rows, self, timers, now, document } = this.context;
    const own = rows.get(self);
    this.forget(link);
    this.send(link, { card: this.card() });
    this.send(link, { rows: own === undefined ? [] : [own] });
    if (!fresh) return timers.set(`greet:${link}`, now + greetMs, () => this.sendDigest(link));
    this.sendVersions(link);
    this.sendDocument(link, document.rows());
  }

  /** Nothing more goes over this link. */
  forget(link: LinkId): void {
    this.waiting.delete(link);
    this.staleCards.delete(link);
    this.doubted.delete(link);
    this.unequal.delete(link);
    this.context.timers.clear(`greet:${link}`);
  }

  /** A row is news for every neighbor but the one it came from. */
  row(origin: string, except: LinkId | undefined): void {
    this.changedAt = this.context.now;
    for (const link of this.links()) if (link !== except) this.rowTo(link, origin);
    this.schedule();
  }

  /** This neighbor lacks a row. */
  rowTo(link: LinkId, origin: string): void {
    const waiting = this.waiting.get(link);
    if (waiting === undefined) this.waiting.set(link, new Set([origin]));
    else waiting.add(origin);
    this.schedule();
  }

  /** The card has changed. */
  cardChanged(): void {
    for (const link of this.links()) this.staleCards.add(link);
    this.schedule();
  }

  /** The header has changed: every neighbor hears from this server soon. */
  headerChanged(): void {
    this.announce = true;
    this.schedule();
  }

  private schedule(): void {
    const { timers, now } = this.context;
    if (timers.has('spread')) return;
    timers.set('spread', Math.max(now, this.lastFlushAt + batchMs), () => this.flush());
  }

  /** Sends everything that waits. */
  flush(): void {
    this.lastFlushAt = this.context.now;
    this.answered.clear();
    for (const link of this.links()) {
      const card = this.staleCards.delete(link);
      if (card) this.send(link, { card: this.card() });
      const origins = this.waiting.get(link);
      this.waiting.delete(link);
      if (origins !== undefined) this.sendRows(link, origins);
      else if (this.announce && !card) this.send(link, {});
    }
    this.announce = false;
  }

  private sendRows(link: LinkId, origins: Iterable<string>): void {
    const found: OriginRow[] = [];
    for (const origin of origins) {
      const row = this.context.rows.get(origin);
      if (row !== undefined) found.push(row);
    }
    for (const rows of portions(found, exchangeMax.rows, rowBytes)) this.send(link, { rows });
  }

  sendDocument(link: LinkId, rows: readonly DocumentRow[]): void {
    const bytes = ({ value }: DocumentRow): number => 200 + (value?.length ?? 0);
    for (const document of portions(rows, exchangeMax.documentRows, bytes)) this.send(link, { document });
  }

  sendDigest(link: LinkId): void {
    this.send(link, { digest: this.digest() });
  }

  /** The first half is of all rows, the second of the site document. */
  private digest(): Buffer {
    const { rows, document } = this.context;
    const digest = Buffer.alloc(digestBytes);
    rows.digest().copy(digest, 0, 0, half);
    document.digest().copy(digest, half, 0, half);
    return digest;
  }

  /** A neighbor's tables differ: unless rows are just on their way, it hears what there is here. */
  compareDigest(link: LinkId, theirs: Buffer): void {
    const ours = this.digest();
    const rowsDiffer = ours.compare(theirs, 0, half, 0, half) !== 0;
    const quiet = this.context.now - this.changedAt > quietMs;
    if (rowsDiffer && (quiet || this.doubted.has(link))) this.sendVersions(link);
    if (rowsDiffer && !quiet && !this.doubted.has(link)) this.askAgain(link);
    if (rowsDiffer) this.doubted.add(link);
    else this.doubted.delete(link);
    if (ours.compare(theirs, half, digestBytes, half, digestBytes) === 0) {
      this.unequal.delete(link);
      return;
    }
    this.sendDocument(link, this.context.document.rows());
    if (this.unequal.has(link)) return;
    // Who has lost its disk has nothing to send, and must be found out; once, should they never become equal.
    this.unequal.add(link);
    this.sendDigest(link);
  }

  private askAgain(link: LinkId): void {
    const { timers, now } = this.context;
    timers.set(`greet:${link}`, now + quietMs, () => this.sendDigest(link));
  }

  /** Tells a neighbor which rows there are here, once until the next flush. */
  sendVersions(link: LinkId): void {
    if (this.answered.has(link)) return;
    this.answered.add(link);
    this.schedule();
    const versions = this.context.rows.versions();
    let after = '';
    for (let at = 0; at < versions.length; at += exchangeMax.versions) {
      const rows = versions.slice(at, at + exchangeMax.versions);
      const more = at + rows.length < versions.length;
      this.send(link, { versions: { after, more, rows } });
      after = rows.at(-1)?.origin ?? '';
    }
  }
}

/** The items in their order, in portions of at most `countMax` and about `packetBytes`. */
function* portions<T>(items: readonly T[], countMax: number, bytesOf: (item: T) => number): Generator<T[]> {
  let portion: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item);
    if (portion.length > 0 && (portion.length >= countMax || bytes + size > packetBytes)) {
      yield portion;
      portion = [];
      bytes = 0;
    }
    portion.push(item);
    bytes += size;
  }
  if (portion.length > 0) yield portion;
}
