/** An IP camera for tests: a process with a real RTSP server in it, which can hang, die and come back. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface RtspCameraOptions {
  /** played once by the path `/file` */
  readonly file?: string;
  readonly user?: string;
  readonly password?: string;
  /** path of a PEM file with a certificate and its key: it speaks rtsps */
  readonly pem?: string;
}

export class RtspCamera implements AsyncDisposable {
  readonly port: number;
  private readonly options: RtspCameraOptions;
  private process: ChildProcess;

  private constructor(options: RtspCameraOptions, { process, port }: Started) {
    this.options = options;
    this.process = process;
    this.port = port;
  }

  /** Debian’s own Python, which sees Debian’s packages: it needs python3-gi and gir1.2-gst-rtsp-server-1.0. */
  static async start(options: RtspCameraOptions = {}): Promise<RtspCamera> {
    return new RtspCamera(options, await startServer(0, options));
  }

  url(path: string, credentials = ''): string {
    const scheme = this.options.pem === undefined ? 'rtsp' : 'rtsps';
    return `${scheme}://${credentials}127.0.0.1:${this.port}${path}`;
  }

  /** It says nothing any more, and does not hang up either. */
  hang(): void {
    this.process.kill('SIGSTOP');
  }

  async die(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  /** Comes back on the same port, perhaps with another password. */
  async comeBack(options: RtspCameraOptions = this.options): Promise<void> {
    ({ process: this.process } = await startServer(this.port, options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.die();
  }
}

interface Started {
  readonly process: ChildProcess;
  readonly port: number;
}

async function startServer(port: number, options: RtspCameraOptions): Promise<Started> {
  const { file = '', user = '', password = '', pem = '' } = options;
  const script = join(import.meta.dirname, 'rtsp-server.py');
  const child = spawn('/usr/bin/python3', [script, String(port), file, user, password, pem], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  assert(child.stdout !== null, 'its output is read');
  for await (const line of createInterface(child.stdout)) {
    const bound = /^port (\d+)$/.exec(line)?.[1];
    if (bound !== undefined) return { process: child, port: Number(bound) };
  }
  return assert.fail('no RTSP server: are python3-gi and gir1.2-gst-rtsp-server-1.0 installed?');
}
