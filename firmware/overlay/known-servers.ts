/**
 * The servers that a unit knows to have existed, most recently confirmed first: where it asks when neither anycast nor
 * a neighbor answers, also after a restart.
 *
 * Invariants: one entry per server; at most `knownServersMax`, the one confirmed longest ago goes first.
 */
import { knownServersMax } from './constants.ts';
import type { Address, KnownServer } from './packets.ts';

export class KnownServers {
  private readonly servers: KnownServer[] = [];
  private changed = false;

  /** `servers` as they were remembered, most recently confirmed first. */
  constructor(servers: readonly KnownServer[]) {
    for (const { server, link } of servers.slice(0, knownServersMax).reverse()) this.saw(server, link);
    this.changed = false;
  }

  /** `server` was heard, and is dialled at `link`. */
  saw(server: string, link: Address): void {
    const at = this.servers.findIndex((known) => known.server === server);
    const known = this.servers[at];
    const same = known !== undefined && known.link.host === link.host && known.link.port === link.port;
    if (same && at === 0) return;
    if (known !== undefined) this.servers.splice(at, 1);
    this.servers.unshift(same ? known : { server, link });
    if (this.servers.length > knownServersMax) this.servers.pop();
    if (!same) this.changed = true;
  }

  /** At most `max`, most recently confirmed first. */
  list(max: number): KnownServer[] {
    return this.servers.slice(0, max);
  }

  remove(server: string): void {
    const at = this.servers.findIndex((known) => known.server === server);
    if (at < 0) return;
    this.servers.splice(at, 1);
    this.changed = true;
  }

  /**
   * True, once, when there is something to remember. A different order alone is not: neighbors are heard in turn, and
   * the disk would never rest.
   */
  takeChanged(): boolean {
    const { changed } = this;
    this.changed = false;
    return changed;
  }
}
