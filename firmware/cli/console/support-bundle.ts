/**
 * The support archive of a unit: everything that helps somebody who is not there, without secrets. A gzipped tar in
 * memory; nothing is written to the unit's disk, which may be the fault.
 *
 * Invariants: every part is text, redacted, and at most `partBytesMax` (its end is kept); what could not be had says why;
 * a part that fails or hangs costs that part alone.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { messageOf } from '../../base/failure.ts';
import type { UnitConfig } from '../../config/unit-config.ts';
import { plainText } from '../../console/console-text.ts';
import { isSecretFile, redact } from '../../console/redaction.ts';
import { type TarFile, tarArchive } from '../../console/tar-archive.ts';
import { boardAnswer } from './field-commands.ts';
import { clockFacts, machineFacts, memoryFacts, networkPorts, outputOf, spaceOf } from './machine-facts.ts';
import type { UnitLink } from './unit-link.ts';
import { journalOf, provisionService } from './unit-service.ts';

const partBytesMax = 256 * 1024;
const journalLines = 2_000;
const secretBytesMax = 16 * 1024;

export interface BundleParts {
  readonly unit: UnitLink;
  readonly configPath: string;
  /** `status` as the console shows it, and as data */
  readonly status: () => Promise<{ readonly text: string; readonly data: unknown }>;
  readonly nowMs: number;
}

export interface Bundle {
  readonly name: string;
  readonly archive: Buffer;
  readonly parts: readonly { readonly name: string; readonly bytes: number }[];
}

export async function makeBundle(parts: BundleParts): Promise<Bundle> {
  const read = await parts.unit.config();
  const unit = read.ok ? read.config.unit : 'unit';
  const stamp = new Date(parts.nowMs).toISOString().replaceAll(/[-:]/g, '').slice(0, 15);
  const folder = `${unit}-${stamp}`;
  const secrets = await secretsOf(read.ok ? read.config : undefined, parts.configPath);
  const gathered: TarFile[] = [];
  // One after the other: a small board has other things to do.
  for (const [name, gather] of Object.entries(sources(parts))) {
    const text = await gather().catch((thrown: unknown) => `not to be had: ${messageOf(thrown)}\n`);
    gathered.push({ name: `${folder}/${name}`, content: tailOf(redact(text ?? 'not there\n', secrets)) });
  }
  const archive = await promisify(gzip)(tarArchive(gathered, parts.nowMs));
  return {
    name: `${folder}.tar.gz`,
    archive,
    parts: gathered.map(({ name, content }) => ({ name, bytes: content.length })),
  };
}

/** What goes in, by file name. */
function sources({
  unit,
  configPath,
  status,
}: BundleParts): Record<string, () => Promise<string | undefined>> {
  const asked =
    (command: string, ...args: string[]) =>
    async (): Promise<string> =>
      json((await unit.ask(command, args)).data);
  return {
    'status.txt': async () => `${(await status()).text}\n`,
    'status.json': async () => json((await status()).data),
    'machine.json': async () =>
      json({
        machine: await machineFacts(),
        memory: await memoryFacts(),
        clock: await clockFacts(),
        network: await networkPorts(),
        space: await Promise.all(['/', '/var', '/data'].map(spaceOf)),
      }),
    'unit.yaml': () => readFile(configPath, 'utf8'),
    'unit-log.txt': async () => plainText((await unit.ask('log', ['-n', '500'])).data),
    'journal.txt': () => journalOf(journalLines),
    'kernel.txt': () => outputOf('dmesg', ['-T']),
    'manager.json': asked('manager'),
    'camera.json': asked('camera'),
    'tables.json': asked('tables'),
    'cameras.json': asked('cameras'),
    'recording.json': asked('recording'),
    'disks.json': asked('disks'),
    'gpio.json': asked('gpio'),
    'board.json': async () => json((await boardAnswer(unit)).data),
    'provision.txt': () => journalOf(journalLines, provisionService),
    'addresses.txt': () => outputOf('ip', ['address']),
    'routes.txt': () => outputOf('ip', ['route', 'show', 'table', 'all']),
    'sockets.txt': () => outputOf('ss', ['-tulpn']),
    'mounts.txt': () => readFile('/proc/mounts', 'utf8'),
    'blocks.json': () =>
      outputOf('lsblk', ['-J', '-b', '-o', 'NAME,TYPE,SIZE,LABEL,FSTYPE,MOUNTPOINTS,MODEL']),
    'processes.txt': () => outputOf('ps', ['-eo', 'pid,ppid,user,stat,etime,rss,pcpu,comm']),
    'modules.txt': () => readFile('/proc/modules', 'utf8'),
  };
}

/** What the files of keys and passwords of this unit say: none of it may be anywhere. */
export async function secretsOf(config: UnitConfig | undefined, configPath: string): Promise<string[]> {
  const near = ['unit.key', 'seal.key', 'console.pin', 'first-admin.yaml'].map((name) =>
    configPath.replace(/[^/]*$/, name),
  );
  const named = config === undefined ? [] : Object.values(config.site).filter((path) => path.startsWith('/'));
  const files = [...new Set([...near, ...named])].filter(isSecretFile);
  const texts = await Promise.all(files.map(startOf));
  // Short lines are words of the file's form, such as `users:`.
  const words = texts
    .flatMap((text) => text.split(/\s+/))
    .filter((word) => word.length >= 16 && !word.startsWith('-----'));
  const passwords = await Promise.all(passwordFilesOf(config).map(startOf));
  return [...words, ...passwords.map((text) => text.split(/\r?\n/)[0] ?? '')];
}

/** Of cameras and of the broker: one password in each, in the first line. */
function passwordFilesOf(settings: unknown): string[] {
  if (typeof settings !== 'object' || settings === null) return [];
  return Object.entries(settings).flatMap(([name, value]) =>
    name === 'passwordFile' && typeof value === 'string' ? [value] : passwordFilesOf(value),
  );
}

/** Nothing where it cannot be read. */
async function startOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.slice(0, secretBytesMax);
}

function tailOf(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= partBytesMax) return bytes;
  return Buffer.concat([
    Buffer.from('[the beginning is cut]\n'),
    bytes.subarray(bytes.length - partBytesMax),
  ]);
}

function json(data: unknown): string {
  return `${JSON.stringify(data, null, 2)}\n`;
}
