/**
 * Units of one site on the machines of the test rig: the real bundle, one process each, and what their servers say.
 * Every line they write is kept; `tellAll` prints the ends of all logs, for a test that failed.
 */
import assert from 'node:assert';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CameraDocument } from '../../firmware/config/camera-section.ts';
import type { UnitOverrides } from '../../firmware/config/enrollment.ts';
import { type AnycastEndpoint, anycastEndpointsDefault } from '../../firmware/config/unit-config.ts';
import { enrollUnit, initSite } from '../../firmware/io/site-folder.ts';
import type { SiteAnswer, TablesAnswer, WhereAnswer } from '../../firmware/viewing/api.ts';
import type { Machine, Namespaces } from './namespaces.ts';
import { bundle, until } from './network.ts';

/** Longest time a clean stop may take. */
const stopMs = 15_000;
/** What is older is on the disk: memory is written every second. */
const rememberedMs = 2_500;
const linesMax = 5_000;
/** Lines of each unit that a failed test shows; STARLING_TELL=1000 shows more, and also when nothing failed. */
const toldLines = Number(process.env['STARLING_TELL'] ?? 25);

/** One line of a unit's log. */
interface Line {
  readonly at: number;
  readonly text: string;
}

/** A unit's process on its machine: the bundle, or another program that runs units. */
export class FieldUnit {
  readonly id: string;
  readonly machine: Machine;
  readonly lines: Line[] = [];
  /** when the process ended, ms UTC; undefined while it runs */
  endedAt: number | undefined;
  /** more variables for its next start */
  env: Readonly<Record<string, string>> = {};
  private readonly program: readonly string[];
  private child: ChildProcess | undefined;

  constructor(id: string, machine: Machine, program: readonly string[]) {
    this.id = id;
    this.machine = machine;
    this.program = program;
  }

  start(): void {
    assert(this.child === undefined, `${this.id} runs already`);
    // The channel ends the unit when the test ends, however that ends.
    const child = this.machine.spawn(process.execPath, this.program, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // As a service would be given them: a server syncs many files at a time.
      env: { UV_THREADPOOL_SIZE: '16', ...process.env, STARLING_LOG: 'plain', ...this.env },
    });
    this.child = child;
    this.endedAt = undefined;
    if (child.stderr !== null) {
      createInterface(child.stderr).on('line', (text) => {
        if (this.lines.push({ at: Date.now(), text }) > linesMax) this.lines.shift();
      });
    }
    child.once('exit', (code, signal) => {
      this.endedAt = Date.now();
      this.lines.push({ at: this.endedAt, text: `(ended: ${signal ?? code})` });
      if (this.child === child) this.child = undefined;
    });
  }

  /** Of its process; undefined while it does not run. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  /** Does not run at all for this time; resolves when it has gone on for `thenRunsMs`. */
  async freeze(ms: number, thenRunsMs = 0): Promise<void> {
    this.child?.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.child?.kill('SIGCONT');
    await new Promise((resolve) => setTimeout(resolve, thenRunsMs));
  }

  /** Ends it at once, as a power cut would end its process. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Asks it to stop and waits until it has. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    const deadline = setTimeout(() => child.kill('SIGKILL'), stopMs);
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    clearTimeout(deadline);
  }

  /** The first line since `from` (ms UTC) that matches. */
  said(pattern: RegExp, from = 0): Line | undefined {
    return this.lines.find(({ at, text }) => at >= from && pattern.test(text));
  }

  tables(): Promise<TablesAnswer> {
    return this.machine.ask('/api/tables');
  }

  /** Waits until whom it manages is on its disk: what came within the last second may be lost when it is killed. */
  async untilRemembered(): Promise<void> {
    await until(`${this.id} remembers its cameras`, async () => {
      const { history } = await this.tables();
      const present = history.flatMap(({ tenures }) => tenures.filter(({ to }) => to === null));
      return present.every(({ from }) => Date.now() - Date.parse(from ?? '') > rememberedMs);
    });
  }

  where(camera: string): Promise<WhereAnswer> {
    return this.machine.ask(`/api/where/${camera}`);
  }

  site(): Promise<SiteAnswer> {
    return this.machine.ask('/api/site');
  }

  /** `starling COMMAND --json`, typed on its machine. */
  async command<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.machine.runLong(process.execPath, [bundle, ...args, '--json'], 30_000)) as T;
  }
}

/** A site whose units are on the machines of a rig; disposing it disposes the rig. */
export class Field implements Disposable {
  readonly units: FieldUnit[] = [];
  private readonly rig: Namespaces;
  /** with its authority; where units are enrolled */
  readonly siteFolder: string;
  private readonly endpoints: readonly AnycastEndpoint[] | undefined;

  private constructor(rig: Namespaces, endpoints: readonly AnycastEndpoint[] | undefined) {
    this.rig = rig;
    this.siteFolder = join(rig.folder, 'site');
    this.endpoints = endpoints;
  }

  /** Makes the site. All units get these anycast endpoints, otherwise the default ones, multicast. */
  static async open(rig: Namespaces, endpoints?: readonly AnycastEndpoint[]): Promise<Field> {
    assert(existsSync(bundle), `${bundle} is missing: npm run build`);
    const field = new Field(rig, endpoints);
    await initSite(field.siteFolder, 'field');
    return field;
  }

  /** Enrolls a server, with these settings where they differ from the default; it is not started. */
  async server(id: string, machine: Machine, settings: UnitOverrides['server'] = {}): Promise<FieldUnit> {
    const server = { ...settings, http: { access: 'everybody' as const, ...settings?.http } };
    const path = await this.enroll(id, 'server', { overrides: { server } });
    return this.add(id, machine, ['run', '--config', path]);
  }

