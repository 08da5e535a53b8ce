/**
 * `starling first-boot`: what a flashed unit runs at every start before anything else. It mounts the partition CONFIG,
 * takes over what is there, names the machine, and says on the console what is wrong.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { messageOf } from '../base/failure.ts';
import { firstBoot, imageFacts, wirelessInterfaces } from '../io/first-boot.ts';

const run = promisify(execFile);
/** A card that does not answer must not keep the unit from starting with what it has. */
const mountMs = 20_000;

interface Flags {
  readonly config?: string;
  readonly unitFolder: string;
  readonly run: string;
  readonly hostname: boolean;
}

/** Adds `first-boot` to the program. */
export function addFirstBootCommand(program: Command): void {
  program
    .command('first-boot')
    .description('of a flashed unit, at every start: take over settings and keys from the partition CONFIG')
    .option('--config <folder>', 'where CONFIG is mounted (default: the partition of this image is mounted)')
    .option('--unit-folder <folder>', 'where settings and keys are kept', '/data/starling')
    .option('--run <folder>', 'where files for the network go', '/run')
    .option('--no-hostname', 'leave the name of the machine alone')
    .addHelpText('after', '\nExample:\n  starling first-boot')
    .action(async (flags: Flags) => {
      const facts = await imageFacts();
      await using mounted = await configFolder(flags, facts?.config);
      const { config, taken } = await firstBoot({
        configFolder: mounted.folder,
        unitFolder: flags.unitFolder,
        runFolder: flags.run,
        role: facts?.role,
        wireless: await wirelessInterfaces(),
      });
      if (flags.hostname) await writeFile('/proc/sys/kernel/hostname', config.unit);
      const what = taken.length === 0 ? '' : `, took over ${taken.join(', ')} from CONFIG`;
      process.stdout.write(`starling: ${config.role} ${config.unit} of site ${config.site.name}${what}\n`);
    });
}

interface MountedConfig extends AsyncDisposable {
  readonly folder: string | undefined;
}

/** CONFIG, mounted for as long as it is used. A unit that has its settings starts without it. */
async function configFolder(
  { config, run: runFolder }: Flags,
  partUuid: string | undefined,
): Promise<MountedConfig> {
  if (config !== undefined || partUuid === undefined)
    return { folder: config, [Symbol.asyncDispose]: () => Promise.resolve() };
  const folder = join(runFolder, 'starling', 'config');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const options = 'sync,nosuid,nodev,noexec,umask=0077,iocharset=ascii,utf8';
    const device = `/dev/disk/by-partuuid/${partUuid}`;
    await run('mount', ['-t', 'vfat', '-o', options, device, folder], { timeout: mountMs });
  } catch (thrown) {
    process.stderr.write(`starling: the partition CONFIG cannot be mounted: ${messageOf(thrown).trim()}\n`);
    return { folder: undefined, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  return {
    folder,
    [Symbol.asyncDispose]: async () => {
      await run('umount', [folder], { timeout: mountMs }).catch((error: unknown) => {
        process.stderr.write(`starling: ${messageOf(error)}\n`);
      });
    },
  };
}
