/**
 * The commands that make a site and its units: `starling site init`, `enroll` and `list`; those about the page's
 * certificates are in `site-page-commands.ts`.
 *
 * Data goes to stdout (one JSON document with `--json`), everything meant for the eye alone to stderr. Failures are
 * thrown to whoever runs the program.
 */
import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { createFirstAdmin } from '../access/first-admin.ts';
import { userNameAdvice } from '../access/user-name.ts';
import { Failure } from '../base/failure.ts';
import type { CameraDocument } from '../config/camera-section.ts';
import { isHost } from '../config/endpoint.ts';
import type { UnitOverrides, UnitRecord } from '../config/enrollment.ts';
import { formatSourceSpec, parseSourceSpec } from '../config/source-spec.ts';
import { enrollUnit, initSite, listUnits } from '../io/site-folder.ts';
import { type UnitRole, unitRoles } from '../site/identity.ts';
import { addSitePageCommands } from './site-page-commands.ts';

interface EnrollOptions {
  readonly unit: string;
  readonly role: UnitRole;
  readonly camera?: readonly string[];
  readonly source?: readonly string[];
  readonly seed?: readonly string[];
  readonly advertise?: readonly string[];
  readonly name?: readonly string[];
  readonly https?: string | true;
  readonly out?: string;
  readonly json?: true;
}

/** Adds `site` with its subcommands to the program. */
export function addSiteCommands(program: Command): void {
  const site = program.command('site').description('make a site and the units that belong to it');
  addInit(site);
  addEnroll(site);
  addList(site);
  addSitePageCommands(site);
}

interface InitOptions {
  readonly name?: string;
  readonly admin: string;
  readonly json?: true;
}

function addInit(site: Command): void {
  site
    .command('init')
    .description('make a new site: its authority, and the key by which its units find each other')
    .argument('<dir>', 'folder for the site; keep it safe, whoever has it can make units')
    .option('--name <name>', "name of the site (default: the folder's name)")
    .option('--admin <name>', 'who may sign in first; the password is printed this once', 'admin')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  starling site init ./home --name home')
    .action(async (dir: string, options: InitOptions) => {
      const folder = resolve(dir);
      const name = options.name ?? basename(folder);
      const admin = await createFirstAdmin(options.admin, Date.now());
      if (!admin.ok) throw usage(`--admin ${options.admin}: ${admin.reason}`, userNameAdvice);
      const { user, password, text } = admin.value;
      await initSite(folder, name, text);
      const data = { site: name, folder, admin: user, password };
      printData(options.json, data, `${folder}\nadmin: ${user}\npassword: ${password}`);
      tell(`Site ${name} is made. Keep the password: it is not written down anywhere.`);
      tell('Next, enroll a server and a camera:');
      tell(`  starling site enroll ${dir} --unit server-1 --role server`);
      tell(`  starling site enroll ${dir} --unit cam-1 --role camera`);
    });
}

function addEnroll(site: Command): void {
  site
    .command('enroll')
    .description('make one unit of a site: its settings, its certificate and its key, in one folder')
    .argument('<dir>', 'folder of the site')
    .requiredOption('--unit <id>', 'name of the unit, unique in the site')
    .addOption(new Option('--role <role>', 'what the unit does').choices(unitRoles).makeOptionMandatory())
    .option('--camera <id...>', 'names of its cameras, unique in the site (default: one, named as the unit)')
    .option('--source <spec...>', 'for each camera: test, /dev/videoN, file:PATH or the path of a media file')
    .option('--seed <host:port...>', 'servers that joins are sent to as well, with their UDP port')
    .option(
      '--advertise <host:port...>',
      'where others reach its links; a server becomes a seed of later units',
    )
    .option('--https [port]', 'of a server: its page over HTTPS for other machines (default port: 8443)')
    .option('--name <host...>', 'of a server: names and addresses by which browsers reach it, besides its id')
    .option('--out <folder>', 'where the files go (default: DIR/units/ID)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  starling site enroll ./home --unit cam-1 --role camera --source /dev/video0',
    )
    .action(async (dir: string, options: EnrollOptions) => {
      const { unit, role, seed: seeds = [], advertise = [] } = options;
      const folder = resolve(options.out ?? join(dir, 'units', unit));
      const link = advertise.length === 0 ? {} : { link: { advertise: [...advertise] } };
      const overrides = { ...link, ...pageSettings(options) };
      const names = options.name ?? [];
      await enrollUnit(dir, { unit, role, cameras: camerasOf(options), seeds, names, overrides }, folder);
      const settings = join(folder, 'unit.yaml');
      printData(options.json, { unit, role, folder, settings }, settings);
      tell(`Unit ${unit} is enrolled. Next, copy ${folder} to the unit and there run:`);
      tell(
        `  starling run --config ${options.out === undefined ? settings : join(options.out, 'unit.yaml')}`,
      );
    });
}

