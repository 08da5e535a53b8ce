/** Under which address a unit tells others to dial it. */
import type { Address } from '../overlay/packets.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { parseEndpoint } from '../config/endpoint.ts';

/**
 * The configured `advertise` address, else the address it listens on with the port it got. A unit that listens on
 * every address says so (`::`), and is dialled where its join came from.
 */
export function advertisedAddress(link: UnitConfig['link'], port: number): Address {
  const [advertised] = link.advertise;
  const parsed = advertised === undefined ? undefined : parseEndpoint(advertised);
  return parsed?.ok ? parsed.value : { host: link.host, port };
}
