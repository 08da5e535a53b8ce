/** `starling demo`: a whole network on this machine, each unit a process of its own, until Ctrl-C. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import { parseSourceSpec } from '../config/source-spec.ts';
import type { CamerasAnswer, SiteAnswer } from '../viewing/api.ts';
import { choosePort, defaultSources, type DemoOptions, prepareDemo } from './demo-site.ts';
import { UnitProcess } from './unit-process.ts';

const serversMax = 20;
const camerasMax = 64;
/** How long the network may take until every camera has a manager, before the demo says what is missing. */
const readyMs = 30_000;
const pollMs = 200;

interface Flags {
  readonly servers: string;
  readonly cameras: string;
  readonly seconds?: string;
  readonly port?: string;
  readonly data?: string;
  readonly source?: string;
  readonly open?: true;
  readonly json?: true;
}

/** Adds `demo` to the program. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('run a whole network on this machine and print the address of its page')
    .option('--servers <n>', 'number of servers', '3')
    .option('--cameras <n>', 'number of cameras', '4')
    .option('--seconds <s>', 'stop by itself after so many seconds')
    .option('--port <p>', 'port of the first page, the others follow (default: 8300, or free ones above it)')
    .option('--data <dir>', 'keep recordings and settings there (default: a temporary folder, removed at the end)')
    .option('--source <spec,...>', 'given to the cameras in turn: test, /dev/videoN, file:PATH or a media file')
    .option('--open', 'open the page in the browser')
    .option('--json', 'print one JSON line when it is ready and one at the end')
    .addHelpText('after', '\nExample:\n  starling demo --cameras 2 --source test,file:street.mp4 --data ./demo')
    .action((flags: Flags) => runDemo(flags));
}

async function runDemo(flags: Flags): Promise<void> {
  const servers = whole('--servers', flags.servers, 1, serversMax);
  const cameras = whole('--cameras', flags.cameras, 0, camerasMax);
  const seconds = flags.seconds === undefined ? undefined : whole('--seconds', flags.seconds, 1, 31_536_000);
  const asked = flags.port === undefined ? undefined : whole('--port', flags.port, 1024, 65_000);
  const sources = flags.source === undefined ? await defaultSources() : flags.source.split(',').map(checkedSource);
  const port = await choosePort(asked, servers);
  const folder = flags.data === undefined ? await mkdtemp(join(tmpdir(), 'starling-demo-')) : resolve(flags.data);
  await mkdir(folder, { recursive: true });

  const stopped = stopRequest(seconds);
  tell(`Preparing ${servers} servers and ${cameras} cameras in ${folder} …`);
  const options: DemoOptions = { servers, cameras, port, folder, sources };
  const units = (await prepareDemo(options)).map((unit) => new UnitProcess(unit, program(), tell));
  const url = `http://127.0.0.1:${port}`;
  // Servers first: cameras take whoever answers earliest, and so spread over all of them.
  for (const unit of units) if (unit.unit.role === 'server') unit.start();
  await untilReady(url, { ...options, cameras: 0 }, stopped.asked);
  for (const unit of units) if (unit.unit.role === 'camera') unit.start();
  const missing = await untilReady(url, options, stopped.asked);
  tell(missing ?? `${servers} servers and ${cameras} cameras are up.`);
  if (flags.json) process.stdout.write(`${JSON.stringify({ url, folder, units: units.map(described) })}\n`);
  else process.stdout.write(`Open ${url} to watch. Ctrl-C stops.\n`);
  if (flags.open) spawn('xdg-open', [url], { stdio: 'ignore', detached: true }).on('error', () => tell('no xdg-open here'));

  await stopped.asked;
  tell('Stopping …');
  // Cameras first, so that the servers get their last frames before they seal.
  await Promise.all(units.filter(({ unit }) => unit.role === 'camera').map((unit) => unit.stop()));
  await Promise.all(units.map((unit) => unit.stop()));
  if (flags.data === undefined) await rm(folder, { recursive: true, force: true });
  else tell(`Recordings: ${join(folder, 'ss-*', 'data', 'recordings', 'CAMERA', 'DATE', '*.mp4')}`);
  if (flags.json) process.stdout.write(`${JSON.stringify({ stopped: true })}\n`);
  stopped.release();
}

function described({ unit, pid }: UnitProcess): object {
  return { id: unit.id, role: unit.role, pid, folder: unit.folder };
}

/** The bundle that this is part of. */
function program(): string {
  return fileURLToPath(import.meta.url);
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function whole(flag: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Failure('USAGE', `${flag}: expected ${min}..${max}, got ${text}`, { advice: 'See starling demo --help.' });
}

function checkedSource(text: string): string {
  const source = parseSourceSpec(text);
  if (!source.ok) throw new Failure('USAGE', `--source ${text}: ${source.reason}`, { advice: 'See starling demo --help.' });
  return source.value.kind === 'file' ? `file:${resolve(source.value.path)}` : text;
}

/** Resolves on Ctrl-C, on SIGTERM, or after `seconds`. A second Ctrl-C while stopping changes nothing. */
function stopRequest(seconds: number | undefined): { asked: Promise<void>; release: () => void } {
  let release = (): void => undefined;
  const asked = new Promise<void>((done) => {
    const ask = (): void => done();
    process.on('SIGINT', ask);
    process.on('SIGTERM', ask);
    const timer = seconds === undefined ? undefined : setTimeout(ask, seconds * 1000);
    release = () => {
      process.off('SIGINT', ask);
      process.off('SIGTERM', ask);
      clearTimeout(timer);
    };
  });
  return { asked, release };
}

/** Waits until the first server sees all others and every camera has a manager; says what is missing if it gives up. */
async function untilReady(url: string, options: DemoOptions, stopped: Promise<void>): Promise<string | undefined> {
  let stop = false;
  void stopped.then(() => {
    stop = true;
  });
  let missing = 'the first server does not answer';
  for (const deadline = Date.now() + readyMs; Date.now() < deadline && !stop; ) {
    missing = await missingYet(url, options).catch(() => 'the first server does not answer');
    if (missing === '') return undefined;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  return stop ? 'Stopped before everything was up.' : `Not everything is up: ${missing}. See the messages above.`;
}

async function missingYet(url: string, options: DemoOptions): Promise<string> {
  const site = await ask<SiteAnswer>(`${url}/api/site`);
  const reachable = site.servers.filter(({ state }) => state !== 'unreachable').length;
  if (reachable < options.servers) return `${reachable} of ${options.servers} servers are linked`;
  const { cameras } = await ask<CamerasAnswer>(`${url}/api/cameras`);
  const online = cameras.filter(({ state, lastFrameAt }) => state === 'online' && lastFrameAt !== null).length;
  return online < options.cameras ? `${online} of ${options.cameras} cameras send pictures` : '';
}

async function ask<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return (await response.json()) as T;
}
