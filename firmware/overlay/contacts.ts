/**
 * Reaching any server: over the link that is there, or by dialling its address. A connection that serves no
 * neighborship is closed when it is idle.
 *
 * Invariants: one dial per server and `replyMs`; every `reach` ends in `use` or in `failed`, once; bounded.
 */
import { contactIdleMs } from './constants.ts';
import type { LinkId, Peer } from './effects.ts';
import type { Address } from './packets.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerLink } from './server-links.ts';

interface Wish {
  readonly use: (link: LinkId) => void;
  /** `busy` when nobody was asked, because too much is under way here */
  readonly failed: (reason: string, busy: boolean) => void;
}

/** A dial, and who waits for it. */
interface Attempt {
  readonly since: number;
  readonly wishes: Wish[];
}

/** What an answered dial was for. */
interface Dial {
  readonly target: Peer;
  readonly address: Address;
  readonly opened: (link: LinkId) => void;
  readonly failed: (reason: string) => void;
}

const wishesMax = 64;
const dialsMax = 512;
/** Some are kept for servers. */
const cameraDialsMax = 384;
const tooMany = 'too many dials';
/** Of one server; more than both ends need when they dial each other at once. */
const contactsPerPeerMax = 4;

export class Contacts {
  private readonly context: ServerContext;
  /** by server: the latest dial */
  private readonly attempts = new Map<string, Attempt>();
  private readonly dials = new Map<number, Dial>();
  private nextDial = 1;

  constructor(context: ServerContext) {
    this.context = context;
  }

  /** Whether a dial to this unit is under way. */
  isDialling(unit: string): boolean {
    for (const { target } of this.dials.values()) if (target.unit === unit) return true;
    return false;
  }

  /** Dials a unit that must be who `target` says. */
  dial(
    target: Peer,
    address: Address,
    opened: (link: LinkId) => void,
    failed: (reason: string) => void,
  ): void {
    if (this.dials.size >= (target.role === 'camera' ? cameraDialsMax : dialsMax)) return failed(tooMany);
    const dial = this.nextDial++;
    this.dials.set(dial, { target, address, opened, failed });
    this.context.emit({ type: 'dial', dial, address });
  }

  /**
   * Calls `use` with a connection to the server. `fresh` insists on one that proves the server alive: a link that was
   * silent lately does not count.
   */
  reach(server: string, address: Address | undefined, wish: Wish, { fresh = false } = {}): void {
    const open = this.openTo(server, fresh);
    if (open !== undefined) {
      open.usedAt = this.context.now;
      return wish.use(open.id);
    }
    if (address === undefined) return wish.failed('its address is not known', false);
    const { now, profile } = this.context;
    const young = this.attempts.get(server);
    if (young !== undefined && now - young.since < profile.replyMs) {
      if (young.wishes.length >= wishesMax) return wish.failed('too many requests wait for it', true);
      young.wishes.push(wish);
      return;
    }
    // An older dial may be stuck in the back-off of TCP: the way may be free by now.
    const attempt: Attempt = { since: now, wishes: [wish] };
    this.attempts.set(server, attempt);
    const ended = (tell: (one: Wish) => void): void => {
      if (this.attempts.get(server) === attempt) this.attempts.delete(server);
      for (const one of attempt.wishes) tell(one);
    };
    this.dial(
      { unit: server, role: 'server' },
      address,
      (link) => ended((one) => one.use(link)),
      (reason) => ended((one) => one.failed(reason, reason === tooMany)),
    );
  }

  private openTo(server: string, fresh: boolean): ServerLink | undefined {
    const { now, links, neighbors, profile } = this.context;
    const neighbor = neighbors.get(server);
    if (neighbor?.link !== undefined && neighbor.suspectedAt === undefined && !fresh)
      return links.get(neighbor.link);
    return links
      .to(server)
      .findLast((link) => !link.neighbor && now - link.heardAt < profile.echoMs * (fresh ? 0.5 : 2));
  }

  dialed(dial: number, link: LinkId, peer: Peer): void {
    const wanted = this.dials.get(dial);
    this.dials.delete(dial);
    if (wanted === undefined) return this.context.emit({ type: 'close', link, reason: 'no longer wanted' });
    const { target } = wanted;
    if (peer.unit !== target.unit || peer.role !== target.role) {
      const reason = `dialled ${target.role} ${target.unit}, found ${peer.role} ${peer.unit}`;
      this.context.emit({
        type: 'refused',
        reason: 'a certificate that is not the dialled unit’s',
        peer: peer.unit,
      });
      this.context.emit({ type: 'close', link, reason });
      return wanted.failed(reason);
    }
    if (peer.role === 'server') this.opened(link, peer.unit, this.context.self);
    wanted.opened(link);
  }

  dialFailed(dial: number, reason: string): void {
    const wanted = this.dials.get(dial);
    this.dials.delete(dial);
    wanted?.failed(reason);
  }

  /** A connection to or from a server is there. */
  opened(link: LinkId, peer: string, dialler: string): void {
    const contacts = this.context.links.to(peer).filter(({ neighbor }) => !neighbor);
    const [oldest] = contacts;
    if (oldest !== undefined && contacts.length >= contactsPerPeerMax)
      this.close(oldest.id, 'too many connections');
    this.context.links.open(this.context.now, link, { peer, dialler });
    this.watch();
  }

  /** Closes contacts that nobody uses. */
  watch(): void {
    const { timers, now } = this.context;
    if (!timers.has('contacts')) timers.set('contacts', now + contactIdleMs, () => this.closeIdle());
  }

  private closeIdle(): void {
    const { links, now } = this.context;
    let more = false;
    for (const link of links.all()) {
      if (link.neighbor) continue;
      if (now - Math.max(link.usedAt, link.heardAt) >= contactIdleMs - 1) this.close(link.id, 'idle');
      else more = true;
    }
    if (more) this.watch();
  }

  /** Closes a connection that serves no neighborship, or no longer. */
  close(link: LinkId, reason: string): void {
    this.context.links.remove(link);
    this.context.emit({ type: 'close', link, reason });
  }
}
