/**
 * What an image has on top of its cached root: the firmware, the files below boards/, and what follows from the board:
 * fstab, the watchdog, kernel modules, which units start.
 *
 * The root is read-only when it runs: whatever changes is on `data`, in /run, or in a /var that lives in memory.
 */
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { checkAddons, copyFirmware } from './firmware-files.ts';
import { type Layout, partitionNamed } from './layout.ts';
import type { Recipe } from './recipe.ts';

export interface RootOptions {
  /** the source tree */
  readonly tree: string;
  /** where the root of the image is mounted */
  readonly root: string;
  readonly recipe: Recipe;
  readonly layout: Layout;
}

/** Completes a root. Throws the Failures FILE_MISSING and FILE_IO. */
export async function completeRoot({ tree, root, recipe, layout }: RootOptions): Promise<void> {
  const { board, image, role } = recipe;
  for (const path of recipe.remove.flatMap((pattern) => matching(root, pattern)))
    rmSync(path, { recursive: true });
  const boards = join(tree, 'boards');
  const ssh = recipe.ssh ? [join('common', 'ssh')] : [];
  for (const folder of [join('common', 'root'), join('common', role), ...ssh, join(board.id, 'root')]) {
    const source = join(boards, folder);
    if (existsSync(source)) cpSync(source, root, { recursive: true, verbatimSymlinks: true });
  }
  await copyFirmware({ tree, board, target: join(root, 'opt', 'starling') });
  await checkAddons(root, role);
  for (const folder of ['data', 'volumes']) mkdirSync(join(root, folder), { recursive: true });

  const write = (path: string, text: string): void => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    rmSync(file, { force: true });
    writeFileSync(file, text);
  };
  write('etc/fstab', fstab(layout));
  write('etc/hostname', 'starling\n');
  write(
    'etc/hosts',
    '127.0.0.1\tlocalhost\n127.0.1.1\tstarling\n::1\tlocalhost ip6-localhost ip6-loopback\n',
  );
  // Empty: each start has an id of its own, as nothing may be written. The unit has its own identity.
  write('etc/machine-id', '');
  const data = partitionNamed(layout, 'data');
  const config = partitionNamed(layout, 'CONFIG');
  write('usr/lib/starling/layout', `DATA_NUMBER=${data.number}\nCONFIG_PARTUUID=${config.partUuid}\n`);
  write(
    'usr/lib/starling/image.json',
    `${JSON.stringify({ board: board.id, role, config: config.partUuid })}\n`,
  );
  write('etc/systemd/system/starling.service.d/board.conf', serviceLimits(recipe));
  writeModules(image.modules, write);
  const { watchdog } = board;
  if (watchdog !== undefined) write('etc/systemd/system.conf.d/watchdog.conf', watchdogConfig(watchdog));
  link(root, 'etc/starling', '/data/starling');
  link(root, 'etc/resolv.conf', '/run/systemd/resolve/stub-resolv.conf');
  enableUnits(root, recipe);
  lockAccounts(root);
}

/** The paths below `root` that fit a pattern, in which `*` stands for anything within a name. */
export function matching(root: string, pattern: string): string[] {
  return pattern.split('/').reduce<string[]>(
    (folders, part) => {
      const wanted = new RegExp(
        `^${part
          .split('*')
          .map((text) => text.replaceAll(/[.+^$(){}|[\]\\?]/g, '\\$&'))
          .join('.*')}$`,
      );
      return folders.flatMap((folder) => {
        const names =
          lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(folder) : [];
        return names.filter((name) => wanted.test(name)).map((name) => join(folder, name));
      });
    },
    [root],
  );
}

function fstab(layout: Layout): string {
  const root = partitionNamed(layout, 'root-a').partUuid;
  return [
    '# By the id of this image, so that no other disk with the same label is taken for its own. /usr/lib/starling/prepare-disk\n# mounts /data.',
    `PARTUUID=${root} / ext4 ro,noatime 0 1`,
    'tmpfs /var tmpfs mode=0755,nosuid,nodev,size=25% 0 0',
    'tmpfs /tmp tmpfs mode=1777,nosuid,nodev,size=25% 0 0',
    'tmpfs /volumes tmpfs mode=0755,nosuid,nodev,noexec,size=64k 0 0',
    '',
  ].join('\n');
}

function serviceLimits({ board }: Recipe): string {
  const { nodeMb } = board.memory;
  return `[Service]\nEnvironment=NODE_OPTIONS=--max-old-space-size=${nodeMb}\n`;
}

/** A watchdog that is not there is no trouble: systemd says so once. */
function watchdogConfig({ path, seconds }: { path: string; seconds: number }): string {
  return `[Manager]\nWatchdogDevice=${path}\nRuntimeWatchdogSec=${seconds}s\nRebootWatchdogSec=5min\n`;
}

/** Each entry is a module, perhaps with its options. */
function writeModules(modules: readonly string[], write: (path: string, text: string) => void): void {
  if (modules.length === 0) return;
  const names = modules.map((line) => line.split(' ')[0] ?? line);
  const options = modules.filter((line) => line.includes(' ')).map((line) => `options ${line}\n`);
  write('etc/modules-load.d/board.conf', `${names.join('\n')}\n`);
  write('etc/modprobe.d/board.conf', options.join(''));
}

function enableUnits(root: string, { enable, mask, board }: Recipe): void {
  const ports = [board.console, board.console?.second].flatMap((port) =>
    port === undefined ? [] : [port.path],
  );
  const consoles = ports.map((path) => `starling-console@${basename(path)}.service`);
  const console = join(root, 'etc/systemd/system/starling-console@.service');
  for (const unit of [...enable, ...(existsSync(console) ? consoles : [])]) {
    const file = unit.replace(/@.*\./, '@.');
    const home = ['etc/systemd/system', 'usr/lib/systemd/system', 'lib/systemd/system'].find((folder) =>
      existsSync(join(root, folder, file)),
    );
    if (home === undefined)
      throw new Error(`there is no unit ${file} to enable: see boards/common/image.yaml`);
    const target = unit === 'starling-disk.service' ? 'local-fs.target' : 'multi-user.target';
    link(root, `etc/systemd/system/${target}.wants/${unit}`, `/${home}/${file}`);
  }
  for (const unit of mask) link(root, `etc/systemd/system/${unit}`, '/dev/null');
}

/** Nobody can log in: root has no password that would match, and there is nobody else. */
function lockAccounts(root: string): void {
  const file = join(root, 'etc', 'shadow');
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/^root:[^:]*:/, 'root:!*:'));
  writeFileSync(file, lines.join('\n'), { mode: 0o640 });
}

function link(root: string, path: string, target: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true && readlinkSync(file) === target)
    return;
  rmSync(file, { recursive: true, force: true });
  symlinkSync(target, file);
}
