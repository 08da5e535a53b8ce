/**
 * Network endpoints as a person writes them: `10.0.0.5:8383`, `cam.lan:8383`, `[fe80::1%eth0]:8383`.
 * Hosts are IP addresses, or names of letters, digits, hyphens and dots.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { accept, type Result, reject } from '../base/result.ts';

/** A host (an IPv6 address without brackets) and a TCP or UDP port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const hostNamePattern =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const endpointPattern = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([1-9][0-9]{0,4})$/;

/** Whether `host` is an IP address. */
export function isAddress(host: string): boolean {
  return isIP(host) !== 0;
}

/** Whether `host` is an IP address or a well-formed host name; `10.0.0` is neither. */
export function isHost(host: string): boolean {
  if (isAddress(host)) return true;
  return hostNamePattern.test(host) && !/^[0-9.]+$/.test(host);
}

/** Whether `host` is a multicast group (RFC 5771: 224.0.0.0/4; RFC 4291: ff00::/8). */
export function isMulticastAddress(host: string): boolean {
  if (isIPv4(host)) return Number(host.split('.')[0]) >> 4 === 14;
  return isIPv6(host) && /^ff[0-9a-f]{2}:/i.test(host);
}

/** Whether only this machine can reach `host`. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** Parses `HOST:PORT` or `[IPV6]:PORT`, port 1 to 65535. */
export function parseEndpoint(text: string): Result<Endpoint> {
  const [, bracketed, plain, portText] = endpointPattern.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(portText);
  if (host === undefined || port > 65535) return reject('expected HOST:PORT');
  if (bracketed === undefined ? !isHost(host) : !isIPv6(host))
    return reject('expected HOST:PORT, the host is malformed');
  return accept({ host, port });
}

/** The text that parses to `endpoint`. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
