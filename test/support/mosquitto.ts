/**
 * A real Mosquitto on a free port of the loopback, with what tests do to a broker: restart it, stop it in its tracks,
 * listen with mosquitto_sub, publish with mosquitto_pub.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { until } from './network.ts';

const run = promisify(execFile);

export interface MosquittoOptions {
  /** nobody else may connect */
  readonly users?: Readonly<Record<string, string>>;
  /** PEM; only TLS is spoken then */
  readonly tls?: { readonly ca: string; readonly certificate: string; readonly key: string };
  /** lines for the broker's access list */
  readonly acl?: readonly string[];
}

/** A message as mosquitto_sub printed it. */
export interface Seen {
  readonly topic: string;
  readonly payload: Buffer;
  readonly text: string;
  /** with `retain as published`: what the publisher asked for */
  readonly retained: boolean;
  readonly qos: number;
}

export class Mosquitto implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  private readonly options: MosquittoOptions;
  private child: ChildProcess | undefined;
  private readonly listeners = new Set<ChildProcess>();

  private constructor(port: number, folder: string, options: MosquittoOptions) {
    this.port = port;
    this.folder = folder;
    this.options = options;
  }

  static async open(options: MosquittoOptions = {}): Promise<Mosquitto> {
    const folder = await mkdtemp(join(tmpdir(), 'starling-mosquitto-'));
    const broker = new Mosquitto(await freePort(), folder, options);
    await broker.writeSettings();
    await broker.start();
    return broker;
  }

  /** As `server.mqtt.url` takes it. */
  get url(): string {
    return this.options.tls === undefined
      ? `mqtt://127.0.0.1:${this.port}`
      : `mqtts://localhost:${this.port}`;
  }

  get pid(): number {
    assert(this.child?.pid !== undefined, 'the broker does not run');
    return this.child.pid;
  }

  async start(): Promise<void> {
    const child = spawn('mosquitto', ['-c', join(this.folder, 'mosquitto.conf')], { stdio: 'ignore' });
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error) =>
        reject(
          new Error(
            `mosquitto does not start (apt-get install mosquitto mosquitto-clients): ${error.message}`,
          ),
        ),
      );
      child.once('exit', (code) => reject(new Error(`mosquitto ended with ${code}`)));
    });
    failed.catch(() => undefined);
    this.child = child;
    await Promise.race([failed, until('mosquitto listens', () => listens(this.port))]);
  }

  /** Kills it; what it retained is gone. */
  async stop(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** It keeps its connections and answers nothing. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Listens from now on; what is retained comes first. Resolves when the broker has agreed. */
  async listen(...topics: string[]): Promise<Seen[]> {
    const seen: Seen[] = [];
    let listening = false;
    const child = spawn('mosquitto_sub', [
      '-V',
      'mqttv5',
      ...this.clientArguments(),
      '-q',
      '1',
      '--retain-as-published',
      ...[...topics, 'listening'].flatMap((topic) => ['-t', topic]),
      '-F',
      '%r %q %t %x',
    ]);
    this.listeners.add(child);
    createInterface(child.stdout).on('line', (line) => {
      const [retained = '', qos = '', topic = '', hex = ''] = line.split(' ');
      if (topic === 'listening') {
        listening = true;
        return;
      }
      const payload = Buffer.from(hex, 'hex');
      seen.push({
        topic,
        payload,
        text: payload.toString('utf8'),
        retained: retained === '1',
        qos: Number(qos),
      });
    });
    await until('mosquitto_sub listens', async () => {
      await this.publish('listening', '1');
      return listening;
    });
    return seen;
  }

  async publish(topic: string, payload: string | Buffer, options: { retain?: boolean } = {}): Promise<void> {
    const child = execFile('mosquitto_pub', [
      '-V',
      'mqttv5',
      ...this.clientArguments(),
      '-q',
      '1',
      '-t',
      topic,
      payload.length === 0 ? '-n' : '-s',
      ...(options.retain === true ? ['-r'] : []),
    ]);
    const done = new Promise<void>((resolve, reject) => {
      child.once('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`mosquitto_pub ended with ${code}`)),
      );
    });
    // Without a payload it may have ended before this; its exit code tells whether all went well.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(payload);
    await done;
  }

  /** What is retained under a topic now. */
  async retained(topic: string): Promise<string | undefined> {
    const { stdout } = await run('mosquitto_sub', [
      '-V',
      'mqttv5',
      ...this.clientArguments(),
      '--retained-only',
      '-C',
      '1',
      '-W',
      '3',
      '-t',
      topic,
      '-F',
      '%x',
    ]).catch((error: { stdout?: string }) => ({ stdout: error.stdout ?? '' }));
    return stdout === '' ? undefined : Buffer.from(stdout.trim(), 'hex').toString('utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.listeners) child.kill('SIGKILL');
    if (this.child !== undefined) this.thaw();
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  private clientArguments(): string[] {
    const { tls, users } = this.options;
    const [first] = Object.entries(users ?? {});
    return [
      '-h',
      tls === undefined ? '127.0.0.1' : 'localhost',
      '-p',
      String(this.port),
      ...(tls === undefined ? [] : ['--cafile', join(this.folder, 'ca.crt')]),
      ...(first === undefined ? [] : ['-u', first[0], '-P', first[1]]),
    ];
  }

  private async writeSettings(): Promise<void> {
    const { tls, users, acl } = this.options;
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(this.folder, name), text, { mode: 0o600 });
      return join(this.folder, name);
    };
    const lines = [
      `listener ${this.port} 127.0.0.1`,
      'persistence false',
      `allow_anonymous ${users === undefined}`,
    ];
    // It would become another user, who may not read the files of a temporary folder.
    if (process.getuid?.() === 0) lines.push('user root');
    if (tls !== undefined) {
      lines.push(`cafile ${await file('ca.crt', tls.ca)}`);
      lines.push(`certfile ${await file('broker.crt', tls.certificate)}`);
      lines.push(`keyfile ${await file('broker.key', tls.key)}`);
    }
    if (users !== undefined) {
      const path = await file('passwords', '');
      for (const [user, password] of Object.entries(users))
        await run('mosquitto_passwd', ['-b', path, user, password]);
      lines.push(`password_file ${path}`);
    }
    if (acl !== undefined) lines.push(`acl_file ${await file('acl', `${acl.join('\n')}\n`)}`);
    await file('mosquitto.conf', `${lines.join('\n')}\n`);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  assert(typeof address === 'object' && address !== null, 'no port');
  return address.port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
