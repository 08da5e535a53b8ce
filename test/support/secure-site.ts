/**
 * A site as people make one: a server whose page is there over HTTPS alone for others, with the certificate that
 * enrolling it made, a camera, and a first admin with a password.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UnitProcess } from '../../firmware/cli/unit-process.ts';
import { enrollUnit } from '../../firmware/io/site-folder.ts';
import { bundle } from './network.ts';

const loopback = '127.0.0.1';

export interface SecureSite extends AsyncDisposable {
  /** of the page, over HTTPS */
  readonly url: string;
  /** PEM file of the site's authority */
  readonly authority: string;
  /** of the user `admin` */
  readonly password: string;
}

/** Starts it. Dispose what is returned. */
export async function startSecureSite(): Promise<SecureSite> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-secure-'));
  const site = join(folder, 'site');
  const made = await promisify(execFile)(process.execPath, [bundle, 'site', 'init', site, '--json']);
  const { password } = JSON.parse(made.stdout) as { password: string };
  const [http, https, join0] = await freePorts(3);
  const anycast = {
    endpoints: [{ kind: 'multicast' as const, host: '239.83.84.1', interface: loopback, port: join0 ?? 0 }],
  };
  const common = { anycast, link: { host: loopback, port: 0 } };
  const server = {
    http: { host: loopback, port: http ?? 0 },
    https: { host: loopback, port: https ?? 0, certificate: 'page.crt', key: 'page.key' },
  };
  const cameras = [{ id: 'cam-1', source: 'test', width: 640, height: 360 }];
  const units: UnitProcess[] = [];
  for (const unit of [
    { unit: 'ss-1', role: 'server', names: [loopback], overrides: { ...common, server } },
    { unit: 'cam-1', role: 'camera', cameras, overrides: common },
  ] as const) {
    const unitFolder = join(folder, unit.unit);
    await enrollUnit(site, unit, unitFolder);
    const settings = join(unitFolder, 'unit.yaml');
    units.push(
      new UnitProcess({ id: unit.unit, role: unit.role, folder: unitFolder, settings }, bundle, () => {}),
    );
  }
  for (const unit of units) unit.start();
  return {
    url: `https://${loopback}:${https}`,
    authority: join(site, 'ca.crt'),
    password,
    async [Symbol.asyncDispose]() {
      await Promise.all(units.map((unit) => unit.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Ports that nobody has now. */
async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    probes.map(
      (probe) =>
        new Promise<number>((resolve, reject) => {
          probe.once('error', reject);
          probe.listen(0, loopback, () => resolve((probe.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}
