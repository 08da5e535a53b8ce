/**
 * How often somebody may try to sign in: counted for each address, and for each user over all addresses.
 *
 * An address has five tries, then waits 1 s, 2 s, 4 s and so on up to five minutes after each that fails. A user who
 * is tried from many addresses has ten, then the waits go up to one minute; but that holds only for addresses that
 * have failed before. So nobody can lock a person out: the first try from an address with a clean slate is always
 * looked at. An hour without tries wipes the slate.
 *
 * Invariants: a try counts as failed from its beginning, so that many at once are no way around the count; success
 * takes back its own count and no other, so that knowing one password does not help to guess another; at most
 * `entriesMax` addresses and users are remembered, the one that was tried longest ago is forgotten first. Addresses
 * of IPv6 count by their /64, which is what one household has. Times are of the monotonic clock.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { Clock } from '../base/clock.ts';

const entriesMax = 4_096;
const forgetMs = 3_600_000;

interface Rule {
  readonly free: number;
  readonly waitMsMax: number;
}

const addressRule: Rule = { free: 5, waitMsMax: 300_000 };
const userRule: Rule = { free: 10, waitMsMax: 60_000 };

interface Slate {
  failures: number;
  /** ms */
  lastMs: number;
}

export class LoginLimits {
  private readonly clock: Clock;
  private readonly addresses = new Map<string, Slate>();
  private readonly users = new Map<string, Slate>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Whole seconds to wait. 0: the try may be made, and counts as failed until `succeeded` is called. */
  begin(user: string, address: string): number {
    const nowMs = this.clock.monotonicMs();
    const from = slateOf(this.addresses, addressKey(address), nowMs);
    const of = slateOf(this.users, user, nowMs);
    const userMs = from.failures > 0 ? waitMs(of, userRule, nowMs) : 0;
    const leftMs = Math.max(waitMs(from, addressRule, nowMs), userMs);
    if (leftMs > 0) return Math.ceil(leftMs / 1000);
    for (const slate of [from, of]) {
      slate.failures += 1;
      slate.lastMs = nowMs;
    }
    keep(this.addresses, addressKey(address), from);
    keep(this.users, user, of);
    return 0;
  }

  succeeded(user: string, address: string): void {
    const slates = [this.addresses.get(addressKey(address)), this.users.get(user)];
    for (const slate of slates) if (slate !== undefined) slate.failures = Math.max(0, slate.failures - 1);
  }

  /** Entries that are remembered. */
  get size(): number {
    return this.addresses.size + this.users.size;
  }
}

function slateOf(slates: ReadonlyMap<string, Slate>, key: string, nowMs: number): Slate {
  const known = slates.get(key);
  return known === undefined || nowMs - known.lastMs > forgetMs ? { failures: 0, lastMs: nowMs } : known;
}

function keep(slates: Map<string, Slate>, key: string, slate: Slate): void {
  slates.delete(key);
  slates.set(key, slate);
  const oldest = slates.size > entriesMax ? slates.keys().next().value : undefined;
  if (oldest !== undefined) slates.delete(oldest);
}

function waitMs({ failures, lastMs }: Slate, { free, waitMsMax }: Rule, nowMs: number): number {
  if (failures < free) return 0;
  return Math.max(0, lastMs + Math.min(waitMsMax, 1000 * 2 ** (failures - free)) - nowMs);
}

/** What counts as one address. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined && isIPv4(mapped)) return mapped;
  const [plain = ''] = address.split('%');
  if (!isIPv6(plain)) return address.slice(0, 64);
  const [head = '', tail] = plain.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - after.length }, () => '0');
  const all = [...groups, ...zeros, ...after].map((group) => group.replace(/^0+(?=.)/, ''));
  return `${all.slice(0, 4).join(':')}::/64`;
}
