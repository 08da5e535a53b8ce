/**
 * `npm run bench -- failover [--small]`: what the death of a manager costs its cameras. Three servers and 10 or 50
 * cameras are machines of their own (network namespaces); the server that has the most cameras is killed (kill -9), or
 * its cable is cut without a word, again and again. For each of its cameras the time is measured from then to the first
 * durable acknowledgement of another server. At the end the cameras stop, and all recordings together must have every
 * sample that was captured: what they lack is `samplesLost`.
 */
import assert from 'node:assert';
import { once } from 'node:events';
import { join } from 'node:path';
import { Namespaces, namespacesMissing } from '../../test/support/namespaces.ts';
import { Field, type FieldUnit, managersOf } from '../../test/support/namespaces-units.ts';
import { until } from '../../test/support/network.ts';
import type { Figure } from '../bench.ts';
import type { CamerasOrder, CamerasReport } from './recording-cameras.ts';
import { Cameras } from './recording-field.ts';
import { findSamples } from './recording-gate.ts';

const serverCount = 3;
/** Lower than in `recording`: on one machine the disks of three servers would be the same disk. */
const kbps = 1_000;
const wholeMs = 90_000;
const recoveredMs = 30_000;

type Blow = 'kill -9' | 'silent cut';

interface Plan {
  readonly cameras: readonly number[];
  readonly repeats: number;
}

const whole: Plan = { cameras: [10, 50], repeats: 5 };
const small: Plan = { cameras: [3], repeats: 1 };

/** Runs it. Rejects when it cannot be run here, or when a camera is not recorded again. */
export async function benchFailover(isSmall: boolean): Promise<Figure[]> {
  const missing = namespacesMissing();
  assert.equal(missing, false, `failover cannot be measured here: ${missing}`);
  const plan = isSmall ? small : whole;
  const figures: Figure[] = [];
  for (const cameras of plan.cameras) {
    await using network = await Network.open(cameras);
    for (const blow of ['kill -9', 'silent cut'] as const) {
      const times: number[] = [];
      for (let repeat = 0; repeat < plan.repeats; repeat++) times.push(...(await network.strike(blow)));
      const of = `${cameras} cameras, ${blow}: firstDurableAckMs`;
      figures.push(
        { figure: `${of} p50`, value: percentile(times, 0.5), unit: 'ms' },
        { figure: `${of} p95`, value: percentile(times, 0.95), unit: 'ms' },
        { figure: `${of} max`, value: Math.max(...times), unit: 'ms' },
        { figure: `${cameras} cameras, ${blow}: cameras orphaned`, value: times.length, unit: '' },
      );
    }
    figures.push({ figure: `${cameras} cameras: samplesLost`, value: await network.lost(), unit: '' });
  }
  return figures;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

type DurableReport = Extract<CamerasReport, { type: 'durable' }>;

class Network implements AsyncDisposable {
  private readonly rig = new Namespaces();
  private readonly lan = this.rig.switch();
  private readonly servers: FieldUnit[] = [];
  private readonly ids: readonly string[];
  private readonly durable: DurableReport[] = [];
  private blows = 0;
  private field!: Field;
  private cameras!: Cameras;

  private constructor(cameras: number) {
    this.ids = Array.from({ length: cameras }, (_, place) => `cam-${place + 1}`);
  }

  static async open(cameras: number): Promise<Network> {
    const network = new Network(cameras);
    try {
      await network.start();
      return network;
    } catch (error) {
      network.rig[Symbol.dispose]();
      throw error;
    }
  }

  private async start(): Promise<void> {
    this.field = await Field.open(this.rig);
    for (let number = 1; number <= serverCount; number++) {
      const machine = this.rig.machine(`ss-${number}`);
      this.lan.plug(machine, `fd00:1::${number}/64`);
      this.servers.push(await this.field.server(`ss-${number}`, machine));
    }
    // The first one gets all cameras, so that its death orphans as many as there are.
    this.servers[0]?.start();
    await until('the first server is up', () => this.servers[0]?.tables().then(() => true));
    this.startCameras();
    await this.cameras.streaming();
    for (const server of this.servers.slice(1)) server.start();
  }

  private startCameras(): void {
    const machine = this.rig.machine('cams');
    this.lan.plug(machine, 'fd00:1::100/64');
    const order: CamerasOrder = {
      siteFolder: join(this.rig.folder, 'site'),
      site: 'field',
      folder: join(this.rig.folder, 'cameras'),
      cameras: this.ids.length,
      kbps,
      host: '::',
      endpoints: [
        { kind: 'multicast', host: '239.83.84.1', port: 8384 },
        { kind: 'multicast', host: 'ff02::5354:1', port: 8384 },
      ],
    };
    const child = machine.spawn(process.execPath, Cameras.command(order), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, STARLING_LOG: 'plain' },
    });
    this.cameras = new Cameras(child, kbps);
    child.on('message', (report: CamerasReport) => {
      if (report.type === 'durable') this.durable.push(report);
    });
  }

  /** Waits for a whole network, strikes the server with the most cameras, and returns how long each of them took. */
  async strike(blow: Blow): Promise<number[]> {
    await this.field.untilWhole(
      `${this.ids.length} cameras, before ${blow}`,
      this.servers,
      this.ids,
      wholeMs,
    );
    const victim = await this.busiest();
    await victim.unit.untilRemembered();
    // Blows fall at different moments between two syncs and two keyframes.
    this.blows += 1;
    await new Promise((resolve) => setTimeout(resolve, 1_000 + ((this.blows * 370) % 1_000)));
    const told = this.durable.length;
    const at = Date.now();
    if (blow === 'kill -9') await victim.unit.kill();
    else this.lan.cut(victim.unit.machine);
    const times = await until(
      `every camera of ${victim.unit.id} is durable elsewhere`,
      () => {
        const after = this.durable.slice(told).filter(({ server }) => server !== victim.unit.id);
        const first = victim.cameras.map((camera) => after.find((report) => report.camera === camera)?.at);
        return first.includes(undefined) ? undefined : first.map((time) => (time ?? 0) - at);
      },
      recoveredMs,
    );
    if (blow === 'kill -9') victim.unit.start();
    else this.lan.heal();
    return times;
  }

  private async busiest(): Promise<{ unit: FieldUnit; cameras: string[] }> {
    const managers = await managersOf(this.servers);
    const loads = this.servers.map((unit) => ({
      unit,
      cameras: [...managers].filter(([, server]) => server === unit.id).map(([camera]) => camera),
    }));
    const [most] = loads.sort((a, b) => b.cameras.length - a.cameras.length);
    assert(most !== undefined && most.cameras.length > 0, 'nobody has a camera');
    return most;
  }

  /** Stops all, and counts the samples that were captured and are on no disk. */
  async lost(): Promise<number> {
    const sent = await this.cameras.stop();
    await Promise.all(this.servers.map((server) => server.stop()));
    const verdict = await findSamples(
      this.servers.map(({ id }) => join(this.rig.folder, id)),
      sent,
    );
    assert.equal(verdict.wrong, 0, verdict.first);
    if (verdict.missing > 0) console.log(`lost: ${verdict.first}`);
    return verdict.missing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { child } = this.cameras;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    this.rig[Symbol.dispose]();
  }
}
