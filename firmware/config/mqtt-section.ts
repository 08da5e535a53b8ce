/**
 * The settings under `server.mqtt`: which broker a server tells what it knows, and under which topics. Off unless it is
 * there. A password is never in unit.yaml, which people copy and show to each other: a file holds it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { isHost } from './endpoint.ts';
import { integer, path, section, textThat } from './fields.ts';

/** The ports that IANA has registered for MQTT. */
const plainPort = 1883;
const tlsPort = 8883;

/** Where a broker listens. */
export interface BrokerAddress {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
}

/** Reads `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`; undefined when it is neither, or says more than that. */
export function parseBrokerUrl(text: string): BrokerAddress | undefined {
  const parts = /^(mqtts?):\/\/(\[[0-9a-f:.]{2,45}\]|[^\s/:@?#[\]]{1,253})(?::(\d{1,5}))?\/?$/i.exec(text);
  if (parts === null) return undefined;
  const [, scheme = '', shownHost = '', portText] = parts;
  const tls = scheme.toLowerCase() === 'mqtts';
  const host = shownHost.replace(/^\[|\]$/g, '');
  const port = portText === undefined ? (tls ? tlsPort : plainPort) : Number(portText);
  return isHost(host) && port >= 1 && port <= 65_535 ? { tls, host, port } : undefined;
}

/** One or more levels of a topic, without the characters that mean something in a subscription. */
const topicLevels = textThat(
  (text) => /^[\w-]{1,32}(\/[\w-]{1,32}){0,3}$/.test(text),
  'expected one to four words of letters, digits, hyphens and underscores, with slashes between them',
);

export const mqttSection = section({
  url: textThat(
    (text) => parseBrokerUrl(text) !== undefined,
    'expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (user and passwordFile are settings of their own)',
  ).describe('the broker, which must speak MQTT 5; mqtts is TLS with its certificate checked'),
  user: textThat((text) => /^[^\p{Cc}\p{Cs}]{1,128}$/u.test(text), 'expected a name of 1..128 characters')
    .optional()
    .describe('name to give at the broker'),
  passwordFile: path
    .optional()
    .describe('file whose first line is the password to give; read again for every connection'),
  password: z.undefined({ error: 'put it into a file and name that in passwordFile' }).optional(),
  ca: path
    .optional()
    .describe("certificate of the broker's authority, PEM; by default those that the system trusts"),
  discoveryPrefix: topicLevels
    .default('homeassistant')
    .describe('where Home Assistant looks for devices, as set there'),
  prefix: topicLevels.default('starling').describe('first levels of all other topics'),
  snapshotSeconds: integer(0, 3600)
    .default(60)
    .describe('time from one picture of a camera to the next, s; 0 sends none'),
})
  .refine(({ user, passwordFile }) => passwordFile === undefined || user !== undefined, {
    path: ['user'],
    error: 'expected a user, since there is a passwordFile',
  })
  .refine(({ url, ca }) => ca === undefined || /^mqtts:/i.test(url), {
    path: ['url'],
    error: 'expected mqtts://HOST[:PORT], since there is a ca',
  })
  .describe('what is told to an MQTT broker, and to Home Assistant through it');

/** A server's settings of MQTT. */
export type MqttConfig = z.output<typeof mqttSection>;

/** The same settings with the paths of files from `folder` on. */
export function mqttFilesFrom(mqtt: MqttConfig, folder: string): MqttConfig {
  const { ca, passwordFile } = mqtt;
  return {
    ...mqtt,
    ...(ca === undefined ? {} : { ca: resolve(folder, ca) }),
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(folder, passwordFile) }),
  };
}