  /** Enrolls a unit and returns its settings file. */
  async enroll(
    id: string,
    role: 'server' | 'camera',
    { cameras, overrides }: { cameras?: readonly CameraDocument[]; overrides?: UnitOverrides } = {},
  ): Promise<string> {
    const folder = join(this.rig.folder, id);
    // Without this, a unit would get the servers that were enrolled before it as seeds.
    const endpoints = [...(this.endpoints ?? anycastEndpointsDefault)];
    const all: UnitOverrides = { log: { level: 'debug' }, anycast: { endpoints }, ...overrides };
    const enrollment = { unit: id, role, overrides: all, ...(cameras === undefined ? {} : { cameras }) };
    await enrollUnit(this.siteFolder, enrollment, folder);
    return join(folder, 'unit.yaml');
  }

  /** Adds a process that runs units: the bundle with these arguments, or another program. */
  add(
    id: string,
    machine: Machine,
    args: readonly string[],
    program: readonly string[] = [bundle],
  ): FieldUnit {
    const unit = new FieldUnit(id, machine, [...program, ...args]);
    this.units.push(unit);
    return unit;
  }

  [Symbol.dispose](): void {
    if (process.env['STARLING_TELL'] !== undefined) this.tellAll();
    this.rig[Symbol.dispose]();
  }

  /** Prints how the logs end. */
  tellAll(): void {
    for (const { id, lines } of this.units) {
      console.error(`== ${id}`);
      for (const { text } of lines.slice(-toldLines)) console.error(`   ${text}`);
    }
  }

  /**
   * Waits until these servers are one network on their own that has these cameras, each managed by exactly one of
   * them, and all agree. Returns how long it took, ms. Rejects after `withinMs` with what was not so.
   */
  async untilWhole(
    what: string,
    servers: readonly FieldUnit[],
    cameras: readonly string[],
    withinMs = 90_000,
  ): Promise<number> {
    const startedAt = Date.now();
    let trouble: string | undefined = 'not asked';
    try {
      await until(
        what,
        async () => {
          trouble = await disagreement(servers, cameras).catch((error: unknown) => String(error));
          // Asking costs the same two cores that the network runs on.
          if (trouble !== undefined) await new Promise((resolve) => setTimeout(resolve, 200));
          return trouble === undefined;
        },
        withinMs,
      );
    } catch {
      this.tellAll();
      assert.fail(`${what}: not whole within ${withinMs} ms: ${trouble}`);
    }
    const tookMs = Date.now() - startedAt;
    console.log(`${what}: whole after ${(tookMs / 1000).toFixed(1)} s (at most ${withinMs / 1000} s)`);
    return tookMs;
  }
}

/** Which of these servers manages each camera, as each says of its own. */
export async function managersOf(servers: readonly FieldUnit[]): Promise<ReadonlyMap<string, string>> {
  const tables = await Promise.all(servers.map((server) => server.tables()));
  return new Map(tables.flatMap(({ server, query }) => query.direct.map((one) => [one, server])));
}

/** Why these servers are not one network on their own that manages these cameras once each; undefined when they are. */
export async function disagreement(
  servers: readonly FieldUnit[],
  cameras: readonly string[],
): Promise<string | undefined> {
  const ids = servers.map(({ id }) => id).sort();
  const tables = await Promise.all(servers.map((server) => server.tables()));
  const networks = new Set(tables.map(({ network }) => `${network.founder} ${network.founded.at}`));
  if (networks.size !== 1) return `networks ${[...networks].sort().join(', ')}`;
  const managers = new Map(tables.flatMap(({ server, query }) => query.direct.map((one) => [one, server])));
  const twice = tables.flatMap(({ server, query }) =>
    query.direct.filter((one) => managers.get(one) !== server),
  );
  if (twice.length > 0) return `managed twice: ${twice.join(', ')}`;
  const without = cameras.filter((camera) => !managers.has(camera));
  if (without.length > 0) return `without a manager: ${without.join(', ')}`;
  for (const server of servers) {
    const { servers: seen } = await server.site();
    const reachable = seen.filter(({ state }) => state !== 'unreachable');
    const seenIds = reachable.map(({ id }) => id).sort();
    if (seenIds.join() !== ids.join()) return `${server.id} sees ${seenIds.join(', ')}`;
    const known = reachable.flatMap(({ id, cameras: its }) => its.map((camera) => [camera, id] as const));
    const wrong = known.find(([camera, id]) => cameras.includes(camera) && managers.get(camera) !== id);
    if (wrong !== undefined)
      return `${server.id} says ${wrong[1]} manages ${wrong[0]}, not ${managers.get(wrong[0])}`;
    const unknown = cameras.filter((camera) => !known.some(([one]) => one === camera));
    if (unknown.length > 0) return `${server.id} knows no manager of ${unknown.join(', ')}`;
  }
  return undefined;
}

/** Fails unless a camera's history is whole: every epoch from the first to the present, one after another. */
export function assertContiguous({ camera, manager, epoch, tenures }: WhereAnswer): void {
  const told = tenures
    .map(({ server, firstEpoch, lastEpoch }) => `${server} ${firstEpoch}–${lastEpoch}`)
    .join(', ');
  let next = 1;
  for (const { server, firstEpoch, lastEpoch } of tenures) {
    assert.notEqual(server, 'unknown', `${camera}: ${told}`);
    assert.equal(firstEpoch, next, `${camera}: ${told}`);
    assert(lastEpoch >= firstEpoch, `${camera}: ${told}`);
    next = lastEpoch + 1;
  }
  assert.equal(next - 1, epoch, `${camera}: ${told}`);
  const last = tenures.at(-1);
  assert.equal(last?.server, manager, `${camera}: ${told}`);
  assert.equal(last?.to, null, `${camera}: its present tenure lasts`);
}
