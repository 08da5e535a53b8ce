/**
 * A site on disk: the folder of the person who makes its units.
 *
 *     site.yaml        name of the site; written last, so a folder without it is half-made
 *     ca.crt, ca.key   the authority; whoever holds ca.key can make units
 *     seal.key         what every unit needs to find the others
 *     first-admin.yaml who may sign in first; no secret in the clear, and need not be there
 *     units/ID.yaml    one record for each enrolled unit
 *     units/ID/        a unit's own files, unless another folder is named
 *
 * Invariants: files are written whole or not at all, secrets with mode 0600; a unit's record is written after its
 * files, so that a unit on record is complete; of a record nothing is ever replaced but the names of its page.
 */
import { randomBytes } from 'node:crypto';
import { access, mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { Failure, messageOf } from '../base/failure.ts';
import { isId } from '../base/ids.ts';
import {
  type Enrollment,
  recordOf,
  refuseTakenIds,
  type UnitRecord,
  unitDocument,
  unitRecord,
} from '../config/enrollment.ts';
import { id, section } from '../config/fields.ts';
import { problemLines } from '../config/problems.ts';
import { parseUnitConfig, type UnitConfig } from '../config/unit-config.ts';
import { createSiteAuthority, issueUnitCertificate, type SiteAuthority } from '../site/certificates.ts';
import { createSealKey, formatSealKeys, parseSealKeys } from '../site/seal-keys.ts';
import { checkKeyPair } from './key-pair.ts';
import { writePageCertificate } from './page-issue.ts';
import { hasErrno, readText, writeText } from './text-files.ts';

const siteFile = section({ version: z.literal(1, { error: 'expected 1' }), name: id });
const siteParts = ['units', 'ca.key', 'ca.crt', 'seal.key', 'site.yaml'];
const fileBytesMax = 64 * 1024;
const restore = 'Restore the site folder from a copy.';
const secret = { mode: 0o600 };
const firstAdminFile = 'first-admin.yaml';

/** A site that is complete. */
export interface OpenSite {
  readonly authority: SiteAuthority;
  readonly sealKeyText: string;
  readonly firstAdminText: string | undefined;
  /** enrolled units, by id */
  readonly units: readonly UnitRecord[];
}

/**
 * Makes the site `name` (an id) in `folder`, which may exist; `firstAdminText` says who may sign in first. Throws the Failures SITE_EXISTS, SITE_INVALID (the
 * remains of an attempt that did not finish), USAGE (a malformed name) and FILE_IO.
 */
export async function initSite(folder: string, name: string, firstAdminText?: string): Promise<void> {
  if (!isId(name)) {
    const advice = 'Use a lower case letter or digit, then up to 31 of those and hyphens.';
    throw new Failure('USAGE', `${JSON.stringify(name)} cannot name a site`, { advice });
  }
  const missing = await missingParts(folder);
  if (missing.length === 0) {
    const advice = 'Enroll units into it with `starling site enroll`, or choose another folder.';
    throw new Failure('SITE_EXISTS', `${folder} already holds a site`, { advice });
  }
  if (missing.length < siteParts.length) throw halfMade(folder, missing);

  const authority = await createSiteAuthority(name);
  await makeFolder(join(folder, 'units'));
  await writeText(join(folder, 'ca.key'), authority.key, secret);
  await writeText(join(folder, 'ca.crt'), authority.certificate);
  await writeText(join(folder, 'seal.key'), formatSealKeys([createSealKey(randomBytes)]), secret);
  if (firstAdminText !== undefined) await writeText(join(folder, firstAdminFile), firstAdminText, secret);
  await writeText(join(folder, 'site.yaml'), stringify({ version: 1, name }));
}

/**
 * Makes a unit: its settings, certificate, key and all else it needs in `outFolder`, and its record in the site.
 * Returns the settings as the unit will read them.
 *
 * Throws the Failures CONFIG_INVALID (settings out of bounds), USAGE (an id that is taken, a folder in use), and what
 * `listUnits` throws; then nothing was written.
 */
export async function enrollUnit(
  siteFolder: string,
  enrollment: Enrollment,
  outFolder: string,
): Promise<UnitConfig> {
  const { authority, sealKeyText, firstAdminText, units } = await openSite(siteFolder);
  const document = unitDocument(authority.site, enrollment, units);
  const text = `# What is not set here has its default.\n${stringify(document)}`;
  const config = parseUnitConfig(text, resolve(outFolder));
  const names = enrollment.names ?? [];
  const record = { ...recordOf(config), ...(names.length === 0 ? {} : { names: [...names] }) };
  refuseTakenIds(record, units);
  await refuseUsedFolder(outFolder);

  const { certificate, key } = await issueUnitCertificate(authority, record);
  await makeFolder(outFolder);
  await writeText(join(outFolder, 'ca.crt'), authority.certificate);
  await writeText(join(outFolder, 'seal.key'), sealKeyText, secret);
  await writeText(join(outFolder, 'unit.key'), key, secret);
  await writeText(join(outFolder, 'unit.crt'), certificate);
  if (record.role === 'server') {
    if (firstAdminText !== undefined)
      await writeText(join(outFolder, firstAdminFile), firstAdminText, secret);
    await writePageCertificate(authority, { unit: record.unit, names, folder: outFolder });
  }
  await writeText(join(outFolder, 'unit.yaml'), text);
  await writeRecord(siteFolder, record);
  return config;
}

/**
 * The site's name and its enrolled units, by id. Throws the Failures FILE_MISSING (no site there), SITE_INVALID
 * (half-made or damaged) and FILE_IO.
 */
export async function listUnits(siteFolder: string): Promise<{ site: string; units: readonly UnitRecord[] }> {
  const { authority, units } = await openSite(siteFolder);
  return { site: authority.site, units };
}

/** Reads a site. Throws what `listUnits` throws. */
export async function openSite(folder: string): Promise<OpenSite> {
  const missing = await missingParts(folder);
  if (missing.length === siteParts.length) {
    const advice = 'Make one with `starling site init`, or give the folder of a site.';
    throw new Failure('FILE_MISSING', `${folder} holds no site`, { advice });
  }
  if (missing.length > 0) throw halfMade(folder, missing);

  const { name } = await readDocument(join(folder, 'site.yaml'), siteFile);
  const certificatePath = join(folder, 'ca.crt');
  const keyPath = join(folder, 'ca.key');
  const certificate = await readSiteFile(certificatePath);
  const key = await readSiteFile(keyPath);
  checkKeyPair({ path: certificatePath, pem: certificate }, { path: keyPath, pem: key }, restore);
  const sealKeyText = await readSiteFile(join(folder, 'seal.key'));
  const sealKeys = parseSealKeys(sealKeyText);
  if (!sealKeys.ok) throw damaged(join(folder, 'seal.key'), sealKeys.reason);
  const units = await readRecords(join(folder, 'units'));
  const adminPath = join(folder, firstAdminFile);
  const firstAdminText = (await exists(adminPath)) ? await readSiteFile(adminPath) : undefined;
  return { authority: { site: name, certificate, key }, sealKeyText, firstAdminText, units };
}

async function missingParts(folder: string): Promise<string[]> {
  const there = await Promise.all(siteParts.map((part) => exists(join(folder, part))));
  return siteParts.filter((_, index) => there[index] !== true);
}

async function readRecords(folder: string): Promise<UnitRecord[]> {
  const names = (await readdir(folder)).filter((name) => /^[^.]+\.yaml$/.test(name)).sort();
  return Promise.all(names.map((name) => readDocument(join(folder, name), unitRecord)));
}

/** Gives an enrolled unit's record other names of its page. */
export async function replaceNames(
  siteFolder: string,
  record: UnitRecord,
  names: readonly string[],
): Promise<void> {
  await writeText(join(siteFolder, 'units', `${record.unit}.yaml`), stringify({ ...record, names }));
}

async function writeRecord(siteFolder: string, record: UnitRecord): Promise<void> {
  try {
    await writeText(join(siteFolder, 'units', `${record.unit}.yaml`), stringify(record), { exclusive: true });
  } catch (cause) {
    if (!hasErrno(cause, 'EEXIST')) throw cause;
    const advice =
      'Another enrollment of this id came first: remove the folder just written and choose another id.';
    throw new Failure('USAGE', `unit ${record.unit} is enrolled already`, { advice, cause });
  }
}

async function refuseUsedFolder(folder: string): Promise<void> {
  if (!(await exists(join(folder, 'unit.yaml')))) return;
  const advice = 'Choose another folder, or remove this one if its unit is not wanted.';
  throw new Failure('USAGE', `${folder} already holds a unit`, { advice });
}

async function readDocument<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> {
  const document = await parseDocument(path);
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw damaged(path, problemLines(parsed.error, document).join('; '));
}

async function parseDocument(path: string): Promise<unknown> {
  const text = await readSiteFile(path);
  try {
    return parse(text);
  } catch (cause) {
    throw damaged(path, messageOf(cause), cause);
  }
}

function readSiteFile(path: string): Promise<string> {
  return readText(path, { bytesMax: fileBytesMax, advice: restore });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    const advice = 'Choose another folder, or check the permissions of this one.';
    throw new Failure('FILE_IO', `cannot make the folder ${path}: ${messageOf(cause)}`, { advice, cause });
  }
}

function halfMade(folder: string, missing: readonly string[]): Failure {
  const advice =
    'Remove what is left there and make the site again; if units were enrolled, restore it from a copy.';
  return new Failure('SITE_INVALID', `${folder} holds half a site: ${missing.join(', ')} missing`, {
    advice,
  });
}

function damaged(path: string, reason: string, cause?: unknown): Failure {
  return new Failure('SITE_INVALID', `${path}: ${reason}`, {
    advice: restore,
    cause,
  });
}
