/**
 * The names that a server answers to. A page of another site can make its own name lead to this server's address (DNS
 * rebinding) and would then be taken for this server's page; it cannot choose the Host header that goes with that.
 *
 * Invariant: ports are not looked at: a forwarded port is another one, and says nothing of who asks.
 */
import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** Addresses come and go with networks; they are read again so often at most. */
const refreshMs = 1_000;

export interface HostNameOptions {
  /** id of the unit: as a name in the local network, and below `.local` (RFC 6762) */
  readonly unit: string;
  /** other names, from the settings */
  readonly names: readonly string[];
  readonly interfaces?: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
  readonly nowMs?: () => number;
}

export class HostNames {
  private readonly names: ReadonlySet<string>;
  private readonly interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
  private readonly nowMs: () => number;
  private addresses: ReadonlySet<string> = new Set();
  private readAtMs = Number.NEGATIVE_INFINITY;

  constructor({
    unit,
    names,
    interfaces = networkInterfaces,
    nowMs = () => performance.now(),
  }: HostNameOptions) {
    this.names = new Set(
      ['localhost', unit, `${unit}.local`, ...names].map((name) =>
        normal(name.toLowerCase().replace(/\.$/, '')),
      ),
    );
    this.interfaces = interfaces;
    this.nowMs = nowMs;
  }

  /** `host` as in the header: a name or an address, perhaps with a port. */
  accepts(host: string): boolean {
    const name = nameOf(host);
    if (name === undefined) return false;
    if (this.names.has(name)) return true;
    if (isIP(name) === 0) return false;
    return isLoopbackAddress(name) || this.ownAddresses().has(name);
  }

  private ownAddresses(): ReadonlySet<string> {
    const nowMs = this.nowMs();
    if (nowMs - this.readAtMs < refreshMs) return this.addresses;
    this.readAtMs = nowMs;
    const all = Object.values(this.interfaces()).flatMap((infos) => infos ?? []);
    this.addresses = new Set(all.map(({ address }) => normal(address)));
    return this.addresses;
  }
}

function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^127(\.\d{1,3}){3}$/.test(address);
}

/** Without the port, in lower case; undefined when it cannot be a host. */
function nameOf(host: string): string | undefined {
  const [, v6, other] = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::\d{1,5})?$/i.exec(host) ?? [];
  if (v6 !== undefined) return normal(v6);
  return other?.toLowerCase().replace(/\.$/, '');
}

/** IPv6 addresses have several spellings; a URL knows the usual one. */
function normal(address: string): string {
  const bare = address.replace(/%.*$/, '');
  if (isIP(bare) !== 6) return bare;
  const url = `http://[${bare}]/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : bare;
}
