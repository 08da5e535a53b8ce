/** The address by which other machines reach this one, for a unit that listens on every address. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/**
 * The first IPv4 address that is not loopback, else a global IPv6 address, else 127.0.0.1. With several networks it is a
 * guess; `link.advertise` in unit.yaml overrides it.
 */
export function machineAddress(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string {
  const addresses = Object.values(interfaces).flatMap((infos) => infos ?? []);
  const outside = addresses.filter(({ internal }) => !internal);
  const ipv4 = outside.find(({ family }) => family === 'IPv4');
  const ipv6 = outside.find(({ family, address }) => family === 'IPv6' && !/^fe[89ab]/i.test(address));
  return ipv4?.address ?? ipv6?.address ?? '127.0.0.1';
}
