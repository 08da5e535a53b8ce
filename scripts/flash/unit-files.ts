/**
 * The files of one unit for its partition CONFIG, from the folder of a site: a unit that is enrolled already gets its files
 * again, a new one is enrolled.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Failure } from '../../firmware/base/failure.ts';
import type { UnitOverrides } from '../../firmware/config/enrollment.ts';
import { type NetworkDocument, parseNetworkFile } from '../../firmware/config/network-file.ts';
import { anycastEndpointsDefault, anycastPortDefault } from '../../firmware/config/unit-config.ts';
import { hashPin, isPin, pinFileName } from '../../firmware/console/pin.ts';
import { enrollUnit, listUnits } from '../../firmware/io/site-folder.ts';
import type { UnitRole } from '../../firmware/site/identity.ts';
import { runTool } from '../image/run-tool.ts';

export interface UnitRequest {
  /** folder of the site */
  readonly site: string;
  readonly unit: string;
  readonly role: UnitRole;
  /** where the pictures of a new camera come from */
  readonly source?: string;
  /** host:port of servers that a new unit knows */
  readonly seeds?: readonly string[];
  /** routed anycast address of the site, for a new unit; a server puts it up itself */
  readonly anycast?: string;
  /** labels of the disks that a new server records on; without them on its data partition */
  readonly volumes?: readonly string[];
  readonly network?: NetworkDocument;
  /** of the field console */
  readonly pin?: string;
}

/** Name and text of each file. Throws Failures of the site, and USAGE. */
export async function unitFiles(request: UnitRequest): Promise<Map<string, string>> {
  const { site, unit, role, network, pin } = request;
  if (pin !== undefined && !isPin(pin))
    throw new Failure('USAGE', 'the PIN is none', { advice: 'Choose 4 to 12 digits.' });
  const networkText = network === undefined ? undefined : stringify(network);
  // Before anything is made: a slip in the command line must not leave half a unit behind.
  if (networkText !== undefined) parseNetworkFile(networkText);
  const { units } = await listUnits(site);
  const known = units.find((record) => record.unit === unit);
  const folder = join(site, 'units', unit);
  if (known === undefined) await enroll(request, folder);
  else if (known.role !== role) {
    const advice = `Flash the image for a ${known.role}, or choose another name.`;
    throw new Failure('USAGE', `unit ${unit} is a ${known.role}, and the image is for a ${role}`, { advice });
  }
  const files = readFolder(folder, unit);
  if (networkText !== undefined) files.set('network.yaml', networkText);
  if (pin !== undefined) files.set(pinFileName, await hashPin(pin));
  return files;
}

async function enroll(
  { site, unit, role, source, seeds = [], anycast, volumes }: UnitRequest,
  folder: string,
): Promise<void> {
  const cameras = role === 'camera' ? [{ id: unit, ...(source === undefined ? {} : { source }) }] : [];
  const overrides: UnitOverrides = {
    ...(anycast === undefined ? {} : { anycast: { endpoints: endpoints(anycast, role) } }),
    // Nobody sits at a flashed server: its page is for other machines.
    ...(role === 'server'
      ? { server: { https: { certificate: 'page.crt', key: 'page.key' }, ...recordOn(volumes) } }
      : {}),
  };
  await enrollUnit(site, { unit, role, cameras, seeds, overrides }, folder);
  await giveToCaller(folder, join(site, 'units', `${unit}.yaml`));
}

/** Flashing needs root, but the site belongs to whoever typed sudo. */
async function giveToCaller(...paths: readonly string[]): Promise<void> {
  const { SUDO_UID: user, SUDO_GID: group } = process.env;
  if (user === undefined || group === undefined || process.getuid?.() !== 0) return;
  await runTool('chown', ['--recursive', `${user}:${group}`, ...paths]);
}

/** The system mounts a disk by its label below /volumes. */
function recordOn(labels: readonly string[] | undefined): { volumes?: string[] } {
  return labels === undefined ? {} : { volumes: labels.map((label) => `/volumes/${label}`) };
}

function endpoints(host: string, role: UnitRole) {
  const owned = role === 'server' ? { interface: 'lo' } : {};
  return [...anycastEndpointsDefault, { kind: 'address' as const, host, port: anycastPortDefault, ...owned }];
}

function readFolder(folder: string, unit: string): Map<string, string> {
  if (!existsSync(join(folder, 'unit.yaml'))) {
    const advice = `Its key exists only once. Copy the files of the unit to ${folder}, or choose another name.`;
    throw new Failure('FILE_MISSING', `unit ${unit} is enrolled, but its files are not in ${folder}`, {
      advice,
    });
  }
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.name.startsWith('.'),
  );
  return new Map(names.map(({ name }) => [name, readFileSync(join(folder, name), 'utf8')]));
}
