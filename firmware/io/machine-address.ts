/** The address by which other machines reach this one, for a unit that listens on every address. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/**
 * The first IPv4 address that somebody gave this machine, else an IPv6 address beyond its link, else the IPv4 address it
 * gave itself (169.254.0.0/16, RFC 3927), else 127.0.0.1. With several networks it is a guess; `link.advertise` in
 * unit.yaml overrides it.
 */
export function machineAddress(
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): string {
  const addresses = Object.values(interfaces).flatMap((infos) => infos ?? []);
  const outside = addresses.filter(({ internal }) => !internal);
  const ipv4 = outside.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
  const ipv6 = outside.find(({ family, address }) => family === 'IPv6' && !/^fe[89ab]/i.test(address));
  const isGiven = (address: string): boolean => !address.startsWith('169.254.');
  return ipv4.find(isGiven) ?? ipv6?.address ?? ipv4[0] ?? '127.0.0.1';
}
