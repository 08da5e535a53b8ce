/**
 * Takes the settings and keys of a unit over from the partition CONFIG, at every start, and makes the files in /run that
 * the network is set up from.
 *
 * Invariants: what is taken over was checked together with what is there already, as the unit will read it; a unit that
 * has settings keeps them when the new ones are wrong; a file is removed from CONFIG only when its copy is on disk, and is
 * overwritten before, under another name, so that a half overwritten one is nobody's settings. (A card may keep old blocks all the same: that is the best that a program can do.)
 */
import { randomBytes } from 'node:crypto';
import {
  access,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure, messageOf } from '../base/failure.ts';
import { networkFileBytesMax, parseNetworkFile } from '../config/network-file.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import {
  configFileBytesMax,
  configFilesMax,
  doneNote,
  doneText,
  goneName,
  isBrokenOff,
  isGone,
  isUnitFile,
  problemNote,
  problemText,
  trialSuffix,
} from '../provisioning/config-files.ts';
import { networkTexts } from '../provisioning/network-texts.ts';
import type { UnitRole } from '../site/identity.ts';
import { loadUnitConfig } from './config-file.ts';
import { readText, writeText } from './text-files.ts';
import { loadIdentity } from './tls-identity.ts';

const flashAgain =
  'Flash the unit with --site and --unit, or put the files of `starling site enroll` on its partition CONFIG.';

export interface FirstBootOptions {
  /** where the partition CONFIG is mounted; undefined: there is none */
  readonly configFolder: string | undefined;
  /** /data/starling */
  readonly unitFolder: string;
  /** /run */
  readonly runFolder: string;
  /** what this image is for; undefined: any role */
  readonly role: UnitRole | undefined;
  /** wireless interfaces of this machine */
  readonly wireless: readonly string[];
}

export interface FirstBootResult {
  readonly config: UnitConfig;
  /** names of the files that were taken over now */
  readonly taken: readonly string[];
}

/**
 * Takes over what CONFIG holds and prepares the network. Throws the Failures CONFIG_INVALID, FILE_MISSING, FILE_IO and
 * SITE_INVALID; PROBLEM.TXT on CONFIG then says the same.
 */
export async function firstBoot(options: FirstBootOptions): Promise<FirstBootResult> {
  try {
    const taken = await takeOver(options);
    const config = await checkedUnit(options.unitFolder, options.role);
    await writeNetwork(options);
    return { config, taken };
  } catch (thrown) {
    await leaveNote(options.configFolder, thrown);
    // The network of the unit may be the only way to help it.
    await writeNetwork(options).catch(() => undefined);
    throw thrown;
  }
}

async function takeOver({ configFolder, unitFolder, runFolder, role }: FirstBootOptions): Promise<string[]> {
  await removeLeftovers(configFolder, unitFolder);
  const files = configFolder === undefined ? new Map<string, string>() : await readConfig(configFolder);
  if (files.size === 0 || configFolder === undefined) return [];
  await mkdir(runFolder, { recursive: true });
  const stage = await mkdtemp(join(runFolder, 'settings-'));
  try {
    for (const [name, text] of await readUnitFolder(unitFolder))
      await writeFile(join(stage, name), text, { mode: 0o600 });
    for (const [name, text] of files) await writeFile(join(stage, name), text, { mode: 0o600 });
    const { unit, site } = await checkedUnit(stage, role);
    await mkdir(unitFolder, { recursive: true, mode: 0o700 });
    // What a change at the console would put back is older than these.
    if (files.has('unit.yaml')) await rm(join(unitFolder, `unit.yaml${trialSuffix}`), { force: true });
    // unit.yaml last: it names the others.
    const names = [...files.keys()].sort((a, b) => Number(a === 'unit.yaml') - Number(b === 'unit.yaml'));
    for (const name of names) await writeText(join(unitFolder, name), files.get(name) ?? '', { mode: 0o600 });
    for (const name of names) await wipe(configFolder, name);
    await rm(join(configFolder, problemNote), { force: true }).catch(() => undefined);
    const done = dosText(doneText(unit, site.name, names));
    await writeFile(join(configFolder, doneNote), done).catch(() => undefined);
    return names;
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** What earlier starts that were cut off have left. */
async function removeLeftovers(configFolder: string | undefined, unitFolder: string): Promise<void> {
  const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
  if (configFolder !== undefined)
    for (const name of (await namesIn(configFolder)).filter(isGone))
      await overwrite(join(configFolder, name));
  for (const name of (await namesIn(unitFolder)).filter(isBrokenOff))
    await rm(join(unitFolder, name), { force: true });
}

async function readConfig(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile() && isUnitFile(entry.name)).map(({ name }) => name);
  if (names.length > configFilesMax) {
    const advice = 'Leave only the files of one unit there.';
    throw new Failure(
      'CONFIG_INVALID',
      `${names.length} files on CONFIG, expected at most ${configFilesMax}`,
      { advice },
    );
  }
  return readAll(folder, names);
}

/** The settings that are there already; not what the unit keeps, which is in a folder of its own. */
async function readUnitFolder(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isFile() && isUnitFile(entry.name)).map(({ name }) => name);
  return readAll(folder, names.slice(0, configFilesMax));
}

