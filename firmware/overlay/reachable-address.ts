/** Where a joiner is dialled: what it says of itself, and where its join came from. */
import type { Address } from './packets.ts';

/**
 * A joiner that listens everywhere names no host: then it is dialled where its join came from. The zone of a
 * link-local address (RFC 4007 §11) means something only on one machine: ours is the one its join came by.
 */
export function reachableAddress(link: Address, from: string): Address {
  const everywhere = link.host === '' || link.host === '::' || link.host === '0.0.0.0';
  if (everywhere) return { host: from, port: link.port };
  if (!/^fe[89ab][0-9a-f]:/i.test(link.host)) return link;
  const [, zone] = from.split('%');
  return zone === undefined ? link : { host: `${link.host.split('%')[0]}%${zone}`, port: link.port };
}
