/**
 * The settings under `server.https`: the page and the API for everybody who may reach this server, over HTTPS, on a port of
 * its own. (On the units' port browsers would be asked for a client certificate.) Off unless it is there.
 */
import { resolve } from 'node:path';
import type { z } from 'zod';
import { isHost } from './endpoint.ts';
import { listenAddress, listenPort, listOf, path, section, textThat } from './fields.ts';

const portDefault = 8443;

/** Names by which people reach a server, besides its id, ID.local and its own addresses. */
export const hostNames = listOf(
  textThat(isHost, 'expected a name such as nvr.example.org, or an address'),
  0,
  32,
).default([]);

export const httpsSection = section({
  host: listenAddress.default('::').describe('address of the page and the API over HTTPS'),
  port: listenPort.default(portDefault).describe('TCP port; 0 takes any free one'),
  certificate: path.describe(
    'PEM file of the certificate that browsers are shown, and of those between it and its authority; starts at the folder of unit.yaml; used anew when it changes',
  ),
  key: path.describe('PEM file of its key'),
  names: hostNames.describe(
    'names by which people reach this server, besides its id, ID.local and its own addresses, such as that of a proxy before it; other names get no answer',
  ),
});

/** The same with absolute paths; files start at `folder`. */
export function httpsFilesFrom(
  https: z.output<typeof httpsSection>,
  folder: string,
): z.output<typeof httpsSection> {
  return { ...https, certificate: resolve(folder, https.certificate), key: resolve(folder, https.key) };
}
