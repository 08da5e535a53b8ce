/**
 * One server and its cameras for the recording bench: the server is the bundle on one core, all cameras are one process
 * on the other; between them are real TLS links on the loopback. What a run leaves is removed when it is disposed.
 */
import assert from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import { bundle, getStatus, until } from '../../test/support/network.ts';
import type { CamerasCommand, CamerasOrder, CamerasReport } from './recording-cameras.ts';
import type { Sent } from './recording-gate.ts';

const camerasProgram = fileURLToPath(new URL('./recording-cameras.ts', import.meta.url));
const probe = fileURLToPath(new URL('./recording-probe.mjs', import.meta.url));
/** The core of what is measured, and the one of what feeds it; on a machine with one core they share it. */
export const cores = { server: 0, cameras: availableParallelism() > 1 ? 1 : 0 } as const;
const loopback = '127.0.0.1';
const stopMs = 120_000;
const upMs = 400_000;

/** How late a server's event loop was, ms. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A command on one core. Only Linux has `taskset`; it is part of what every Debian has. */
export function pinned(core: number, command: string, args: readonly string[]): [string, string[]] {
  return ['taskset', ['-c', String(core), command, ...args]];
}

/** Waits for a message of a process that is of this kind; rejects when the process ends before. */
function messageOf<T>(
  child: ChildProcess,
  isIt: (message: unknown) => message is T,
  limitMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(late);
      child.off('message', onMessage).off('exit', onExit);
    };
    const onMessage = (message: unknown): void => {
      if (!isIt(message)) return;
      settle();
      resolve(message);
    };
    const onExit = (): void => {
      settle();
      reject(new Error('a process of the bench has ended'));
    };
    const late = setTimeout(() => {
      settle();
      reject(new Error(`a process of the bench said nothing for ${limitMs} ms`));
    }, limitMs);
    child.on('message', onMessage).once('exit', onExit);
  });
}

/** Passes the lines of a process on that are worth a person's attention. */
export function showErrors(child: ChildProcess, name: string): void {
  if (child.stderr === null) return;
  createInterface(child.stderr).on('line', (line) => {
    if (!/^\S+ \S+ (debug|info) /.test(line)) console.error(`${name}: ${line}`);
  });
}

/** The process with all the cameras. */
export class Cameras {
  readonly child: ChildProcess;
  private readonly kbps: number;

  constructor(child: ChildProcess, kbps: number) {
    this.child = child;
    this.kbps = kbps;
    showErrors(child, 'cameras');
  }

  /** The arguments of Node that run it. */
  static command(order: CamerasOrder): string[] {
    return ['--import', 'tsx', camerasProgram, JSON.stringify(order)];
  }

  private ask<T extends CamerasReport['type']>(
    type: T,
    command?: CamerasCommand,
  ): Promise<Extract<CamerasReport, { type: T }>> {
    const answer = messageOf(
      this.child,
      (message): message is Extract<CamerasReport, { type: T }> => (message as CamerasReport).type === type,
      type === 'streaming' ? upMs : stopMs,
    );
    if (command !== undefined) this.child.send(command);
    return answer;
  }

  /** Resolves when every camera has been started. */
  async streaming(): Promise<void> {
    await this.ask('streaming');
  }

  /** Payload bytes captured so far, samples acknowledged, and how far that is behind, of all cameras. */
  count(): Promise<{ bytes: number; acknowledged: number; behindMs: number }> {
    return this.ask('count', 'count');
  }

  /** Sends the last samples and ends; what was sent. */
  async stop(): Promise<Sent & { overflowed: number }> {
    const ended = once(this.child, 'exit');
    const { ends, overflowed } = await this.ask('stopped', 'stop');
    await ended;
    return { ends, overflowed, kbps: this.kbps };
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, loopback));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** A site with one server, for one run. */
export class RecordingField implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'starling-recording-'));
  readonly server: string;
  private linkPort = 0;
  private pageUrl = '';
  private readonly children: ChildProcess[] = [];

  private constructor() {
    this.server = join(this.folder, 'ss-1');
  }

  static async open(): Promise<RecordingField> {
    const field = new RecordingField();
    const [linkPort = 0, pagePort = 0] = await freePorts(2);
    field.linkPort = linkPort;
    field.pageUrl = `http://${loopback}:${pagePort}`;
    await initSite(join(field.folder, 'site'), 'bench');
    const camerasMax = 256;
    const overrides = {
      link: { host: loopback, port: linkPort },
      anycast: { endpoints: [] },
      server: { http: { port: pagePort, access: 'everybody' as const }, camerasMax, kbpsMax: 2_000_000 },
    };
    await enrollUnit(join(field.folder, 'site'), { unit: 'ss-1', role: 'server', overrides }, field.server);
    return field;
  }

  /** Starts the server; `nodeArgs` go to its Node. */
  async startServer(nodeArgs: readonly string[] = []): Promise<ChildProcess> {
    const run = [bundle, 'run', '--config', join(this.server, 'unit.yaml')];
    const [command, args] = pinned(cores.server, process.execPath, ['--import', probe, ...nodeArgs, ...run]);
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // As many files as there are cameras are synced every second.
      env: { UV_THREADPOOL_SIZE: '16', ...process.env, STARLING_LOG: 'plain' },
    });
    this.children.push(child);
    showErrors(child, 'ss-1');
    await until('the server is up', () => getStatus(this.pageUrl).then(() => true));
    return child;
  }

  /** Samples of all cameras that the server says it has received, and cameras it has. */
  async received(): Promise<{ cameras: number; bytes: number }> {
    const { cameras, recordedBytes } = await getStatus(this.pageUrl);
    return { cameras: cameras.filter(({ samples }) => samples > 0).length, bytes: recordedBytes };
  }

  /** Starts cameras that stream to the server, or to the floor at this port. */
  startCameras(cameras: number, kbps: number, floorPort?: number): Cameras {
    const order: CamerasOrder = {
      siteFolder: join(this.folder, 'site'),
      site: 'bench',
      folder: join(this.folder, 'cameras'),
      cameras,
      kbps,
      host: loopback,
      endpoints: [{ kind: 'seed', host: loopback, port: this.linkPort }],
      ...(floorPort === undefined ? {} : { floor: { host: loopback, port: floorPort } }),
    };
    const [command, args] = pinned(cores.cameras, process.execPath, Cameras.command(order));
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, STARLING_LOG: 'plain' },
    });
    this.children.push(child);
    return new Cameras(child, kbps);
  }

  /** A process that ends with the run. */
  adopt(child: ChildProcess): void {
    this.children.push(child);
  }

  /** A folder that goes with the run. */
  makeFolder(name: string): string {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** How late the server's event loop is while `during` lasts. */
  async delayOf(server: ChildProcess, during: () => Promise<void>): Promise<LoopDelay> {
    server.send('delay-on');
    await during();
    const isDelay = (message: unknown): message is LoopDelay =>
      typeof message === 'object' && message !== null && 'p99' in message;
    const answer = messageOf(server, isDelay, stopMs);
    server.send('delay-off');
    return answer;
  }

  /** Asks a server to stop, and waits until it has sealed everything. */
  async stopServer(server: ChildProcess): Promise<void> {
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    const [code] = await ended;
    assert.equal(code, 0, 'the server did not stop in good order');
  }

  /** Kills a server, as a power cut of its machine would end it. */
  async killServer(server: ChildProcess): Promise<void> {
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    await Promise.all(
      running.map((child) => {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        return ended;
      }),
    );
    rmSync(this.folder, { recursive: true, force: true });
  }
}
