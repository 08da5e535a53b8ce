/** Under which addresses a unit tells others to dial it. */

import type { Clock } from '../base/clock.ts';
import { parseEndpoint } from '../config/endpoint.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { machineAddress } from '../io/machine-address.ts';
import type { Address } from '../overlay/packets.ts';

/**
 * The configured `advertise` address, else the address it listens on with the port it got. A unit that listens on
 * every address says so (`::`), and is dialled where its join came from.
 */
export function advertisedAddress(link: UnitConfig['link'], port: number): Address {
  const [advertised] = link.advertise;
  const parsed = advertised === undefined ? undefined : parseEndpoint(advertised);
  return parsed?.ok ? parsed.value : { host: link.host, port };
}

/** How often a unit looks at its own addresses: a lease of DHCP may come minutes after the start. */
const lookMs = 5_000;
/** Of a machine without a network: nobody else can use it. */
const loopback = '127.0.0.1';

/** The same for those who did not see its join: an address of this machine in place of `::`. */
export function reachableAddress(link: UnitConfig['link'], port: number): Address {
  const advertised = advertisedAddress(link, port);
  const everywhere = advertised.host === '::' || advertised.host === '0.0.0.0';
  return everywhere ? { host: machineAddress(), port } : advertised;
}

/**
 * Tells when `current` is another address than before; a machine that has lost its network keeps the one it told. Call
 * the result to end that.
 */
export function watchAddress(
  clock: Pick<Clock, 'after'>,
  current: () => Address,
  movedTo: (address: Address) => void,
): () => void {
  let told = current();
  let cancel = (): void => undefined;
  const look = (): void => {
    cancel = clock.after(lookMs, look);
    const next = current();
    if ((next.host === told.host && next.port === told.port) || next.host === loopback) return;
    told = next;
    movedTo(next);
  };
  cancel = clock.after(lookMs, look);
  return () => cancel();
}
