/**
 * The anycast addresses that a server owns: it puts them up on an interface when it has joined the network, and takes
 * them down before it leaves. Routing daemons announce what they see on the interface.
 *
 * Invariants: at any time one `ip` command at the most, and the last wish is carried out in the end; an address is
 * deprecated (preferred lifetime 0), so that nothing is ever sent from it (RFC 4862 §5.5.4); what cannot be done is
 * said once, with what to do, and the server goes on.
 */
import { execFile } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { messageOf } from '../base/failure.ts';
import type { AnycastEndpoint } from '../config/unit-config.ts';
import type { Log } from '../runtime/log.ts';

/** `ip` answers at once, or something is very wrong. */
const commandMs = 5_000;

/** Runs `ip` with these arguments; rejects with what it said. */
export type RunIp = (args: readonly string[]) => Promise<void>;

export interface OwnedAddress {
  readonly host: string;
  readonly interface: string;
}

/** The endpoints whose address is this server's own. */
export function ownedAddresses(endpoints: readonly AnycastEndpoint[]): OwnedAddress[] {
  return endpoints.flatMap(({ kind, host, interface: on }) =>
    kind === 'address' && on !== undefined ? [{ host, interface: on }] : [],
  );
}

export interface AnycastAddressOptions {
  readonly addresses: readonly OwnedAddress[];
  readonly log: Log;
  /** the addresses are up and can be listened on */
  readonly onUp: () => void;
  /** told of each wish, also of a server without addresses: up as soon as it has joined */
  readonly onWish?: (up: boolean) => void;
  readonly run?: RunIp;
}

export class AnycastAddress implements AsyncDisposable {
  private readonly options: AnycastAddressOptions;
  private readonly run: RunIp;
  private wanted = false;
  /** as far as is known: what a run that was killed left behind is not */
  private up: boolean | undefined;
  private work: Promise<void> | undefined;
  private told = false;

  constructor(options: AnycastAddressOptions) {
    this.options = options;
    this.run = options.run ?? runIp;
  }

  /** Puts the addresses up or takes them down, soon. */
  set(up: boolean): void {
    this.wanted = up;
    this.options.onWish?.(up);
    if (this.options.addresses.length > 0) this.work ??= this.carryOut();
  }

  /** Takes the addresses down. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.set(false);
    await this.work;
  }

  private async carryOut(): Promise<void> {
    // The caller has more to do before anything happens.
    await Promise.resolve();
    while (this.up !== this.wanted) {
      const up = this.wanted;
      for (const address of this.options.addresses) await this.change(address, up);
      this.up = up;
      if (up) this.options.onUp();
    }
    this.work = undefined;
  }

  private async change(address: OwnedAddress, up: boolean): Promise<void> {
    const args = ipArguments(address, up);
    try {
      await this.run(args);
    } catch (error) {
      const reason = messageOf(error);
      // It is down already: nobody has put it up, or somebody else has taken it down.
      if (!up && /cannot assign requested address|address not found/i.test(reason)) return;
      if (!this.told)
        this.options.log(
          'error',
          `anycast address ${address.host}: ${reason}. Run the server with CAP_NET_ADMIN (as root, or AmbientCapabilities= of its systemd unit), or do it by hand: ip ${args.join(' ')}`,
        );
      this.told = true;
    }
  }
}

/** Idempotent: an address that is there already gets the lifetimes that it should have. */
function ipArguments({ host, interface: on }: OwnedAddress, up: boolean): string[] {
  const family = isIPv6(host) ? '-6' : '-4';
  const address = `${host}/${isIPv6(host) ? 128 : 32}`;
  if (!up) return [family, 'address', 'delete', address, 'dev', on];
  // Other servers have the same address, so duplicate detection would refuse it.
  const flags = isIPv6(host) ? ['nodad'] : [];
  return [
    family,
    'address',
    'replace',
    address,
    'dev',
    on,
    ...flags,
    'valid_lft',
    'forever',
    'preferred_lft',
    '0',
  ];
}

function runIp(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('ip', args, { timeout: commandMs }, (error, _stdout, stderr) => {
      if (error === null) return resolve();
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      reject(
        new Error(
          missing
            ? 'the program ip (package iproute2) is missing'
            : stderr.trim().replace(/^Error: |\.$/g, '') || error.message,
        ),
      );
    });
  });
}
