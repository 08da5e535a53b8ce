/**
 * Sessions with an MQTT broker (MQTT 5.0, OASIS) by the package `mqtt`, over TCP or TLS.
 *
 * Invariants: one client of that package for each session, which never connects again by itself and so neither queues
 * nor repeats anything; over TLS the broker's certificate is always checked, its name included; the password is read
 * anew for every session and is in no message; a session is clean: what was published while nobody listened is not
 * delivered, for a command that comes late is worse than none.
 *
 * MQTT 5 and not 3.1.1, because only with it a session does not hear its own messages, can tell a command that was
 * published to be retained, and has messages above `heardBytesMax` dropped by the broker.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import mqtt, { type MqttClient } from 'mqtt';
import { Failure, messageOf } from '../base/failure.ts';
import type { BrokerAddress } from '../config/mqtt-section.ts';
import type {
  Broker,
  BrokerMessage,
  BrokerSession,
  HeardMessage,
  SessionOptions,
} from '../telemetry/broker.ts';
import { readText } from './text-files.ts';

/** From the first packet to the broker's answer. */
const connectMs = 10_000;
/** A session that says nothing for one and a half times as long has ended, for the broker and for this side. */
const keepAliveSeconds = 15;
/** How long a goodbye may take. */
const closeMs = 1_000;
/** Largest message that is listened to, with its topic. */
const heardBytesMax = 16 * 1024;
/** Unacknowledged messages that the broker may send at a time. */
const heardAtOnceMax = 16;
const passwordBytesMax = 4 * 1024;
const caBytesMax = 256 * 1024;
const refusedFrom = 0x80;

export interface MqttBrokerOptions {
  readonly address: BrokerAddress;
  /** the same for every session of one server, and no other's */
  readonly clientId: string;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
  /** PEM file; the system's authorities when undefined */
  readonly ca?: string | undefined;
}

/** A broker; nothing is connected yet. */
export function mqttBroker(options: MqttBrokerOptions): Broker {
  return {
    async connect(wanted) {
      const { user, passwordFile, ca } = options;
      const password = passwordFile === undefined ? undefined : await readPassword(passwordFile);
      const trusted =
        ca === undefined ? undefined : await readText(ca, { bytesMax: caBytesMax, advice: caAdvice });
      const { will, receive } = wanted;
      const client = new mqtt.MqttClient(() => openSocket(options.address, trusted), {
        protocolVersion: 5,
        clientId: options.clientId,
        ...(user === undefined ? {} : { username: user }),
        ...(password === undefined ? {} : { password }),
        clean: true,
        reconnectPeriod: 0,
        connectTimeout: connectMs,
        keepalive: keepAliveSeconds,
        // The broker tells whether the other end lives: what is sent need not put that off.
        reschedulePings: false,
        resubscribe: false,
        queueQoSZero: false,
        manualConnect: true,
        will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.retained },
        properties: { receiveMaximum: heardAtOnceMax, maximumPacketSize: heardBytesMax },
      });
      return openSession(client, receive, options);
    },
  };
}

const caAdvice = 'Name a readable PEM file in server.mqtt.ca.';
const passwordAdvice = 'Put the password into this file, on its first line, readable for this program.';

async function readPassword(path: string): Promise<string> {
  const text = await readText(path, { bytesMax: passwordBytesMax, advice: passwordAdvice });
  const [line = ''] = text.split(/\r?\n/);
  if (line !== '') return line;
  throw new Failure('CONFIG_INVALID', `${path} holds no password`, { advice: passwordAdvice });
}

function openSocket({ tls, host, port }: BrokerAddress, ca: string | undefined): Socket {
  if (!tls) return connectTcp({ host, port, noDelay: true });
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port, ...name, ...(ca === undefined ? {} : { ca }), minVersion: 'TLSv1.2' });
}