async function readAll(folder: string, names: readonly string[]): Promise<Map<string, string>> {
  const advice = 'Only settings and keys belong there, as text.';
  const texts = new Map<string, string>();
  for (const name of names) {
    const text = await readText(join(folder, name), { bytesMax: configFileBytesMax, advice });
    // Editors of other systems end lines in their own way, or begin with a mark.
    texts.set(name, text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'));
  }
  return texts;
}

/** The settings in a folder, with everything they name, as the unit will read them. */
async function checkedUnit(folder: string, role: UnitRole | undefined): Promise<UnitConfig> {
  const path = join(folder, 'unit.yaml');
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there)
    throw new Failure('FILE_MISSING', 'this unit has no settings: there is no unit.yaml', {
      advice: flashAgain,
    });
  const config = await loadUnitConfig(path).catch((thrown: unknown) => {
    if (!(thrown instanceof Failure)) throw thrown;
    const lines = thrown.message.split('\n').map((line) => `unit.yaml: ${line}`);
    throw new Failure(thrown.code, lines.join('\n'), { advice: thrown.advice, cause: thrown });
  });
  if (role !== undefined && config.role !== role) {
    const advice = `Flash the image for a ${config.role}, or give this one the settings of a ${role}.`;
    throw new Failure(
      'CONFIG_INVALID',
      `unit.yaml: role: expected ${role}, as this image is for, got ${config.role}`,
      { advice },
    );
  }
  await loadIdentity(config).catch((thrown: unknown) => {
    if (!(thrown instanceof Failure)) throw thrown;
    // Where the files lie while they are checked helps nobody.
    const message = thrown.message.replaceAll(`${folder}/`, '');
    throw new Failure(thrown.code, message, { advice: flashAgain, cause: thrown });
  });
  await networkOf(folder);
  return config;
}

async function networkOf(folder: string): Promise<ReturnType<typeof parseNetworkFile>> {
  const path = join(folder, 'network.yaml');
  const advice = 'Put it on CONFIG again, or leave it out.';
  const text = await readText(path, { bytesMax: networkFileBytesMax, advice }).catch((thrown: unknown) => {
    if (thrown instanceof Failure && thrown.code === 'FILE_MISSING') return '';
    throw thrown;
  });
  try {
    return parseNetworkFile(text);
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    const lines = thrown.message.split('\n').map((line) => `network.yaml: ${line}`);
    throw new Failure(thrown.code, lines.join('\n'), { advice: thrown.advice, cause: thrown });
  }
}

async function writeNetwork({ unitFolder, runFolder, wireless }: FirstBootOptions): Promise<void> {
  const settings = await networkOf(unitFolder);
  for (const { path, text, mode } of networkTexts(settings, wireless[0] ?? 'wlan0')) {
    const file = join(runFolder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text, { mode });
  }
}

async function wipe(folder: string, name: string): Promise<void> {
  const gone = join(folder, goneName(name));
  await rename(join(folder, name), gone);
  await overwrite(gone);
}

/** Overwrites a file before it is removed, so that its blocks do not keep a key. */
async function overwrite(path: string): Promise<void> {
  {
    await using file = await open(path, 'r+');
    const { size } = await file.stat();
    await file.write(randomBytes(size), 0, size, 0);
    await file.sync();
  }
  await unlink(path);
}

/** Best effort: it is one of two ways to tell. */
async function leaveNote(folder: string | undefined, thrown: unknown): Promise<void> {
  if (folder === undefined) return;
  const advice = thrown instanceof Failure ? thrown.advice : 'This is a bug: please report it.';
  const text = dosText(problemText(messageOf(thrown).split('\n'), advice));
  await writeFile(join(folder, problemNote), text).catch(() => undefined);
}

/** The editors of some computers show one long line otherwise. */
function dosText(text: string): string {
  return text.replaceAll('\n', '\r\n');
}

/** Wireless interfaces, by name. */
export async function wirelessInterfaces(root = '/'): Promise<string[]> {
  const folder = join(root, 'sys/class/net');
  const names = await readdir(folder).catch(() => []);
  const wireless = await Promise.all(
    names.map((name) =>
      access(join(folder, name, 'wireless')).then(
        () => name,
        () => undefined,
      ),
    ),
  );
  return wireless.filter((name) => name !== undefined).sort();
}

/** What an image says of itself; undefined on a machine that was not flashed. */
export async function imageFacts(root = '/'): Promise<{ role: UnitRole; config: string } | undefined> {
  const path = join(root, 'usr/lib/starling/image.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as { role: UnitRole; config: string });
}
