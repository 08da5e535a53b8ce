/**
 * A site of servers that ask who somebody is, as processes of the bundle on this machine: made with `starling site`,
 * as people make one. Commands run as they do on a terminal.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnitProcess } from '../../firmware/cli/unit-process.ts';
import { enrollUnit } from '../../firmware/io/site-folder.ts';
import { bundle } from './network.ts';

const loopback = '127.0.0.1';

export interface SignedInSite extends AsyncDisposable {
  readonly folder: string;
  /** of the first admin */
  readonly password: string;
  readonly messages: string[];
  url(server: string): string;
  settings(server: string): string;
  unit(server: string): UnitProcess;
  /** Runs `starling …`; `input` is what is piped in. */
  starling(args: readonly string[], given?: { input?: string; env?: Record<string, string> }): Promise<Ran>;
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts the servers. Dispose what is returned. */
export async function startSignedInSite(servers: readonly string[]): Promise<SignedInSite> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-people-'));
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const starling: SignedInSite['starling'] = async (args, given = {}) => {
    const child = spawn(process.execPath, [bundle, ...args], { env: { ...env, ...given.env }, cwd: folder });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.stdin.end(given.input ?? '');
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  };
  const site = join(folder, 'site');
  const made = await starling(['site', 'init', site, '--name', 'home', '--json']);
  const { password } = JSON.parse(made.out) as { password: string };
  const ports = await freePorts(servers.length + 1);
  const multicast = {
    kind: 'multicast',
    host: '239.83.84.1',
    interface: loopback,
    port: ports.pop() ?? 0,
  } as const;
  const messages: string[] = [];
  const units = new Map<string, { process: UnitProcess; url: string; settings: string }>();
  for (const [place, id] of servers.entries()) {
    const port = ports[place] ?? 0;
    const overrides = {
      link: { host: loopback, port: 0 },
      anycast: { endpoints: [multicast] },
      server: { http: { host: loopback, port } },
    };
    const unitFolder = join(folder, id);
    await enrollUnit(site, { unit: id, role: 'server', overrides }, unitFolder);
    const settings = join(unitFolder, 'unit.yaml');
    const unit = { id, role: 'server', folder: unitFolder, settings } as const;
    const running = new UnitProcess(unit, bundle, (line) => messages.push(line));
    running.start();
    units.set(id, { process: running, url: `http://${loopback}:${port}`, settings });
  }
  const known = (id: string): { process: UnitProcess; url: string; settings: string } => {
    const unit = units.get(id);
    if (unit === undefined) throw new Error(`no server ${id}`);
    return unit;
  };
  return {
    folder,
    password,
    messages,
    starling,
    url: (id) => known(id).url,
    settings: (id) => known(id).settings,
    unit: (id) => known(id).process,
    async [Symbol.asyncDispose]() {
      await Promise.all([...units.values()].map((unit) => unit.process.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Ports that nobody has now. */
async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer());
  await Promise.all(probes.map((probe) => once(probe.listen(0, loopback), 'listening')));
  const ports = probes.map((probe) => (probe.address() as { port: number }).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}