function openSession(
  client: MqttClient,
  receive: SessionOptions['receive'],
  options: MqttBrokerOptions,
): Promise<BrokerSession> {
  let why = 'the broker closed the connection';
  const closed = new Promise<string>((resolve) => client.once('close', () => resolve(why)));
  return new Promise((resolve, reject) => {
    // Kept for as long as the client lives: it emits errors after its end, too.
    client.on('error', (error) => {
      why = reasonOf(error);
      client.end(true);
    });
    client.on('disconnect', ({ reasonCode = 0 }) => {
      const { [reasonCode]: reason = `reason ${reasonCode}` } = mqtt.ReasonCodes as Readonly<
        Record<number, string>
      >;
      why = `the broker ended the session (${reason})`;
    });
    client.handleMessage = (packet, done) => {
      const { topic, payload, retain } = packet;
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
      const waitMs = receive({ topic, payload: bytes, retained: retain } satisfies HeardMessage);
      if (waitMs <= 0) done();
      else setTimeout(done, waitMs);
    };
    client.once('connect', () => resolve(new Session(client, closed)));
    void closed.then((reason) => {
      reject(new Failure('UNREACHABLE', reason, { advice: adviceOf(reason, options) }));
      client.end(true);
    });
    client.connect();
  });
}

class Session implements BrokerSession {
  readonly closed: Promise<string>;
  private readonly client: MqttClient;

  constructor(client: MqttClient, closed: Promise<string>) {
    this.client = client;
    this.closed = closed;
  }

  publish({ topic, payload, retained }: BrokerMessage): Promise<string | undefined> {
    const bytes =
      typeof payload === 'string' ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    return refusalOf(this.client.publishAsync(topic, bytes, { qos: 1, retain: retained }));
  }

  subscribe(topics: readonly string[]): Promise<string | undefined> {
    // No echo of what this session says; what was published to be retained says so.
    return refusalOf(this.client.subscribeAsync([...topics], { qos: 1, nl: true, rap: true, rh: 0 }));
  }

  unsubscribe(topics: readonly string[]): Promise<string | undefined> {
    return refusalOf(this.client.unsubscribeAsync([...topics]));
  }

  async close(): Promise<void> {
    const hurry = setTimeout(() => this.client.stream.destroy(), closeMs);
    this.client.end(false);
    await this.closed;
    clearTimeout(hurry);
  }
}

/** Why the broker refused what was asked; rejects with a Failure when the session is at fault. */
async function refusalOf(answer: Promise<unknown>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    // A refused subscription comes without its code.
    const refused = error instanceof mqtt.ErrorWithSubackPacket || (codeOf(error) ?? 0) >= refusedFrom;
    if (refused) return reasonOf(error);
    throw new Failure('UNREACHABLE', reasonOf(error), { advice: 'It is tried again.', cause: error });
  }
}

function codeOf(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** In words that read well after "broker mqtts://home:8883: ". */
function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (code === 0x84 || code === 1) return 'the broker does not speak MQTT 5';
  if (code === 0x86 || code === 4) return 'the broker does not accept this user and password';
  if (code === 0x87 || code === 5) return 'the broker does not allow this';
  if (messageOf(error) === 'connack timeout') return 'the broker does not answer';
  const text = messageOf(error);
  // Of several addresses of one name each failed, and the message is empty.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return text === '' ? 'the connection failed' : text;
}

function adviceOf(reason: string, { address, ca }: MqttBrokerOptions): string {
  if (/certificate|altnames|signed|issuer|expired/i.test(reason)) {
    return ca === undefined
      ? "Name the certificate of the broker's authority in server.mqtt.ca, and the broker by a name in its certificate."
      : 'Check that server.mqtt.ca is of the authority that signed the broker’s certificate, and that this names the host.';
  }
  if (/user and password|not allow/.test(reason))
    return 'Check server.mqtt.user and its passwordFile, and the rights at the broker.';
  if (/MQTT 5/.test(reason)) return 'Use a broker that speaks MQTT 5, such as Mosquitto 1.6 or newer.';
  return `Check that the broker listens on ${address.host} port ${address.port}${address.tls ? ' with TLS' : ''}.`;
}
