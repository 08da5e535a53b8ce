/**
 * The schema of `network.yaml`: how a flashed unit gets into the network, when a cable with DHCP is not enough. It lies
 * beside unit.yaml, because it is about the place and not about the unit.
 */
import { isIPv4, isIPv6 } from 'node:net';
import type { z } from 'zod';
import { isAddress } from './endpoint.ts';
import { host, listOf, section, textThat } from './fields.ts';
import { configInvalid, problemLines } from './problems.ts';
import { readYaml } from './yaml-text.ts';

/** Largest network.yaml, in bytes. */
export const networkFileBytesMax = 16 * 1024;

const interfaceName = textThat(
  (text) => /^[a-z][\w.-]{0,14}$/i.test(text),
  'expected a network interface, such as eth0',
);
const address = textThat(isAddress, 'expected an IP address');

/** An SSID is 1 to 32 bytes (IEEE 802.11-2020 §9.4.2.2). */
const ssid = textThat(
  (text) => Buffer.byteLength(text) >= 1 && Buffer.byteLength(text) <= 32 && !/[\p{Cc}]/u.test(text),
  'expected a name of 1..32 bytes',
);
/** A passphrase is 8 to 63 printable ASCII characters, or the key itself, 64 hexadecimal digits (§J.4). */
const password = textThat(
  (text) => /^[\x20-\x7e]{8,63}$/.test(text) || /^[0-9a-f]{64}$/i.test(text),
  'expected 8..63 printable ASCII characters, or 64 hexadecimal digits',
);

const wifi = section({
  ssid: ssid.describe('name of the wireless network'),
  password: password.optional().describe('its password; left out: an open network'),
  country: textThat((text) => /^[A-Z]{2}$/.test(text), 'expected two capital letters, such as DE')
    .optional()
    .describe('where the unit is; many radios keep some channels off until they are told'),
  interface: interfaceName.optional().describe('by default the first wireless interface'),
}).describe('a wireless network');

const networkSchema = section({
  wifi: wifi.optional(),
  address: textThat(isPrefix, 'expected an address with its prefix, such as 10.0.0.5/24')
    .optional()
    .describe('fixed address; by default the network is asked for one (DHCP, router advertisements)'),
  gateway: address.optional().describe('router, with a fixed address'),
  dns: listOf(address, 0, 3).default([]).describe('name servers'),
  interface: interfaceName
    .optional()
    .describe('which interface has the fixed address; by default all wired ones'),
  ntp: listOf(host, 0, 8).default([]).describe('time servers'),
})
  .refine(({ address: fixed, gateway }) => gateway === undefined || fixed !== undefined, {
    path: ['gateway'],
    error: 'expected an address as well',
  })
  .refine(
    ({ address: fixed, wifi: wireless, interface: on }) =>
      fixed === undefined || wireless === undefined || on !== undefined,
    {
      path: ['interface'],
      error: 'expected which interface has the fixed address, since there is Wi-Fi as well',
    },
  );

export type NetworkSettings = z.output<typeof networkSchema>;
export type NetworkDocument = z.input<typeof networkSchema>;

/** Reads the text of a network.yaml. Throws the Failure CONFIG_INVALID, with a line for each problem. */
export function parseNetworkFile(text: string): NetworkSettings {
  const document = readYaml(text, networkFileBytesMax);
  const parsed = networkSchema.safeParse(document ?? {});
  if (!parsed.success) throw configInvalid(problemLines(parsed.error, document));
  return parsed.data;
}

function isPrefix(text: string): boolean {
  const [, host, length] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (host === undefined) return false;
  if (isIPv4(host)) return Number(length) <= 32;
  return isIPv6(host) && Number(length) <= 128;
}
