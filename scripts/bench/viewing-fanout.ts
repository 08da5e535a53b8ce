/**
 * 100 live viewers of one camera of 4 Mbit/s over HTTPS, against a plain `ws` server over TLS that sends frames which are
 * there already: the two in turn, CPU of all processes of each. Starling's includes that it receives the camera over TLS
 * and records it.
 *
 * Valid when every viewer got every frame, and nobody else used the machine.
 */
import assert from 'node:assert';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import { bundle, getCameras, getStatus, until } from '../../test/support/network.ts';
import type { Figure } from '../bench.ts';
import { costBetween, costOfTree } from './process-cost.ts';
import type { CamerasOrder } from './recording-cameras.ts';
import { Cameras, cores, pinned, showErrors } from './recording-field.ts';
import { framesPerSecond } from './recording-stream.ts';
import { makeCertificate } from './viewing-certificate.ts';
import type { FloorOrder } from './viewing-floor.ts';
import { MachineLoad, untilValid } from './viewing-load.ts';
import type { ViewersOrder, ViewersReport } from './viewing-viewers.ts';

const kbps = 4_000;
const loopback = '127.0.0.1';
const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** As many numbers as `viewing-floor.ts` has frames. */
const floorCycle = 10 * framesPerSecond;

export interface FanoutPlan {
  readonly viewers: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** each of the two, in turn */
  readonly rounds: number;
  /** how often each run is made at most, until it is valid */
  readonly attempts: number;
}