function addList(site: Command): void {
  site
    .command('list')
    .description('list the units of a site')
    .argument('<dir>', 'folder of the site')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  starling site list ./home')
    .action(async (dir: string, options: { json?: true }) => {
      const { site: name, units } = await listUnits(dir);
      printData(options.json, { site: name, units }, units.map(unitLine).join('\n'));
      if (units.length > 0) return tell(`${units.length} in site ${name}`);
      tell(`Site ${name} has no units yet. Next, enroll one:`);
      tell(`  starling site enroll ${dir} --unit server-1 --role server`);
    });
}

/** The cameras asked for; sources belong to them by place. Throws the Failure USAGE. */
function camerasOf({ unit, role, camera = [], source = [] }: EnrollOptions): CameraDocument[] {
  if (role === 'server') {
    if (camera.length + source.length === 0) return [];
    throw usage('a server has no cameras', 'Leave out --camera and --source, or enroll a camera.');
  }
  const ids = camera.length > 0 ? camera : [unit];
  if (source.length > ids.length) {
    throw usage(
      `${source.length} sources for ${ids.length} cameras`,
      'Name a camera for each source with --camera.',
    );
  }
  return ids.map((id, place) => {
    const text = source[place];
    return text === undefined ? { id } : { id, source: sourceFromHere(text) };
  });
}

/** The page over HTTPS with the certificate that is issued with the unit. Throws the Failure USAGE. */
function pageSettings({ role, https, name = [] }: EnrollOptions): Pick<UnitOverrides, 'server'> {
  if (role === 'camera' && (https !== undefined || name.length > 0)) {
    throw usage('a camera has no page', 'Leave out --https and --name, or enroll a server.');
  }
  const wrong = name.find((one) => !isHost(one));
  if (wrong !== undefined) {
    throw usage(
      `--name ${wrong} is neither a name nor an address`,
      'Write it as nvr.example.org or 10.0.0.5.',
    );
  }
  if (https === undefined) return {};
  const port = https === true ? {} : { port: Number(https) };
  return { server: { https: { ...port, certificate: 'page.crt', key: 'page.key', names: [...name] } } };
}

/** A path on the command line starts at the working folder, one in unit.yaml at the unit's folder. */
function sourceFromHere(text: string): string {
  const spec = parseSourceSpec(text);
  if (!spec.ok) throw usage(`--source ${text}: ${spec.reason}`, 'See `starling site enroll --help`.');
  const { value } = spec;
  return formatSourceSpec(value.kind === 'file' ? { kind: 'file', path: resolve(value.path) } : value);
}

function unitLine({ unit, role, cameras, link }: UnitRecord): string {
  return [unit, role, cameras.join(',') || '-', link ?? '-'].join('\t');
}

function usage(message: string, advice: string): Failure {
  return new Failure('USAGE', message, { advice });
}

function printData(json: true | undefined, data: object, text: string): void {
  const output = json === true ? JSON.stringify(data) : text;
  if (output !== '') process.stdout.write(`${output}\n`);
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}
