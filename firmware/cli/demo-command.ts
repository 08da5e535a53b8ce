/** `starling demo`: a whole network on this machine, each unit a process of its own, until Ctrl-C. */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { Failure } from '../base/failure.ts';
import type { UnitRole } from '../site/identity.ts';
import type { CamerasAnswer, SiteAnswer } from '../viewing/api.ts';
import { idleServers, openDemoFolder, temporaryFolder } from './demo-folder.ts';
import { choosePort, type DemoOptions, defaultSources, parseSources, prepareDemo } from './demo-site.ts';
import { UnitProcess } from './unit-process.ts';

const serversMax = 20;
const camerasMax = 64;
/** How long the servers may take to link before the cameras are started all the same. */
const linkedMs = 10_000;
/** How long it may take until every camera has a manager, before the demo says what is missing. */
const readyMs = 30_000;
const pollMs = 200;

interface Flags {
  readonly servers: string;
  readonly cameras: string;
  readonly seconds?: string;
  readonly port?: string;
  readonly data?: string;
  readonly source?: readonly string[];
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
    .option(
      '--data <dir>',
      'keep recordings and settings there (default: a temporary folder, removed at the end)',
    )
    .option(
      '--source <spec,...>',
      'given to the cameras in turn: test, /dev/videoN, file:PATH or a media file; may be repeated',
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .option('--open', 'open the page in the browser')
    .option('--json', 'print one JSON line when it is ready and one at the end')
    .addHelpText(
      'after',
      '\nExample:\n  starling demo --cameras 2 --source test,file:street.mp4 --data ./demo',
    )
    .action((flags: Flags) => runDemo(flags));
}

async function runDemo(flags: Flags): Promise<void> {
  const servers = whole('--servers', flags.servers, 1, serversMax);
  const cameras = whole('--cameras', flags.cameras, 0, camerasMax);
  const seconds = flags.seconds === undefined ? undefined : whole('--seconds', flags.seconds, 1, 31_536_000);
  const asked = flags.port === undefined ? undefined : whole('--port', flags.port, 1024, 65_000);
  const sources = flags.source === undefined ? await defaultSources() : flags.source.flatMap(parseSources);
  const port = await choosePort(asked, servers);
  const folder = flags.data === undefined ? await temporaryFolder() : resolve(flags.data);
  const stopped = stopRequest(seconds);
  try {
    await using _lock = await openDemoFolder(folder);
    await runNetwork({ servers, cameras, port, folder, sources }, flags, stopped);
  } finally {
    if (flags.data === undefined) await rm(folder, { recursive: true, force: true });
    stopped.release();
  }
  if (flags.data !== undefined)
    tell(`Recordings: ${join(folder, 'ss-*', 'data', 'recordings', 'CAMERA', 'DATE', '*.mp4')}`);
  if (flags.json) process.stdout.write(`${JSON.stringify({ stopped: true })}\n`);
}

/** Runs the units until it is asked to stop, and stops them, whatever happens. */
async function runNetwork(options: DemoOptions, flags: Flags, stopped: StopRequest): Promise<void> {
  const { servers, cameras, port, folder } = options;
  tell(`Preparing ${servers} servers and ${cameras} cameras in ${folder} …`);
  const idle = await idleServers(options);
  if (idle.length > 0)
    tell(`Recordings of ${idle.join(', ')}, of an earlier run with more servers, are not shown.`);
  const units = (await prepareDemo(options)).map((unit) => new UnitProcess(unit, program(), tell));
  const startAll = (role: UnitRole): void => {
    for (const unit of units) if (unit.unit.role === role && !stopped.is) unit.start();
  };
  const stopAll = (role: UnitRole): Promise<unknown> =>
    Promise.all(units.filter(({ unit }) => unit.role === role).map((unit) => unit.stop()));
  try {
    const url = `http://127.0.0.1:${port}`;
    // Servers first: cameras take whoever answers earliest, and so spread over all of them.
    startAll('server');
    await untilReady(url, { ...options, cameras: 0 }, { stopped, limitMs: linkedMs });
    startAll('camera');
    const missing = await untilReady(url, options, { stopped, limitMs: readyMs });
    tell(missing ?? `${servers} servers and ${cameras} cameras are up.`);
    if (!stopped.is)
      announce({ url, folder, ready: missing === undefined, units: units.map(described) }, flags);
    await stopped.asked;
  } finally {
    tell('Stopping …');
    // Cameras first, so that the servers get their last frames before they seal.
    await stopAll('camera');
    await stopAll('server');
  }
}

function announce(
  network: { readonly url: string; readonly [name: string]: unknown },
  { json, open }: Flags,
): void {
  const { url } = network;
  process.stdout.write(json ? `${JSON.stringify(network)}\n` : `Open ${url} to watch. Ctrl-C stops.\n`);
  if (!open) return;
  const browser = spawn('xdg-open', [url], { stdio: 'ignore', detached: true });
  browser.on('error', () => tell('no xdg-open here'));
  // It may stay as long as the browser does.
  browser.unref();
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
  throw new Failure('USAGE', `${flag}: expected ${min}..${max}, got ${text}`, {
    advice: 'See starling demo --help.',
  });
}

/** Somebody wants the demo to end. */
interface StopRequest {
  readonly is: boolean;
  readonly asked: Promise<void>;
  /** Signals do again what they do by default. */
  release(): void;
}

/** By Ctrl-C, by SIGTERM, when the terminal is closed, or after `seconds`. A second Ctrl-C changes nothing. */
function stopRequest(seconds: number | undefined): StopRequest {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let is = false;
  let ask = (): void => undefined;
  const asked = new Promise<void>((done) => {
    ask = () => {
      is = true;
      done();
    };
  });
  for (const signal of signals) process.on(signal, ask);
  const timer = seconds === undefined ? undefined : setTimeout(ask, seconds * 1000);
  return {
    get is() {
      return is;
    },
    asked,
    release: () => {
      for (const signal of signals) process.off(signal, ask);
      clearTimeout(timer);
    },
  };
}

/** Waits until the first server sees all others and every camera has a manager; says what is missing if it gives up. */
async function untilReady(
  url: string,
  options: DemoOptions,
  { stopped, limitMs }: { stopped: StopRequest; limitMs: number },
): Promise<string | undefined> {
  let missing = 'the first server does not answer';
  for (const deadline = Date.now() + limitMs; Date.now() < deadline && !stopped.is; ) {
    missing = await missingYet(url, options).catch(() => 'the first server does not answer');
    if (missing === '') return undefined;
    await Promise.race([stopped.asked, new Promise((resolve) => setTimeout(resolve, pollMs))]);
  }
  return stopped.is
    ? 'Stopped before everything was up.'
    : `Not everything is up: ${missing}. See the messages above.`;
}

async function missingYet(url: string, options: DemoOptions): Promise<string> {
  const site = await ask<SiteAnswer>(`${url}/api/site`);
  const reachable = site.servers.filter(({ state }) => state !== 'unreachable').length;
  if (reachable < options.servers) return `${reachable} of ${options.servers} servers are linked`;
  const { cameras } = await ask<CamerasAnswer>(`${url}/api/cameras`);
  const online = cameras.filter(
    ({ state, lastFrameAt }) => state === 'online' && lastFrameAt !== null,
  ).length;
  return online < options.cameras ? `${online} of ${options.cameras} cameras send pictures` : '';
}

async function ask<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return (await response.json()) as T;
}
