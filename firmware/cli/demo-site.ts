/**
 * The files of a demo: a site, and one enrolled unit folder for each server and camera.
 *
 * A folder that an earlier demo left is used again: the site and its certificates stay, the settings that the command
 * line gives are written anew.
 */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { Failure } from '../base/failure.ts';
import type { CameraDocument } from '../config/camera-section.ts';
import type { UnitOverrides } from '../config/enrollment.ts';
import { parseSourceSpec, withoutPassword } from '../config/source-spec.ts';
import { type AnycastEndpoint, unitConfigBytesMax } from '../config/unit-config.ts';
import { enrollUnit, initSite } from '../io/site-folder.ts';
import { readText, writeText } from '../io/text-files.ts';

/** What is asked for on the command line. */
export interface DemoOptions {
  readonly servers: number;
  readonly cameras: number;
  /** of the first server's page; the others follow */
  readonly port: number;
  readonly folder: string;
  /** given to the cameras in turn */
  readonly sources: readonly string[];
}

/** A unit that is ready to run. */
export interface DemoUnit {
  readonly id: string;
  readonly role: 'server' | 'camera';
  readonly folder: string;
  readonly settings: string;
}

const multicastGroup = '239.83.84.1';
const loopback = '127.0.0.1';
/** Joins of a demo stay among its own units: each page port has an anycast port of its own. */
const anycastPortOffset = 84;

/** The settings of a demo camera: a picture that four of them can encode on two slow cores. */
const cameraSettings = { width: 960, height: 540, frameRate: 25, bitrateKbps: 1200 } as const;

/** The first camera can be turned, if it shows a test picture. */
const demoMount = { kind: 'simulated', tilt: [-10, 25] } satisfies CameraDocument['mount'];

/** Makes the site and its units, servers first. */
export async function prepareDemo(options: DemoOptions): Promise<DemoUnit[]> {
  const { folder, port } = options;
  const site = join(folder, 'site');
  if (!existsSync(join(site, 'site.yaml'))) await initSite(site, 'demo');
  const endpoint: AnycastEndpoint = {
    kind: 'multicast',
    host: multicastGroup,
    port: port + anycastPortOffset,
    interface: loopback,
  };
  const common = { link: { host: loopback, port: 0 }, anycast: { endpoints: [endpoint] } };
  const units: DemoUnit[] = [];
  for (let number = 1; number <= options.servers; number++) {
    // Nobody signs in to try it out; the settings allow that on loopback only.
    const server = { http: { host: loopback, port: port + number - 1, access: 'everybody' as const } };
    units.push(
      await prepareUnit(site, folder, {
        id: `ss-${number}`,
        role: 'server',
        overrides: { ...common, server },
      }),
    );
  }
  for (let number = 1; number <= options.cameras; number++) {
    const id = `cam-${number}`;
    const source = options.sources[(number - 1) % options.sources.length] ?? 'test';
    const mount = number === 1 && source === 'test' ? { mount: demoMount } : {};
    const cameras = [{ id, source, ...cameraSettings, ...mount }];
    units.push(await prepareUnit(site, folder, { id, role: 'camera', overrides: common, cameras }));
  }
  return units;
}

interface Wanted {
  readonly id: string;
  readonly role: 'server' | 'camera';
  readonly overrides: UnitOverrides;
  readonly cameras?: readonly CameraDocument[];
}

async function prepareUnit(site: string, folder: string, wanted: Wanted): Promise<DemoUnit> {
  const { id, role, overrides, cameras } = wanted;
  const unitFolder = join(folder, id);
  const settings = join(unitFolder, 'unit.yaml');
  if (existsSync(settings)) {
    // What somebody has set besides stays.
    const known = await readSettings(settings);
    const server = overrides.server === undefined ? {} : { server: { ...known.server, ...overrides.server } };
    const camera = cameras === undefined ? {} : { camera: { ...known.camera, cameras } };
    await writeText(settings, stringify({ ...known, ...overrides, ...server, ...camera }));
  } else {
    const enrollment = { unit: id, role, overrides, ...(cameras === undefined ? {} : { cameras }) };
    await enrollUnit(site, enrollment, unitFolder);
  }
  return { id, role, folder: unitFolder, settings };
}

/** The settings that an earlier run left. Throws the Failures CONFIG_INVALID and FILE_IO. */
async function readSettings(path: string): Promise<{ server?: object; camera?: object }> {
  const advice = 'Restore it, or choose another folder with --data.';
  const text = await readText(path, { bytesMax: unitConfigBytesMax, advice });
  try {
    const known: unknown = parse(text);
    if (typeof known === 'object' && known !== null && !Array.isArray(known)) return known;
  } catch {
    // said below
  }
  throw new Failure('CONFIG_INVALID', `${path} holds no settings`, { advice });
}

/** Video4Linux devices of this machine, used by default where there are any; then test pictures. */
export async function defaultSources(): Promise<string[]> {
  const names = await readdir('/dev');
  const devices = names.filter((name) => /^video\d+$/.test(name)).sort();
  return [...devices.map((name) => `/dev/${name}`), 'test'];
}

/**
 * The sources of one `--source`: separated by commas, unless the whole is the name of a file that is there. Throws the
 * Failures USAGE and FILE_MISSING.
 */
export function parseSources(text: string): string[] {
  const whole = parseSourceSpec(text);
  const isFile = whole.ok && whole.value.kind === 'file' && existsSync(whole.value.path);
  return (isFile ? [text] : text.split(',')).map((part) => checkedSource(part.trim()));
}

function checkedSource(text: string): string {
  const source = parseSourceSpec(text);
  const advice = 'See starling demo --help.';
  const shown = withoutPassword(text);
  if (!source.ok) throw new Failure('USAGE', `--source ${shown}: ${source.reason}`, { advice });
  if (source.value.kind !== 'file' && source.value.kind !== 'v4l2') return text;
  const path = resolve(source.value.kind === 'file' ? source.value.path : source.value.device);
  if (!existsSync(path))
    throw new Failure('FILE_MISSING', `--source ${text}: ${path} is missing`, { advice });
  return source.value.kind === 'file' ? `file:${path}` : text;
}

/** Whether this machine can listen there now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, loopback, () => probe.close(() => done(true)));
  });
}

/** The first of `count` ports that is in use. */
async function portInUse(first: number, count: number): Promise<number | undefined> {
  const ports = Array.from({ length: count }, (_, place) => first + place);
  const free = await Promise.all(ports.map(isFree));
  return ports.find((_, place) => free[place] !== true);
}

/**
 * A page port with as many free ones after it as there are servers. A port that was asked for is taken or refused
 * (Failure PORT_IN_USE); the default moves up.
 */
export async function choosePort(asked: number | undefined, servers: number): Promise<number> {
  if (asked !== undefined) {
    const taken = await portInUse(asked, servers);
    if (taken === undefined) return asked;
    const advice = 'Stop the program that uses it, or choose another with --port.';
    throw new Failure('PORT_IN_USE', `port ${taken} is in use`, { advice });
  }
  for (let port = 8300; port < 65_000; port += 100) {
    if ((await portInUse(port, servers)) === undefined) return port;
  }
  throw new Failure('PORT_IN_USE', 'no free ports from 8300 on', { advice: 'Choose one with --port.' });
}
