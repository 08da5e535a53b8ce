/**
 * The root file systems that images are made from, without the firmware: made by mmdebstrap once for each recipe and kept
 * as ext4 images in a cache, because that takes from one minute (amd64) to ten (arm64 on a PC).
 *
 * Invariant: a file that has its final name is whole. The cache is a folder of plain files; any may be removed.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../../firmware/base/failure.ts';
import { withLock } from './cache-lock.ts';
import type { Recipe } from './recipe.ts';
import { runTool } from './run-tool.ts';

/** Documentation that nobody reads on a unit: a fifth of the root. */
const leftOut = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/info/*',
  '/usr/share/lintian/*',
];

/** Where the cached roots are. */
export function cacheFolder(): string {
  const folder =
    process.env['STARLING_IMAGE_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'starling');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The cached root of this recipe; undefined when there is none, or none that was made after `sinceMs`. */
export function cachedRoot(recipe: Recipe, sinceMs = 0): string | undefined {
  const path = rootPath(recipe);
  if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? -1) < sinceMs) return undefined;
  const now = new Date();
  utimesSync(path, now, now);
  return path;
}

/** Makes the root and puts it into the cache; resolves with its path; tells what it is at. Throws the Failure FILE_IO. */
export async function makeRoot(recipe: Recipe, tell: (step: string) => void): Promise<string> {
  const { architecture } = recipe.board;
  const since = Date.now();
  refuseMissingKeys(recipe);
  await refuseForeignArchitecture(architecture);
  return withLock(`${rootPath(recipe)}.lock`, async () => cachedRoot(recipe, since) ?? makeNow(recipe, tell));
}

async function makeNow(recipe: Recipe, tell: (step: string) => void): Promise<string> {
  const work = mkdtempSync(join(cacheFolder(), 'making-'));
  const tree = join(work, 'root');
  const file = join(work, 'root.ext4');
  try {
    // In a namespace of its own: what it mounts in the tree is gone with it, whatever happens, before anything is removed.
    const command = ['--mount', '--propagation=private', 'mmdebstrap', ...debstrapArguments(recipe, tree)];
    const onLine = (line: string): void => {
      const step = /^I: (.*)/.exec(line)?.[1];
      if (step !== undefined) tell(step);
    };
    await runTool('unshare', command, { onLine, env: { DEBIAN_FRONTEND: 'noninteractive' } });
    await makeFileSystem(tree, file);
    renameSync(file, rootPath(recipe));
    return rootPath(recipe);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** As small as it may be; it grows into its partition. No journal: it is never written to. */
async function makeFileSystem(tree: string, file: string): Promise<void> {
  const megabytes = Number((await runTool('du', ['--summarize', '--block-size=1M', tree])).split('\t')[0]);
  const size = Math.ceil(megabytes * 1.08) + 48;
  const features = ['-O', '^has_journal', '-E', 'lazy_itable_init=0', '-m', '0', '-i', '16384'];
  await runTool('mkfs.ext4', ['-q', '-L', 'root-a', ...features, '-d', tree, file, `${size}M`]);
}

function rootPath({ key, board, role }: Recipe): string {
  return join(cacheFolder(), `root-${board.architecture}-${role}-${key}.ext4`);
}

function debstrapArguments({ board, image, packages, sources }: Recipe, tree: string): string[] {
  return [
    `--architectures=${board.architecture}`,
    '--variant=minbase',
    '--mode=root',
    '--format=directory',
    `--include=${packages.join(',')}`,
    ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
    // It is made anew if the power goes.
    '--dpkgopt=force-unsafe-io',
    // Any machine of this kind must start from it; a watchdog that hangs is worse than a slow start.
    '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/kernel"',
    '--essential-hook=printf "MODULES=most\\nCOMPRESS=zstd\\nRESUME=none\\n" > "$1/etc/initramfs-tools/conf.d/starling"',
    // What knows one machine must not be the same on all.
    '--customize-hook=rm -rf "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id "$1"/var/lib/systemd/random-seed',
    '--customize-hook=rm -rf "$1"/var/cache/* "$1"/var/log/*',
    image.suite,
    tree,
    ...sources.map(({ place, key }) => `deb ${key === undefined ? '' : `[signed-by=${key}] `}${place}`),
  ];
}

function refuseMissingKeys({ sources }: Recipe): void {
  for (const { place, key } of sources) {
    if (key === undefined || existsSync(key)) continue;
    const advice = 'boards/common/README.md says where to get it.';
    throw new Failure('FILE_MISSING', `the key of the packages of ${place} is missing: ${key}`, { advice });
  }
}

/** Programs of another processor run by qemu-user: the kernel has to know. */
async function refuseForeignArchitecture(architecture: string): Promise<void> {
  const own = process.arch === 'x64' ? 'amd64' : process.arch;
  if (own === architecture) return;
  const cpu = { arm64: 'aarch64', amd64: 'x86_64' }[architecture] ?? architecture;
  const entry = `/proc/sys/fs/binfmt_misc/qemu-${cpu}`;
  if (!existsSync('/proc/sys/fs/binfmt_misc/register'))
    await runTool('mount', ['-t', 'binfmt_misc', 'binfmt_misc', '/proc/sys/fs/binfmt_misc']).catch(() => '');
  if (!existsSync(entry)) await runTool('update-binfmts', ['--enable', `qemu-${cpu}`]).catch(() => '');
  if (existsSync(entry) && readFileSync(entry, 'utf8').startsWith('enabled')) return;
  throw new Failure('FILE_IO', `this machine cannot run programs for ${architecture}`, {
    advice: `On Debian, as root: apt-get install qemu-user-static binfmt-support arch-test && update-binfmts --enable qemu-${cpu}`,
  });
}
