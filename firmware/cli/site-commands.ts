/**
 * The commands that make a site and its units: `starling site init`, `enroll` and `list`.
 *
 * Data goes to stdout (one JSON document with `--json`), everything meant for the eye alone to stderr. Failures are
 * thrown to whoever runs the program.
 */
import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { Failure } from '../base/failure.ts';
import type { UnitRecord } from '../config/enrollment.ts';
import { formatSourceSpec, parseSourceSpec } from '../config/source-spec.ts';
import type { CameraDocument } from '../config/unit-config.ts';
import { enrollUnit, initSite, listUnits } from '../io/site-folder.ts';
import { type UnitRole, unitRoles } from '../site/identity.ts';

interface EnrollOptions {
  readonly unit: string;
  readonly role: UnitRole;
  readonly camera?: readonly string[];
  readonly source?: readonly string[];
  readonly seed?: readonly string[];
  readonly advertise?: readonly string[];
  readonly out?: string;
  readonly json?: true;
}

/** Adds `site` with its subcommands to the program. */
export function addSiteCommands(program: Command): void {
  const site = program.command('site').description('make a site and the units that belong to it');
  addInit(site);
  addEnroll(site);
  addList(site);
}

function addInit(site: Command): void {
  site
    .command('init')
    .description('make a new site: its authority, and the key by which its units find each other')
    .argument('<dir>', 'folder for the site; keep it safe, whoever has it can make units')
    .option('--name <name>', "name of the site (default: the folder's name)")
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  starling site init ./home --name home')
    .action(async (dir: string, options: { name?: string; json?: true }) => {
      const folder = resolve(dir);
      const name = options.name ?? basename(folder);
      await initSite(folder, name);
      printData(options.json, { site: name, folder }, folder);
      tell(`Site ${name} is made. Next, enroll a server and a camera:`);
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
    .option('--out <folder>', 'where the files go (default: DIR/units/ID)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  starling site enroll ./home --unit cam-1 --role camera --source /dev/video0',
    )
    .action(async (dir: string, options: EnrollOptions) => {
      const { unit, role, seed: seeds = [], advertise = [] } = options;
      const folder = resolve(options.out ?? join(dir, 'units', unit));
      const overrides = advertise.length === 0 ? {} : { link: { advertise: [...advertise] } };
      await enrollUnit(dir, { unit, role, cameras: camerasOf(options), seeds, overrides }, folder);
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
