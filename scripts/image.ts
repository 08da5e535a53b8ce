/**
 * `npm run image`: makes the image of a board for a role, ready for `npm run flash` or an emulator. Needs root.
 *
 *     npm run image -- --board generic-x86 --role server [--out FILE]
 *     npm run image -- --board virtual --role camera --site ./home --unit cam-1     with the settings of one unit in it
 *
 * Beside FILE: FILE.json (manifest: what to write, checksums, kernel command line), FILE.vmlinuz and FILE.initrd. With
 * `--zstd` FILE.zst takes the place of FILE. Progress goes to stderr; stdout gets FILE, or one JSON document with `--json`.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { Failure } from '../firmware/base/failure.ts';
import { runCommand } from '../firmware/cli/exit-codes.ts';
import { unitRoles } from '../firmware/site/identity.ts';
import { buildImage, type ImageRequest } from './image/build-image.ts';
import { Stages } from './image/stages.ts';

const tree = dirname(dirname(fileURLToPath(import.meta.url)));

interface Flags extends Omit<ImageRequest, 'tree' | 'out'> {
  readonly out?: string;
  readonly json?: true;
}

const program = new Command('npm run image --')
  .description('make the image of a board for a role')
  .requiredOption('--board <id>', 'a folder of boards/')
  .addOption(new Option('--role <role>', 'what the unit does').choices(unitRoles).makeOptionMandatory())
  .option('--out <file>', 'the image (default: artefacts/images/BOARD-ROLE.img)')
  .option('--site <dir>', 'site from which the image gets the settings of one unit, instead of at flashing')
  .option('--unit <name>', 'that unit; enrolled if it is new')
  .option('--package <name...>', 'further Debian packages')
  .option('--ssh', 'with an SSH server, which lets in only keys that are given at flashing')
  .option('--zstd', 'compress the image')
  .option('--rebuild', 'make the root anew, even if the cache has it')
  .option('--json', 'print JSON')
  .exitOverride()
  .action(async (flags: Flags) => {
    const { json, out, ...request } = flags;
    if (process.getuid?.() !== 0) {
      const advice = 'Run it as root: sudo npm run image -- …';
      throw new Failure('ACCESS_DENIED', 'an image holds files of root, and is mounted while it is made', {
        advice,
      });
    }
    const file = resolve(out ?? join(tree, 'artefacts', 'images', `${request.board}-${request.role}.img`));
    mkdirSync(dirname(file), { recursive: true });
    if (existsSync(file) && out !== undefined) process.stderr.write(`${file} is replaced\n`);
    const stages = new Stages({ quiet: false });
    const made = await buildImage({ ...request, tree, out: file }, stages);
    process.stdout.write(
      json === true ? `${JSON.stringify({ ...made, stages: stages.times })}\n` : `${made.file}\n`,
    );
    if (json !== true)
      process.stderr.write(
        `Next: npm run flash -- --image ${made.file} --device /dev/sdX --unit NAME --site DIR\n`,
      );
  });

await runCommand(() => program.parseAsync());
