/**
 * A real network on this machine: servers and cameras as processes of the bundle, real TLS, multicast, GStreamer and
 * LevelDB. Tests wait for conditions, never for a time.
 */
import assert from 'node:assert';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DemoUnit, prepareDemo } from '../../firmware/cli/demo-site.ts';
import { UnitProcess } from '../../firmware/cli/unit-process.ts';
import type {
  CamerasAnswer,
  RecordingsAnswer,
  SiteAnswer,
  StatusAnswer,
} from '../../firmware/viewing/api.ts';

/** The program under test. */
export const bundle = join(import.meta.dirname, '..', '..', 'dist', 'starling.mjs');

/** A running network; dispose it. */
export interface TestNetwork extends AsyncDisposable {
  readonly folder: string;
  readonly units: ReadonlyMap<string, UnitProcess>;
  /** base URL of a server's page, `ss-1` by default */
  url(server?: string): string;
  unit(id: string): UnitProcess;
  /** what units said that was worth a person's attention */
  readonly messages: string[];
}

export interface TestNetworkOptions {
  readonly servers: number;
  readonly cameras: number;
  readonly sources?: readonly string[];
  /** start only these units; the others by `unit(id).start()` */
  readonly start?: readonly string[];
}

/** A port with a few free ones after it, from a range that the system does not hand out. */
async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 200) * 100;
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port');
}

/** Starts a network of the demo's kind. Its folder is removed when it is disposed. */
export async function startNetwork(options: TestNetworkOptions): Promise<TestNetwork> {
  assert(existsSync(bundle), `${bundle} is missing: npm run build`);
  const folder = await mkdtemp(join(tmpdir(), 'starling-test-'));
  const port = await freePort();
  const { servers, cameras, sources = ['test'] } = options;
  const demoUnits = await prepareDemo({ servers, cameras, port, folder, sources });
  const messages: string[] = [];
  const make = (unit: DemoUnit): [string, UnitProcess] => [
    unit.id,
    new UnitProcess(unit, bundle, (line) => messages.push(line)),
  ];
  const units = new Map(demoUnits.map(make));
  for (const [id, unit] of units) if (options.start?.includes(id) ?? true) unit.start();
  const unit = (id: string): UnitProcess => {
    const found = units.get(id);
    assert(found, `no unit ${id}`);
    return found;
  };
  return {
    folder,
    units,
    unit,
    messages,
    url: (server = 'ss-1') => `http://127.0.0.1:${port + Number(server.slice(3)) - 1}`,
    [Symbol.asyncDispose]: async () => {
      const all = [...units.values()];
      await Promise.all(all.filter((one) => one.unit.role === 'camera').map((one) => one.stop()));
      await Promise.all(all.map((one) => one.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until `probe` returns something other than undefined or false; rejects with what it last threw or saw. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 30_000,
): Promise<T> {
  let last = 'nothing';
  for (const deadline = Date.now() + limitMs; Date.now() < deadline; ) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited ${limitMs} ms in vain: ${what} (last: ${last})`);
}

/** GETs JSON of the API; rejects on any status but 200. */
async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  assert.equal(response.status, 200, `${url}: ${response.status}`);
  return (await response.json()) as T;
}

export const getCameras = async (url: string): Promise<CamerasAnswer['cameras']> =>
  (await getJson<CamerasAnswer>(`${url}/api/cameras`)).cameras;

export const getSite = (url: string): Promise<SiteAnswer> => getJson(`${url}/api/site`);

export const getStatus = (url: string): Promise<StatusAnswer> => getJson(`${url}/api/status`);

export const getRecordings = (url: string, camera: string): Promise<RecordingsAnswer> =>
  getJson(`${url}/api/cameras/${camera}/recordings`);

/** Waits until every server sees every server, and every camera sends pictures to its manager; `limitMs` for each of it. */
export async function untilUp(
  network: TestNetwork,
  servers: number,
  cameras: number,
  limitMs?: number,
): Promise<void> {
  for (let number = 1; number <= servers; number++) {
    const url = network.url(`ss-${number}`);
    const seesServers = async (): Promise<boolean> => {
      const site = await getSite(url);
      return site.servers.filter(({ state }) => state !== 'unreachable').length === servers;
    };
    const seesCameras = async (): Promise<boolean> => {
      const list = await getCameras(url);
      return (
        list.filter(({ state, lastFrameAt }) => state === 'online' && lastFrameAt !== null).length === cameras
      );
    };
    await until(`ss-${number} sees ${servers} servers`, seesServers, limitMs);
    await until(`ss-${number} sees ${cameras} cameras live`, seesCameras, limitMs);
  }
}