interface Run {
  readonly cpuSeconds: number;
  readonly kernelSeconds: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly fault: string | undefined;
  /** share of one core before anybody watched */
  readonly alone: number;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs it. */
export async function benchFanout(plan: FanoutPlan): Promise<Figure[]> {
  const floors: Run[] = [];
  const ours: Run[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    floors.push(await validRun(plan, (field) => field.runFloor(plan)));
    ours.push(await validRun(plan, (field) => field.runStarling(plan)));
  }
  const share = (runs: readonly Run[]): number =>
    (100 * sum(runs, 'cpuSeconds')) / Math.max(0.001, sum(runs, 'seconds'));
  const perGb = (runs: readonly Run[]): number => sum(runs, 'cpuSeconds') / (sum(runs, 'bytes') / 1e9);
  const fault = [...floors, ...ours].find((run) => run.fault !== undefined)?.fault;
  const name = `${plan.viewers} live viewers of ${kbps / 1000} Mbit/s`;
  const valid = fault === undefined ? {} : { notValid: fault };
  const peer = 'ws over TLS';
  return [
    {
      figure: `${name}, share of one core`,
      value: share(ours),
      unit: '%',
      peer: { name: peer, value: share(floors) },
      ...valid,
    },
    {
      figure: `${name}, CPU per GB sent`,
      value: perGb(ours),
      unit: 's/GB',
      peer: { name: peer, value: perGb(floors) },
      ...valid,
    },
    {
      figure: `${name}, of it the camera: received and recorded, nobody watching`,
      value: (100 * ours.reduce((total, { alone }) => total + alone, 0)) / ours.length,
      unit: '%',
      ...valid,
    },
    {
      figure: `${name}, of it in the kernel`,
      value: (100 * sum(ours, 'kernelSeconds')) / sum(ours, 'seconds'),
      unit: '%',
      ...valid,
    },
  ];
}

function sum(runs: readonly Run[], key: 'cpuSeconds' | 'kernelSeconds' | 'seconds' | 'bytes'): number {
  return runs.reduce((total, run) => total + run[key], 0);
}

function validRun(plan: FanoutPlan, task: (field: Field) => Promise<Run>): Promise<Run> {
  const run = async (): Promise<Run> => {
    await using field = await Field.open();
    return await task(field);
  };
  return untilValid(plan.attempts, run, ({ fault }) => fault === undefined);
}

class Field implements AsyncDisposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'starling-viewing-bench-'));
  private readonly children: ChildProcess[] = [];
  private readonly cert = join(this.folder, 'page.crt');
  private readonly key = join(this.folder, 'page.key');

  static async open(): Promise<Field> {
    const field = new Field();
    const { cert, key } = await makeCertificate();
    writeFileSync(field.cert, cert);
    writeFileSync(field.key, key);
    return field;
  }

  async runFloor(plan: FanoutPlan): Promise<Run> {
    const { cert, key } = this;
    const order: FloorOrder = { cert, key, kbps };
    const floor = this.start(cores.server, [
      '--import',
      'tsx',
      program('./viewing-floor.ts'),
      JSON.stringify(order),
    ]);
    const [{ port }] = (await once(floor, 'message')) as [{ port: number }];
    return this.watch(plan, floor, 0, { url: `wss://${loopback}:${port}/`, cycle: floorCycle });
  }

  async runStarling(plan: FanoutPlan): Promise<Run> {
    const [linkPort = 0, pagePort = 0, securePort = 0] = await freePorts(3);
    const server = await this.startServer({ linkPort, pagePort, securePort });
    const camera = this.startCamera(linkPort);
    await camera.streaming();
    const page = `http://${loopback}:${pagePort}`;
    await until('the camera is live', async () => {
      const [first] = await getCameras(page);
      return first !== undefined && first.lastFrameAt !== null && first.width !== null;
    });
    await pause(plan.warmUpMs);
    const [before, startMs] = [costOfTree([server.pid ?? 0]).cpuSeconds, performance.now()];
    await pause(plan.measuredMs / 2);
    const cpuSeconds = costOfTree([server.pid ?? 0]).cpuSeconds - before;
    const alone = cpuSeconds / ((performance.now() - startMs) / 1000);
    return this.watch(plan, server, alone, { url: `wss://${loopback}:${securePort}/api/cameras/cam-1/live` });
  }

  private async startServer(ports: {
    linkPort: number;
    pagePort: number;
    securePort: number;
  }): Promise<ChildProcess> {
    await initSite(join(this.folder, 'site'), 'bench');
    const overrides = {
      link: { host: loopback, port: ports.linkPort },
      anycast: { endpoints: [] },
      server: {
        http: { port: ports.pagePort, access: 'everybody' as const },
        https: { host: loopback, port: ports.securePort, certificate: this.cert, key: this.key },
      },
    };
    const folder = join(this.folder, 'ss-1');
    await enrollUnit(join(this.folder, 'site'), { unit: 'ss-1', role: 'server', overrides }, folder);
    const profile = process.env['STARLING_BENCH_PROFILE'];
    const server = this.start(cores.server, [
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
      bundle,
      'run',
      '--config',
      join(folder, 'unit.yaml'),
    ]);
    await until('the server is up', () => getStatus(`http://${loopback}:${ports.pagePort}`).then(() => true));
    return server;
  }

  private startCamera(linkPort: number): Cameras {
    const order: CamerasOrder = {
      siteFolder: join(this.folder, 'site'),
      site: 'bench',
      folder: join(this.folder, 'cameras'),
      cameras: 1,
      kbps,
      // As cameras do that somebody watches: each frame at once.
      batchMs: 1000 / framesPerSecond,
      host: loopback,
      endpoints: [{ kind: 'seed', host: loopback, port: linkPort }],
    };
    return new Cameras(this.start(cores.cameras, Cameras.command(order)), kbps);
  }

  private async watch(
    plan: FanoutPlan,
    server: ChildProcess,
    alone: number,
    where: Pick<ViewersOrder, 'url' | 'cycle'>,
  ): Promise<Run> {
    const order: ViewersOrder = { ...where, ca: this.cert, viewers: plan.viewers };
    const args = ['--import', 'tsx', program('./viewing-viewers.ts'), JSON.stringify(order)];
    const viewers = this.start(cores.cameras, args);
    await until(`${plan.viewers} viewers`, async () => {
      const { connected, frames, reason } = await ask(viewers);
      assert(reason === '', reason);
      return connected === plan.viewers && frames > plan.viewers * framesPerSecond;
    });
    await pause(plan.warmUpMs);
    const pid = server.pid ?? 0;
    const others = this.children.flatMap((child) => child.pid ?? []);
    const [before, from, load, startMs] = [
      costOfTree([pid]),
      await ask(viewers),
      new MachineLoad(others),
      performance.now(),
    ];
    await pause(plan.measuredMs);
    const [after, to, seconds] = [
      costOfTree([pid]),
      await ask(viewers),
      (performance.now() - startMs) / 1000,
    ];
    const { cpuSeconds, kernelSeconds } = costBetween(before, after);
    const expected = plan.viewers * framesPerSecond * seconds;
    const frames = to.frames - from.frames;
    const fault =
      to.closed > 0
        ? `${to.closed} viewers were sent away: ${to.reason}`
        : to.missed > 0
          ? `viewers have missed frames ${to.missed} times`
          : Math.abs(frames / expected - 1) > 0.02
            ? `viewers got ${frames} frames in place of ${Math.round(expected)}`
            : load.fault();
    return { cpuSeconds, kernelSeconds, seconds, bytes: to.bytes - from.bytes, fault, alone };
  }

  private start(core: number, nodeArgs: readonly string[]): ChildProcess {
    const [command, args] = pinned(core, process.execPath, nodeArgs);
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, STARLING_LOG: 'plain' },
    });
    showErrors(child, nodeArgs.at(-1)?.slice(-20) ?? '');
    this.children.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      // A profile is written at an ordinary end only.
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function ask(viewers: ChildProcess): Promise<ViewersReport> {
  const answer = once(viewers, 'message');
  viewers.send('count');
  const [report] = (await answer) as [ViewersReport];
  return report;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, loopback));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
